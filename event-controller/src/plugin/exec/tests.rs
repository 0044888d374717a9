//! Real child processes, each a few lines of shell. For a timeout, the clock is paused.

use std::{collections::HashSet, fs};

use futures::future::join_all;
use nix::{sys::signal::kill, unistd::Pid};
use serde_json::Value;
use testkit::{Folder, Log};
use tokio::time;

use super::*;
use crate::plugin::{EventType, tests::event};

/// The start of each script.
const FUNCTIONS: &str = r#"
    respond() { printf '{"message":"%s","level":"INFO"}\n' "$1"; }
    # Sets n to the name of the object in $line.
    name() { n=${line#*\"name\":\"}; n=${n%%\"*}; }
"#;

const MINUTE: Duration = Duration::from_secs(60);

struct Harness {
    exec: Exec,
    stop: CancellationToken,
    /// `$dir` of the script, for files that the test and the script share.
    folder: Folder,
}

impl Harness {
    fn new(script: &str) -> Harness {
        let (folder, stop) = (Folder::new("exec"), CancellationToken::new());
        let arguments = vec!["-c".to_owned(), format!("{FUNCTIONS}\n{script}")];
        let settings = ExecSettings { program: "sh".to_owned(), arguments, timeout: MINUTE };
        let environment = Environment::from([("dir", Some(folder.display().to_string()))]);
        Harness { exec: Exec::new(settings, environment, ChildGroup::default(), stop.clone()), stop, folder }
    }

    /// Sends an ADDED event of the pod `name`, and returns the message of the response.
    async fn send(&self, name: &str) -> Result<String, ReconcileError> {
        let config = Config::from([("region".into(), "eu".into())]);
        self.exec.handle_event(&event(EventType::Added, name), &config).await.map(|(message, _)| message)
    }

    /// As `send`, but without the backoff.
    async fn send_now(&self, name: &str) -> Result<String, ReconcileError> {
        self.exec.slot.lock().await.next_start = None;
        self.send(name).await
    }

    async fn expect_failure(&self, name: &str) -> String {
        match self.send_now(name).await {
            Err(ReconcileError::Transient(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    /// Returns the wait before the next child.
    async fn backoff(&self) -> Option<Duration> {
        self.exec.slot.lock().await.next_start.map(|start| start - Instant::now())
    }

    /// Waits for a line in a file that the script writes.
    async fn wait_for_file(&self, name: &str) -> String {
        let read = || fs::read_to_string(self.folder.join(name)).ok().filter(|text| text.ends_with('\n'));
        wait_until(&format!("there is a {name}"), read).await
    }
}

/// Runs the future with a paused clock.
async fn with_paused_clock<T>(future: impl Future<Output = T>) -> T {
    time::pause();
    let result = future.await;
    time::resume();
    result
}

async fn wait_until<T>(what: &str, check: impl Fn() -> Option<T>) -> T {
    let end = std::time::Instant::now() + MINUTE;
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(std::time::Instant::now() < end, "not within a minute: {what}");
        time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits until the process has ended or is a zombie.
async fn wait_for_end(pid: &str) {
    let number = Pid::from_raw(pid.trim().parse().unwrap());
    let is_zombie = || fs::read_to_string(format!("/proc/{number}/stat")).is_ok_and(|stat| stat.contains(") Z "));
    wait_until(&format!("{number} has ended"), || (kill(number, None).is_err() || is_zombie()).then_some(())).await;
}

#[tokio::test]
async fn child_reads_event_and_config_and_inherits_the_environment() {
    let echo = r#"while read -r line; do respond "$(printf %s "$line" | sed 's/["\\]/\\&/g')"; done"#;
    let harness = Harness::new(&format!("env >\"$dir/environment\"; {echo}"));
    let line: Value = serde_json::from_str(&harness.send("web").await.unwrap()).unwrap();
    assert_eq!((&line["event"]["type"], &line["config"]["region"]), (&"ADDED".into(), &"eu".into()));
    let object = &line["event"]["object"];
    assert_eq!((&object["kind"], &object["metadata"]["name"]), (&"Pod".into(), &"web".into()));
    let environment = fs::read_to_string(harness.folder.join("environment")).unwrap();
    assert!(environment.contains("PATH=") && environment.contains("dir="), "{environment}");
}

#[tokio::test]
async fn one_child_gets_one_event_at_a_time_in_order() {
    let harness = Harness::new(r#"while read -r line; do name; echo $n >>"$dir/read"; respond "$$ $n"; done"#);
    let names: Vec<String> = (0..50).map(|n| format!("n{n}")).collect();
    let responses: Vec<String> =
        join_all(names.iter().map(|name| harness.send(name))).await.into_iter().map(Result::unwrap).collect();
    let (pids, messages): (HashSet<_>, Vec<_>) =
        responses.iter().filter_map(|response| response.split_once(' ')).unzip();
    assert_eq!((pids.len(), messages), (1, names.iter().map(String::as_str).collect()));
    assert_eq!(harness.wait_for_file("read").await, names.join("\n") + "\n");
}

#[tokio::test]
async fn silent_child_is_killed_and_its_late_response_ignored() {
    let harness = Harness::new(r#"while read -r line; do name; [ $n = late ] && sleep 0.2; respond "$$ $n"; done"#);
    let first = harness.send("good").await.unwrap();
    assert!(
        with_paused_clock(harness.expect_failure("late"))
            .await
            .starts_with("plugin exec: the child was silent for 60s")
    );
    wait_for_end(first.split(' ').next().unwrap()).await;
    assert!(harness.send_now("next").await.unwrap().ends_with("next"));
}

#[tokio::test]
async fn second_line_is_not_the_next_response() {
    let two = r#"printf '{"message":"1","level":"INFO"}\n{"message":"2","level":"INFO"}\n'"#;
    let harness = Harness::new(&format!("while read -r line; do name; [ $n = two ] && {two} || respond $n; done"));
    assert_eq!(harness.send("two").await.unwrap(), "1");
    assert_eq!(harness.send("next").await.unwrap(), "next");
}

#[tokio::test]
async fn child_that_exits_fails_its_event_and_the_next_starts_another() {
    let harness = Harness::new("while read -r line; do name; [ $n = bad ] && exit 3; respond $n; done");
    assert_eq!(
        harness.expect_failure("bad").await,
        "plugin exec: the child exited without a response (exit status: 3)"
    );
    assert_eq!(harness.send_now("good").await.unwrap(), "good");
}

#[tokio::test]
async fn invalid_response_fails_its_event() {
    let harness = Harness::new(
        r#"while read -r line; do name; case $n in
            text) echo done;;
            endless) tr '\0' x </dev/zero;;
            *) respond $n;;
        esac; done"#,
    );
    assert!(harness.expect_failure("text").await.starts_with("plugin exec: the child wrote \"done\" (not an object)"));
    assert!(harness.expect_failure("endless").await.starts_with("plugin exec: the child wrote more than 64 KiB"));
    assert_eq!(harness.send_now("good").await.unwrap(), "good");
}

#[tokio::test]
async fn flood_on_stderr_is_logged_in_part_and_delays_nothing() {
    let log = Log::start(tracing::Level::INFO);
    let harness = Harness::new(
        "while read -r line; do name; yes | head -n 100000 >&2; respond $n; done; echo last >\"$dir/end\"",
    );
    assert_eq!(harness.send("a").await.unwrap(), "a");
    harness.exec.shut_down().await;
    harness.wait_for_file("end").await;
    let lines = log.lines();
    let logged = lines.iter().filter(|line| line["stream"] == "stderr").count();
    assert!((500..2000).contains(&logged), "{logged}");
    assert!(lines.iter().any(|line| line["message"].as_str().unwrap().contains("too many lines on stderr")));
    assert!(!lines.iter().any(|line| line.to_string().contains("yes |")), "the arguments are not logged");
}

#[tokio::test]
async fn backoff_doubles_to_5_seconds_until_a_response() {
    let harness = Harness::new("while read -r line; do name; [ $n = bad ] && exit; respond $n; done");
    assert_eq!(harness.backoff().await, None);
    harness.expect_failure("bad").await;
    assert!(harness.backoff().await.unwrap() <= Duration::from_millis(1600));
    for _ in 0..5 {
        harness.expect_failure("bad").await;
    }
    let wait = harness.backoff().await.unwrap();
    assert!(wait > Duration::from_secs(4) && wait <= MAX_BACKOFF, "{wait:?}");
    let soon = Instant::now() + Duration::from_millis(50);
    harness.exec.slot.lock().await.next_start = Some(soon);
    harness.send("good").await.unwrap();
    assert!(Instant::now() >= soon);
    assert_eq!(harness.backoff().await, None);
}

#[tokio::test]
async fn failed_start_of_the_child_is_not_the_fault_of_the_event() {
    let mut harness = Harness::new("while read -r line; do name; respond $n; done");
    let program = harness.folder.join("plugin");
    harness.exec.settings.program = program.display().to_string();
    let log = Log::start(tracing::Level::WARN);
    let Err(ReconcileError::Unavailable(why)) = harness.send("a").await else { panic!("the program does not exist") };
    assert_eq!(log.lines()[0]["message"], "plugin exec: the program cannot be started");
    assert!(why.ends_with("plugin cannot be started: No such file or directory (os error 2)"), "{why}");
    std::os::unix::fs::symlink("/bin/sh", &program).unwrap();
    assert_eq!(harness.send_now("a").await.unwrap(), "a");
}

#[tokio::test]
async fn cancelled_call_kills_the_whole_process_group() {
    let harness =
        Harness::new(r#"sleep 1000 & echo $! >"$dir/helper"; echo $$ >"$dir/child"; while read -r line; do :; done"#);
    let child = tokio::select! {
        response = harness.send("a") => panic!("{response:?}"),
        child = harness.wait_for_file("child") => child,
    };
    wait_for_end(&child).await;
    wait_for_end(&harness.wait_for_file("helper").await).await;
}

#[tokio::test]
async fn process_group_is_killed_by_drop_and_from_outside() {
    for from_outside in [false, true] {
        let harness = Harness::new(r#"sleep 1000 & while read -r line; do respond "$$ $!"; done"#);
        let pids = harness.send("a").await.unwrap();
        let group = harness.exec.group.clone();
        if from_outside {
            group.kill();
        } else {
            drop(harness.exec);
        }
        for pid in pids.split(' ') {
            wait_for_end(pid).await;
        }
    }
}

#[tokio::test]
async fn shutdown_lets_the_child_exit_and_kills_the_rest() {
    let harness = Harness::new(
        r#"sleep 1000 & while read -r line; do respond $!; done; exec >&-; sleep 0.1; echo x >"$dir/last""#,
    );
    let helper = harness.send("a").await.unwrap();
    harness.exec.shut_down().await;
    assert_eq!(fs::read_to_string(harness.folder.join("last")).unwrap(), "x\n");
    wait_for_end(&helper).await;

    let stubborn = Harness::new(r#"trap '' TERM HUP INT; while read -r line; do respond $$; done; sleep 1000"#);
    let child = stubborn.send("a").await.unwrap();
    with_paused_clock(stubborn.exec.shut_down()).await;
    wait_for_end(&child).await;
}

#[tokio::test]
async fn shutdown_finishes_the_event_in_progress_and_sends_no_other() {
    let script = r#"while read -r line; do name; echo $n >>"$dir/read"; until [ -e "$dir/go" ]; do sleep 0.01; done"#;
    let harness = Harness::new(&format!("{script}; respond $n; done"));
    let stop = async {
        harness.wait_for_file("read").await;
        harness.stop.cancel();
        fs::write(harness.folder.join("go"), "").unwrap();
    };
    let (first, second, ()) = tokio::join!(harness.send("first"), harness.send("second"), stop);
    assert_eq!(first.unwrap(), "first");
    assert!(matches!(second, Err(ReconcileError::Unavailable(_))), "{second:?}");
    assert_eq!(harness.wait_for_file("read").await, "first\n");

    // A backoff ends at the stop, too.
    let failing = Harness::new("exit");
    failing.expect_failure("a").await;
    let stop = async { failing.stop.cancel() };
    assert!(matches!(tokio::join!(failing.send("b"), stop).0, Err(ReconcileError::Unavailable(_))));
}

#[test]
fn settings_are_a_command_as_for_a_shell_and_a_timeout() {
    let read = |pairs: &[(&str, &str)]| {
        ExecSettings::parse(&pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    };
    let settings = read(&[("command", "sh -c 'echo \"$1\"' x  two\\ words"), ("region", "eu")]).unwrap();
    assert_eq!((settings.program.as_str(), settings.timeout), ("sh", Duration::from_secs(10)));
    assert_eq!(settings.arguments, ["-c", "echo \"$1\"", "x", "two words"]);
    assert_eq!(settings.max_reconcile_time(4), Duration::from_secs(64), "4 times the sum of 10 s, 5 s and 1 s");
    assert_eq!(read(&[("command", "sh"), ("timeout", "1m30s")]).unwrap().timeout, Duration::from_secs(90));
    for (pairs, why) in [
        (&[][..], "[plugin_exec] command: expected a program"),
        (&[("command", "''")], "[plugin_exec] command: expected a program"),
        (&[("command", "curl -u me:s3cret 'x")], "[plugin_exec] command: expected a program"),
        (&[("command", "sh"), ("timeout", "soon")], "[plugin_exec] timeout: expected a duration"),
        (&[("command", "sh"), ("timeout", "0")], "[plugin_exec] timeout: expected a duration"),
    ] {
        let error = read(pairs).unwrap_err();
        assert!(error.starts_with(why) && !error.contains("s3cret"), "{error}");
    }
}
