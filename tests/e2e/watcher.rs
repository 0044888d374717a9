//! `demo-controller watch` as examples/watch.yaml deploys it: with its own ServiceAccount's token and nothing more.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::{Value, json};

use crate::{
    daemon::{Daemon, Line, program},
    server::free_port,
    servers::write_kubeconfig,
    stage::Stage,
    wait::{eventually, expect},
};

/// What it is started with.
pub struct Watcher<'a> {
    stage: &'a Stage,
    command: Command,
    port: u16,
    /// For what belongs to this one.
    pub dir: PathBuf,
}

impl<'a> Watcher<'a> {
    /// With nothing but how to log and where to serve its pages.
    pub fn new(stage: &'a Stage) -> Watcher<'a> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let dir = stage.dir.join(format!("watcher-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir_all(&dir).expect("a folder");
        let (mut command, port) = (program(), free_port());
        command.arg("watch").env("HOME", &dir).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("DEMO_CONTROLLER_LOG_FORMAT", "json").env("DEMO_CONTROLLER_LISTEN", format!("127.0.0.1:{port}"));
        Watcher { stage, command, port, dir }
    }

    /// Connects as most people do.
    pub fn kubeconfig(mut self) -> Self {
        let file = self.dir.join("kubeconfig");
        write_kubeconfig(&file, &self.stage.servers.cluster(self.stage.servers.port()), &token(self.stage));
        self.command.arg("--kubeconfig").arg(file);
        self
    }

    /// Flags, separated by blanks.
    pub fn flags(mut self, flags: &str) -> Self {
        self.command.args(flags.split_whitespace());
        self
    }

    /// A variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// An ini file, named by a variable as in examples/watch.yaml.
    pub fn config(self, text: &str) -> Self {
        let file = self.dir.join("config.ini");
        fs::write(&file, text).expect("an ini file can be written");
        let name = file.display().to_string();
        self.env("CONFIG_FILE", &name)
    }

    /// Starts it, and waits for nothing.
    pub fn start(self) -> Daemon {
        Daemon::start(self.command, self.port)
    }

    /// Starts it and waits until it is ready.
    pub fn ready(self) -> Daemon {
        let mut daemon = self.start();
        daemon.wait_ready();
        daemon
    }
}

/// Of the ServiceAccount, never an administrator's.
pub fn token(stage: &Stage) -> String {
    let request = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} });
    let path = "/api/v1/namespaces/event-controller/serviceaccounts/event-controller/token";
    stage.create(path, &request)["status"]["token"].as_str().expect("a token").to_owned()
}

/// Lets it list and watch one more resource, if it may not already.
pub fn grant(stage: &Stage, group: &str, plural: &str) {
    let create = |path: &str, body: &Value| match stage.api.post(path, body) {
        Ok(_) => {}
        Err(refused) => assert_eq!(refused.code, 409, "{refused}"),
    };
    let (name, rbac) = (format!("watch-{group}-{plural}"), "/apis/rbac.authorization.k8s.io/v1");
    let rules = json!([{ "apiGroups": [group], "resources": [plural], "verbs": ["list", "watch"] }]);
    let version = "rbac.authorization.k8s.io/v1";
    let role = json!({ "apiVersion": version, "kind": "ClusterRole", "metadata": { "name": name }, "rules": rules });
    create(&format!("{rbac}/clusterroles"), &role);
    let binding = json!({
        "apiVersion": version, "kind": "ClusterRoleBinding", "metadata": { "name": name },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name },
        "subjects": [{ "kind": "ServiceAccount", "name": "event-controller", "namespace": "event-controller" }],
    });
    create(&format!("{rbac}/clusterrolebindings"), &binding);
}

/// What was told of an object (`namespace/name`): `ADDED MODIFIED`.
pub fn told(daemon: &Daemon, object: &str) -> String {
    let said = |line: &Line| line.text("object") == object && line.text("target") != "demo_controller::explain";
    let lines = daemon.lines().into_iter().filter(said);
    let types: Vec<String> = lines.map(|line| line.text("type")).filter(|told| !told.is_empty()).collect();
    types.join(" ")
}

/// Waits until just this was told of an object.
#[track_caller]
pub fn wait_told(daemon: &Daemon, object: &str, wanted: &str) {
    eventually(format!("of {object} is told: {wanted}"), || {
        let now = told(daemon, object);
        expect(now == wanted, now)
    });
}
