//! event-controller as its manifest deploys it: with the token of its own ServiceAccount.

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
    server::free_port,
    wait::{eventually, expect},
};

use crate::{servers::write_kubeconfig, stage::Stage};

/// Built once. It is another package, so cargo does not do it for this test.
static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
    let ours = Path::new(env!("CARGO_BIN_EXE_demo-controller"));
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--locked", "--quiet", "-p", "event-controller"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    // Those of this package would make cargo build dependencies again whose build scripts read them.
    let of_the_package = |name: &str| ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|start| name.starts_with(start));
    for (name, _) in env::vars().filter(|(name, _)| of_the_package(name)) {
        build.env_remove(name);
    }
    if ours.parent().is_some_and(|folder| folder.ends_with("release")) {
        build.arg("--release");
    }
    assert!(build.status().is_ok_and(|status| status.success()), "event-controller cannot be built");
    ours.with_file_name("event-controller")
});

/// How it is started.
pub struct Start<'a> {
    stage: &'a Stage,
    command: Command,
    port: u16,
    /// For files of this process.
    pub dir: PathBuf,
}

impl<'a> Start<'a> {
    /// Without a connection and without a resource.
    pub fn new(stage: &'a Stage) -> Start<'a> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let dir = stage.dir.join(format!("event-controller-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir_all(&dir).expect("a folder");
        let (mut command, port) = (Command::new(&*BINARY), free_port());
        command.env_clear().env("HOME", &dir).env("PATH", env::var_os("PATH").unwrap_or_default());
        command.args(["--log-format", "json", "--listen", &format!("127.0.0.1:{port}")]);
        Start { stage, command, port, dir }
    }

    /// With a kubeconfig.
    pub fn kubeconfig(mut self) -> Self {
        let file = self.dir.join("kubeconfig");
        write_kubeconfig(&file, &self.stage.servers.cluster(), &token(self.stage));
        self.command.arg("--kubeconfig").arg(file);
        self
    }

    /// With flags, separated by blanks.
    pub fn flags(mut self, flags: &str) -> Self {
        self.command.args(flags.split_whitespace());
        self
    }

    /// With a variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// With an ini file, named by a variable as in the manifest.
    pub fn config(self, text: &str) -> Self {
        let file = self.dir.join("config.ini");
        fs::write(&file, text).expect("an ini file can be written");
        let name = file.display().to_string();
        self.env("CONFIG_FILE", &name)
    }

    /// Starts it and waits until it is ready.
    pub fn ready(self) -> Process {
        let mut process = Process::start(self.command, self.port);
        process.wait_ready();
        process
    }
}

/// A token of its ServiceAccount.
pub fn token(stage: &Stage) -> String {
    stage.token_of("event-controller", "event-controller")
}

/// Lets it list and watch one more resource of the core group.
pub fn grant(stage: &Stage, plural: &str) {
    let (name, version) = (format!("watch-{plural}"), "rbac.authorization.k8s.io/v1");
    let rules = json!([{ "apiGroups": [""], "resources": [plural], "verbs": ["list", "watch"] }]);
    let role = json!({ "apiVersion": version, "kind": "ClusterRole", "metadata": { "name": name }, "rules": rules });
    let binding = json!({
        "apiVersion": version, "kind": "ClusterRoleBinding", "metadata": { "name": name },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name },
        "subjects": [{ "kind": "ServiceAccount", "name": "event-controller", "namespace": "event-controller" }],
    });
    [role, binding].iter().for_each(|object| drop(stage.create(object)));
}

/// Waits until the plugin has handled just these events of an object (`namespace/name`).
#[track_caller]
pub fn wait_handled(process: &Process, object: &str, wanted: &str) {
    eventually(format!("the events of {object} are {wanted}"), || {
        let now = handled(&process.lines(), object);
        expect(now == wanted, now)
    });
}
