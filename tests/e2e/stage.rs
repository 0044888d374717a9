//! The servers of a scenario, with our manifests installed.

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
    objects::{collection, documents, ready},
    wait::{eventually, expect},
};

use crate::{
    api::Api,
    control_plane::Real,
    embedded::Embedded,
    kubelet::Kubelet,
    objects::{pki, pki_path, secret_path},
    servers::{Kind, Servers},
};

/// What is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// Nothing.
    Bare,
    /// demo-controller.yaml. The Deployment is removed: the test runs the binary.
    Installed,
    /// The same, with Kubernetes' own controllers and nodes that run pods.
    Nodes,
    /// The manifest of event-controller, without its Deployment.
    EventController,
}

/// Servers that no scenario uses at the moment.
static IDLE: Mutex<Vec<Stage>> = Mutex::new(Vec::new());

/// Runs a scenario on idle servers of this setup, or on new ones. At most as many servers run as scenarios: for each new
/// one, an idle one of another setup is stopped.
pub fn with(setup: Setup, scenario: fn(&mut Stage)) -> Result<(), String> {
    let found = {
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        let same = idle.iter().position(|stage| stage.setup == setup);
        same.map(|index| idle.swap_remove(index)).ok_or_else(|| idle.pop())
    };
    let mut stage = found.unwrap_or_else(|other| {
        drop(other);
        Stage::new(setup)
    });
    // A panic drops the stage, and with it what the scenario has left there.
    scenario(&mut stage);
    if !stage.is_spoiled && setup != Setup::Bare {
        IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(stage);
    }
    Ok(())
}

/// Stops the idle servers.
pub fn stop_idle() {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// Servers and the files of their scenarios. Dropping it stops and removes everything.
pub struct Stage {
    /// The API as the administrator.
    pub api: Api,
    pub servers: Box<dyn Servers>,
    pub dir: PathBuf,
    /// Set by a scenario that leaves the servers unfit for others.
    pub is_spoiled: bool,
    setup: Setup,
    token: RefCell<Option<String>>,
    kubelet: Option<Kubelet>,
}

impl Stage {
    fn new(setup: Setup) -> Stage {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("e2e-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&dir).expect("a folder for the servers");
        let (api, servers): (Api, Box<dyn Servers>) = match Kind::chosen() {
            Kind::Real => {
                let plane = Real::start(&dir);
                (plane.api(), Box::new(plane))
            }
            Kind::Embedded => {
                let embedded = Embedded::start(&dir);
                (embedded.api(), Box::new(embedded))
            }
        };
        let (token, kubelet) = (RefCell::default(), None);
        let mut stage = Stage { api, servers, dir, is_spoiled: false, setup, token, kubelet };
        match setup {
            Setup::Bare => {}
            Setup::EventController => stage.install("event-controller/event-controller.yaml"),
            Setup::Installed | Setup::Nodes => stage.install("demo-controller.yaml"),
        }
        if setup == Setup::Nodes {
            stage.servers.start_controllers();
            stage.kubelet = Some(Kubelet::start(stage.api.clone(), Kind::chosen() == Kind::Embedded));
        }
        stage
    }

    /// Applies a manifest of ours, without its Deployment: the test runs the binary.
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
        token.get_or_insert_with(|| self.token_of("controlplane", "demo-controller")).clone()
    }

    /// A new token of a ServiceAccount.
    pub fn token_of(&self, namespace: &str, name: &str) -> String {
        let request = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} });
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let answer = self.api.post(&path, &request).unwrap_or_else(|why| panic!("{path}: {why}"));
        answer["status"]["token"].as_str().expect("a token").to_owned()
    }

    /// Creates a namespace.
    #[track_caller]
    pub fn namespace(&self, name: &str) {
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

    /// Changes an object, by merge patch.
    #[track_caller]
    pub fn patch(&self, path: &str, body: &Value) -> Value {
        self.api.patch(path, body).unwrap_or_else(|why| panic!("cannot patch {path} with {body}: {why}"))
    }

    /// Deletes an object.
    #[track_caller]
    pub fn delete(&self, path: &str) {
        self.api.delete(path).unwrap_or_else(|why| panic!("cannot delete {path}: {why}"));
    }

    /// The object at `path`, if there is one.
    #[track_caller]
    pub fn find(&self, path: &str) -> Option<Value> {
        self.api.find(path).unwrap_or_else(|why| panic!("cannot get {path}: {why}"))
    }

    /// The Secret of a Pki.
    #[track_caller]
    pub fn secret(&self, namespace: &str, name: &str) -> Value {
        self.find(&secret_path(namespace, name)).unwrap_or_else(|| panic!("there is no Secret {namespace}/{name}"))
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

    /// Waits until the object at `path` is as it should be, and returns it.
    #[track_caller]
    pub fn wait_for(&self, path: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        eventually(format!("{path} {what}"), || {
            let object = self.api.get(path)?;
            if holds(&object) { Ok(object) } else { Err(short(object)) }
        })
    }

    /// Waits until there is no object at `path`.
    #[track_caller]
    pub fn wait_gone(&self, path: &str) {
        eventually(format!("{path} is gone"), || {
            let found = self.api.find(path)?;
            expect(found.is_none(), short(found.unwrap_or_default()))
        });
    }

    /// Waits for an Event of ours with this reason about the object `KIND/NAME`, and returns it.
    #[track_caller]
    pub fn wait_event(&self, namespace: &str, about: &str, reason: &str) -> Value {
        let (kind, name) = about.split_once('/').expect("KIND/NAME");
        let path = format!("/api/v1/namespaces/{namespace}/events?fieldSelector=involvedObject.name={name}");
        eventually(format!("{about} in {namespace} has an Event {reason:?}"), || {
            let events = self.api.list(&path)?;
            let wanted = |event: &&Value| {
                let ours = event["source"]["component"] == "controlplane";
                ours && event["involvedObject"]["kind"] == kind && event["reason"] == reason
            };
            events.iter().find(wanted).cloned().ok_or_else(|| events.iter().cloned().map(short).collect::<String>())
        })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.kubelet = None;
        self.servers.kill();
        if std::env::var_os("E2E_KEEP").is_none() {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// An object in a report, shortened.
pub fn short(mut object: Value) -> String {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
        metadata.remove("annotations");
    }
    if object["data"].is_object() {
        object["data"] = "…".into();
    }
    format!("\n{object:#}")
}

/// A file of this repository.
pub fn repo_file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
