//! The five things to try.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::world::{Home, http};

/// What a learner would copy: the line below the title that begins so.
fn printed<'a>(page: &'a str, title: &str) -> &'a str {
    let mut lines = page.lines().skip_while(|line| !line.starts_with(title));
    lines.nth(1).unwrap_or_else(|| panic!("{title} is missing: {page}")).trim()
}

/// Does what a printed line does: with kubectl where there is one, with the request that it would make where not.
fn enter(command: &str, server: &str, kubeconfig: &Path) {
    let words: Vec<&str> = command.split_whitespace().collect();
    if let Some(kubectl) = kubectl().filter(|_| words[0] == "kubectl") {
        let path = [kubectl.parent().unwrap().into(), std::env::var_os("PATH").unwrap_or_default()];
        let path = path.map(|dirs| dirs.into_string().unwrap()).join(":");
        let mut shell = Command::new("sh");
        let done = shell.args(["-c", command]).env("PATH", path).env("KUBECONFIG", kubeconfig).output().unwrap();
        assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
        return;
    }
    let body = command.split('\'').nth(1).unwrap_or_default();
    let (method, paths) = match &words[..] {
        ["curl", "-X", method, url] => {
            let path = url.split_once(server).unwrap().1;
            let parts = path.trim_start_matches("/control/").trim_matches(['{', '}']).split(',');
            (*method, parts.map(|part| format!("/control/{part}")).collect())
        }
        ["kubectl", "delete", "secret", name, "-n", ns] => {
            ("DELETE", vec![format!("/api/v1/namespaces/{ns}/secrets/{name}")])
        }
        ["kubectl", "delete", "pod", "-n", ns, "--all"] => ("DELETE", vec![format!("/api/v1/namespaces/{ns}/pods")]),
        ["kubectl", "patch", "deployment", name, "-n", ns, ..] => {
            ("PATCH", vec![format!("/apis/apps/v1/namespaces/{ns}/deployments/{name}")])
        }
        other => panic!("what is {other:?}?"),
    };
    for path in paths {
        let (code, answer) = http(server, method, &path, body);
        assert_eq!(code, 200, "{command}: {answer}");
    }
}

/// What the line with `kubectl annotate` does to one of the pods.
fn enter_crash(server: &str) {
    let (_, pods) = http(server, "GET", "/api/v1/namespaces/app2/pods", "");
    let pods: Value = serde_json::from_str(&pods).unwrap();
    let name = pods["items"][0]["metadata"]["name"].as_str().unwrap();
    let crash = r#"{"metadata":{"annotations":{"playground/crashes":"1"}}}"#;
    assert_eq!(http(server, "PATCH", &format!("/api/v1/namespaces/app2/pods/{name}"), crash).0, 200);
}

fn kubectl() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    assets.into_iter().chain(std::env::split_paths(&path)).map(|dir| dir.join("kubectl")).find(|file| file.is_file())
}

#[test]
fn the_five_things_to_try_do_what_is_printed_beside_them() {
    if kubectl().is_none() {
        // Not eprintln, which the test harness swallows.
        let line = "the five things: no kubectl, so its commands are replaced by the requests that it makes\n";
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    let home = Home::new("five");
    let mut playground = home.playground("--speed 20");
    let server = playground.server();
    let kubeconfig = playground.kubeconfig();
    playground.stdout.until("docs/tour.md");
    // Titles of the story begin with numbers, too.
    let page = playground.stdout.seen.join("\n");
    let page = page.split_once("Now it is your turn").unwrap().1;
    assert!(page.contains("   kubectl annotate pod -n app2 --all --overwrite playground/crashes=1\n"), "{page}");
    let enter = |title: &str| enter(printed(page, title), &server, &kubeconfig);
    let log = &mut playground.stderr;
    log.until(r#"pod=app1/app1-"#);

    enter("1. ");
    let line = log.until("certificate issued");
    assert!(line.contains("pki=app1/app1-pki") && line.contains("no Secret"), "{line}");

    enter("2. ");
    log.until_all(&[r#"to="Terminating""#, r#"to="Deleted""#, r#"from="none" to="Pending""#, r#"to="Ready""#]);

    enter("3. ");
    log.until("watch failed, will watch again");

    // Pods have changed since the Pkis have: their version is too old.
    enter("2. ");
    log.until_all(&[r#"to="Deleted""#, r#"to="Ready""#]);
    enter("4. ");
    log.until("410 Expired");
    log.until("listed, the cache is complete");

    enter("5. ");
    for _ in 0..49 {
        log.until(r#"to="Ready""#);
    }
    // And the crash that is mentioned before them.
    enter_crash(&server);
    log.until("restarts=1");
    playground.signal("TERM");
    let (code, _, stderr) = playground.last_words();
    assert_eq!(code, Some(0), "{stderr}");
    let issued = stderr.lines().filter(|line| line.contains("certificate issued"));
    assert_eq!(issued.count(), 3, "two in the story, one for the Secret that was deleted: {stderr}");
    assert_eq!(home.files(), Vec::<PathBuf>::new());
}
