//! The built binary, as a learner runs it.

mod exercises;
mod test_env;

use std::{
    fs::{self, Permissions},
    io::{Read, Write},
    net::TcpStream,
    os::{
        fd::OwnedFd,
        unix::{fs::PermissionsExt, net::UnixStream},
    },
    path::PathBuf,
    process::Stdio,
    thread,
};

use test_env::{Lines, TestEnv, WorkDir, http};
use testkit::wait::{eventually, expect};

/// The message of the event for the owner of app1.
const MESSAGE: &str = "ServiceName: appp1 in pki: app1-pki is not found in allowedNames: [app1 app2]";

#[test]
fn story_prints_its_steps_in_order_and_leaves_no_file() {
    let dir = WorkDir::new("once");
    let mut playground = dir.start("--once");
    let server = playground.server();
    let (code, stdout, stderr) = playground.wait();
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    let mut rest = stdout.as_str();
    for part in [
        "\n1. ",
        "$ kubectl create -f examples/app2.yaml\nnamespace/app2 created\npki.box.com/app2-pki created\n",
        "certificate issued pki=app2/app2-pki",
        "$ kubectl get pods -n app2\nNAME ",
        " 1/1     Running   0 ",
        "$ kubectl get pki -n app2\nNAME       SERVICE   READY   REASON   EXPIRES ",
        "app2-pki   app2      True    Issued   2",
        "\n2. ",
        "$ kubectl create -f examples/app1.yaml\n",
        "WARN no certificate issued pki=app1/app1-pki",
        "$ kubectl get pods --all-namespaces\nNAMESPACE   NAME ",
        " 0/1     ContainerCreating   0 ",
        " 1/1     Running             0 ",
        "\n3. ",
        "$ kubectl describe pod -n app1\n...\nEvents:\n  Type     Reason                 Age ",
        "  Warning  pki ServiceName error  ",
        "  controlplane ",
        MESSAGE,
        "appp1     False   NameNotAllowed ",
        "\n4. ",
        "$ kubectl patch pki app1-pki -n app1 --type merge -p 'spec: {serviceName: app1}'\npki.box.com/app1-pki patched\n",
        "certificate issued pki=app1/app1-pki",
        "app1-pki   app1      True    Issued   2",
        "$ kubectl get pods --all-namespaces\n",
        "app1 ",
        " 1/1     Running ",
        "app2 ",
        " 1/1     Running ",
    ] {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part:?} is missing or in the wrong order:\n{stdout}"));
        rest = &rest[at + part.len()..];
    }
    assert!(!stdout.contains('\u{1b}'), "colours only on a terminal");
    assert!(!stdout.contains("Forbidden") && !stdout.contains("ERROR"), "{stdout}");
    assert_eq!(dir.files(), Vec::<PathBuf>::new());
    assert!(TcpStream::connect(server).is_err(), "the port is closed");
}

#[test]
fn failed_story_ends_with_1_and_names_the_command() {
    let dir = WorkDir::new("failed");
    let mut playground = dir.start("--once");
    let server = playground.server();
    let rule = r#"{"fault":"InternalError","verb":"patch","resource":"pkis.box.com","user":"system:admin"}"#;
    assert_eq!(http(&server, "POST", "/control/faults", rule).0, 200);
    let (code, stdout, stderr) = playground.wait();
    assert_eq!(code, Some(1), "{stdout}\n{stderr}");
    assert!(stderr.starts_with("error: the story failed: kubectl patch pki app1-pki -n app1"), "{stderr}");
    assert!(stderr.contains("500") && stdout.contains("3. ") && !stdout.contains("patched"), "{stdout}\n{stderr}");
    assert_eq!(dir.files(), Vec::<PathBuf>::new());
}

#[test]
fn no_apps_starts_an_empty_cluster_with_a_kubeconfig() {
    let dir = WorkDir::new("empty");
    let mut playground = dir.start("--no-apps --kubeconfig-out play.yaml");
    let server = playground.server();
    let kubeconfig = playground.kubeconfig();
    assert_eq!(kubeconfig, dir.0.join("play.yaml"));
    assert_eq!(fs::metadata(&kubeconfig).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(fs::read_to_string(&kubeconfig).unwrap().contains(&format!("http://{server}")));
    playground.stdout.wait_for("kubectl apply -f");
    let (code, pods) = http(&server, "GET", "/api/v1/pods", "");
    assert!(code == 200 && pods.contains("\"items\":[]"), "{pods}");
    assert_eq!(http(&server, "GET", "/apis/box.com/v1/pkis", "").0, 200, "demo-controller.yaml is installed");

    // A file that exists is neither overwritten nor removed.
    for (args, expected) in [
        ("--kubeconfig-out play.yaml", "error: --kubeconfig-out play.yaml: File exists"),
        ("--kubeconfig-out no/where", "error: --kubeconfig-out no/where: No such file"),
        ("--once --no-apps", "error: the argument '--once' cannot be used with '--no-apps'"),
    ] {
        let (code, stdout, stderr) = dir.start(args).wait();
        assert_eq!((code, stdout.as_str()), (Some(2), ""));
        assert!(stderr.starts_with(expected), "{stderr}");
    }
    assert!(kubeconfig.exists());
    playground.signal("TERM");
    assert_eq!(playground.wait().0, Some(0));
    assert_eq!(dir.files(), Vec::<PathBuf>::new());
}

#[test]
fn server_listens_on_loopback_only() {
    let dir = WorkDir::new("loopback");
    let mut playground = dir.start("--no-apps");
    let server = playground.server();
    let port: u16 = server.rsplit_once(':').unwrap().1.parse().unwrap();
    // Address and port in hexadecimal; 0A is LISTEN.
    let listens = |line: &&str| line.contains(&format!(":{port:04X} ")) && line.contains(" 0A ");
    let sockets = ["tcp", "tcp6"].map(|table| fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default());
    let sockets: Vec<_> = sockets.iter().flat_map(|table| table.lines()).filter(listens).collect();
    assert!(sockets.len() == 1 && sockets[0].contains(&format!(" 0100007F:{port:04X} ")), "{sockets:?}");
}

#[test]
fn signal_ends_the_playground_and_leaves_no_file() {
    for signal in ["INT", "TERM", "HUP"] {
        let dir = WorkDir::new(&format!("signal-{signal}"));
        let mut playground = dir.start("");
        let server = playground.server();
        playground.stdout.wait_for("docs/introduction.md");
        assert!(!dir.files().is_empty());
        // An open watch does not delay the end.
        let mut watch = TcpStream::connect(&server).unwrap();
        write!(watch, "GET /api/v1/pods?watch=true HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
        watch.read_exact(&mut [0; 12]).unwrap();
        playground.signal(signal);
        let (code, stdout, stderr) = playground.wait();
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "SIG{signal}: {stdout}");
        assert_eq!(dir.files(), Vec::<PathBuf>::new());
        assert!(TcpStream::connect(server).is_err(), "the port is closed");
    }
}

#[test]
fn signal_during_a_story_with_once_is_a_failure() {
    let dir = WorkDir::new("interrupted");
    let mut playground = dir.start("--once");
    playground.stdout.wait_for("1. app2");
    playground.signal("INT");
    let (code, _, stderr) = playground.wait();
    assert_eq!(code, Some(1));
    assert!(stderr.contains("a signal interrupted the story"), "{stderr}");
    assert_eq!(dir.files(), Vec::<PathBuf>::new());
}

#[test]
fn closed_stdout_ends_the_playground_with_0() {
    let dir = WorkDir::new("head");
    for args in ["", "--once"] {
        let mut child = dir.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut stdout, stderr) = (child.stdout.take().unwrap(), Lines::of(child.stderr.take().unwrap()));
        // Reads one byte, then closes the pipe.
        thread::spawn(move || stdout.read_exact(&mut [0]));
        let (code, _, stderr) = TestEnv { child, stdout: Lines::of(std::io::empty()), stderr }.wait();
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{args}");
    }
    assert_eq!(dir.files(), Vec::<PathBuf>::new());
}

#[test]
fn full_disk_ends_the_playground_with_1() {
    let dir = WorkDir::new("full");
    for args in ["--once", "--no-apps"] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut child = dir.command(args).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = Lines::of(child.stderr.take().unwrap());
        let (code, _, stderr) = TestEnv { child, stdout: Lines::of(std::io::empty()), stderr }.wait();
        assert_eq!(code, Some(1), "{args}: {stderr}");
        assert!(stderr.starts_with("error: stdout: No space left on device"), "{stderr}");
    }
    assert_eq!(dir.files(), Vec::<PathBuf>::new());
}

/// For example: a pager at the end of its screen, or a paused terminal.
#[test]
fn blocked_stdout_does_not_delay_a_signal() {
    let dir = WorkDir::new("blocked");
    let (stdout, _unread) = UnixStream::pair().unwrap();
    stdout.set_nonblocking(true).unwrap();
    while (&stdout).write(&[b'.'; 64]).is_ok() {}
    stdout.set_nonblocking(false).unwrap();
    let child = dir.command("").stdout(OwnedFd::from(stdout)).stderr(Stdio::null()).spawn().unwrap();
    let (stdout, stderr) = (Lines::of(std::io::empty()), Lines::of(std::io::empty()));
    let mut playground = TestEnv { child, stdout, stderr };
    eventually("its files", || expect(!dir.files().is_empty(), "none"));
    playground.signal("INT");
    assert_eq!(playground.wait().0, Some(0));
    assert_eq!(dir.files(), Vec::<PathBuf>::new());
}

#[test]
fn step_program_runs_while_the_pods_change() {
    let dir = WorkDir::new("step");
    let script = "#!/bin/sh\ntrap 'echo finished >&2; exit' INT\ngrep server: $KUBECONFIG >&2\necho pid $$ >&2\nsleep 60 >&- 2>&- & wait\n";
    let program = dir.0.file("step", script);
    fs::set_permissions(&program, Permissions::from_mode(0o700)).unwrap();
    let mut playground = dir.start("--step ./step");
    let server = playground.server();
    assert!(playground.stderr.wait_for("server:").contains(&server));
    let pid = playground.stderr.wait_for("pid ")[4..].parse().unwrap();
    playground.stdout.wait_for("$ kubectl create deployment web -n shop");
    playground.stdout.wait_for("(WRONG: these are not the pods that exist)");
    // As Ctrl-C does, the signal reaches both. The API server ends last.
    playground.signal("INT");
    playground.stdout.wait_for("shutting down");
    assert!(TcpStream::connect(server).is_ok());
    testkit::server::signal(pid, "INT");
    let (code, _, stderr) = playground.wait();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("finished"), "{stderr}");
}

#[test]
fn step_program_that_ends_is_an_error() {
    let dir = WorkDir::new("step-ends");
    let (code, _, stderr) = dir.start("--step /bin/true").wait();
    assert_eq!((code, stderr.as_str()), (Some(1), "error: /bin/true has ended: exit status: 0"));
    let (code, _, stderr) = dir.start("--step ./missing").wait();
    assert_eq!(code, Some(2));
    assert!(stderr.contains("--step ./missing: No such file") && stderr.contains("expected a program"), "{stderr}");
}
