//! The five exercises.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use testkit::process::find_program;

use crate::test_env::{WorkDir, http};

/// Returns the commands of an exercise.
fn commands<'a>(text: &'a str, title: &str) -> Vec<&'a str> {
    let lines = text.lines().skip_while(|line| !line.starts_with(title)).skip(1).map(str::trim);
    let commands: Vec<_> = lines.take_while(|line| !line.starts_with("Expect:")).collect();
    assert!(!commands.is_empty(), "{title} is missing: {text}");
    commands
}

/// Runs a command. Without kubectl, it sends the request of kubectl.
fn run(command: &str, server: &str, kubeconfig: &Path) {
    let words: Vec<&str> = command.split_whitespace().collect();
    if words[0] == "kubectl" && find_program("kubectl").is_some() {
        let output = Command::new("sh").args(["-c", command]).env("KUBECONFIG", kubeconfig).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let data = command.split('\'').nth(1).unwrap_or_default();
    let (method, paths) = match &words[..] {
        ["curl", "-X", method, url] => {
            let path = url.split_once(server).unwrap().1.trim_start_matches("/control/");
            (*method, path.trim_matches(['{', '}']).split(',').map(|part| format!("/control/{part}")).collect())
        }
        ["kubectl", "delete", "secret", name, "-n", ns] => {
            ("DELETE", vec![format!("/api/v1/namespaces/{ns}/secrets/{name}")])
        }
        ["kubectl", "delete", "pod", "-n", ns, "--all"] => ("DELETE", vec![format!("/api/v1/namespaces/{ns}/pods")]),
        ["kubectl", "patch", "deployment", name, "-n", ns, ..] => {
            ("PATCH", vec![format!("/apis/apps/v1/namespaces/{ns}/deployments/{name}")])
        }
        other => panic!("unknown command: {other:?}"),
    };
    for path in paths {
        let (code, body) = http(server, method, &path, data);
        assert_eq!(code, 200, "{command}: {body}");
    }
}

#[test]
fn exercises_have_the_results_that_they_print() {
    let dir = WorkDir::new("exercises");
    let mut playground = dir.start("");
    let (server, kubeconfig) = (playground.server(), playground.kubeconfig());
    playground.stdout.wait_for("docs/introduction.md");
    let text = playground.stdout.seen.join("\n");
    let text = text.split_once("Five exercises").unwrap().1;
    let run = |title: &str| commands(text, title).into_iter().for_each(|it| run(it, &server, &kubeconfig));
    let log = &mut playground.stdout;

    run("1. ");
    log.wait_for("certificate issued pki=app1/app1-pki");

    run("2. ");
    log.wait_for_all(&[r#"to="Terminating""#, r#"to="Deleted""#, r#"from="none" to="Pending""#, r#"to="Ready""#]);

    run("3. ");
    log.wait_for("watch failed, will watch again");
    log.wait_for_all(&["the watch works again", r#"to="Deleted""#, r#"to="Ready""#]);

    run("4. ");
    log.wait_for_all(&["410 Expired", "listed, the cache is complete", r#"to="Ready""#]);

    run("5. ");
    for _ in 0..49 {
        log.wait_for(r#"to="Ready""#);
    }

    let (_, requests) = http(&server, "GET", "/control/requests", "");
    assert!(
        requests.contains("system:serviceaccount:controlplane:demo-controller"),
        "the controller has its own token"
    );
    playground.signal("TERM");
    let (code, stdout, stderr) = playground.wait();
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    let issued = stdout.lines().filter(|line| line.contains("INFO certificate issued"));
    assert_eq!(issued.count(), 3, "two in the story, one for the deleted Secret: {stdout}");
    assert_eq!(dir.files(), Vec::<PathBuf>::new());
}
