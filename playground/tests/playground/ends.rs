//! How it ends, and that nothing stays behind.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::{
        fd::OwnedFd,
        unix::{fs::PermissionsExt, net::UnixStream},
    },
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::world::{Home, Lines, Playground, eventually, http};

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

/// Runs it with a reader that reads one line, as `| head -1`.
fn with_a_reader_that_hangs_up(home: &Home, args: &str) -> (Option<i32>, String) {
    let mut child = home.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let stderr = Lines::of(child.stderr.take().unwrap());
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(!line.is_empty());
    let mut playground = Playground { child, stdout: Lines::of_nothing(), stderr };
    let (code, _, stderr) = playground.last_words();
    (code, stderr)
}

#[test]
fn a_reader_that_hangs_up_ends_it_and_is_no_failure() {
    let home = Home::new("head");
    for args in ["--speed 20", "--once --speed 20"] {
        let (code, stderr) = with_a_reader_that_hangs_up(&home, args);
        assert_eq!(code, Some(0), "{args}: {stderr}");
        assert!(!stderr.contains("allowed names"), "{args}: at the end nobody misses a file that is removed: {stderr}");
    }
    // What is said without a story is said so soon that only a reader who has gone before is gone in time.
    let (gone, stdout) = io::pipe().unwrap();
    drop(gone);
    let output = home.command("--no-apps").stdout(stdout).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(home.files(), Vec::<PathBuf>::new());
}

/// The controller waits for an answer that does not come, so its end takes the whole grace.
#[test]
fn a_second_signal_ends_it_at_once_with_its_number_and_leaves_nothing_behind_either() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let home = Home::new(&format!("second-{signal}"));
        let mut playground = home.playground("--speed 20");
        let server = playground.server();
        playground.stdout.until("docs/tour.md");
        let rule = r#"{"fault":{"Delay":{"duration":"1h"}},"verb":"get","resource":"secrets"}"#;
        assert_eq!(http(&server, "POST", "/control/faults", rule).0, 200);
        let faults = || http(&server, "GET", "/control/faults", "").1;
        assert!(faults().contains(r#""hit":"#));
        eventually("the next resync looks at a Secret", || !faults().contains(r#""hit":0"#));

        playground.signal(signal);
        eventually("the files are gone at the first signal", || home.files().is_empty());
        assert!(playground.child.try_wait().unwrap().is_none(), "it is still ending");
        playground.signal(signal);
        let (ended, _, stderr) = playground.last_words();
        assert_eq!(ended, Some(code), "{stderr}");
        assert!(TcpStream::connect(server).is_err(), "the port is free again");
    }
}

/// A pager that is not scrolled, a terminal that is held, a collector of logs that hangs: stderr takes no more, so whoever
/// has a line for it stands still.
#[test]
fn a_log_that_nobody_reads_does_not_keep_it() {
    let home = Home::new("unread");
    let (stderr, _unread) = UnixStream::pair().unwrap();
    let filler = stderr.try_clone().unwrap();
    let mut child = home.command("--speed 20").stdout(Stdio::piped()).stderr(OwnedFd::from(stderr)).spawn().unwrap();
    let stdout = Lines::of(child.stdout.take().unwrap());
    let mut playground = Playground { child, stdout, stderr: Lines::of_nothing() };
    playground.stdout.until("docs/tour.md");
    fill(&filler);

    playground.signal("INT");
    eventually("the files are gone at the first signal", || home.files().is_empty());
    playground.signal("INT");
    assert_eq!(playground.ended().code(), Some(130));
}

/// The same for stdout: it is the story itself that stands still, and with it all that a first signal sets off.
#[test]
fn a_story_that_nobody_reads_leaves_nothing_behind_at_a_second_signal() {
    let home = Home::new("untold");
    let (stdout, _unread) = UnixStream::pair().unwrap();
    fill(&stdout);
    let out = home.0.join("out");
    let args = format!("--kubeconfig-out {}", out.display());
    let child = home.command(&args).stdout(OwnedFd::from(stdout)).stderr(Stdio::null()).spawn().unwrap();
    let mut playground = Playground { child, stdout: Lines::of_nothing(), stderr: Lines::of_nothing() };
    // From its files, of which this is the last, to its first word it waits for nothing else.
    eventually("it stands still in its first word", || out.exists() && playground.main_thread() == 'S');
    playground.signal("INT");
    playground.signal("TERM");
    let code = playground.ended().code();
    assert!(matches!(code, Some(130 | 143)), "{code:?}");
    assert_eq!(home.files(), Vec::<PathBuf>::new());
}

/// Writes until nothing more goes in.
fn fill(mut pipe: &UnixStream) {
    pipe.set_nonblocking(true).unwrap();
    for size in [4096, 1] {
        while pipe.write(&vec![b'.'; size]).is_ok() {}
    }
    pipe.set_nonblocking(false).unwrap();
}

/// To remove a folder with all that is in it, one has to open it.
#[test]
fn nothing_stays_behind_where_no_more_files_can_be_opened() {
    let home = Home::new("files");
    let mut playground = home.playground("--speed 20");
    playground.stdout.until("docs/tour.md");
    assert!(!home.files().is_empty());
    let id = playground.child.id().to_string();
    let Ok(limited) = Command::new("prlimit").args(["--pid", &id, "--nofile=3:3"]).status() else {
        return eprintln!("skipped: no prlimit (util-linux) here");
    };
    assert!(limited.success());
    playground.signal("INT");
    let (code, _, stderr) = playground.last_words();
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(home.files(), Vec::<PathBuf>::new(), "{stderr}");
}

/// A folder needs no file that is open; what comes into it does.
#[test]
fn nothing_stays_behind_where_the_first_file_could_not_be_opened() {
    let home = Home::new("first-file");
    // Before that come the two runtimes and the port. With one file more the story begins, and waits for a connection.
    for limit in 8..64 {
        let line = format!("ulimit -n {limit} && exec {} playground --once", env!("CARGO_BIN_EXE_demo-controller"));
        let output = Command::new("sh").args(["-c", &line]).env("TMPDIR", &*home.0).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{limit}: {stderr}");
        assert_eq!(home.files(), Vec::<PathBuf>::new(), "{limit}: {stderr}");
        if stderr.contains("TMPDIR may name another place") {
            return;
        }
    }
    panic!("no limit came so far");
}

#[test]
fn a_story_that_could_not_be_written_down_is_a_failure() {
    for args in ["--once --speed 20", "--no-apps"] {
        let home = Home::new("full");
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = home.command(args).stdout(full).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args}: {stderr}");
        assert!(stderr.lines().last().unwrap().starts_with("error: stdout: No space left on device"), "{stderr}");
        assert_eq!(home.files(), Vec::<PathBuf>::new());
    }
}
