//! The servers of a scenario, with the project's manifests installed.

use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use serde_json::{Value, json};
use testkit::{
    objects::{collection, documents, pki, pki_path, ready, secret_path},
    repo_file,
    wait::{eventually, expect},
};

use crate::{
    api::ApiClient,
    control_plane::RealServers,
    embedded::EmbeddedServers,
    kubelet::Kubelet,
    servers::{ServerKind, Servers},
};

/// The cluster that a scenario needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// Nothing.
    Bare,
    /// demo-controller.yaml, without its Deployment: the test runs the binary.
    Installed,
    /// [`Setup::Installed`] with Kubernetes' own controllers and a simulated kubelet.
    Nodes,
    /// The manifest of event-controller, without its Deployment.
    EventController,
}

/// Servers that no scenario uses now.
static IDLE: Mutex<Vec<TestEnv>> = Mutex::new(Vec::new());

/// Runs a scenario on idle servers of this setup, or on new ones.
///
/// New servers replace idle ones of another setup, so there are never more servers than scenarios in progress.
pub fn run(setup: Setup, scenario: fn(&mut TestEnv)) -> Result<(), String> {
    let found = {
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        let same = idle.iter().position(|env| env.setup == setup);
        same.map(|index| idle.swap_remove(index)).ok_or_else(|| idle.pop())
    };
    let mut env = found.unwrap_or_else(|other| {
        drop(other);
        TestEnv::new(setup)
    });
    // A panic drops the servers, with everything that the scenario has created.
    scenario(&mut env);
    if !env.is_dirty && setup != Setup::Bare {
        IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(env);
    }
    Ok(())
}

/// Stops the idle servers.
pub fn stop_idle() {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// Servers, and the files of their scenarios. Dropping it stops the servers and removes the files.
pub struct TestEnv {
    /// A client of the administrator.
    pub api: ApiClient,
    pub servers: Box<dyn Servers>,
    pub dir: PathBuf,
    /// Set by a scenario after which no other one can use the servers.
    pub is_dirty: bool,
    setup: Setup,
    token: RefCell<Option<String>>,
    kubelet: Option<Kubelet>,
}

impl TestEnv {
    fn new(setup: Setup) -> TestEnv {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("e2e-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&dir).expect("a folder for the servers");
        let (api, servers): (ApiClient, Box<dyn Servers>) = match ServerKind::chosen() {
            ServerKind::Real => {
                let plane = RealServers::start(&dir);
                (plane.api(), Box::new(plane))
            }
            ServerKind::Embedded => {
                let embedded = EmbeddedServers::start(&dir);
                (embedded.api(), Box::new(embedded))
            }
        };
        let (token, kubelet) = (RefCell::default(), None);
        let mut env = TestEnv { api, servers, dir, is_dirty: false, setup, token, kubelet };
        match setup {
            Setup::Bare => {}
            Setup::EventController => env.install("event-controller/event-controller.yaml"),
            Setup::Installed | Setup::Nodes => env.install("demo-controller.yaml"),
        }
        if setup == Setup::Nodes {
            env.servers.start_controllers();
            env.kubelet = Some(Kubelet::start(env.api.clone(), ServerKind::chosen() == ServerKind::Embedded));
        }
        env
    }

    /// Creates the objects of a manifest except its Deployment: the test runs the binary.
    pub fn install(&self, file: &str) {
        let objects = documents(&repo_file(file));
        let objects = objects.iter().filter(|object| object["kind"] != "Deployment");
        objects.for_each(|object| drop(self.create(object)));
        if file == "demo-controller.yaml" {
            eventually("Pkis are served", || self.api.list("/apis/box.com/v1/pkis"));
        }
    }

    /// The token of the controller's ServiceAccount.
    pub fn token(&self) -> String {
        let mut token = self.token.borrow_mut();
        token.get_or_insert_with(|| self.create_token("controlplane", "demo-controller")).clone()
    }

    /// Creates a token of a ServiceAccount.
    pub fn create_token(&self, namespace: &str, name: &str) -> String {
        let request = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} });
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let response = self.api.post(&path, &request).unwrap_or_else(|why| panic!("{path}: {why}"));
        response["status"]["token"].as_str().expect("a token").to_owned()
    }

    /// Creates a namespace.
    #[track_caller]
    pub fn create_namespace(&self, name: &str) {
        self.create(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }));
    }

    /// Creates an object.
    #[track_caller]
    pub fn create(&self, object: &Value) -> Value {
        self.api.post(&collection(object), object).unwrap_or_else(|why| panic!("cannot create {object}: {why}"))
    }

    /// Creates a Pki.
    #[track_caller]
    pub fn create_pki(&self, namespace: &str, name: &str, spec: Value) -> Value {
        self.create(&pki(namespace, name, spec))
    }

    /// Patches an object, by merge patch.
    #[track_caller]
    pub fn patch(&self, path: &str, body: &Value) -> Value {
        self.api.patch(path, body).unwrap_or_else(|why| panic!("cannot patch {path} with {body}: {why}"))
    }

    /// Deletes an object.
    #[track_caller]
    pub fn delete(&self, path: &str) {
        self.api.delete(path).unwrap_or_else(|why| panic!("cannot delete {path}: {why}"));
    }

    /// Reads the object at `path`, if it exists.
    #[track_caller]
    pub fn find(&self, path: &str) -> Option<Value> {
        self.api.find(path).unwrap_or_else(|why| panic!("cannot get {path}: {why}"))
    }

    /// Reads the Secret of a Pki.
    #[track_caller]
    pub fn secret(&self, namespace: &str, name: &str) -> Value {
        self.find(&secret_path(namespace, name))
            .unwrap_or_else(|| panic!("the Secret {namespace}/{name} does not exist"))
    }

    /// Waits until the condition Ready of a Pki has this reason for its present generation, and returns the Pki.
    #[track_caller]
    pub fn wait_pki(&self, namespace: &str, name: &str, reason: &str) -> Value {
        self.wait_for(&pki_path(namespace, name), &format!("is {reason}"), |pki| {
            let current = pki["status"]["observedGeneration"] == pki["metadata"]["generation"];
            let status = if reason == "Issued" { "True" } else { "False" };
            current && ready(pki, "reason") == reason && ready(pki, "status") == status
        })
    }

    /// Waits until the object at `path` fulfils a condition, and returns it.
    #[track_caller]
    pub fn wait_for(&self, path: &str, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        eventually(format!("{path} {what}"), || {
            let object = self.api.get(path)?;
            if condition(&object) { Ok(object) } else { Err(format_short(object)) }
        })
    }

    /// Waits until the object at `path` does not exist.
    #[track_caller]
    pub fn wait_gone(&self, path: &str) {
        eventually(format!("{path} is gone"), || {
            let found = self.api.find(path)?;
            expect(found.is_none(), format_short(found.unwrap_or_default()))
        });
    }

    /// Waits for the controller's Event with this reason about the object `KIND/NAME`, and returns it.
    #[track_caller]
    pub fn wait_event(&self, namespace: &str, about: &str, reason: &str) -> Value {
        let (kind, name) = about.split_once('/').expect("KIND/NAME");
        let path = format!("/api/v1/namespaces/{namespace}/events?fieldSelector=involvedObject.name={name}");
        eventually(format!("{about} in {namespace} has an Event {reason:?}"), || {
            let events = self.api.list(&path)?;
            let wanted = |event: &&Value| {
                event["source"]["component"] == "controlplane"
                    && event["involvedObject"]["kind"] == kind
                    && event["reason"] == reason
            };
            events
                .iter()
                .find(wanted)
                .cloned()
                .ok_or_else(|| events.iter().cloned().map(format_short).collect::<String>())
        })
    }
}

impl Drop for TestEnv {
    fn drop(&mut self) {
        self.kubelet = None;
        self.servers.kill();
        if std::env::var_os("E2E_KEEP").is_none() {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// Formats an object for an error message, shortened.
pub fn format_short(mut object: Value) -> String {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
        metadata.remove("annotations");
    }
    if object["data"].is_object() {
        object["data"] = "…".into();
    }
    format!("\n{object:#}")
}
