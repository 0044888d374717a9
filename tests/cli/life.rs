//! From the first line of the log to the last.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
};

use testkit::Folder;

use crate::binary::{KUBECONFIG, Running, controller, kill, make_executable, one_line, running, started, wait_for};

#[test]
fn the_port_answers_while_the_api_server_is_away_and_sigterm_ends_with_0() {
    let home = Folder::new("sigterm");
    for signal in ["TERM", "INT"] {
        let (mut running, address, line) =
            running(controller(&home).args(["--api-endpoint", "http://127.0.0.1:1", "--token", "s3cret"]));
        assert_eq!(line["server"], "http://127.0.0.1:1 (--api-endpoint)");
        assert_eq!(line["level"], "INFO");
        assert!(line["timestamp"].as_str().is_some_and(|time| time.contains('T') && time.ends_with('Z')), "{line}");

        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("ok\n"), "{answer}");

        running.signal(signal);
        assert_eq!(
            running.line("shutting down; a second signal ends the process at once")["signal"],
            format!("SIG{signal}")
        );
        assert_eq!(running.ended().code(), Some(0));
    }
}

#[test]
fn watch_starts_with_the_sample_file_and_ends_with_0() {
    let sample = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/conf/config.ini.sample")).unwrap();
    let home = Folder::new("sample").with(&[("config.ini", &sample)]);
    let mut command = controller(&home);
    let command = command.args(["watch", "-c", "config.ini", "--api-endpoint", "http://127.0.0.1:1", "-n", "app1"]);
    let (mut running, _, line) = started(command, "demo-controller starts to watch");
    for (field, expected) in [
        ("resource", "pods"),
        ("namespace", "app1"),
        ("plugin", "simple"),
        ("server", "http://127.0.0.1:1 (--api-endpoint)"),
    ] {
        assert_eq!(line[field], expected);
    }
    running.signal("TERM");
    assert_eq!(running.ended().code(), Some(0));
}

#[test]
fn a_log_that_cannot_be_written_ends_nothing() {
    let home = Folder::new("full");
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = controller(&home);
    let listen = address.to_string();
    let mut child =
        command.args(["--api-endpoint", "http://127.0.0.1:1", "--listen", &listen]).stderr(full).spawn().unwrap();
    wait_for("a list that has failed, which is logged", || {
        assert_eq!(child.try_wait().unwrap(), None, "it goes on");
        let mut stream = TcpStream::connect(address).ok()?;
        let mut answer = String::new();
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").ok()?;
        stream.read_to_string(&mut answer).ok()?;
        answer.contains("no connection").then_some(())
    });
    kill("TERM", child.id());
    let status = wait_for("the end", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn what_is_ignored_is_warned_about_without_its_value() {
    let home = Folder::new("ignored");
    let mut command = controller(&home);
    let (running, _, _) = running(command.args(["--api-endpoint", "http://127.0.0.1:1"]).env("K8S_TOKEN", "s3cret"));
    let expected = "K8S_TOKEN=*** is ignored: the server is named by --api-endpoint http://127.0.0.1:1, and takes nothing from elsewhere";
    assert_eq!(running.line(expected)["level"], "WARN");
}

#[test]
fn the_kubeconfig_is_found_at_home_in_the_variable_and_merged_without_the_missing() {
    let home = Folder::new("kubeconfig").with(&[("kube", KUBECONFIG)]);
    let env = ("KUBECONFIG", "nowhere::kube");
    let (_one, _, line) = running(controller(&home).envs([env, ("K8S_NAMESPACED", "true")]));
    assert_eq!(line["server"], "https://127.0.0.1:1 (context dev of KUBECONFIG=nowhere::kube)");
    assert_eq!(line["namespace"], "team", "the context's own");

    fs::create_dir(home.join(".kube")).unwrap();
    fs::rename(home.join("kube"), home.join(".kube/config")).unwrap();
    let (_two, _, line) = running(controller(&home).args(["-n", "other"]));
    assert_eq!(line["server"], "https://127.0.0.1:1 (context dev of ~/.kube/config)");
    assert_eq!(line["namespace"], "other");
}

#[test]
fn a_second_signal_ends_at_once_with_128_and_its_number() {
    // An exec plugin that hangs keeps the process from obeying the first signal. It leaves its process id behind.
    let plugin = "#!/bin/sh\necho $$ > started.new && /bin/mv started.new started\nexec /bin/sleep 60\n";
    let home = Folder::new("second").with(&[("kube", KUBECONFIG), ("plugin", plugin)]);
    make_executable(&home.join("plugin"));
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut running = Running::start(controller(&home).args(["--kubeconfig", "kube", "--context", "plugged"]));
        let started = home.join("started");
        let plugin: u32 = wait_for("the plugin", || fs::read_to_string(&started).ok()?.trim().parse().ok());
        // Two of the same kind that come together count as one, hence again until it is gone.
        let status = wait_for("the end", || {
            running.signal(signal);
            running.child.try_wait().unwrap()
        });
        kill("KILL", plugin);
        fs::remove_file(&started).unwrap();
        assert_eq!(status.code(), Some(code), "{signal}");
    }
}

#[test]
fn an_exec_plugin_that_fails_is_named_and_its_output_is_not_shown() {
    let plugin = "#!/bin/sh\necho s3cret\nexit 7\n";
    let home = Folder::new("plugin").with(&[("kube", KUBECONFIG), ("plugin", plugin)]);
    make_executable(&home.join("plugin"));
    let output = controller(&home).args(["--kubeconfig", "kube", "--context", "plugged"]).output().unwrap();
    let line = one_line(&output, 1);
    assert!(line.starts_with("context plugged of --kubeconfig kube: the exec plugin "), "{line}");
    assert!(line.ends_with("failed: exit status: 7"), "{line}");
}
