//! The built binary as a learner runs it: `demo-controller playground`.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

/// How long anything may take before a test fails.
const DEADLINE: Duration = Duration::from_secs(60);

/// What the pod's owner reads.
const MESSAGE: &str = "ServiceName: appp1 in pki: app1-pki is not found in allowedNames: [app1 app2]";

/// A directory of this test alone, also for what the binary puts into temporary files. Gone when dropped.
struct Home(PathBuf);

impl Home {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("playground-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Home(path)
    }

    fn playground(&self, args: &str) -> Playground {
        Playground::start(self.command(args))
    }

    /// In an empty environment, so with a kubeconfig of nobody.
    fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_demo-controller"));
        command.arg("playground").args(args.split_whitespace());
        command.env_clear().env("HOME", &self.0).env("TMPDIR", &self.0).current_dir(&self.0).stdin(Stdio::null());
        command
    }

    fn files(&self) -> Vec<PathBuf> {
        fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running binary, ended when dropped.
struct Playground {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

impl Playground {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Playground { stdout: Lines::of(stdout), stderr: Lines::of(stderr), child }
    }

    /// The API server's address, from the first paragraph.
    fn server(&mut self) -> String {
        let line = self.stdout.until("http://127.0.0.1:");
        let rest = line.split_once("http://").unwrap().1;
        rest.split(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | ':'))
            .next()
            .unwrap()
            .trim_end_matches('.')
            .to_owned()
    }

    /// The path that the learner is to export.
    fn kubeconfig(&mut self) -> PathBuf {
        self.stdout.until("export KUBECONFIG=").split_once('=').unwrap().1.into()
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([format!("-{name}"), id]).status().unwrap().success());
    }

    fn ended(&mut self) -> ExitStatus {
        let until = Instant::now() + DEADLINE;
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => return status,
                None if Instant::now() > until => panic!("it does not end; {:?}", self.stderr.seen),
                None => thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Everything that it says until its end.
    fn last_words(&mut self) -> (Option<i32>, String, String) {
        let code = self.ended().code();
        (code, self.stdout.rest(), self.stderr.rest())
    }
}

impl Drop for Playground {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines as they come.
struct Lines {
    from: Receiver<String>,
    seen: Vec<String>,
}

trait Pipe: Read + Send + 'static {}
impl Pipe for ChildStdout {}
impl Pipe for ChildStderr {}

impl Lines {
    fn of(pipe: impl Pipe) -> Self {
        let (sender, from) = channel();
        let lines = BufReader::new(pipe).lines().map_while(Result::ok);
        thread::spawn(move || lines.into_iter().try_for_each(|line| sender.send(line)));
        Lines { from, seen: Vec::new() }
    }

    /// Lines that hold these words, one for each, in any order: pods are worked on side by side.
    fn until_all(&mut self, words: &[&str]) {
        let mut left = words.to_vec();
        while !left.is_empty() {
            let line = self.until("");
            left.retain(|words| !line.contains(words));
        }
    }

    /// The next line that holds these words.
    fn until(&mut self, words: &str) -> String {
        let until = Instant::now() + DEADLINE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.from.recv_timeout(left).unwrap_or_else(|e| panic!("{words:?}: {e}; {:#?}", self.seen));
            self.seen.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }

    fn rest(&mut self) -> String {
        self.seen.extend(self.from.iter());
        self.seen.join("\n")
    }
}

/// A request like curl's. The code and the body.
fn http(server: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    let content_type = if method == "PATCH" { "application/strategic-merge-patch+json" } else { "application/json" };
    let mut stream = TcpStream::connect(server).unwrap();
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n");
    write!(stream, "{head}Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Each of these stands in the text, behind the one before.
fn assert_in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part:?} is missing, or too early:\n{text}"));
        rest = &rest[at + part.len()..];
    }
}

#[test]
fn the_story_is_told_to_its_end_and_leaves_nothing_behind() {
    let home = Home::new("once");
    let mut playground = home.playground("--once --speed 20");
    let server = playground.server();
    let (code, stdout, stderr) = playground.last_words();
    assert_eq!(code, Some(0), "{stdout}\n{stderr}");
    assert_in_order(
        &stdout,
        &[
            "PodDisruptionBudget), but for its Deployment",
            "\n1. ",
            "$ kubectl create -f examples/app2.yaml\nnamespace/app2 created\npki.box.com/app2-pki created\n",
            "$ kubectl get pods -n app2\nNAME ",
            " 1/1     Running   0 ",
            "$ kubectl get pki -n app2\nNAME       SERVICE   READY   REASON   EXPIRES ",
            "app2-pki   app2      True    Issued   2",
            "\n2. ",
            "$ kubectl create -f examples/app1.yaml\n",
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
            "\n5. ",
            "app1-pki   app1      True    Issued   2",
            "$ kubectl get pods --all-namespaces\n",
            "app1 ",
            " 1/1     Running ",
            "app2 ",
            " 1/1     Running ",
        ],
    );
    let readme = include_str!("../README.md");
    let quick_start = readme.split_once("## Quick start").unwrap().1.split_once("## The story").unwrap().0;
    let commands: Vec<&str> = quick_start.lines().filter(|line| line.starts_with("$ kubectl")).collect();
    assert!(!commands.is_empty(), "the README shows the story");
    assert_in_order(&stdout, &commands);
    assert!(
        stdout
            .lines()
            .filter(|line| !line.contains("  Warning  ") && !line.contains("  Normal "))
            .all(|line| line.chars().count() <= 80),
        "{stdout}"
    );
    assert!(!stdout.contains('\u{1b}') && !stderr.contains('\u{1b}'), "colours are for terminals");

    assert_in_order(&stderr, &["certificate authority created", "certificate issued", "app2/app2-pki"]);
    assert_in_order(&stderr, &["no certificate", MESSAGE, "certificate issued", "app1/app1-pki"]);
    assert!(!stderr.contains("Forbidden"), "demo-controller.yaml gives it all the rights that it needs: {stderr}");
    assert!(!stderr.contains("deployments"), "the simulated cluster does not write into this log: {stderr}");

    assert_eq!(home.files(), Vec::<PathBuf>::new());
    assert!(TcpStream::connect(server).is_err(), "the port is free again");
}

#[test]
fn it_stays_until_a_signal_and_leaves_nothing_behind() {
    for signal in ["INT", "TERM", "HUP"] {
        let home = Home::new(&format!("stays-{signal}"));
        let mut playground = home.playground("--speed 20");
        let server = playground.server();
        let kubeconfig = playground.kubeconfig();
        assert_eq!(fs::metadata(&kubeconfig).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::read_to_string(&kubeconfig).unwrap().contains(&format!("http://{server}")));
        playground.stdout.until("docs/tour.md");
        assert_eq!(http(&server, "GET", "/api/v1/namespaces/app1/pods", "").0, 200);

        // A watch that nobody closes does not keep it.
        let mut watch = TcpStream::connect(&server).unwrap();
        write!(watch, "GET /api/v1/pods?watch=true HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
        watch.read_exact(&mut [0; 12]).unwrap();

        playground.signal(signal);
        let (code, _, stderr) = playground.last_words();
        assert_eq!(code, Some(0), "SIG{signal}: {stderr}");
        assert_eq!(home.files(), Vec::<PathBuf>::new());
    }
}

#[test]
fn a_signal_before_the_end_of_a_story_that_was_to_be_told_is_a_failure() {
    let home = Home::new("interrupted");
    let mut playground = home.playground("--once --speed 0.1");
    playground.stdout.until("1. app2");
    playground.signal("INT");
    let (code, _, stderr) = playground.last_words();
    assert_eq!(code, Some(1));
    assert!(stderr.ends_with("error: interrupted before the end of the story"), "{stderr}");
    assert_eq!(home.files(), Vec::<PathBuf>::new());
}

#[test]
fn a_story_that_breaks_off_ends_with_exit_code_1_and_says_where() {
    let home = Home::new("broken");
    let mut playground = home.playground("--once --speed 4");
    let server = playground.server();
    let rule = r#"{"fault":"InternalError","verb":"patch","resource":"pkis.box.com","user":"system:admin"}"#;
    assert_eq!(http(&server, "POST", "/control/faults", rule).0, 200);
    let (code, stdout, stderr) = playground.last_words();
    assert_eq!(code, Some(1), "{stdout}\n{stderr}");
    let line = stderr.lines().last().unwrap();
    assert!(line.starts_with("error: the story broke off: kubectl patch pki app1-pki -n app1"), "{stderr}");
    assert!(line.contains("500"), "{line}");
    assert!(stdout.contains("3. ") && !stdout.contains("patched"), "{stdout}");
    assert_eq!(home.files(), Vec::<PathBuf>::new());
}

#[test]
fn two_at_once_are_two_clusters() {
    let home = Home::new("two");
    let mut both = [home.playground("--once --speed 20"), home.playground("--once --speed 20")];
    let [one, two] = both.each_mut().map(Playground::server);
    assert_ne!(one, two);
    for playground in &mut both {
        let (code, stdout, stderr) = playground.last_words();
        assert_eq!(code, Some(0), "{stdout}\n{stderr}");
    }
    assert_eq!(home.files(), Vec::<PathBuf>::new());
}

#[test]
fn without_apps_it_is_an_empty_cluster_with_a_kubeconfig_where_it_was_asked_for() {
    let home = Home::new("empty");
    let mut playground = home.playground("--no-apps --kubeconfig-out play.yaml --speed 20");
    let server = playground.server();
    let kubeconfig = playground.kubeconfig();
    assert_eq!(kubeconfig, home.0.join("play.yaml"));
    playground.stdout.until("kubectl apply -f");
    let (code, pods) = http(&server, "GET", "/api/v1/pods", "");
    assert!(code == 200 && pods.contains("\"items\":[]"), "{pods}");
    assert_eq!(http(&server, "GET", "/apis/box.com/v1/pkis", "").0, 200, "demo-controller.yaml is installed");

    // The same place again: not over the first one's file.
    let mut second = home.playground("--kubeconfig-out play.yaml");
    let (code, stdout, stderr) = second.last_words();
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.starts_with("error: --kubeconfig-out play.yaml: File exists"), "{stderr}");
    assert!(kubeconfig.exists());

    playground.signal("TERM");
    assert_eq!(playground.ended().code(), Some(0));
    assert_eq!(home.files(), Vec::<PathBuf>::new());
}

#[test]
fn a_port_that_is_asked_for_is_taken_and_one_that_is_taken_is_refused() {
    let home = Home::new("port");
    let mut first = home.playground("--no-apps");
    let server = first.server();
    let port = server.rsplit_once(':').unwrap().1;
    let mut second = home.playground(&format!("--port {port}"));
    let (code, stdout, stderr) = second.last_words();
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(stderr.starts_with(&format!("error: --port {port}: Address already in use")), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

/// Runs it with a reader that reads one line, as `| head -1`.
fn with_a_reader_that_hangs_up(home: &Home, args: &str) -> Option<i32> {
    let mut child = home.command(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(!line.is_empty());
    let mut playground = Playground { child, stdout: Lines::of_nothing(), stderr: Lines::of_nothing() };
    playground.ended().code()
}

impl Lines {
    fn of_nothing() -> Self {
        Lines { from: channel().1, seen: Vec::new() }
    }
}

#[test]
fn a_reader_that_hangs_up_ends_it_and_is_no_failure() {
    let home = Home::new("head");
    assert_eq!(with_a_reader_that_hangs_up(&home, "--speed 20"), Some(0));
    assert_eq!(with_a_reader_that_hangs_up(&home, "--once --speed 20"), Some(0));
    assert_eq!(home.files(), Vec::<PathBuf>::new());
}

/// What a learner would copy: the line below the title that begins so.
fn printed<'a>(page: &'a str, title: &str) -> &'a str {
    let mut lines = page.lines().skip_while(|line| !line.starts_with(title));
    lines.nth(1).unwrap_or_else(|| panic!("{title} is missing: {page}")).trim()
}

/// Does what a printed line does: with kubectl where there is one, with the request that it would make where not.
fn enter(command: &str, server: &str, kubeconfig: &Path) {
    let words: Vec<&str> = command.split_whitespace().collect();
    if let Some(kubectl) = kubectl().filter(|_| words[0] == "kubectl") {
        let path = [kubectl.parent().unwrap().into(), std::env::var_os("PATH").unwrap_or_default()];
        let path = path.map(|dirs| dirs.into_string().unwrap()).join(":");
        let mut shell = Command::new("sh");
        let done = shell.args(["-c", command]).env("PATH", path).env("KUBECONFIG", kubeconfig).output().unwrap();
        assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
        return;
    }
    let body = command.split('\'').nth(1).unwrap_or_default();
    let (method, paths) = match &words[..] {
        ["curl", "-X", method, url] => {
            let path = url.split_once(server).unwrap().1;
            let parts = path.trim_start_matches("/control/").trim_matches(['{', '}']).split(',');
            (*method, parts.map(|part| format!("/control/{part}")).collect())
        }
        ["kubectl", "delete", "secret", name, "-n", ns] => {
            ("DELETE", vec![format!("/api/v1/namespaces/{ns}/secrets/{name}")])
        }
        ["kubectl", "delete", "pod", "-n", ns, "--all"] => ("DELETE", vec![format!("/api/v1/namespaces/{ns}/pods")]),
        ["kubectl", "patch", "deployment", name, "-n", ns, ..] => {
            ("PATCH", vec![format!("/apis/apps/v1/namespaces/{ns}/deployments/{name}")])
        }
        other => panic!("what is {other:?}?"),
    };
    for path in paths {
        let (code, answer) = http(server, method, &path, body);
        assert_eq!(code, 200, "{command}: {answer}");
    }
}

fn kubectl() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    assets.into_iter().chain(std::env::split_paths(&path)).map(|dir| dir.join("kubectl")).find(|file| file.is_file())
}

#[test]
fn the_five_things_to_try_do_what_is_printed_beside_them() {
    if kubectl().is_none() {
        eprintln!("no kubectl: its commands are replaced by the requests that it makes");
    }
    let home = Home::new("five");
    let mut playground = home.playground("--speed 20");
    let server = playground.server();
    let kubeconfig = playground.kubeconfig();
    playground.stdout.until("docs/tour.md");
    // Titles of the story begin with numbers, too.
    let page = playground.stdout.seen.join("\n");
    let page = page.split_once("Now it is your turn").unwrap().1;
    let enter = |title: &str| enter(printed(page, title), &server, &kubeconfig);
    let log = &mut playground.stderr;
    log.until(r#"pod=app1/app1-"#);

    enter("1. ");
    let line = log.until("certificate issued");
    assert!(line.contains("pki=app1/app1-pki") && line.contains("no Secret"), "{line}");

    enter("2. ");
    log.until_all(&[r#"to="Terminating""#, r#"to="Deleted""#, r#"from="none" to="Pending""#, r#"to="Ready""#]);

    enter("3. ");
    log.until("watch failed, will watch again");

    // Pods have changed since the Pkis have: their version is too old.
    enter("2. ");
    log.until_all(&[r#"to="Deleted""#, r#"to="Ready""#]);
    enter("4. ");
    log.until("410 Expired");
    log.until("listed, the cache is complete");

    enter("5. ");
    for _ in 0..49 {
        log.until(r#"to="Ready""#);
    }
    playground.signal("TERM");
    let (code, _, stderr) = playground.last_words();
    assert_eq!(code, Some(0), "{stderr}");
    let issued = stderr.lines().filter(|line| line.contains("certificate issued"));
    assert_eq!(issued.count(), 3, "two in the story, one for the Secret that was deleted: {stderr}");
    assert_eq!(home.files(), Vec::<PathBuf>::new());
}

#[test]
fn wrong_flags_are_told_in_one_line_and_help_is_no_error() {
    let home = Home::new("flags");
    for (args, expected) in [
        ("--speed 0", "error: --speed 0: expected a number from 0.1 to 100"),
        ("--port 99999", "error: --port 99999: expected a port"),
        ("--once --no-apps", "error: --once contradicts --no-apps"),
        ("--kubeconfig-out no/where", "error: --kubeconfig-out no/where: No such file or directory"),
        ("--kubeconfig x", "error: unknown flag --kubeconfig: did you mean --kubeconfig-out?"),
    ] {
        let output = home.command(args).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args}: {stderr}");
        assert!(stderr.starts_with(expected) && stderr.lines().count() == 1 && output.stdout.is_empty(), "{stderr}");
    }
    let output = home.command("--help").output().unwrap();
    assert!(output.status.success() && String::from_utf8(output.stdout).unwrap().contains("--no-apps"));
    assert_eq!(home.files(), Vec::<PathBuf>::new());
}
