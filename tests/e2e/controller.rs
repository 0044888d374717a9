//! The built binary, run as it is deployed: with the ServiceAccount's own token and nothing more.

use std::{
    cell::Cell,
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{
    http,
    metrics::Metrics,
    runner::note,
    server::{free_port, signal, tail},
    servers::write_kubeconfig,
    stage::Stage,
    wait::{eventually, expect, within},
};

/// How to start it, besides what is always the same.
#[derive(Clone, Copy)]
pub struct Setup<'a> {
    /// Separated by blanks.
    pub flags: &'a str,
    /// The list of allowed names; None for no list.
    pub names: Option<&'a str>,
    /// The port of a proxy to the API server.
    pub through: Option<u16>,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Setup { flags: "", names: Some("app1\napp2\n"), through: None }
    }
}

/// A running controller. Dropping it kills it, and a failing scenario is told the end of its log.
pub struct Controller {
    child: Child,
    port: u16,
    names: PathBuf,
    log: Arc<Mutex<String>>,
    reader: Option<thread::JoinHandle<()>>,
    ended: Cell<Option<ExitStatus>>,
}

/// A line of its log.
#[derive(Clone, Debug)]
pub struct Line(pub Value);

impl Line {
    fn says(&self, text: &str) -> bool {
        self.0.as_str().is_some_and(|words| words.contains(text))
    }

    /// A field as text, empty if there is none.
    pub fn text(&self, field: &str) -> String {
        match &self.0[field] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

impl Controller {
    /// Starts it, and waits for nothing.
    pub fn start(stage: &Stage, setup: Setup) -> Controller {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let file = |name: &str| stage.dir.join(format!("controller-{number}-{name}"));
        let (port, kubeconfig, names) = (free_port(), file("kubeconfig"), file("names"));
        let server = stage.servers.cluster(setup.through.unwrap_or(stage.servers.port()));
        write_kubeconfig(&kubeconfig, &server, &stage.token());
        let mut command = Command::new(env!("CARGO_BIN_EXE_demo-controller"));
        // Nothing of ours leaks in: neither a KUBECONFIG nor a RUST_LOG.
        command.env_clear().env("HOME", &stage.dir);
        command.arg("--kubeconfig").arg(&kubeconfig).args(["--log-format", "json"]);
        command.args(["--listen", &format!("127.0.0.1:{port}")]);
        if let Some(text) = setup.names {
            fs::write(&names, text).expect("a list of names can be written");
            command.arg("--allowed-names").arg(&names);
        }
        command.args(setup.flags.split_whitespace());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the built binary can be started");
        let stderr = BufReader::new(child.stderr.take().expect("stderr is a pipe"));
        let log: Arc<Mutex<String>> = Arc::default();
        let reader = thread::spawn({
            let log = log.clone();
            move || {
                for line in stderr.lines().map_while(Result::ok) {
                    *log.lock().unwrap() += &(line + "\n");
                }
            }
        });
        Controller { child, port, names, log, reader: Some(reader), ended: Cell::new(None) }
    }

    /// Starts it and waits until it is ready.
    pub fn ready(stage: &Stage, setup: Setup) -> Controller {
        let mut controller = Controller::start(stage, setup);
        controller.wait_ready();
        controller
    }

    /// Waits until `/readyz` is 200.
    #[track_caller]
    pub fn wait_ready(&mut self) {
        within(Duration::from_secs(60), "the controller is ready", || {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the controller has ended: {status}");
            }
            let (code, body) = self.readyz()?;
            expect(code == 200, body)
        });
    }

    /// The answer of `/readyz`.
    pub fn readyz(&self) -> Result<(u16, String), String> {
        http::get(self.port, "/readyz")
    }

    /// The answer of a page.
    pub fn page(&self, path: &str) -> Result<(u16, String), String> {
        http::get(self.port, path)
    }

    /// What it counts.
    pub fn metrics(&self) -> Result<Metrics, String> {
        self.page("/metrics").map(|(_, text)| Metrics(text))
    }

    /// The sum of a counter or gauge. Zero where there is no such metric, or no answer.
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.metrics().map_or(0.0, |metrics| metrics.sum(name, labels))
    }

    /// Waits until every Pki was looked at again so many times. They are settled: what brings their keys is the resync.
    #[track_caller]
    pub fn wait_resyncs(&self, times: u32) {
        let done = || self.metrics().map(|metrics| metrics.sum("reconcile_total", &[("queue", "pki")]));
        let before = eventually("the controller counts", done);
        // One more than asked for: the first one may be half over.
        let wanted = before + f64::from(times + 1) * self.count("reflector_items", &[("resource", "pkis")]);
        within(Duration::from_secs(60), format!("{times} resyncs"), || {
            let now = done()?;
            expect(now >= wanted, format!("{now} reconciles, {wanted} wanted"))
        });
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The lines of its log that are JSON. All are, but for a panic.
    pub fn lines(&self) -> Vec<Line> {
        self.log().lines().filter_map(|line| serde_json::from_str(line).ok()).map(Line).collect()
    }

    /// Waits for a line whose message or fields contain this text.
    #[track_caller]
    pub fn wait_line(&self, text: &str) -> Line {
        let holds = |line: &Line| line.0.as_object().is_some_and(|f| f.values().any(|v| Line(v.clone()).says(text)));
        eventually(format!("a log line says {text:?}"), || {
            self.lines().into_iter().find(holds).ok_or_else(|| tail(&self.log(), 10))
        })
    }

    /// What the lifecycle log says about a pod (`namespace/name`): `none>Pending baseline`, `Ready>Ready restarts=1`.
    pub fn lifecycle(&self, pod: &str) -> Vec<String> {
        let lines = self.lines().into_iter().filter(|l| l.text("message") == "pod lifecycle" && l.text("pod") == pod);
        let tell = |line: Line| {
            let mut text = format!("{}>{}", line.text("from"), line.text("to"));
            if !line.0["restarts"].is_null() {
                text += &format!(" restarts={}", line.text("restarts"));
            }
            for flag in ["replaced", "baseline"] {
                text += if line.text(flag) == "true" { [" ", flag].concat() } else { String::new() }.as_str();
            }
            text
        };
        lines.map(tell).collect()
    }

    /// Waits until the lifecycle log says just this about a pod.
    ///
    /// The API server marks a pod that no node has as being deleted, and deletes it in the same moment; which of the
    /// two we come to see is luck. So where `Ready>Deleted` is wanted, the way over Terminating will do.
    #[track_caller]
    pub fn wait_lifecycle(&self, pod: &str, wanted: &[&str]) {
        let detour: Vec<String> = wanted.iter().map(|line| line.replace(">Deleted", ">Terminating")).collect();
        eventually(format!("the lifecycle of {pod} is {wanted:?}"), || {
            let told = self.lifecycle(pod);
            let by_detour =
                told.split_last().is_some_and(|(last, rest)| last == "Terminating>Deleted" && rest == detour);
            expect(told == wanted || by_detour, format!("{told:?}"))
        });
    }

    /// Puts another list of allowed names in place, as an editor or a ConfigMap does: all at once.
    pub fn allow(&self, text: &str) {
        let next = self.names.with_extension("next");
        fs::write(&next, text).expect("a list of names can be written");
        fs::rename(next, &self.names).expect("a file can be renamed");
    }

    /// Takes the list of allowed names away.
    pub fn remove_names(&self) {
        fs::remove_file(&self.names).expect("the list can be removed");
    }

    /// Sends a signal: `TERM`, `INT`.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Sends SIGTERM and returns the exit code, once all of its log is read.
    #[track_caller]
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.wait_end()
    }

    /// Waits for its end and returns the exit code.
    #[track_caller]
    pub fn wait_end(&mut self) -> Option<i32> {
        let status = eventually("the controller ends", || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status),
            other => Err(format!("{other:?}")),
        });
        self.ended.set(Some(status));
        self.reader.take().into_iter().for_each(|reader| reader.join().unwrap());
        status.code()
    }

    /// As the out-of-memory killer does.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        if self.ended.get().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if thread::panicking() {
            note(format!("the end of the controller's log:\n{}", tail(&self.log(), 40)));
        }
    }
}
