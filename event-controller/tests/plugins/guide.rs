//! What `docs/event-controller.md` and the README show is what works.

use std::{
    fs,
    process::{Command, Stdio},
};

use serde_json::Value;

use testkit::Folder;

use crate::{Plugin, file, have};

/// The blocks of this language.
fn blocks(path: &str, language: &str) -> Vec<String> {
    let text = fs::read_to_string(file(path)).unwrap();
    let blocks = text.split("```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'));
    blocks.filter(|(first, _)| *first == language).map(|(_, block)| block.to_owned()).collect()
}

#[test]
fn the_plugin_in_the_guide_answers_as_the_guide_says() {
    if !have(&["jq"]) {
        return;
    }
    const GUIDE: &str = "docs/event-controller.md";
    let script = blocks(GUIDE, "sh").into_iter().find(|block| block.starts_with("#!/bin/sh\n")).expect("hello.sh");
    let [request, answer] = &blocks(GUIDE, "json")[..] else { panic!("one request, one answer") };
    let [request, answer] = [request, answer].map(|text| serde_json::from_str::<Value>(text).unwrap());

    let mut plugin = Plugin::start(Command::new("sh").args(["-c", &script]));
    let (message, level) = plugin.ask(&request["event"], &request["config"]);
    assert_eq!(answer, serde_json::json!({"message": message, "level": level}));
}

#[test]
fn the_files_in_the_guide_and_the_readme_are_accepted() {
    let all = [blocks("docs/event-controller.md", "ini"), blocks("README.md", "ini")].concat();
    assert_eq!(all.len(), 3);
    let folder = Folder::new("guide");
    for ini in all {
        // They name python3, which need not be here.
        let path = folder.file("config.ini", &ini.replace("command = python3", "command = sh"));
        let mut watch = Command::new(env!("CARGO_BIN_EXE_demo-controller"));
        watch.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).stdin(Stdio::null());
        let shown = watch.args(["watch", "--show-config", "--config"]).arg(&path).output().unwrap();
        assert!(shown.status.success(), "{ini}: {}", String::from_utf8_lossy(&shown.stderr));
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.contains("sh …") && !shown.contains("T0/B0/secret"), "{shown}");
    }
}
