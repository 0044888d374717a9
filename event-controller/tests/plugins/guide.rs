//! Runs the plugin in `docs/event-controller.md`.

use std::process::Command;

use serde_json::{Value, json};
use testkit::repo_file;

use crate::{PluginProcess, are_installed};

/// Returns the code blocks in this language.
fn blocks(language: &str) -> Vec<String> {
    let text = repo_file("docs/event-controller.md");
    let blocks = text.split("```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'));
    blocks.filter(|(first, _)| *first == language).map(|(_, block)| block.to_owned()).collect()
}

#[test]
fn plugin_of_the_guide_responds_as_shown() {
    if !are_installed(&["jq"]) {
        return;
    }
    let script = blocks("sh").into_iter().find(|block| block.starts_with("#!/bin/sh\n")).expect("hello.sh");
    let [request, response] = &blocks("json")[..] else { panic!("one request, one response") };
    let [request, response] = [request, response].map(|text| serde_json::from_str::<Value>(text).unwrap());
    let mut plugin = PluginProcess::start(Command::new("sh").args(["-c", &script]));
    let (message, level) = plugin.request(&request["event"], &request["config"]);
    assert_eq!(response, json!({"message": message, "level": level}));
}
