//! Real children, each a few lines of shell. Where one is silent too long the clock is paused: it jumps to the time-out.

use std::{collections::HashSet, fs};

use futures::future::join_all;
use nix::{sys::signal::kill, unistd::Pid};
use serde_json::Value;
use testkit::{Folder, Log};
use tokio::time;

use super::*;
use crate::plugin::{EventType, tests::event};

/// What each script begins with.
const FUNCTIONS: &str = r#"
    answer() { printf '{"message":"%s","level":"INFO"}\n' "$1"; }
    # The name in the line of an event.
    name() { n=${line#*\"name\":\"}; n=${n%%\"*}; }
"#;

const MINUTE: Duration = Duration::from_secs(60);

struct Setup {
    exec: Exec,
    stop: CancellationToken,
    /// `$dir` of the script: test and script leave each other files.
    folder: Folder,
}

fn setup(script: &str) -> Setup {
    let (folder, stop) = (Folder::new("exec"), CancellationToken::new());
    let arguments = vec!["-c".to_owned(), format!("{FUNCTIONS}\n{script}")];
    let settings = Settings { program: "sh".to_owned(), arguments, timeout: MINUTE };
    let environment = Environment::from([("dir", Some(folder.display().to_string()))]);
    Setup { exec: Exec::new(settings, environment, ChildGroup::default(), stop.clone()), stop, folder }
}

impl Setup {
    async fn ask(&self, name: &str) -> Result<String, ReconcileError> {
        let config = Config::from([("region".into(), "eu".into())]);
        self.exec.handle_event(&event(EventType::Added, name), &config).await.map(|(message, _)| message)
    }

    /// As `ask`, but does not wait for the backoff.
    async fn ask_another(&self, name: &str) -> Result<String, ReconcileError> {
        self.exec.slot.lock().await.next_start = None;
        self.ask(name).await
    }

    async fn fail(&self, name: &str) -> String {
        match self.ask_another(name).await {
            Err(ReconcileError::Transient(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    /// The wait before the next child.
    async fn backoff(&self) -> Option<Duration> {
        self.exec.slot.lock().await.next_start.map(|start| start - Instant::now())
    }

    /// A line that the script leaves.
    async fn note(&self, name: &str) -> String {
        let read = || fs::read_to_string(self.folder.join(name)).ok().filter(|text| text.ends_with('\n'));
        eventually(&format!("there is a {name}"), read).await
    }
}

/// With a clock that jumps whenever everything waits.
async fn jumping<T>(future: impl Future<Output = T>) -> T {
    time::pause();
    let result = future.await;
    time::resume();
    result
}

async fn eventually<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let end = std::time::Instant::now() + MINUTE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(std::time::Instant::now() < end, "not within a minute: {what}");
        time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits until the process is dead, reaped or not.
async fn gone(pid: &str) {
    let number = Pid::from_raw(pid.trim().parse().unwrap());
    let is_zombie = || fs::read_to_string(format!("/proc/{number}/stat")).is_ok_and(|stat| stat.contains(") Z "));
    eventually(&format!("{number} is gone"), || (kill(number, None).is_err() || is_zombie()).then_some(())).await;
}

#[tokio::test]
async fn child_reads_event_and_config_and_inherits_the_environment() {
    let mirror = r#"while read -r line; do answer "$(printf %s "$line" | sed 's/["\\]/\\&/g')"; done"#;
    let setup = setup(&format!("env >\"$dir/environment\"; {mirror}"));
    let line: Value = serde_json::from_str(&setup.ask("web").await.unwrap()).unwrap();
    assert_eq!((&line["event"]["type"], &line["config"]["region"]), (&"ADDED".into(), &"eu".into()));
    let object = &line["event"]["object"];
    assert_eq!((&object["kind"], &object["metadata"]["name"]), (&"Pod".into(), &"web".into()));
    let environment = fs::read_to_string(setup.folder.join("environment")).unwrap();
    assert!(environment.contains("PATH=") && environment.contains("dir="), "{environment}");
}

#[tokio::test]
async fn one_child_is_asked_one_event_at_a_time_in_order() {
    let setup = setup(r#"while read -r line; do name; echo $n >>"$dir/read"; answer "$$ $n"; done"#);
    let names: Vec<String> = (0..50).map(|n| format!("n{n}")).collect();
    let answers: Vec<String> =
        join_all(names.iter().map(|name| setup.ask(name))).await.into_iter().map(Result::unwrap).collect();
    let (pids, messages): (HashSet<_>, Vec<_>) = answers.iter().filter_map(|answer| answer.split_once(' ')).unzip();
    assert_eq!((pids.len(), messages), (1, names.iter().map(String::as_str).collect()));
    assert_eq!(setup.note("read").await, names.join("\n") + "\n");
}

#[tokio::test]
async fn silent_child_is_killed_and_its_late_answer_never_read() {
    let setup = setup(r#"while read -r line; do name; [ $n = late ] && sleep 0.2; answer "$$ $n"; done"#);
    let first = setup.ask("good").await.unwrap();
    assert!(jumping(setup.fail("late")).await.starts_with("plugin exec: the child was silent for 60s"));
    gone(first.split(' ').next().unwrap()).await;
    assert!(setup.ask_another("next").await.unwrap().ends_with("next"));
}

#[tokio::test]
async fn second_line_is_not_the_next_answer() {
    let two = r#"printf '{"message":"1","level":"INFO"}\n{"message":"2","level":"INFO"}\n'"#;
    let setup = setup(&format!("while read -r line; do name; [ $n = two ] && {two} || answer $n; done"));
    assert_eq!(setup.ask("two").await.unwrap(), "1");
    assert_eq!(setup.ask("next").await.unwrap(), "next");
}

#[tokio::test]
async fn child_that_exits_fails_its_event_and_the_next_starts_another() {
    let setup = setup("while read -r line; do name; [ $n = bad ] && exit 3; answer $n; done");
    assert_eq!(setup.fail("bad").await, "plugin exec: the child exited without an answer (exit status: 3)");
    assert_eq!(setup.ask_another("good").await.unwrap(), "good");
}

#[tokio::test]
async fn nonsense_fails_its_event() {
    let setup = setup(
        r#"while read -r line; do name; case $n in
            text) echo done;;
            endless) tr '\0' x </dev/zero;;
            *) answer $n;;
        esac; done"#,
    );
    assert!(setup.fail("text").await.starts_with("plugin exec: the child answered \"done\" (not an object)"));
    assert!(setup.fail("endless").await.starts_with("plugin exec: the child answered with more than 64 KiB"));
    assert_eq!(setup.ask_another("good").await.unwrap(), "good");
}

#[tokio::test]
async fn flood_on_stderr_delays_no_answer_and_is_logged_in_part() {
    let log = Log::start(tracing::Level::INFO);
    let setup =
        setup("while read -r line; do name; yes | head -n 100000 >&2; answer $n; done; echo last >\"$dir/end\"");
    assert_eq!(setup.ask("a").await.unwrap(), "a");
    setup.exec.shut_down().await;
    setup.note("end").await;
    let lines = log.lines();
    let logged = lines.iter().filter(|line| line["stream"] == "stderr").count();
    assert!((500..2000).contains(&logged), "{logged}");
    assert!(lines.iter().any(|line| line["message"].as_str().unwrap().contains("too much on stderr")));
    assert!(!lines.iter().any(|line| line.to_string().contains("yes |")), "no argument is logged");
}

#[tokio::test]
async fn wait_before_a_start_doubles_up_to_5_seconds_until_an_answer() {
    let setup = setup("while read -r line; do name; [ $n = bad ] && exit; answer $n; done");
    assert_eq!(setup.backoff().await, None);
    setup.fail("bad").await;
    assert!(setup.backoff().await.unwrap() <= Duration::from_millis(1600));
    for _ in 0..5 {
        setup.fail("bad").await;
    }
    let wait = setup.backoff().await.unwrap();
    assert!(wait > Duration::from_secs(4) && wait <= LONGEST_WAIT, "{wait:?}");
    let soon = Instant::now() + Duration::from_millis(50);
    setup.exec.slot.lock().await.next_start = Some(soon);
    setup.ask("good").await.unwrap();
    assert!(Instant::now() >= soon);
    assert_eq!(setup.backoff().await, None);
}

#[tokio::test]
async fn event_is_not_charged_for_a_child_that_cannot_start() {
    let mut setup = setup("while read -r line; do name; answer $n; done");
    let program = setup.folder.join("plugin");
    setup.exec.settings.program = program.display().to_string();
    let Err(ReconcileError::Unavailable(why)) = setup.ask("a").await else { panic!("it is not there") };
    assert!(why.ends_with("plugin cannot be started: No such file or directory (os error 2)"), "{why}");
    std::os::unix::fs::symlink("/bin/sh", &program).unwrap();
    assert_eq!(setup.ask_another("a").await.unwrap(), "a");
}

#[tokio::test]
async fn cancelled_call_kills_the_whole_process_group() {
    let setup = setup(r#"sleep 1000 & echo $! >"$dir/helper"; echo $$ >"$dir/child"; while read -r line; do :; done"#);
    let child = tokio::select! {
        answer = setup.ask("a") => panic!("{answer:?}"),
        child = setup.note("child") => child,
    };
    gone(&child).await;
    gone(&setup.note("helper").await).await;
}

#[tokio::test]
async fn process_group_is_killed_with_the_plugin_and_from_outside() {
    for from_outside in [false, true] {
        let setup = setup(r#"sleep 1000 & while read -r line; do answer "$$ $!"; done"#);
        let pids = setup.ask("a").await.unwrap();
        let group = setup.exec.group.clone();
        if from_outside {
            group.kill();
        } else {
            drop(setup.exec);
        }
        for pid in pids.split(' ') {
            gone(pid).await;
        }
    }
}

#[tokio::test]
async fn shutdown_lets_the_child_exit_and_kills_what_is_left() {
    let setup =
        setup(r#"sleep 1000 & while read -r line; do answer $!; done; exec >&-; sleep 0.1; echo x >"$dir/last""#);
    let helper = setup.ask("a").await.unwrap();
    setup.exec.shut_down().await;
    assert_eq!(fs::read_to_string(setup.folder.join("last")).unwrap(), "x\n");
    gone(&helper).await;

    let stays = self::setup(r#"trap '' TERM HUP INT; while read -r line; do answer $$; done; sleep 1000"#);
    let child = stays.ask("a").await.unwrap();
    jumping(stays.exec.shut_down()).await;
    gone(&child).await;
}

#[tokio::test]
async fn shutdown_finishes_the_event_in_progress_and_sends_no_other() {
    let script = r#"while read -r line; do name; echo $n >>"$dir/read"; until [ -e "$dir/go" ]; do sleep 0.01; done"#;
    let setup = setup(&format!("{script}; answer $n; done"));
    let stop = async {
        setup.note("read").await;
        setup.stop.cancel();
        fs::write(setup.folder.join("go"), "").unwrap();
    };
    let (first, second, ()) = tokio::join!(setup.ask("first"), setup.ask("second"), stop);
    assert_eq!(first.unwrap(), "first");
    assert!(matches!(second, Err(ReconcileError::Unavailable(_))), "{second:?}");
    assert_eq!(setup.note("read").await, "first\n");

    // Nor does it wait for a backoff.
    let failing = self::setup("exit");
    failing.fail("a").await;
    let stop = async { failing.stop.cancel() };
    assert!(matches!(tokio::join!(failing.ask("b"), stop).0, Err(ReconcileError::Unavailable(_))));
}

#[test]
fn settings_are_a_command_as_for_a_shell_and_a_timeout() {
    let read = |pairs: &[(&str, &str)]| {
        Settings::read(&pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    };
    let settings = read(&[("command", "sh -c 'echo \"$1\"' x  two\\ words"), ("region", "eu")]).unwrap();
    assert_eq!((settings.program.as_str(), settings.timeout), ("sh", Duration::from_secs(10)));
    assert_eq!(settings.arguments, ["-c", "echo \"$1\"", "x", "two words"]);
    assert_eq!(settings.longest_reconcile(4), Duration::from_secs(64), "4 times 10 s, 5 s and 1 s");
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
