//! The controller as a child process, with the token of its ServiceAccount.

use std::{
    ops::{Deref, DerefMut},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde_json::{Value, json};
use testkit::{
    Process,
    log::lifecycle,
    server::free_port,
    wait::{eventually, expect, within},
};

use crate::{servers::write_kubeconfig, test_env::TestEnv};

/// A running controller.
pub struct Controller(Process);

impl Deref for Controller {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.0
    }
}

impl DerefMut for Controller {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.0
    }
}

impl Controller {
    /// Starts the controller with these flags, separated by blanks, and waits until it is ready.
    pub fn start(env: &TestEnv, flags: &str) -> Controller {
        Controller::start_with(env, flags, &env.token(), &[])
    }

    /// [`Controller::start`] with this token and these environment variables.
    pub fn start_with(env: &TestEnv, flags: &str, token: &str, variables: &[(&str, &str)]) -> Controller {
        Controller::start_as(env, flags, &json!({ "token": token }), variables)
    }

    /// [`Controller::start`] with this user in its kubeconfig and these environment variables.
    pub fn start_as(env: &TestEnv, flags: &str, user: &Value, variables: &[(&str, &str)]) -> Controller {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("replica-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let (port, kubeconfig) = (free_port(), env.dir.join(format!("{name}-kubeconfig")));
        write_kubeconfig(&kubeconfig, &env.servers.cluster(), user);
        // Without the KUBECONFIG and RUST_LOG of the test.
        let mut command = Command::new(env!("CARGO_BIN_EXE_demo-controller"));
        command.env_clear().env("HOME", &env.dir).env("POD_NAME", &name).env("POD_NAMESPACE", "controlplane");
        command.envs(variables.iter().copied()).arg("--kubeconfig").arg(&kubeconfig).args(["--log-format", "json"]);
        command.args(["--listen", &format!("127.0.0.1:{port}")]).args(flags.split_whitespace());
        let mut controller = Controller(Process::start(command, port));
        controller.wait_ready();
        controller
    }

    /// Waits until resyncs have reconciled each Pki at least `times` more times.
    #[track_caller]
    pub fn wait_resyncs(&self, times: u32) {
        let reconciles = || self.metric("reconcile_total", &[("queue", "pki")]);
        // One more, because a resync may be in progress.
        let wanted = reconciles() + f64::from(times + 1) * self.metric("reflector_items", &[("resource", "pkis")]);
        within(Duration::from_secs(60), format!("{times} resyncs"), || {
            expect(reconciles() >= wanted, format!("{} of {wanted} reconciles", reconciles()))
        });
    }

    /// Waits until the lifecycle log of a pod consists of these lines.
    #[track_caller]
    pub fn wait_lifecycle(&self, pod: &str, wanted: &[&str]) {
        eventually(format!("the lifecycle of {pod} is {wanted:?}"), || {
            let lines = lifecycle(&self.lines(), pod);
            expect(lines == wanted, format!("{lines:?}"))
        });
    }
}
