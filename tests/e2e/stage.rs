//! What a scenario plays on: servers with our manifest installed.

use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use serde_json::{Value, json};

use crate::{
    api::Api,
    control_plane::ControlPlane,
    embedded::Embedded,
    kubelet::Kubelet,
    objects::{Is, pki, pki_path, secret_path},
    servers::{Kind, Servers},
    wait::{eventually, expect},
};

/// Servers, what belongs to them, and the ServiceAccount's token. Dropping it stops and removes everything.
pub struct Stage {
    /// As the administrator.
    pub api: Api,
    pub servers: Box<dyn Servers>,
    /// For what belongs to a scenario.
    pub dir: PathBuf,
    token: RefCell<Option<String>>,
    kubelet: Option<Kubelet>,
}

impl Stage {
    /// The servers alone: no definition of a Pki, no rights for anyone.
    pub fn bare() -> Stage {
        Stage::on(&[])
    }

    /// As it is deployed.
    pub fn installed() -> Stage {
        let stage = Stage::bare();
        stage.install();
        stage
    }

    /// With what `watch` needs: examples/watch.yaml. Its Deployment's part, too, is played by the built binary.
    pub fn watching() -> Stage {
        let stage = Stage::bare();
        stage.apply(&repo_file("examples/watch.yaml"));
        stage.delete("/apis/apps/v1/namespaces/event-controller/deployments");
        stage
    }

    /// Both manifests with their Deployments, whose pods nobody runs.
    pub fn deployed() -> Stage {
        let stage = Stage::bare();
        stage.apply(&repo_file("demo-controller.yaml"));
        stage.apply(&repo_file("examples/watch.yaml"));
        stage
    }

    /// As it is deployed, with Kubernetes' own controllers and nodes that run the pods.
    pub fn complete() -> Stage {
        let mut stage = Stage::installed();
        stage.run_pods();
        stage
    }

    /// Starts Kubernetes' own controllers and nodes that run the pods.
    pub fn run_pods(&mut self) {
        self.servers.start_controllers();
        // The embedded one's controllers bring nodes along.
        if Kind::chosen() == Kind::Real {
            self.kubelet = Some(Kubelet::start(self.api.clone()));
        }
    }

    /// As it is deployed, with an API server that answers every watch from etcd. (The embedded one has no other way.)
    pub fn without_watch_cache() -> Stage {
        let stage = Stage::on(&["--watch-cache=false"]);
        stage.install();
        stage
    }

    fn on(api_args: &[&str]) -> Stage {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("e2e-{}-{number}", std::process::id());
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&dir).expect("a folder for the servers");
        let (api, servers): (Api, Box<dyn Servers>) = match Kind::chosen() {
            Kind::Real => {
                let plane = ControlPlane::start(&dir, api_args);
                (plane.api(), Box::new(plane))
            }
            Kind::Embedded => {
                let embedded = Embedded::start(&dir);
                (embedded.api(), Box::new(embedded))
            }
        };
        Stage { api, servers, dir, token: RefCell::default(), kubelet: None }
    }

    /// Applies demo-controller.yaml. The Deployment goes again: its part is played by the built binary.
    pub fn install(&self) {
        self.apply(&repo_file("demo-controller.yaml"));
        self.delete("/apis/apps/v1/namespaces/controlplane/deployments");
        eventually("Pkis are served", || self.api.list("/apis/box.com/v1/pkis"));
    }

    /// Creates the objects of a manifest.
    pub fn apply(&self, manifest: &str) {
        documents(manifest).iter().for_each(|object| drop(self.create(&collection(object), object)));
    }

    /// The ServiceAccount's own token, never an administrator's.
    pub fn token(&self) -> String {
        self.token.borrow_mut().get_or_insert_with(|| self.another_token()).clone()
    }

    /// Another one.
    pub fn another_token(&self) -> String {
        let request = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} });
        let path = "/api/v1/namespaces/controlplane/serviceaccounts/demo-controller/token";
        self.create(path, &request)["status"]["token"].as_str().expect("a token").to_owned()
    }

    /// Creates a namespace.
    #[track_caller]
    pub fn namespace(&self, name: &str) {
        let body = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        self.create("/api/v1/namespaces", &body);
    }

    /// Creates an object in the collection at `path`.
    #[track_caller]
    pub fn create(&self, path: &str, body: &Value) -> Value {
        self.api.post(path, body).unwrap_or_else(|why| panic!("cannot create {body}: {why}"))
    }

    /// Creates a Pki.
    #[track_caller]
    pub fn create_pki(&self, namespace: &str, name: &str, spec: Value) -> Value {
        self.create(&format!("/apis/box.com/v1/namespaces/{namespace}/pkis"), &pki(namespace, name, spec))
    }

    /// Creates so many Pkis of this spec, `NAME-0` and so on, by several users at once.
    pub fn create_pkis(&self, namespace: &str, name: &str, count: usize, spec: &Value) {
        let path = format!("/apis/box.com/v1/namespaces/{namespace}/pkis");
        self.create_many(&path, count, |n| pki(namespace, &format!("{name}-{n}"), spec.clone()));
    }

    /// Creates so many objects in the collection at `path`, by several users at once.
    ///
    /// # Panics
    /// When one of them is refused.
    pub fn create_many(&self, path: &str, count: usize, object: impl Fn(usize) -> Value + Sync) {
        const AT_ONCE: usize = 8;
        let (object, api) = (&object, &self.api);
        thread::scope(|scope| {
            for part in 0..AT_ONCE {
                let create = move |n| api.post(path, &object(n)).unwrap_or_else(|why| panic!("cannot create: {why}"));
                scope.spawn(move || (part..count).step_by(AT_ONCE).for_each(|n| drop(create(n))));
            }
        });
    }

    /// Creates a pod.
    #[track_caller]
    pub fn create_pod(&self, pod: &Value) -> Value {
        self.create(&format!("/api/v1/namespaces/{}/pods", pod.namespace()), pod)
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

    /// The object at `path`, or None where there is none.
    #[track_caller]
    pub fn find(&self, path: &str) -> Option<Value> {
        self.api.find(path).unwrap_or_else(|why| panic!("cannot get {path}: {why}"))
    }

    /// The Secret of a Pki, which must be there.
    #[track_caller]
    pub fn secret(&self, namespace: &str, name: &str) -> Value {
        self.find(&secret_path(namespace, name)).unwrap_or_else(|| panic!("there is no Secret {namespace}/{name}"))
    }

    /// Waits until a Pki's condition Ready has this reason, for its present generation, and returns the Pki.
    #[track_caller]
    pub fn wait_pki(&self, namespace: &str, name: &str, reason: &str) -> Value {
        self.wait_for(&pki_path(namespace, name), &format!("is {reason}"), |pki| {
            let judged = pki["status"]["observedGeneration"] == pki["metadata"]["generation"];
            let status = if reason == "Issued" { "True" } else { "False" };
            judged && pki.ready("reason") == reason && pki.ready("status") == status
        })
    }

    /// Waits until the object at `path` is there and as it should be, and returns it.
    #[track_caller]
    pub fn wait_for(&self, path: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        eventually(format!("{path} {what}"), || {
            let object = self.api.get(path)?;
            if holds(&object) { Ok(object) } else { Err(seen(object)) }
        })
    }

    /// Waits until there is nothing at `path`.
    #[track_caller]
    pub fn wait_gone(&self, path: &str) {
        eventually(format!("{path} is gone"), || {
            let found = self.api.find(path)?;
            expect(found.is_none(), seen(found.unwrap_or_default()))
        });
    }

    /// The Events about objects of this name that our controller made.
    #[track_caller]
    pub fn events(&self, namespace: &str, about: &str) -> Vec<Value> {
        let path = format!("/api/v1/namespaces/{namespace}/events?fieldSelector=involvedObject.name={about}");
        let mut events = self.api.list(&path).unwrap_or_else(|why| panic!("cannot list {path}: {why}"));
        events.retain(|event| event["source"]["component"] == "controlplane");
        events
    }

    /// Waits for an Event about an object of this kind and name, with this reason, as often as this at least; returns
    /// it.
    #[track_caller]
    pub fn wait_event(&self, namespace: &str, kind: &str, about: &str, reason: &str, count: u64) -> Value {
        eventually(format!("{kind} {namespace}/{about} has an Event {reason:?} x{count}"), || {
            let events = self.events(namespace, about);
            let wanted = |event: &&Value| event["involvedObject"]["kind"] == kind && event["reason"] == reason;
            let found = events.iter().find(wanted).filter(|event| event["count"].as_u64() >= Some(count));
            found.cloned().ok_or_else(|| events.iter().map(|event| seen(event.clone())).collect::<String>())
        })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.kubelet = None;
        self.servers.kill();
        // For looking into a failure: the logs, the data and the audit log stay.
        if std::env::var_os("E2E_KEEP").is_none() {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// Where objects like this one are created.
fn collection(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]).to_lowercase());
    let plural = kind.strip_suffix('y').map_or_else(|| format!("{kind}s"), |stem| format!("{stem}ies"));
    let prefix = if version.contains('/') { "/apis" } else { "/api" };
    match object.namespace() {
        "" => format!("{prefix}/{version}/{plural}"),
        namespace => format!("{prefix}/{version}/namespaces/{namespace}/{plural}"),
    }
}

/// The objects of a manifest.
pub fn documents(manifest: &str) -> Vec<Value> {
    let mut documents: Vec<Value> = serde_saphyr::from_multiple(manifest).expect("YAML");
    documents.retain(|document| !document.is_null());
    documents
}

/// An object in a report, without what nobody looks at.
pub fn seen(mut object: Value) -> String {
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
