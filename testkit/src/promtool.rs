//! Prometheus' own checks of metrics and alert rules.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use crate::Folder;

/// Runs promtool with these arguments in this folder. Without promtool (on the PATH or as `target/promtool`) it only
/// says so, except in CI.
///
/// # Panics
/// promtool finds an error, or there is no promtool and `CI=true`.
pub fn run(arguments: &[&str], workspace: &Path) {
    let Some(promtool) = find(workspace) else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "there is no promtool on the PATH or in target/");
        // Not eprintln, which the test harness captures.
        let _ = std::io::stderr().write_all(b"skipped: there is no promtool on the PATH or in target/\n");
        return;
    };
    let done = Command::new(promtool).args(arguments).current_dir(workspace).output().expect("promtool can be started");
    let text = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    assert!(done.status.success(), "promtool {arguments:?}: {text}");
}

/// Checks that a page is valid OpenMetrics, by an import: promtool has no command that only checks this format.
///
/// # Panics
/// See [`run`].
pub fn check_page(page: &str, workspace: &Path) {
    let folder = Folder::new("openmetrics");
    // An import takes only samples with a time.
    let line = |line: &str| if line.starts_with('#') { format!("{line}\n") } else { format!("{line} 1700000000\n") };
    let file = folder.join("page");
    fs::write(&file, page.lines().map(line).collect::<String>()).expect("a file can be written");
    let [file, data] = [file, folder.join("data")].map(|path| path.display().to_string());
    run(&["tsdb", "create-blocks-from", "openmetrics", &file, &data], workspace);
}

fn find(workspace: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([workspace.join("target")]);
    folders.map(|folder| folder.join("promtool")).find(|program| program.is_file())
}
