//! The controller, run as it is deployed: with the ServiceAccount's own token and nothing more.

use std::{
    fs,
    ops::{Deref, DerefMut},
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use crate::{
    daemon::{Daemon, Line, program},
    server::free_port,
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
    /// Variables.
    pub env: &'a [(&'a str, &'a str)],
    /// Another token of the ServiceAccount than the usual one.
    pub token: Option<&'a str>,
}

impl Setup<'_> {
    /// With nothing but the list of allowed names.
    pub const PLAIN: Setup<'static> =
        Setup { flags: "", names: Some("app1\napp2\n"), through: None, env: &[], token: None };
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Setup::PLAIN
    }
}

/// A running controller.
pub struct Controller {
    daemon: Daemon,
    names: PathBuf,
}

/// Log, pages and end are any daemon's.
impl Deref for Controller {
    type Target = Daemon;
    fn deref(&self) -> &Daemon {
        &self.daemon
    }
}

impl DerefMut for Controller {
    fn deref_mut(&mut self) -> &mut Daemon {
        &mut self.daemon
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
        write_kubeconfig(&kubeconfig, &server, &setup.token.map_or_else(|| stage.token(), str::to_owned));
        let mut command = program();
        command.env("HOME", &stage.dir);
        command.env("POD_NAME", format!("replica-{number}")).env("POD_NAMESPACE", "controlplane");
        command.envs(setup.env.iter().copied());
        command.arg("--kubeconfig").arg(&kubeconfig).args(["--log-format", "json"]);
        command.args(["--listen", &format!("127.0.0.1:{port}")]);
        if let Some(text) = setup.names {
            fs::write(&names, text).expect("a list of names can be written");
            command.arg("--allowed-names").arg(&names);
        }
        command.args(setup.flags.split_whitespace());
        Controller { daemon: Daemon::start(command, port), names }
    }

    /// Starts it and waits until it is ready.
    pub fn ready(stage: &Stage, setup: Setup) -> Controller {
        let mut controller = Controller::start(stage, setup);
        controller.wait_ready();
        controller
    }

    /// As the out-of-memory killer does.
    pub fn kill(self) {
        self.daemon.kill();
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
}
