//! The built binary, given wrong input and signals. Nothing here needs an API server.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long anything may take before a test fails.
const DEADLINE: Duration = Duration::from_secs(30);

/// The binary in an empty environment, at home in this directory, on a system without CA certificates (as an image from
/// scratch).
fn controller(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo-controller"));
    command
        .env_clear()
        .env("SSL_CERT_FILE", "/dev/null")
        .env("SSL_CERT_DIR", "/nowhere")
        .env("HOME", home)
        .current_dir(home)
        .stdin(Stdio::null());
    command
}

/// A directory of this test alone, with these files; gone when dropped.
struct Home(PathBuf);

impl Home {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("demo-controller-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        for (file, text) in files {
            fs::write(path.join(file), text).unwrap();
        }
        Home(path)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running binary, ended when dropped.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Running { child, lines }
    }

    /// The first log line with this message.
    fn line(&self, message: &str) -> Value {
        let until = Instant::now() + DEADLINE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|e| panic!("waiting for {message:?}: {e}"));
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line:?} is no JSON: {e}"));
            if line["message"] == message {
                return line;
            }
        }
    }

    fn signal(&self, name: &str) {
        kill(name, self.child.id());
    }

    fn ended(&mut self) -> ExitStatus {
        wait_for("the end", || self.child.try_wait().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn kill(signal: &str, process: u32) {
    let sent = Command::new("kill").args([format!("-{signal}"), process.to_string()]).stderr(Stdio::null()).status();
    sent.expect("the kill command");
}

/// Asks again and again until there is an answer.
fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + DEADLINE;
    loop {
        match ask() {
            Some(answer) => return answer,
            None if Instant::now() > until => panic!("{what} did not come within {DEADLINE:?}"),
            None => thread::yield_now(),
        }
    }
}

/// The one line that the binary left on stderr, without its `error: `.
fn one_line(output: &Output, code: i32) -> String {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "exactly one line: {stderr:?}");
    assert!(output.stdout.is_empty());
    stderr.trim_end().strip_prefix("error: ").unwrap_or_else(|| panic!("{stderr:?}")).to_owned()
}

const KUBECONFIG: &str = r#"
apiVersion: v1
kind: Config
current-context: dev
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1", insecure-skip-tls-verify: true}},
           {name: proxied, cluster: {server: "https://127.0.0.1:1", proxy-url: "http://proxy:3128"}},
           {name: badca, cluster: {server: "https://127.0.0.1:1", certificate-authority: nowhere.crt}}]
users: [{name: u, user: {token: kube-s3cret}}, {name: filed, user: {tokenFile: nowhere.token}},
        {name: plugged, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, interactiveMode: Never}}}]
contexts: [{name: dev, context: {cluster: c, user: u, namespace: team}}, {name: proxied, context: {cluster: proxied, user: u}},
           {name: badca, context: {cluster: badca, user: u}}, {name: lost, context: {cluster: gone, user: u}},
           {name: filed, context: {cluster: c, user: filed}}, {name: plugged, context: {cluster: c, user: plugged}}]
"#;

/// Arguments, variables, and how the line begins.
type Wrong = (&'static str, &'static [(&'static str, &'static str)], &'static str);

#[test]
fn every_wrong_input_ends_with_exit_code_2_and_one_line_that_names_it() {
    let home = Home::new(
        "wrong",
        &[
            ("kube", KUBECONFIG),
            ("notyaml", "users: [{user: {token: s3cret\n"),
            ("nocurrent", &KUBECONFIG.replace("current-context: dev", "")),
            ("text", "no certificate\n"),
            ("empty", ""),
            ("workers.ini", "[global]\ndemo_controller_workers = 0\n"),
            ("typo.ini", "[global]\nk8s_tokn = s3cret\n"),
            ("token.ini", "[global]\nk8s_token = s3cret\n"),
            ("both.ini", "[global]\nk8s_api_endpoint = a:1\nk8s_token = s3cret\ndemo_controller_token_file = empty\n"),
            ("broken.ini", "[global\n"),
            (
                "exec.ini",
                "[global]\nwatcher_plugin = exec\n[plugin_exec]\ncommand = no-such-program s3cret\npassword = s3cret\n",
            ),
            ("loud.ini", "[plugin_simple]\nmessage_log_level = loud\n"),
        ],
    );
    fs::write(home.0.join("huge"), "app1\n".repeat(300_000)).unwrap();
    let table: &[Wrong] = &[
        (
            "",
            &[],
            "no API server to connect to: give --kubeconfig, KUBECONFIG, ~/.kube/config or --api-endpoint, or run in a pod",
        ),
        ("--wrokers 3", &[], "unknown flag --wrokers: did you mean --workers?"),
        ("run extra", &[], "unexpected argument \"extra\": expected "),
        ("--workers 0", &[], "--workers 0: expected a whole number from 1 to 1024"),
        ("", &[("DEMO_CONTROLLER_WORKERS", "0")], "DEMO_CONTROLLER_WORKERS=0: expected a whole number from 1 to 1024"),
        (
            "--config workers.ini",
            &[],
            "demo_controller_workers = 0 in workers.ini: expected a whole number from 1 to 1024",
        ),
        ("", &[("CONFIG_FILE", "typo.ini")], "typo.ini: unknown key k8s_tokn in [global]: did you mean k8s_token?"),
        ("--config broken.ini", &[], "broken.ini: expected an ini file, [section] and key = value, but not near line "),
        ("--config nowhere", &[], "--config nowhere: cannot be read: No such file"),
        ("", &[("CONFIG_FILE", "nowhere")], "CONFIG_FILE=nowhere: cannot be read: No such file"),
        ("--config .", &[], "--config .: cannot be read: Is a directory"),
        ("--resync 10", &[], "--resync 10: expected a duration such as 3s, 10m or 1h30m"),
        (
            "",
            &[("DEMO_CONTROLLER_REMIND", "a while")],
            "DEMO_CONTROLLER_REMIND=\"a while\": expected a duration such as",
        ),
        ("", &[("K8S_NAMESPACED", "maybe")], "K8S_NAMESPACED=maybe: expected true or false"),
        ("-n Team_1", &[], "--namespace Team_1: expected a namespace's name"),
        ("", &[("LOG_LEVEL", "LOUD")], "LOG_LEVEL=LOUD: expected trace, debug, info, warn or error"),
        ("", &[("RUST_LOG", "a=b=c")], "RUST_LOG=a=b=c: expected a filter such as"),
        ("--allowed-names nowhere", &[], "--allowed-names nowhere: cannot be read (No such file"),
        ("--allowed-names .", &[], "--allowed-names .: cannot be read (not a regular file"),
        ("--allowed-names huge", &[], "--allowed-names huge: cannot be read (larger than 1048576 bytes"),
        (
            "--token s3cret --token-file empty",
            &[],
            "--token *** contradicts --token-file empty: expected one of the two",
        ),
        (
            "--config both.ini",
            &[],
            "k8s_token = *** in both.ini contradicts demo_controller_token_file = empty in both.ini",
        ),
        (
            "",
            &[("K8S_TOKEN", "s3cret")],
            "K8S_TOKEN=***: goes only to a server that is named in the same place: give K8S_API_ENDPOINT",
        ),
        ("--config token.ini", &[("K8S_API_ENDPOINT", "")], "k8s_token = *** in token.ini: goes only to a server"),
        ("--api-endpoint a:1 --token s3cret\u{e9}", &[], "--token ***: expected one word of ASCII characters"),
        ("--api-endpoint a:99999", &[], "--api-endpoint a:99999: expected HOST:PORT or a URL"),
        ("--api-endpoint a:1 --token-file nowhere", &[], "--token-file nowhere: cannot be read: No such file"),
        ("--api-endpoint a:1 --token-file empty", &[], "--token-file empty: expected a token"),
        ("--api-endpoint a:1 --ca nowhere", &[], "--ca nowhere: cannot be read: No such file"),
        ("--api-endpoint a:1 --ca text", &[], "--ca text: expected CA certificates in PEM"),
        ("", &[("K8S_API_ENDPOINT", "a:1"), ("K8S_CA", "nowhere")], "K8S_CA=nowhere: cannot be read: No such file"),
        ("--api-endpoint a:1", &[], "--api-endpoint: failed to add a root certificate: "),
        ("--kubeconfig nowhere", &[], "--kubeconfig nowhere: there is no such file"),
        ("", &[("KUBECONFIG", "nowhere")], "KUBECONFIG=nowhere: there is no such file"),
        ("", &[("KUBECONFIG", "nowhere:neither")], "KUBECONFIG=nowhere:neither: there is no such file"),
        ("--kubeconfig .", &[], "--kubeconfig .: cannot be read: Is a directory"),
        ("", &[("KUBECONFIG", ".:kube")], "KUBECONFIG=.:kube: .: cannot be read: Is a directory"),
        ("--kubeconfig notyaml", &[], "--kubeconfig notyaml: expected a kubeconfig, but line "),
        ("--kubeconfig empty", &[], "--kubeconfig empty: it has no current-context: give --context, one of none"),
        (
            "--kubeconfig nocurrent",
            &[],
            "--kubeconfig nocurrent: it has no current-context: give --context, one of dev,",
        ),
        (
            "--context prod",
            &[("KUBECONFIG", "kube")],
            "--context prod: no such context in KUBECONFIG=kube: expected one of dev,",
        ),
        ("--context prod", &[], "--context prod: there is no kubeconfig: expected "),
        (
            "--kubeconfig kube --context lost",
            &[],
            "--kubeconfig kube: context lost: failed to load the cluster of context: gone",
        ),
        ("--kubeconfig kube --context proxied", &[], "--kubeconfig kube: context proxied: proxy-url is not supported"),
        (
            "--kubeconfig kube --context badca",
            &[],
            "--kubeconfig kube: context badca: failed to load certificate authority",
        ),
        (
            "--kubeconfig kube --context filed",
            &[],
            "context filed of --kubeconfig kube: token file nowhere.token: cannot be read",
        ),
        (
            "--kubeconfig kube --context plugged",
            &[],
            "context plugged of --kubeconfig kube: its exec plugin cannot be started",
        ),
        ("--kubeconfig kube --api-endpoint a:1", &[], "--api-endpoint a:1 contradicts --kubeconfig kube"),
        ("--listen example.com:80", &[], "--listen example.com:80: expected ADDRESS:PORT such as 127.0.0.1:8080"),
        ("--ca-secret demo", &[], "--ca-secret demo: expected NAMESPACE/NAME"),
        ("-c typo.ini", &[], "typo.ini: unknown key k8s_tokn in [global]: did you mean k8s_token?"),
        ("watch", &[], "no resource to watch: give --resource, K8S_RESOURCE or k8s_resource in the --config file"),
        ("watch", &[("K8S_RESOURCE", "pods")], "no API server to connect to: give --kubeconfig, "),
        ("watch --resource pods/status", &[], "--resource pods/status: expected one resource, as kubectl names it"),
        ("watch --resource pods --plugin dns", &[], "--plugin dns: unknown plugin: expected simple or exec"),
        ("watch --resource pods", &[("WATCHER_PLUGIN", "exec")], "WATCHER_PLUGIN=exec: [plugin_exec] needs command: "),
        (
            "watch --resource pods -c exec.ini",
            &[],
            "watcher_plugin = exec in exec.ini: exec.ini: [plugin_exec] command = no-such-program …: ",
        ),
        (
            "watch --resource pods -c loud.ini",
            &[],
            "loud.ini: [plugin_simple] message_log_level = loud: expected TRACE",
        ),
        ("watch --resource pods -l a=b=c", &[], "--selector a=b=c: expected labels such as app=web"),
        (
            "watch --resource pods --field-selector a",
            &[],
            "--field-selector a: expected fields such as metadata.name=web",
        ),
        (
            "watch --resource deployments.apps --api-group batch",
            &[],
            "--resource deployments.apps, --api-group batch: the name has another group in it",
        ),
        ("watch --resource pods --resync 1s", &[], "unknown flag --resync: "),
        (
            "watch --resource pods -c typo.ini",
            &[],
            "typo.ini: unknown key k8s_tokn in [global]: did you mean k8s_token?",
        ),
        ("watch --resource pods --show-config --workers 0", &[], "--workers 0: expected a whole number from 1 to 1024"),
    ];
    for (args, env, expected) in table {
        let output = controller(&home.0).args(args.split_whitespace()).envs(env.iter().copied()).output().unwrap();
        let line = one_line(&output, 2);
        assert!(line.starts_with(expected), "{args} {env:?}: {line}");
        assert!(!line.contains("s3cret"), "a secret in {line}");
    }
}

#[test]
fn help_version_and_crd_go_to_stdout_and_are_no_error() {
    let home = Home::new("help", &[]);
    for (args, expected) in [
        (&["--help"][..], "--shutdown-grace <DURATION>"),
        (&["run", "--help"], "--shutdown-grace <DURATION>"),
        (&["--help"], "Hand what happens to the objects of any resource to a plugin"),
        (&["watch", "--help"], "--field-selector <SELECTOR>"),
        (&["crd", "--help"], "Usage: demo-controller crd"),
        (&["--version"], concat!("demo-controller ", env!("CARGO_PKG_VERSION"))),
        (&["crd"], ""),
    ] {
        let output = controller(&home.0).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(output.stderr.is_empty(), "{args:?}");
        assert!(String::from_utf8(output.stdout).unwrap().contains(expected), "{args:?}");
    }
}

#[test]
fn a_port_that_is_taken_ends_with_exit_code_1_and_one_line() {
    let home = Home::new("port", &[]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output =
        controller(&home.0).args(["--api-endpoint", "http://127.0.0.1:1", "--listen", &address]).output().unwrap();
    assert!(one_line(&output, 1).starts_with(&format!("--listen {address}: Address already in use")));
}

#[test]
fn show_config_prints_what_would_be_done_before_anything_is() {
    let ini = "[global]\nk8s_resource = pods\nk8s_api_endpoint = 127.0.0.1:1\nk8s_token = s3cret\nk8s_ca = nowhere\n";
    let home = Home::new("show", &[("a.ini", ini)]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = controller(&home.0)
        .args(["watch", "-c", "a.ini", "--show-config", "--listen", &taken.local_addr().unwrap().to_string()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "not one line of log: {}", String::from_utf8_lossy(&output.stderr));
    let shown = String::from_utf8(output.stdout).unwrap();
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = shown.lines().map(words).collect();
    for expected in [
        "resource pods k8s_resource in a.ini",
        "token *** k8s_token in a.ini",
        "workers 4 default",
        "server: https://127.0.0.1:1/, as k8s_api_endpoint in a.ini says, with the token",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected} is missing:\n{shown}");
    }
    assert!(!shown.contains("s3cret"));
}

/// Connected to nobody, with health on a free port. Returns the port's address too.
fn running(command: &mut Command) -> (Running, String, Value) {
    started(command, "demo-controller starts")
}

/// The same for a command that begins with other words.
fn started(command: &mut Command, words: &str) -> (Running, String, Value) {
    let running = Running::start(command.args(["--listen", "127.0.0.1:0"]));
    let line = running.line(words);
    let address = line["listen"].as_str().unwrap().to_owned();
    (running, address, line)
}

#[test]
fn the_port_answers_while_the_api_server_is_away_and_sigterm_ends_with_0() {
    let home = Home::new("sigterm", &[]);
    for signal in ["TERM", "INT"] {
        let (mut running, address, line) =
            running(controller(&home.0).args(["--api-endpoint", "http://127.0.0.1:1", "--token", "s3cret"]));
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
    let home = Home::new("sample", &[("config.ini", &sample)]);
    let mut command = controller(&home.0);
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
fn what_is_ignored_is_warned_about_without_its_value() {
    let home = Home::new("ignored", &[]);
    let mut command = controller(&home.0);
    let (running, _, _) = running(command.args(["--api-endpoint", "http://127.0.0.1:1"]).env("K8S_TOKEN", "s3cret"));
    let expected = "K8S_TOKEN=*** is ignored: the server is named by --api-endpoint http://127.0.0.1:1, and takes nothing from elsewhere";
    assert_eq!(running.line(expected)["level"], "WARN");
}

#[test]
fn the_kubeconfig_is_found_at_home_in_the_variable_and_merged_without_the_missing() {
    let home = Home::new("kubeconfig", &[("kube", KUBECONFIG)]);
    let env = ("KUBECONFIG", "nowhere::kube");
    let (_one, _, line) = running(controller(&home.0).envs([env, ("K8S_NAMESPACED", "true")]));
    assert_eq!(line["server"], "https://127.0.0.1:1 (context dev of KUBECONFIG=nowhere::kube)");
    assert_eq!(line["namespace"], "team", "the context's own");

    fs::create_dir(home.0.join(".kube")).unwrap();
    fs::rename(home.0.join("kube"), home.0.join(".kube/config")).unwrap();
    let (_two, _, line) = running(controller(&home.0).args(["-n", "other"]));
    assert_eq!(line["server"], "https://127.0.0.1:1 (context dev of ~/.kube/config)");
    assert_eq!(line["namespace"], "other");
}

#[test]
fn a_second_signal_ends_at_once_with_128_and_its_number() {
    // An exec plugin that hangs keeps the process from obeying the first signal. It leaves its process id behind.
    let plugin = "#!/bin/sh\necho $$ > started.new && /bin/mv started.new started\nexec /bin/sleep 60\n";
    let home = Home::new("second", &[("kube", KUBECONFIG), ("plugin", plugin)]);
    make_executable(&home.0.join("plugin"));
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut running = Running::start(controller(&home.0).args(["--kubeconfig", "kube", "--context", "plugged"]));
        let started = home.0.join("started");
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
    let home = Home::new("plugin", &[("kube", KUBECONFIG), ("plugin", plugin)]);
    make_executable(&home.0.join("plugin"));
    let output = controller(&home.0).args(["--kubeconfig", "kube", "--context", "plugged"]).output().unwrap();
    let line = one_line(&output, 1);
    assert!(line.starts_with("context plugged of --kubeconfig kube: the exec plugin "), "{line}");
    assert!(line.ends_with("failed: exit status: 7"), "{line}");
}

fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
