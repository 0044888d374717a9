//! The plugin that `docs/event-controller.md` shows works.

use std::{fs, process::Command};

use serde_json::{Value, json};

use crate::{Plugin, file, have};

/// The code blocks of this language.
fn blocks(language: &str) -> Vec<String> {
    let text = fs::read_to_string(file("docs/event-controller.md")).unwrap();
    let blocks = text.split("```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'));
    blocks.filter(|(first, _)| *first == language).map(|(_, block)| block.to_owned()).collect()
}

#[test]
fn plugin_of_the_guide_answers_as_the_guide_shows() {
    if !have(&["jq"]) {
        return;
    }
    let script = blocks("sh").into_iter().find(|block| block.starts_with("#!/bin/sh\n")).expect("hello.sh");
    let [request, answer] = &blocks("json")[..] else { panic!("one request, one answer") };
    let [request, answer] = [request, answer].map(|text| serde_json::from_str::<Value>(text).unwrap());
    let mut plugin = Plugin::start(Command::new("sh").args(["-c", &script]));
    let (message, level) = plugin.ask(&request["event"], &request["config"]);
    assert_eq!(answer, json!({"message": message, "level": level}));
}
