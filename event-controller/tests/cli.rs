//! Tests of the binary that need an environment: variables, exit codes, the environment of the child.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::channel,
    thread,
};

use testkit::Folder;

/// Returns the command of the binary, with only these variables.
fn binary(args: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_event-controller"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).envs(variables.iter().copied());
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Kills the process at the end of the test.
struct KillOnDrop(Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads the head of a request.
fn read_request(stream: &TcpStream) -> Vec<String> {
    BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect()
}

/// Runs the binary against a server that closes every connection, and returns its first `Authorization` header.
fn authorization(args: &[&str], variables: &[(&str, &str)]) -> Option<String> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let replaced = |text: &str| text.replace("URL", &url);
    let args: Vec<String> = args.iter().map(|text| replaced(text)).collect();
    let variables: Vec<(&str, String)> = variables.iter().map(|(name, value)| (*name, replaced(value))).collect();
    let (args, variables): (Vec<&str>, Vec<(&str, &str)>) = (
        args.iter().map(String::as_str).collect(),
        variables.iter().map(|(name, value)| (*name, value.as_str())).collect(),
    );
    let _running = KillOnDrop(binary(&[&args[..], &["--listen", "off"]].concat(), &variables).spawn().unwrap());
    let head = read_request(&listener.accept().unwrap().0);
    head.iter().find_map(|line| line.strip_prefix("authorization: ").map(str::to_owned))
}

#[test]
fn flag_beats_variable_and_variable_beats_file() {
    let folder = Folder::new("sources");
    let ini = folder
        .file("a.ini", "[global]\nk8s_resource = pods\nk8s_api_endpoint = http://127.0.0.1:1\nk8s_token = of-file\n");
    let file = ("CONFIG_FILE", ini.to_str().unwrap());
    let (server, token) = (("K8S_API_ENDPOINT", "URL"), ("K8S_TOKEN", "of-variable"));
    assert_eq!(authorization(&[], &[file, server, token]).as_deref(), Some("Bearer of-variable"));
    assert_eq!(
        authorization(&[], &[file, server, ("K8S_TOKEN", "")]),
        None,
        "empty means unset; the token of the file is for its server"
    );
    assert_eq!(authorization(&["--api-endpoint", "URL"], &[file, server, token]), None);
    let flags = ["--api-endpoint", "URL", "--token", "of-flag"];
    assert_eq!(authorization(&flags, &[file, server, token]).as_deref(), Some("Bearer of-flag"));
}

#[test]
fn wrong_input_ends_with_exit_code_2() {
    let resource = ("K8S_RESOURCE", "pods");
    for (variables, parts) in [
        (&[][..], ["no resource: expected", "K8S_RESOURCE"]),
        (&[("K8S_RESOURCE", "")], ["no resource: expected", "K8S_RESOURCE"]),
        (&[resource, ("K8S_TOKEN", "s3cret")], ["--token is only for a server", "--api-endpoint"]),
        (&[resource, ("EVENT_CONTROLLER_WORKERS", "0")], ["'0' for '--workers <N>'", "1..=1024"]),
        (&[resource, ("WATCHER_PLUGIN", "dns")], ["'dns' for '--plugin <NAME>'", "exec"]),
        (&[resource, ("CONFIG_FILE", "nowhere")], ["nowhere: cannot be read", "No such file"]),
        (&[resource, ("KUBECONFIG", "nowhere")], ["nowhere", ""]),
    ] {
        let Output { status, stderr, .. } = binary(&[], variables).output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(2), "{variables:?}: {stderr}");
        assert!(
            parts.iter().all(|part| stderr.contains(part)) && !stderr.contains("s3cret"),
            "{variables:?}: {stderr}"
        );
    }
    let help = binary(&["--help"], &[]).output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(help.status.success());
    for name in ["K8S_NAMESPACE=", "LOG_LEVEL=", "EVENT_CONTROLLER_LISTEN=", "[default: 5]"] {
        assert!(text.contains(name), "{name}: {text}");
    }
    assert!(!text.contains("DEMO_CONTROLLER"), "{text}");
}

#[test]
fn namespaced_alone_means_the_namespace_of_pod_or_context() {
    let args =
        ["--resource", "pods", "--api-endpoint", "http://127.0.0.1:1", "--listen", "off", "--log-format", "text"];
    let mut running = KillOnDrop(binary(&args, &[("K8S_NAMESPACED", "True")]).spawn().unwrap());
    let mut lines = BufReader::new(running.0.stderr.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains("event-controller starts")).unwrap();
    assert!(line.contains(r#"namespace="default""#), "{line}");
}

/// Serves discovery and a list with one pod. The watch stays open.
fn serve(listener: &TcpListener) {
    let pods = r#"{"resource":"pods","responseKind":{"kind":"Pod"},"scope":"Namespaced","verbs":["list","watch"]}"#;
    let core =
        format!(r#"{{"items":[{{"metadata":{{"name":""}},"versions":[{{"version":"v1","resources":[{pods}]}}]}}]}}"#);
    let list =
        r#"{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"web","namespace":"shop","uid":"u"}}]}"#;
    for stream in listener.incoming().map_while(Result::ok) {
        let core = core.clone();
        thread::spawn(move || {
            loop {
                let head = read_request(&stream);
                let Some(line) = head.first() else { return };
                let body = match line.split(' ').nth(1).unwrap_or_default() {
                    "/api" => &core,
                    path if path.contains("watch=true") => return thread::park(),
                    path if path.starts_with("/apis") => r#"{"items":[]}"#,
                    _ => list,
                };
                let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                if (&stream).write_all(response.as_bytes()).is_err() {
                    return;
                }
            }
        });
    }
}

#[test]
fn child_inherits_the_settings_in_use_but_no_token() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = listener.local_addr().unwrap().to_string();
    thread::spawn(move || serve(&listener));
    let folder = Folder::new("child");
    // Two tasks log stderr and the response, in any order.
    let script = r#"read -r line; env >&2; echo end of env >&2; echo '{"message":"done","level":"INFO"}'; cat"#;
    let ini = folder.file("a.ini", &format!("[plugin_exec]\ncommand = sh -c '{}'\n", script.replace('\'', r"'\''")));
    let url = format!("http://{endpoint}");
    let variables = [
        ("K8S_RESOURCE", "pods"),
        ("K8S_API_ENDPOINT", &*url),
        ("K8S_TOKEN", "s3cret"),
        ("K8S_CA", ""),
        ("K8S_NAMESPACE", "other"),
    ];
    let flags = ["--plugin", "exec", "-n", "shop", "--log-level", "info", "--log-format", "text", "--listen", "off"];
    let flags = [&flags[..], &["-c", ini.to_str().unwrap()]].concat();
    let mut running = KillOnDrop(binary(&flags, &variables).spawn().unwrap());
    let stderr = BufReader::new(running.0.stderr.take().unwrap());
    let (sender, lines) = channel();
    thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let mut log = String::new();
    let is_complete = |log: &str| log.contains("done") && log.contains("end of env");
    while !is_complete(&log)
        && let Ok(line) = lines.recv_timeout(testkit::wait::DEADLINE)
    {
        log += &format!("{line}\n");
    }
    assert!(is_complete(&log), "{log}");
    let config_file = format!("CONFIG_FILE={}", ini.display());
    for setting in ["K8S_NAMESPACE=shop", "K8S_NAMESPACED=True", "K8S_RESOURCE=pods", "LOG_LEVEL=info", &config_file] {
        assert!(log.contains(setting), "{setting}: {log}");
    }
    assert!(log.contains(&format!("K8S_API_ENDPOINT={endpoint}")) && !log.contains("s3cret"), "{log}");
}
