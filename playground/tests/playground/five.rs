//! The five things to try.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::world::{Home, http};

/// The command below the title that begins so.
fn printed<'a>(text: &'a str, title: &str) -> &'a str {
    let mut lines = text.lines().skip_while(|line| !line.starts_with(title));
    lines.nth(1).unwrap_or_else(|| panic!("{title} is missing: {text}")).trim()
}

/// Runs a command that is printed: with kubectl if it is installed, otherwise by the request that it makes.
fn run(command: &str, server: &str, kubeconfig: &Path) {
    let words: Vec<&str> = command.split_whitespace().collect();
    if words[0] == "kubectl" && is_installed("kubectl") {
        let output = Command::new("sh").args(["-c", command]).env("KUBECONFIG", kubeconfig).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let body = command.split('\'').nth(1).unwrap_or_default();
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
        let (code, answer) = http(server, method, &path, body);
        assert_eq!(code, 200, "{command}: {answer}");
    }
}

fn is_installed(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|dir| dir.join(program).is_file())
}

#[test]
fn five_things_to_try_have_the_results_printed_beside_them() {
    let home = Home::new("five");
    let mut playground = home.playground("");
    let (server, kubeconfig) = (playground.server(), playground.kubeconfig());
    playground.stdout.until("docs/tour.md");
    let text = playground.stdout.seen.join("\n");
    let text = text.split_once("Now it is your turn").unwrap().1;
    let run = |title: &str| run(printed(text, title), &server, &kubeconfig);
    let log = &mut playground.stdout;

    run("1. ");
    log.until("certificate issued pki=app1/app1-pki");

    run("2. ");
    log.until_all(&[r#"to="Terminating""#, r#"to="Deleted""#, r#"from="none" to="Pending""#, r#"to="Ready""#]);

    run("3. ");
    log.until("watch failed, will watch again");

    // The pods have changed since the Pkis have: the version of their watch is too old.
    run("2. ");
    log.until_all(&[r#"to="Deleted""#, r#"to="Ready""#]);
    run("4. ");
    log.until("410 Expired");
    log.until("listed, the cache is complete");

    run("5. ");
    for _ in 0..49 {
        log.until(r#"to="Ready""#);
    }

    let (_, requests) = http(&server, "GET", "/control/requests", "");
    assert!(
        requests.contains("system:serviceaccount:controlplane:demo-controller"),
        "the controller has its own token"
    );
    playground.signal("TERM");
    let (code, stdout, stderr) = playground.end();
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    let issued = stdout.lines().filter(|line| line.contains("INFO certificate issued"));
    assert_eq!(issued.count(), 3, "two in the story, one for the Secret that was deleted: {stdout}");
    assert_eq!(home.files(), Vec::<PathBuf>::new());
}
