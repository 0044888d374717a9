//! event-controller as a child process, with the token of its own ServiceAccount.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use serde_json::json;
use testkit::{
    Process,
    log::handled,
    objects::watch_rights,
    server::free_port,
    wait::{eventually, expect},
};

use crate::{servers::write_kubeconfig, test_env::TestEnv};

/// Builds the binary. It belongs to another package, so cargo does not build it for this test.
static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let demo_controller = Path::new(env!("CARGO_BIN_EXE_demo-controller"));
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--locked", "--quiet", "-p", "event-controller"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    // Build scripts read these variables: cargo would rebuild dependencies if they named this package.
    let of_this_package = |name: &str| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|start| name.starts_with(start));
    for (name, _) in env::vars().filter(|(name, _)| of_this_package(name)) {
        build.env_remove(name);
    }
    if demo_controller.parent().is_some_and(|folder| folder.ends_with("release")) {
        build.arg("--release");
    }
    assert!(build.status().is_ok_and(|status| status.success()), "event-controller cannot be built");
    demo_controller.with_file_name("event-controller")
});

/// A builder for the process.
pub struct EventController<'a> {
    test_env: &'a TestEnv,
    command: Command,
    port: u16,
    /// The folder for files of this process.
    pub dir: PathBuf,
}

impl<'a> EventController<'a> {
    /// Without a connection and without a resource.
    pub fn new(test_env: &'a TestEnv) -> EventController<'a> {
        EventController::with_command(test_env, Command::new(&*BINARY))
    }

    /// [`EventController::new`] as process 1, as in a container. It is a child of the process that starts, and needs root.
    pub fn as_process_1(test_env: &'a TestEnv) -> EventController<'a> {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]).arg(&*BINARY);
        EventController::with_command(test_env, command)
    }

    fn with_command(test_env: &'a TestEnv, mut command: Command) -> EventController<'a> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let dir = test_env.dir.join(format!("event-controller-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir_all(&dir).expect("a folder");
        let port = free_port();
        command.env_clear().env("HOME", &dir).env("PATH", env::var_os("PATH").unwrap_or_default());
        command.args(["--log-format", "json", "--listen", &format!("127.0.0.1:{port}")]);
        EventController { test_env, command, port, dir }
    }

    /// Adds a kubeconfig.
    pub fn kubeconfig(mut self) -> Self {
        let file = self.dir.join("kubeconfig");
        write_kubeconfig(&file, &self.test_env.servers.cluster(), &json!({ "token": create_token(self.test_env) }));
        self.command.arg("--kubeconfig").arg(file);
        self
    }

    /// Adds flags, separated by blanks.
    pub fn flags(mut self, flags: &str) -> Self {
        self.command.args(flags.split_whitespace());
        self
    }

    /// Adds an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Adds an ini file. As in the manifest, CONFIG_FILE has its path.
    pub fn config(self, text: &str) -> Self {
        let file = self.dir.join("config.ini");
        fs::write(&file, text).expect("an ini file can be written");
        let name = file.display().to_string();
        self.env("CONFIG_FILE", &name)
    }

    /// Starts the process and waits until it is ready.
    pub fn start(self) -> Process {
        let mut process = Process::start(self.command, self.port);
        process.wait_ready();
        process
    }
}

/// Creates a token of the ServiceAccount.
pub fn create_token(env: &TestEnv) -> String {
    env.create_token("event-controller", "event-controller")
}

/// Lets event-controller list and watch one more resource of the core group.
pub fn grant(env: &TestEnv, plural: &str) {
    let objects = watch_rights(("event-controller", "event-controller"), "", plural);
    objects.iter().for_each(|object| drop(env.create(object)));
}

/// Waits until the plugin has handled exactly these events of an object (`namespace/name`).
#[track_caller]
pub fn wait_handled(process: &Process, object: &str, wanted: &str) {
    eventually(format!("the events of {object} are {wanted}"), || {
        let events = handled(&process.lines(), object);
        expect(events == wanted, events)
    });
}
