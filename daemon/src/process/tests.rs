//! Tests with child processes: [`child`] runs in a copy of the test binary.

use std::{env, process::Command, thread, time::Duration};

use clap::Parser;
use testkit::{
    Folder, Process as ChildProcess,
    process::run,
    server::free_port,
    wait::{eventually, expect},
};

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
        let process = Process::start(&cli.args, target, false, || eprintln!("on_kill")).await?;
        let client = process.connection.client.clone();
        tokio::spawn(async move {
            loop {
                let _ = client.request_text(http::Request::get("/").body(Vec::new()).unwrap()).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        process.stop.cancelled().await;
        tokio::time::sleep(Duration::from_secs(cli.drain)).await;
        process.finish(if cli.drain == 0 { Err("it failed") } else { Ok(()) }).await
    });
    let code = [0, 1, 2].into_iter().find(|n| code == ExitCode::from(*n));
    std::process::exit(code.map_or(3, i32::from));
}

/// Returns the command of a child process with these flags.
fn new_command(args: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["process::tests::child", "--exact", "--ignored", "--nocapture"]);
    command.env("CHILD", format!("x {args}")).env_remove("RUST_LOG");
    command
}

/// Returns the command of a child process whose kubeconfig has an exec plugin, a shell script.
fn with_exec_plugin(folder: &Folder, script: &str) -> Command {
    let plugin = folder.file("plugin.sh", script);
    let exec = format!(
        "apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: sh, args: ['{}', planted]",
        plugin.display()
    );
    let config = format!(
        "{{current-context: a, contexts: [{{name: a, context: {{cluster: c, user: u}}}}], clusters: [{{name: c, \
         cluster: {{server: 'http://127.0.0.1:1'}}}}], users: [{{name: u, user: {{exec: {{{exec}}}}}}}]}}"
    );
    new_command(&format!("--kubeconfig {} --listen off --log-format json", folder.file("config", &config).display()))
}

#[test]
fn failed_exec_plugin_is_exit_1_with_its_stderr_in_the_log() {
    let folder = Folder::new("process");
    let script = "echo planted; echo the SSO session has expired >&2; exit 7";
    let output = run(&mut with_exec_plugin(&folder, script));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("\"message\":\"the SSO session has expired\",\"plugin\":\"sh\""), "{stderr}");
    assert!(stderr.contains("config: the exec plugin sh failed: exit status: 7"), "{stderr}");
    assert!(!stderr.contains("planted"), "{stderr}");
}

#[test]
fn signal_ends_the_process_and_a_hanging_exec_plugin() {
    let folder = Folder::new("process");
    let command = with_exec_plugin(&folder, "sleep 600 & echo waiting $! >&2; wait");
    let mut process = ChildProcess::start(command, 0);
    let plugin = plugin_child(&process);
    assert_eq!(process.terminate(), Some(1));
    assert!(process.log().contains("error: stopped during the start"), "{}", process.log());
    wait_ended(&plugin);
}

/// Real time: a plugin runs at most every 5 s, and the second signal arrives more than a second after the first.
#[test]
fn second_signal_ends_a_hanging_exec_plugin() {
    let folder = Folder::new("process");
    let credential = "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\
                      \"token\":\"t\",\"expirationTimestamp\":\"2020-01-01T00:00:00Z\"}}";
    let marker = folder.join("marker");
    let hang = "sleep 600 & echo waiting $! >&2; wait";
    let script = format!("[ -e {0} ] && {{ {hang}; }}\ntouch {0}; echo '{credential}'", marker.display());
    let mut command = with_exec_plugin(&folder, &script);
    let child = command.get_envs().find(|(name, _)| *name == "CHILD").unwrap().1.unwrap().to_owned();
    command.env("CHILD", format!("{} --drain 600", child.to_str().unwrap()));
    let mut process = ChildProcess::start(command, 0);
    let plugin = plugin_child(&process);
    process.signal("TERM");
    process.wait_line("shutting down");
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(process.terminate(), Some(143));
    wait_ended(&plugin);
}

/// Waits until the plugin hangs, and returns the process ID of its child.
fn plugin_child(process: &ChildProcess) -> String {
    let line = process.wait_line("waiting");
    line["message"].as_str().unwrap().strip_prefix("waiting ").unwrap().to_owned()
}

fn wait_ended(pid: &str) {
    // A killed process is a zombie until its parent reaps it.
    let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    eventually("the plugin's child has ended", || expect(stat().is_empty() || stat().contains(") Z "), stat()));
}

/// Starts a child process with a kubeconfig, and returns its port.
fn start_child(folder: &Folder, args: &str) -> (ChildProcess, u16) {
    let text = "{current-context: a, contexts: [{name: a, context: {cluster: c}}], \
                clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]}";
    let (file, port) = (folder.file("config", text), free_port());
    let command = new_command(&format!("--kubeconfig {} --listen 127.0.0.1:{port} {args}", file.display()));
    let process = ChildProcess::start(command, port);
    process.wait_line("serving /healthz");
    (process, port)
}

#[test]
fn wrong_input_is_exit_2_and_a_taken_port_exit_1() {
    let output = run(&mut new_command("--kubeconfig /nowhere"));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &*stderr), (Some(2), "error: kubeconfig /nowhere: there is no such file\n"));

    let folder = Folder::new("process");
    let mut command = with_exec_plugin(&folder, "");
    let config = std::fs::read_to_string(folder.join("config")).unwrap();
    folder.file("config", &config.replace("127.0.0.1", "10.0.0.1"));
    let output = run(command.env("HTTP_PROXY", "ftp://planted").env("NO_PROXY", "other"));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), &*stderr),
        (Some(2), "error: HTTP_PROXY: expected a proxy such as http://10.0.0.1:3128\n")
    );

    let (mut process, port) = start_child(&folder, "");
    let taken = format!("--kubeconfig {} --listen 127.0.0.1:{port}", folder.join("config").display());
    let output = run(&mut new_command(&taken));
    let stderr = String::from_utf8(output.stderr).unwrap();
    let expected = format!("error: --listen 127.0.0.1:{port}: ");
    assert!(output.status.code() == Some(1) && stderr.starts_with(&expected), "{stderr}");
    assert_eq!(process.terminate(), Some(1));
    let last = process.lines().pop().unwrap();
    assert_eq!((&last["level"], &last["message"]), (&"ERROR".into(), &"it failed".into()));
    assert!(process.log().contains("shutting down"), "{}", process.log());
}

/// Real time: the two signals arrive within a second.
#[test]
fn two_signals_at_once_are_one() {
    for second in ["TERM", "INT"] {
        let (mut process, _) = start_child(&Folder::new("process"), "--drain 1");
        process.signal("TERM");
        let line = process.wait_line("shutting down");
        assert_eq!(line["message"], "shutting down; another signal ends the process at once");
        process.signal(second);
        assert!(process.page("/healthz").is_ok_and(|(code, _)| code == 200), "alive while it finishes its work");
        assert_eq!(process.wait_end(), Some(0));
        let log = process.log();
        assert!(log.ends_with("\"message\":\"stopped\",\"target\":\"daemon::process\"}\n"), "{log}");
        assert!(!log.contains("on_kill"), "{log}");
    }
}

/// Real time: the second signal arrives more than a second after the first.
#[test]
fn later_signal_ends_the_process_at_once() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let (mut process, _) = start_child(&Folder::new("process"), "--drain 600");
        process.signal("TERM");
        assert_eq!(process.wait_line("shutting down")["signal"], "SIGTERM");
        thread::sleep(Duration::from_millis(1100));
        process.signal(signal);
        assert_eq!(process.wait_end(), Some(code));
        let log = process.log();
        assert!(log.contains("with unfinished work") && log.contains("on_kill"), "{log}");
    }
}
