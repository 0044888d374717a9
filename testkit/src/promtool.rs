//! Checks metrics and alert rules with Prometheus' promtool.

use std::{fs, io::Write, process::Command};

use crate::{Folder, process::find_program, repo};

/// Runs promtool in the folder of the repository. Without promtool (on the PATH or in `target/`) it prints a warning.
///
/// # Panics
/// promtool finds an error, or it is missing and `CI=true`.
pub fn run(arguments: &[&str]) {
    let built = Some(repo().join("target/promtool")).filter(|program| program.is_file());
    let Some(promtool) = find_program("promtool").or(built) else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "promtool is neither on the PATH nor in target/");
        // The test harness captures the output of eprintln.
        let _ = std::io::stderr().write_all(b"skipped: promtool is neither on the PATH nor in target/\n");
        return;
    };
    let done = Command::new(promtool).args(arguments).current_dir(repo()).output().expect("promtool can be started");
    let text = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    assert!(done.status.success(), "promtool {arguments:?}: {text}");
}

/// Checks that a page is valid OpenMetrics, like [`run`]. promtool can only import this format, so it does.
pub fn check_page(page: &str) {
    let folder = Folder::new("openmetrics");
    // An import needs samples with a timestamp.
    let line = |line: &str| if line.starts_with('#') { format!("{line}\n") } else { format!("{line} 1700000000\n") };
    let file = folder.join("page");
    fs::write(&file, page.lines().map(line).collect::<String>()).expect("a file can be written");
    let [file, data] = [file, folder.join("data")].map(|path| path.display().to_string());
    run(&["tsdb", "create-blocks-from", "openmetrics", &file, &data]);
}
