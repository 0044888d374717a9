//! Real children, each a few lines of shell. Where one is to be silent for too long the clock is paused: when everybody
//! waits it jumps to the time-out at once.

use std::{collections::HashSet, fs, time::Duration};

use futures::future::join_all;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    protocol,
    rig::{MINUTE, gone, jumping, rig, why},
};
use crate::{
    testing::Log,
    watch::{Config, EventType, Plugin, fixture},
    worker::Error,
};

#[tokio::test]
async fn it_is_told_the_event_and_the_config() {
    let mirror = r#"while read -r line; do answer "$(printf %s "$line" | sed 's/["\\]/\\&/g')"; done"#;
    let rig = rig("told", mirror);
    let heard: Value = serde_json::from_str(&rig.ask("web").await.unwrap()).unwrap();
    assert_eq!((&heard["event"]["type"], &heard["config"]["region"]), (&"ADDED".into(), &"eu".into()));
    let object = &heard["event"]["object"];
    assert_eq!((&object["kind"], &object["metadata"]["name"]), (&"Pod".into(), &"web".into()));
}

#[tokio::test]
async fn it_inherits_the_environment_but_no_token() {
    let rig = rig("environment", r#"env >"$dir/environment"; while read -r line; do answer fine; done"#);
    rig.ask("a").await.unwrap();
    let environment = fs::read_to_string(rig.dir.join("environment")).unwrap();
    let has = |name: &str| environment.lines().any(|line| line.starts_with(name));
    assert!(has("PATH=") && has("dir=") && !environment.contains("K8S_TOKEN"), "{environment}");
}

#[tokio::test]
async fn one_child_is_asked_one_thing_after_the_other_in_the_order_in_which_they_come() {
    let rig = rig("order", r#"while read -r line; do name; echo $n >>"$dir/heard"; answer "$$ $n"; done"#);
    let names: Vec<String> = (0..50).map(|n| format!("n{n}")).collect();
    let answers: Vec<_> =
        join_all(names.iter().map(|name| rig.ask(name))).await.into_iter().map(Result::unwrap).collect();
    let (pids, said): (HashSet<_>, Vec<_>) = answers.iter().filter_map(|answer| answer.split_once(' ')).unzip();
    assert_eq!((pids.len(), said), (1, names.iter().map(String::as_str).collect()));
    assert_eq!(rig.note("heard").await, names.join("\n") + "\n");
}

#[tokio::test]
async fn a_child_that_is_silent_for_too_long_is_killed_and_the_next_event_gets_another() {
    let rig = rig("silent", r#"while read -r line; do name; [ $n = bad ] || answer $$; done"#);
    let first = rig.ask("good").await.unwrap();
    assert_eq!(why(jumping(rig.ask("bad")).await), "plugin exec: the child was silent for 60s");
    gone(&first).await;
    assert_ne!(rig.ask_another("good").await.unwrap(), first);
}

#[tokio::test]
async fn a_late_answer_is_not_taken_for_the_next_one() {
    let rig = rig("late", r#"while read -r line; do name; [ $n = late ] && sleep 0.2; answer $n; done"#);
    assert!(why(jumping(rig.ask("late")).await).contains("silent"));
    assert_eq!(rig.ask_another("next").await.unwrap(), "next");
}

#[tokio::test]
async fn a_second_line_is_not_taken_for_the_next_answer() {
    let two = r#"printf '{"message":"1","level":"INFO"}\n{"message":"2","level":"INFO"}\n'"#;
    let rig = rig("two", &format!("while read -r line; do name; [ $n = two ] && {two} || answer $n; done"));
    assert_eq!(rig.ask("two").await.unwrap(), "1");
    assert_eq!(rig.ask_another("next").await.unwrap(), "next", "this event is not charged for it");
}

#[tokio::test]
async fn a_second_line_that_comes_later_is_not_either() {
    let later = r#"until [ -e "$dir/go" ]; do sleep 0.01; done; answer again; echo >"$dir/spoke""#;
    let rig = rig("later", &format!("while read -r line; do name; answer $n; [ $n = two ] && {{ {later}; }}; done"));
    assert_eq!(rig.ask("two").await.unwrap(), "two");
    fs::write(rig.dir.join("go"), "").unwrap();
    rig.note("spoke").await;
    assert_eq!(rig.ask_another("next").await.unwrap(), "next");
}

#[tokio::test]
async fn a_child_that_ends_between_two_events_is_replaced_at_the_expense_of_neither() {
    let rig = rig("between", "read -r line; answer $$");
    let first = rig.ask("a").await.unwrap();
    rig.child_has_ended().await;
    assert_ne!(rig.ask_another("b").await.unwrap(), first);
}

#[tokio::test]
async fn a_crash_fails_the_event_that_it_met() {
    let rig = rig("crash", "while read -r line; do name; [ $n = bad ] && exit 3; answer $n; done");
    assert_eq!(why(rig.ask("bad").await), "plugin exec: the child left without an answer (exit status: 3)");
    assert_eq!(rig.ask_another("good").await.unwrap(), "good");
}

#[tokio::test]
async fn a_child_that_lives_on_without_a_pipe_is_not_told_as_one_that_somebody_killed() {
    for (pipe, test) in [("exec >&-", "stdout"), ("exec <&-; exec >&-", "both")] {
        let rig = rig(test, &format!("read -r line; {pipe}; sleep 1000"));
        let why = why(rig.ask("a").await);
        assert_eq!(why, "plugin exec: the child closed its stdin or stdout without an answer, or was killed");
    }
}

#[tokio::test]
async fn nonsense_fails_the_event_that_it_answers() {
    let rig = rig(
        "nonsense",
        r#"while read -r line; do name; case $n in
            text) echo done;;
            loud) echo '{"message":"a","level":"LOUD"}';;
            endless) tr '\0' x </dev/zero;;
            *) answer $n;;
        esac; done"#,
    );
    let start = "plugin exec: the child answered nonsense: ";
    assert!(why(rig.ask("text").await).starts_with(&format!("{start}done (")));
    assert!(why(rig.ask_another("loud").await).contains("level LOUD: expected TRACE"));
    assert!(why(rig.ask_another("endless").await).starts_with(&format!("{start}a line of more than 65536 bytes")));
    assert_eq!(rig.ask_another("good").await.unwrap(), "good");
}

#[tokio::test]
async fn a_child_may_answer_before_it_has_read() {
    // More than there is room for in the pipes, in both directions.
    let empty = r#"{"message":"","level":"INFO"}"#;
    let length = protocol::LONGEST_ANSWER - empty.len();
    let rig = rig("early", &format!("answer $(head -c {length} /dev/zero | tr '\\0' x); head -n 1 >/dev/null; cat"));
    let object = format!(r#"{{"metadata":{{"name":"a"}},"data":"{}"}}"#, "d".repeat(1 << 20));
    let event = fixture::of(EventType::Added, &object);
    let (message, _) = rig.exec.handle_event(&event, &Config::new()).await.unwrap();
    assert_eq!(message.len(), length);
}

#[tokio::test]
async fn a_flood_on_stderr_keeps_no_answer_back() {
    // From a process that never stops, and from the one that answers, which cannot before it is rid of its megabyte.
    let one = "tr '\\0' x </dev/zero | head -c 1000000 >&2; echo >&2";
    let script = format!("(while :; do {one}; done) & while read -r line; do name; {one}; answer $n; done");
    let rig = rig("flood", &script);
    for name in (0..5).map(|n| n.to_string()) {
        assert_eq!(rig.ask(&name).await.unwrap(), name);
    }
}

#[tokio::test]
async fn the_waits_before_a_start_get_longer_until_a_child_answers() {
    let rig = rig("backoff", "while read -r line; do name; [ $n = bad ] && exit; answer $n; done");
    rig.ask("good").await.unwrap();
    assert_eq!(rig.backoff().await, None);
    why(rig.ask("bad").await);
    assert!(rig.backoff().await.unwrap() <= Duration::from_millis(1600));
    for _ in 0..3 {
        why(rig.ask_another("bad").await);
    }
    assert!(rig.backoff().await.unwrap() > Duration::from_secs(3), "5 s, of which some have passed");
    rig.ask_another("good").await.unwrap();
    why(rig.ask("bad").await);
    assert!(rig.backoff().await.unwrap() <= Duration::from_millis(1600));
}

#[tokio::test]
async fn many_events_that_kill_the_child_hold_the_next_one_up_for_5_seconds_each_at_most() {
    let rig = rig("poison", "while read -r line; do name; [ $n = bad ] && exit; answer $n; done");
    for _ in 0..50 {
        why(rig.ask_another("bad").await);
        let wait = rig.backoff().await.unwrap();
        assert!(wait <= Duration::from_secs(5), "{wait:?}");
    }
    assert_eq!(rig.ask_another("good").await.unwrap(), "good");
}

#[tokio::test]
async fn no_event_is_charged_for_a_child_that_cannot_be_started() {
    let mut rig = rig("start", "while read -r line; do name; answer $n; done");
    let program = rig.dir.join("plugin");
    rig.exec.settings.program = program.display().to_string();
    let Err(Error::Unavailable(why)) = rig.ask("a").await else { panic!("it is not there") };
    assert_eq!(
        why,
        format!("plugin exec: {} cannot be started: No such file or directory (os error 2)", program.display())
    );
    assert!(rig.backoff().await.is_some());
    std::os::unix::fs::symlink("/bin/sh", &program).unwrap();
    assert_eq!(rig.ask_another("a").await.unwrap(), "a");
}

#[tokio::test]
async fn a_call_that_is_cancelled_takes_the_child_and_all_that_it_has_started_along() {
    let script = r#"sleep 1000 & echo $! >"$dir/helper"; echo $$ >"$dir/child"; while read -r line; do :; done"#;
    let rig = rig("cancelled", script);
    let child = tokio::select! {
        answer = rig.ask("a") => panic!("{answer:?}"),
        child = rig.note("child") => child,
    };
    gone(&child).await;
    gone(&rig.note("helper").await).await;
    assert!(rig.exec.turn.lock().await.idle.is_none());
}

#[tokio::test]
async fn nothing_outlives_the_plugin() {
    let rig = rig("dropped", r#"sleep 1000 & while read -r line; do answer "$$ $!"; done"#);
    let pids = rig.ask("a").await.unwrap();
    drop(rig);
    for pid in pids.split(' ') {
        gone(pid).await;
    }
}

#[tokio::test]
async fn at_the_end_the_child_is_asked_to_end_and_has_time_for_it() {
    // As a program does that closes its files first and then tidies up.
    let last = r#"echo more; exec >&-; sleep 0.1; echo bye >"$dir/bye""#;
    let rig = rig("end", &format!("while read -r line; do name; answer $n; done; {last}"));
    rig.ask("a").await.unwrap();
    rig.exec.end(Instant::now() + MINUTE).await;
    assert_eq!(fs::read_to_string(rig.dir.join("bye")).unwrap(), "bye\n");
    assert!(matches!(rig.ask("b").await, Err(Error::Unavailable(_))), "no other is started");
}

#[tokio::test]
async fn at_the_end_a_child_that_stays_is_killed() {
    let rig = rig("stays", r#"trap '' TERM HUP INT; while read -r line; do answer $$; done; sleep 1000"#);
    let child = rig.ask("a").await.unwrap();
    let (start, grace) = (Instant::now(), Duration::from_secs(20));
    let took = jumping(async {
        rig.exec.end(start + grace).await;
        start.elapsed()
    })
    .await;
    assert!(took >= grace && took < grace + Duration::from_secs(5), "{took:?}");
    gone(&child).await;
}

#[tokio::test]
async fn at_the_end_what_the_child_leaves_behind_is_killed_too() {
    let rig = rig("helper", r#"sleep 1000 & while read -r line; do answer $!; done"#);
    let helper = rig.ask("a").await.unwrap();
    jumping(rig.exec.end(Instant::now() + MINUTE)).await;
    gone(&helper).await;
}

/// Where orphans belong to us, as they do to a container's process 1.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_zombie_is_left_of_what_a_child_has_started() {
    nix::sys::prctl::set_child_subreaper(true).unwrap();
    let rig = rig("zombies", "sleep 1000 & read -r line; answer $!; read -r line; echo nonsense; cat");
    let helper = rig.ask("a").await.unwrap();
    let process = format!("/proc/{helper}");
    assert!(fs::exists(&process).unwrap());
    why(rig.ask("b").await);
    assert!(!fs::exists(&process).unwrap());
}

/// Stderr is held by one that has left the group, for longer than it is waited for.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn nor_is_one_left_while_somebody_holds_stderr() {
    nix::sys::prctl::set_child_subreaper(true).unwrap();
    let helpers = "sleep 1000 >&- & a=$!; sleep 1000 >&- & b=$!; sleep 1000 >&- & c=$!";
    let away = r#"setsid sh -c 'echo >"$dir/away"; exec sleep 1000' >&- <&- & d=$!"#;
    let end = r#"read -r line; answer "$a $b $c $d"; read -r line; echo nonsense; cat"#;
    let rig = rig("held", &format!("{helpers}; {away}; {end}"));
    let pids = rig.ask("a").await.unwrap();
    let (helpers, away) = pids.rsplit_once(' ').unwrap();
    rig.note("away").await;
    why(rig.ask("b").await);
    let left: Vec<_> = helpers.split(' ').filter(|pid| fs::exists(format!("/proc/{pid}")).unwrap()).collect();
    let away = Pid::from_raw(away.parse().unwrap());
    kill(away, Signal::SIGKILL).expect("it holds stderr all the time");
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn whoever_waits_for_a_turn_at_a_shutdown_is_not_asked() {
    let script = r#"while read -r line; do name; echo $n >>"$dir/heard"; until [ -e "$dir/go" ]; do sleep 0.01; done"#;
    let rig = rig("turns", &format!("{script}; answer $n; done"));
    let stop = async {
        assert_eq!(
            rig.note("heard").await,
            "first
"
        );
        rig.stop.cancel();
        fs::write(rig.dir.join("go"), "").unwrap();
    };
    let (first, second, third, ()) = tokio::join!(rig.ask("first"), rig.ask("second"), rig.ask("third"), stop);
    assert_eq!(first.unwrap(), "first", "what is in progress is finished");
    for answer in [second, third] {
        assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
    }
    assert_eq!(
        rig.note("heard").await,
        "first
"
    );
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_a_backoff() {
    let rig = rig("stop", "read -r line; exit");
    why(rig.ask("a").await);
    for _ in 0..3 {
        why(rig.ask_another("a").await);
    }
    let answer = rig.ask_and_stop("b").await;
    assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
    assert!(!rig.backoff().await.unwrap().is_zero());
}

#[tokio::test]
async fn start_stderr_and_end_are_logged_but_no_argument() {
    let log = Log::start(tracing::Level::INFO);
    let script =
        r#"read -r line; printf 'one\033[31m\n\n' >&2; head -c 20000 /dev/zero | tr '\0' x >&2; answer $$; exit 4"#;
    let rig = rig("log", &format!("password=s3cret; {script}"));
    let child = rig.ask("a").await.unwrap();
    rig.child_has_ended().await;
    let answer = rig.ask_and_stop("b").await;
    assert!(matches!(answer, Err(Error::Unavailable(_))), "the child is ended, and no other is started: {answer:?}");

    let all = log.lines();
    assert!(all.iter().all(|line| line["plugin"] == "exec" && !line.to_string().contains("s3cret")), "{all:?}");
    let is = |line: &Value, level: &str, message: &str| line["level"] == level && line["message"] == message;
    assert!(is(&all[0], "INFO", "the plugin's child starts"), "{}", all[0]);
    assert_eq!((&all[0]["program"], &all[0]["pid"].to_string()), (&"sh".into(), &child));
    let (stderr, others): (Vec<&Value>, _) = all[1..].iter().partition(|line| line["stream"] == "stderr");
    assert!(is(others[0], "WARN", "the plugin's child is replaced: it ended without being asked"), "{others:?}");
    assert!(is(others[1], "INFO", "the plugin's child has ended"), "{others:?}");
    assert_eq!((others.len(), &others[1]["status"]), (2, &"exit status: 4".into()));
    assert!(is(stderr[0], "INFO", "one\\u{1b}[31m"), "{}", stderr[0]);
    let pieces: Vec<_> = stderr[1..].iter().map(|line| line["message"].as_str().unwrap().len()).collect();
    assert_eq!(pieces, [8192, 8192, 20000 - 2 * 8192], "a line that is too long comes in pieces");
}
