//! Tests of the binary that need an environment: variables, exit codes, the environment of the child.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Output},
    sync::mpsc::channel,
    thread,
};

use testkit::{Folder, Process, process::run, wait::DEADLINE};

/// Returns a command for the binary, with only these variables.
fn new_command(args: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_event-controller"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).envs(variables.iter().copied());
    command.args(args);
    command
}

/// Starts the binary without its HTTP endpoint.
fn start(args: &[&str], variables: &[(&str, &str)]) -> Process {
    Process::start(new_command(&[args, &["--listen", "off", "--log-format", "json"]].concat(), variables), 0)
}

/// Reads the head of a request.
fn read_request(stream: &TcpStream) -> Vec<String> {
    BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect()
}

/// Runs the binary against a server, and returns the `Authorization` header of the first request.
fn read_authorization(args: &[&str], variables: &[(&str, &str)]) -> Option<String> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let replaced = |text: &str| text.replace("URL", &url);
    let args: Vec<String> = args.iter().map(|text| replaced(text)).collect();
    let variables: Vec<(&str, String)> = variables.iter().map(|(name, value)| (*name, replaced(value))).collect();
    let (args, variables): (Vec<&str>, Vec<(&str, &str)>) = (
        args.iter().map(String::as_str).collect(),
        variables.iter().map(|(name, value)| (*name, value.as_str())).collect(),
    );
    let (sender, receiver) = channel();
    thread::spawn(move || sender.send(read_request(&listener.accept().unwrap().0)));
    let _process = start(&args, &variables);
    let head = receiver.recv_timeout(DEADLINE).expect("a request");
    head.iter().find_map(|line| line.strip_prefix("authorization: ").map(str::to_owned))
}

#[test]
fn flag_beats_variable_and_variable_beats_file() {
    let folder = Folder::new("sources");
    let ini = folder
        .file("a.ini", "[global]\nk8s_resource = pods\nk8s_api_endpoint = http://127.0.0.1:1\nk8s_token = of-file\n");
    let file = ("CONFIG_FILE", ini.to_str().unwrap());
    let (server, token) = (("K8S_API_ENDPOINT", "URL"), ("K8S_TOKEN", "of-variable"));
    assert_eq!(read_authorization(&[], &[file, server, token]).as_deref(), Some("Bearer of-variable"));
    assert_eq!(
        read_authorization(&[], &[file, server, ("K8S_TOKEN", "")]),
        None,
        "empty means unset; the token of the file is for its server"
    );
    assert_eq!(read_authorization(&["--api-endpoint", "URL"], &[file, server, token]), None);
    let flags = ["--api-endpoint", "URL", "--token", "of-flag"];
    assert_eq!(read_authorization(&flags, &[file, server, token]).as_deref(), Some("Bearer of-flag"));
}

#[test]
fn wrong_input_ends_with_exit_code_2() {
    let resource = ("K8S_RESOURCE", "pods");
    for (variables, parts) in [
        (&[][..], ["no resource: expected", "K8S_RESOURCE"]),
        (&[("K8S_RESOURCE", "")], ["no resource: expected", "K8S_RESOURCE"]),
        (&[resource, ("K8S_TOKEN", "s3cret")], ["--token is only for a server", "--api-endpoint"]),
        (&[resource, ("EVENT_CONTROLLER_WORKERS", "0")], ["'0' for '--workers <N>'", "from 1 to 1024"]),
        (&[resource, ("WATCHER_PLUGIN", "dns")], ["'dns' for '--plugin <NAME>'", "exec"]),
        (&[resource, ("CONFIG_FILE", "nowhere")], ["nowhere: cannot be read", "No such file"]),
        (&[resource, ("KUBECONFIG", "nowhere")], ["nowhere", ""]),
    ] {
        let Output { status, stderr, .. } = run(&mut new_command(&[], variables));
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(2), "{variables:?}: {stderr}");
        assert!(
            parts.iter().all(|part| stderr.contains(part)) && !stderr.contains("s3cret"),
            "{variables:?}: {stderr}"
        );
    }
    let help = run(&mut new_command(&["--help"], &[]));
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(help.status.success());
    for name in ["K8S_NAMESPACE=", "LOG_LEVEL=", "EVENT_CONTROLLER_LISTEN=", "[default: 5]"] {
        assert!(text.contains(name), "{name}: {text}");
    }
    assert!(!text.contains("DEMO_CONTROLLER"), "{text}");
}

#[test]
fn namespaced_alone_means_the_namespace_of_pod_or_context() {
    let args = ["--resource", "pods", "--api-endpoint", "http://127.0.0.1:1"];
    let process = start(&args, &[("K8S_NAMESPACED", "True")]);
    assert_eq!(process.wait_line("event-controller starts")["namespace"], "default");
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
    let flags = ["--plugin", "exec", "-n", "shop", "--log-level", "info", "-c", ini.to_str().unwrap()];
    let process = start(&flags, &variables);
    process.wait_line("done");
    process.wait_line("end of env");
    let log = process.log();
    let config_file = format!("CONFIG_FILE={}", ini.display());
    for setting in ["K8S_NAMESPACE=shop", "K8S_NAMESPACED=True", "K8S_RESOURCE=pods", "LOG_LEVEL=info", &config_file] {
        assert!(log.contains(setting), "{setting}: {log}");
    }
    assert!(log.contains(&format!("K8S_API_ENDPOINT={endpoint}")) && !log.contains("s3cret"), "{log}");
}
