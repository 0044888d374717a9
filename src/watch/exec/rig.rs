//! For the tests: the plugin with a shell script for a child.

use std::{fs, time::Duration};

use nix::{sys::signal::kill, unistd::Pid};
use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;

use super::{Environment, Exec, Settings};
use crate::{
    testing::Folder,
    watch::{Config, EventType, Plugin, fixture},
    worker::Error,
};

/// What each script begins with.
const FUNCTIONS: &str = r#"
    answer() { printf '{"message":"%s","level":"INFO"}\n' "$1"; }
    # The name in the line of an event.
    name() { n=${line#*\"name\":\"}; n=${n%%\"*}; }
"#;

pub const MINUTE: Duration = Duration::from_secs(60);

/// The plugin with a shell script for a child, and a folder where the test and the script leave each other notes.
pub struct Rig {
    pub exec: Exec,
    pub stop: CancellationToken,
    pub dir: Folder,
}

/// The script has the functions above, and the folder in `$dir`. It is also given a token, which it must not get.
pub fn rig(test: &str, script: &str) -> Rig {
    let dir = Folder::new(test);
    let arguments = vec!["-c".to_owned(), format!("{FUNCTIONS}\n{script}")];
    let settings = Settings { program: "sh".to_owned(), arguments, timeout: MINUTE };
    let token = ("K8S_TOKEN".to_owned(), Some("s3cret".to_owned()));
    let environment = Environment::from([("dir".to_owned(), Some(dir.display().to_string())), token]);
    let stop = CancellationToken::new();
    Rig { exec: Exec::new(settings, environment, stop.clone()), stop, dir }
}

impl Rig {
    pub async fn ask(&self, name: &str) -> Result<String, Error> {
        let event = fixture::event(EventType::Added, name);
        let config = Config::from([("region".into(), "eu".into())]);
        self.exec.handle_event(&event, &config).await.map(|(message, _)| message)
    }

    /// The same, where a new child is due: nobody waits for the backoff.
    pub async fn ask_another(&self, name: &str) -> Result<String, Error> {
        let skip = async {
            eventually("it is asked", || self.exec.turn.try_lock().is_err().then_some(())).await;
            jumping(time::advance(Duration::from_secs(31))).await;
        };
        tokio::join!(self.ask(name), skip).0
    }

    /// The same, but instead of the child comes a shutdown.
    pub async fn ask_and_stop(&self, name: &str) -> Result<String, Error> {
        let stop = async {
            eventually("it is asked", || self.exec.turn.try_lock().is_err().then_some(())).await;
            self.stop.cancel();
        };
        tokio::join!(self.ask(name), stop).0
    }

    /// How long the next event would have to wait for a child.
    pub async fn backoff(&self) -> Option<Duration> {
        self.exec.turn.lock().await.next_start.map(|start| start - Instant::now())
    }

    /// Waits until the child, which is idle, has ended for everybody to see. That it is dead is not enough: its pipe is
    /// also held, for a moment, by whatever another test's thread is about to start.
    pub async fn child_has_ended(&self) {
        let turn = self.exec.turn.lock().await;
        eventually("the child has ended", || turn.idle.as_ref()?.unasked()).await;
    }

    /// A line that the script leaves.
    pub async fn note(&self, name: &str) -> String {
        let read = || fs::read_to_string(self.dir.join(name)).ok().filter(|text| text.ends_with('\n'));
        eventually(&format!("there is a {name}"), read).await
    }
}

pub fn why(failed: Result<String, Error>) -> String {
    match failed {
        Err(Error::Transient(why)) => why,
        other => panic!("{other:?}"),
    }
}

/// With a clock that jumps whenever everybody waits.
pub async fn jumping<T>(what: impl Future<Output = T>) -> T {
    time::pause();
    let result = what.await;
    time::resume();
    result
}

/// Looks again and again, for a minute.
pub async fn eventually<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let end = std::time::Instant::now() + MINUTE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(std::time::Instant::now() < end, "not within a minute: {what}");
        time::sleep(Duration::from_millis(2)).await;
    }
}

/// The process is dead, though perhaps nobody has taken note of it yet.
pub async fn gone(pid: &str) {
    let number = Pid::from_raw(pid.trim().parse().unwrap());
    let stat = format!("/proc/{number}/stat");
    let zombie = || fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") Z "));
    eventually(&format!("{number} is gone"), || (kill(number, None).is_err() || zombie()).then_some(())).await;
}
