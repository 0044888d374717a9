//! Tests with child processes: [`child`] runs in a copy of the test binary.

use std::{
    env,
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use clap::Parser;
use serde_json::Value;
use testkit::{Folder, http, server};

use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
    /// Seconds of work after the first signal.
    #[arg(long, default_value_t = 0)]
    drain: u64,
}

#[test]
#[ignore = "runs as a child process"]
fn child() {
    let cli = Cli::parse_from(env::var("CHILD").unwrap().split_whitespace());
    let target = Target::Kubeconfig { files: cli.args.kubeconfig.clone(), context: None };
    let code = main(async {
        let process = Process::start(&cli.args, target, false, || println!("on_kill")).await?;
        process.stop.cancelled().await;
        tokio::time::sleep(Duration::from_secs(cli.drain)).await;
        process.finish(if cli.drain == 0 { Err("it failed") } else { Ok(()) }).await
    });
    let code = [0, 1, 2].into_iter().find(|n| code == ExitCode::from(*n));
    std::process::exit(code.map_or(3, i32::from));
}

struct TestProcess {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl TestProcess {
    fn start(args: &str) -> TestProcess {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["process::tests::child", "--exact", "--ignored", "--nocapture"])
            .env("CHILD", format!("x {args}"))
            .env_remove("RUST_LOG")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        TestProcess { child, stderr }
    }

    /// Starts it with a kubeconfig on a free port, and returns the port.
    fn with_port(folder: &Folder, args: &str) -> (TestProcess, u16) {
        let text = "{current-context: a, contexts: [{name: a, context: {cluster: c}}], \
                    clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]}";
        let file = folder.file("config", text);
        let mut it = TestProcess::start(&format!("--kubeconfig {} --listen 127.0.0.1:0 {args}", file.display()));
        let line = it.line();
        let port = line["listen"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
        (it, port)
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        serde_json::from_str(&line).expect(&line)
    }

    fn signal(&self, name: &str) {
        server::signal(self.child.id(), name);
    }

    /// Returns the exit status, the rest of stderr, and stdout.
    fn wait(mut self) -> (ExitStatus, String, String) {
        let (mut err, mut out) = (String::new(), String::new());
        self.stderr.read_to_string(&mut err).unwrap();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        (self.child.wait().unwrap(), err, out)
    }
}

#[test]
fn wrong_input_is_exit_2_and_a_taken_port_exit_1() {
    let (status, err, _) = TestProcess::start("--kubeconfig /nowhere").wait();
    assert_eq!((status.code(), err.as_str()), (Some(2), "error: kubeconfig /nowhere: there is no such file\n"));
    let folder = Folder::new("process");
    let (it, port) = TestProcess::with_port(&folder, "");
    let taken = format!("--kubeconfig {} --listen 127.0.0.1:{port}", folder.join("config").display());
    let (status, err, _) = TestProcess::start(&taken).wait();
    assert!(status.code() == Some(1) && err.starts_with(&format!("error: --listen 127.0.0.1:{port}: ")), "{err}");
    it.signal("TERM");
    let (status, err, _) = it.wait();
    let last: Value = serde_json::from_str(err.lines().last().unwrap()).unwrap();
    assert_eq!((status.code(), &last["level"], &last["message"]), (Some(1), &"ERROR".into(), &"it failed".into()));
    assert!(err.contains("shutting down"), "{err}");
}

/// Real time: the two signals arrive within a second.
#[test]
fn two_signals_at_once_are_one() {
    let (mut it, port) = TestProcess::with_port(&Folder::new("process"), "--drain 1");
    it.signal("TERM");
    it.signal("INT");
    assert_eq!(it.line()["message"], "shutting down; another signal ends the process at once");
    assert!(http::get(port, "/healthz").is_ok_and(|(code, _)| code == 200), "alive while it finishes its work");
    let (status, err, out) = it.wait();
    assert!(status.success() && err.ends_with("\"message\":\"stopped\",\"target\":\"daemon::process\"}\n"), "{err}");
    assert!(!out.contains("on_kill"), "{out}");
}

/// Real time: the second signal arrives more than a second after the first.
#[test]
fn later_signal_ends_the_process_at_once() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let (mut it, _) = TestProcess::with_port(&Folder::new("process"), "--drain 600");
        it.signal("TERM");
        assert_eq!(it.line()["signal"], "SIGTERM");
        thread::sleep(Duration::from_millis(1100));
        it.signal(signal);
        let (status, err, out) = it.wait();
        assert_eq!(status.code(), Some(code), "{err}");
        assert!(err.contains("with unfinished work") && out.contains("on_kill"), "{err} {out}");
    }
}
