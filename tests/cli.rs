//! The built binary without an API server: output, start, and exit codes.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use testkit::{
    Folder, Process, http,
    log::text,
    process::{run, wait_exit},
    server::{free_port, signal},
    wait::{eventually, expect},
};

const KUBECONFIG: &str = r#"
apiVersion: v1
kind: Config
current-context: dev
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {token: s3cret}}]
contexts: [{name: dev, context: {cluster: c, user: u, namespace: team}}]
"#;

/// Returns a command for the binary, in an empty environment with this home folder.
fn new_command(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo-controller"));
    command.env_clear().env("HOME", home).current_dir(home).stdin(Stdio::null());
    command
}

#[test]
fn help_version_and_crd_are_printed_to_stdout() {
    let home = Folder::new("help");
    for (args, expected) in [
        (&["--help"][..], "--shutdown-grace <DURATION>"),
        (&["run", "--help"], "--shutdown-grace <DURATION>"),
        (&["--version"], concat!("demo-controller ", env!("CARGO_PKG_VERSION"))),
        (&["crd"], "kind: CustomResourceDefinition"),
    ] {
        let output = run(new_command(&home).args(args));
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(output.stderr.is_empty(), "{args:?}");
        assert!(String::from_utf8(output.stdout).unwrap().contains(expected), "{args:?}");
    }
}

#[test]
fn wrong_input_exits_2_and_is_named_in_the_first_line() {
    let home = Folder::new("wrong").with(&[("kube", KUBECONFIG)]);
    let none = ("NONE", "");
    for (args, variable, expected) in [
        (&["--wrokers", "3"][..], none, "'--wrokers'"),
        (&["--workers", "0"], none, "'0' for '--workers <N>': expected a number from 1 to 1024"),
        (&[], ("DEMO_CONTROLLER_RESYNC", "soon"), "'soon' for '--resync <DURATION>': expected a duration such as 3s"),
        (&["--allowed-names", "nowhere"], none, "'nowhere' for '--allowed-names <FILE>': cannot be read"),
        (&["--kubeconfig", "nowhere"], none, "nowhere"),
        (&["--kubeconfig", "kube", "--context", "prod"], none, "prod"),
        (&[], none, "kubeconfig"),
    ] {
        let output = run(new_command(&home).args(args).envs([variable]));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        let line = stderr.lines().next().unwrap_or_default();
        assert!(line.starts_with("error: ") && line.contains(expected), "{args:?}: {line}");
        assert!(output.stdout.is_empty() && !stderr.contains("s3cret"), "{args:?}: {stderr}");
    }
}

#[test]
fn process_serves_http_without_api_server_until_a_signal() {
    let home = Folder::new("signal").with(&[(".kube/config", KUBECONFIG)]);
    for name in ["TERM", "INT"] {
        let (mut command, port) = (new_command(&home), free_port());
        command.args(["--log-format", "json", "--listen", &format!("127.0.0.1:{port}")]);
        let mut process = Process::start(command, port);
        let line = process.wait_line("demo-controller starts");
        assert!(text(&line, "server").contains("http://127.0.0.1:1"), "{line}");
        assert!(line["level"] == "INFO" && text(&line, "timestamp").ends_with('Z'), "{line}");
        eventually("/readyz has the reason", || {
            let (code, body) = process.page("/readyz")?;
            expect(code == 503 && body.contains("pods: not synced"), body)
        });
        assert_eq!(process.page("/healthz"), Ok((200, "ok\n".to_owned())));
        process.signal(name);
        assert_eq!(text(&process.wait_line("shutting down"), "signal"), format!("SIG{name}"));
        assert_eq!(process.wait_end(), Some(0));
        assert!(!process.log().contains("s3cret"));
    }
}

#[test]
fn lease_is_in_pod_namespace_else_in_context_namespace() {
    let home = Folder::new("lease").with(&[(".kube/config", KUBECONFIG)]);
    for (variable, namespace) in [("pods", "pods"), ("", "team")] {
        let (mut command, port) = (new_command(&home), free_port());
        command.env("POD_NAMESPACE", variable).args(["--leader-elect", "--listen", &format!("127.0.0.1:{port}")]);
        let process = Process::start(command, port);
        eventually("/readyz names the Lease", || {
            let (_, body) = process.page("/readyz")?;
            expect(body.contains(&format!("Lease {namespace}/demo-controller ")), body)
        });
    }
}

#[test]
fn full_disk_for_the_log_does_not_end_the_process() {
    let home = Folder::new("full").with(&[(".kube/config", KUBECONFIG)]);
    let (mut command, port) = (new_command(&home), free_port());
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut child = command.args(["--listen", &format!("127.0.0.1:{port}")]).stderr(full).spawn().unwrap();
    eventually("a list fails, which is logged", || {
        let (_, body) = http::get(port, "/readyz")?;
        expect(body.contains("no connection"), body)
    });
    signal(child.id(), "TERM");
    assert_eq!(wait_exit(&mut child).code(), Some(0));
}
