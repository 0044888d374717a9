//! A cluster in this process: the API server, the controller as demo-controller.yaml would run it, and time that passes
//! only while nobody has anything to do.
//!
//! There is no socket: the controller's client hands its requests to the server as function calls. So tokio's clock can
//! be paused, and an hour of waiting takes as long as the work that is done in it.

use std::{collections::BTreeMap, fmt::Debug, net::SocketAddr, time::Duration};

use apiserver::{ApiServer, Body as Incoming, Fault, Reset, Rule, Settings};
use bytes::Bytes;
use demo_controller::{
    cli::{Run, Watch},
    controller, watcher,
};
use futures::TryFutureExt;
use http::{HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Full};
use kube::{Client, client::Body as Outgoing};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};

use crate::pages;

/// Everything that a cluster needs.
const MANIFEST: &str = include_str!("../../demo-controller.yaml");
/// Whom demo-controller.yaml runs it as.
pub const CONTROLLER: &str = "system:serviceaccount:controlplane:demo-controller";

/// See the module.
pub struct World {
    pub server: ApiServer,
    stop: CancellationToken,
    controller: Option<JoinHandle<Result<(), String>>>,
}

impl World {
    /// A cluster in which demo-controller.yaml has been applied. The controller does not run yet.
    pub async fn new(seed: u64) -> World {
        let world = World::empty(seed);
        world.apply(|_| true).await;
        world
    }

    /// A cluster in which nothing has been applied.
    pub fn empty(seed: u64) -> World {
        let server = ApiServer::new(Settings { seed, ..Settings::default() });
        World { server, stop: CancellationToken::new(), controller: None }
    }

    /// Applies those objects of demo-controller.yaml that are of these kinds.
    pub async fn apply(&self, kinds: impl Fn(&str) -> bool) {
        let objects: Vec<Value> = serde_saphyr::from_multiple(MANIFEST).expect("YAML");
        let kind = |object: &Value| object["kind"].as_str().unwrap_or_default().to_owned();
        for object in objects.iter().filter(|object| kind(object) != "Deployment" && kinds(&kind(object))) {
            self.create(object).await;
        }
    }

    /// A client of the controller's ServiceAccount.
    pub async fn client(&self) -> Client {
        Client::new(self.service().await, "controlplane")
    }

    /// The server, as the controller's ServiceAccount reaches it.
    pub async fn service(
        &self,
    ) -> impl Service<Request<Outgoing>, Response = http::Response<Incoming>, Error = Reset, Future: Send>
    + Clone
    + Send
    + use<> {
        let path = "/api/v1/namespaces/controlplane/serviceaccounts/demo-controller/token";
        let answer = self.ask(Method::POST, path, &json!({ "spec": { "expirationSeconds": 86_400 } })).await;
        let token = answer["status"]["token"].as_str().expect("a token");
        let bearer = HeaderValue::try_from(format!("Bearer {token}")).expect("a header");
        self.server.clone().map_request(move |mut request: Request<Outgoing>| {
            request.headers_mut().insert(header::AUTHORIZATION, bearer.clone());
            request
        })
    }

    /// Starts the controller, as its ServiceAccount and without a port.
    pub async fn run(&mut self, settings: Run) {
        let client = self.client().await;
        self.controller = Some(tokio::spawn(
            controller::run(client, settings, None, self.stop.clone()).map_err(|why| why.to_string()),
        ));
    }

    /// Starts it with a port of its own, where its pages are.
    pub async fn serve(&mut self, settings: Run) -> SocketAddr {
        let client = self.client().await;
        let (listener, address) = listener().await;
        self.controller = Some(tokio::spawn(
            controller::run(client, settings, Some(listener), self.stop.clone()).map_err(|why| why.to_string()),
        ));
        address
    }

    /// Waits until all is in the caches.
    pub async fn ready(&self, address: SocketAddr) {
        let ready = async || {
            let (code, body) = pages::get(address, "/readyz").await;
            if code == 200 { Ok(()) } else { Err(body) }
        };
        self.until(ready).await;
    }

    /// Lets the controller list and watch one more resource.
    pub async fn grant(&self, group: &str, plural: &str) {
        let (api, name) = ("rbac.authorization.k8s.io", format!("{plural}.{group}"));
        let rules = json!([{ "apiGroups": [group], "resources": [plural], "verbs": ["list", "watch"] }]);
        let (version, metadata) = (format!("{api}/v1"), json!({ "name": name }));
        let role = json!({ "apiVersion": version, "kind": "ClusterRole", "metadata": metadata, "rules": rules });
        let subject = json!({ "kind": "ServiceAccount", "namespace": "controlplane", "name": "demo-controller" });
        let binding = json!({
            "apiVersion": version, "kind": "ClusterRoleBinding", "metadata": metadata, "subjects": [subject],
            "roleRef": { "apiGroup": api, "kind": "ClusterRole", "name": name },
        });
        self.create(&role).await;
        self.create(&binding).await;
    }

    /// Starts `watch` instead, as the same ServiceAccount.
    pub async fn watch(&mut self, settings: Watch) -> SocketAddr {
        let client = self.client().await;
        let (listener, address) = listener().await;
        self.controller = Some(tokio::spawn(
            watcher::run(client, settings, Some(listener), self.stop.clone()).map_err(|why| why.to_string()),
        ));
        address
    }

    /// Stops the controller, in the way that SIGTERM does, and looks back at what it asked for.
    ///
    /// # Panics
    /// When it does not end within its grace, or was ever refused something for lack of rights.
    pub async fn end(self) {
        self.stop.cancel();
        if let Some(controller) = self.controller {
            controller.await.expect("no panic").expect("it finishes in time");
        }
        let forbidden: Vec<_> = self.server.requests().into_iter().filter(|entry| entry.code == 403).collect();
        assert!(forbidden.is_empty(), "outside the rights of demo-controller.yaml: {forbidden:?}");
    }

    /// Something is to go wrong with the controller's requests.
    pub fn fault(&self, rule: Rule) {
        self.server.fault(rule.user(CONTROLLER));
    }

    /// The controller's connections break, and each new one at once.
    pub fn cut(&self) {
        self.fault(Rule::new(Fault::ResetBefore));
        self.server.cut_watches();
    }

    /// Nothing goes wrong any more.
    pub fn mend(&self) {
        self.server.clear_faults();
    }

    /// Creates a namespace.
    pub async fn namespace(&self, name: &str) {
        self.create(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })).await;
    }

    /// Creates a Pki and returns it.
    pub async fn create_pki(&self, namespace: &str, name: &str, service: &str) -> Value {
        let metadata = json!({ "namespace": namespace, "name": name });
        let spec = json!({ "serviceName": service });
        self.create(&json!({ "apiVersion": "box.com/v1", "kind": "Pki", "metadata": metadata, "spec": spec })).await
    }

    /// Creates a pod that mounts nothing, and returns it.
    pub async fn create_pod(&self, namespace: &str, name: &str) -> Value {
        let metadata = json!({ "namespace": namespace, "name": name });
        let spec = json!({ "containers": [{ "name": "web", "image": "web" }] });
        self.create(&json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec })).await
    }

    /// A kubelet says that the pod runs and is ready.
    pub async fn run_pod(&self, pod: &Value) {
        let status = json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] });
        self.done(Method::PATCH, &format!("{}/status", path(pod)), &json!({ "status": status })).await;
    }

    /// Waits until the present generation of a Pki has been judged so, and returns it.
    pub async fn judged(&self, pki: &Value, reason: &str) -> Value {
        let path = path(pki);
        self.until(async || {
            let pki = self.get(&path).await;
            let judged = pki["status"]["observedGeneration"] == pki["metadata"]["generation"];
            let so = judged && pki["status"]["conditions"][0]["reason"] == reason;
            if so { Ok(pki) } else { Err(pki) }
        })
        .await
    }

    /// Waits, in virtual time, until `check` finds nothing wrong.
    ///
    /// # Panics
    /// When it still does after an hour.
    pub async fn until<T, E: Debug>(&self, check: impl AsyncFn() -> Result<T, E>) -> T {
        let start = Instant::now();
        loop {
            match check().await {
                Ok(found) => return found,
                Err(wrong) if start.elapsed() > Duration::from_secs(3600) => panic!("still after an hour: {wrong:?}"),
                // More and more seldom: looking is all that takes real time here.
                Err(_) => tokio::time::sleep(Duration::from_secs(1) + start.elapsed() / 10).await,
            }
        }
    }

    /// A request of the administrator. The answer, whatever it is.
    pub async fn ask(&self, method: Method, path: &str, body: &Value) -> Value {
        let kind = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, kind);
        let request = request.body(Full::<Bytes>::from(body)).expect("a request");
        let answer = self.server.clone().call(request).await.expect("an answer");
        let text = answer.into_body().collect().await.expect("a whole answer").to_bytes();
        serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{path}: {e}: {}", String::from_utf8_lossy(&text)))
    }

    /// # Panics
    /// When it is refused.
    async fn done(&self, method: Method, path: &str, body: &Value) -> Value {
        let answer = self.ask(method.clone(), path, body).await;
        assert_ne!(answer["status"], "Failure", "{method} {path}: {answer}");
        answer
    }

    pub async fn get(&self, path: &str) -> Value {
        self.done(Method::GET, path, &Value::Null).await
    }

    pub async fn create(&self, object: &Value) -> Value {
        self.done(Method::POST, &collection(object), object).await
    }

    /// A merge patch.
    pub async fn patch(&self, object: &Value, patch: Value) -> Value {
        self.done(Method::PATCH, &path(object), &patch).await
    }

    pub async fn delete(&self, object: &Value) {
        self.done(Method::DELETE, &format!("{}?gracePeriodSeconds=0", path(object)), &Value::Null).await;
    }

    /// All objects of a collection, by `namespace/name`.
    pub async fn all(&self, path: &str) -> BTreeMap<String, Value> {
        let mut list = self.get(path).await;
        let items = list["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
        items.into_iter().map(|item| (key(&item), item)).collect()
    }

    /// Every change of a collection since a revision, as a watch tells it.
    pub async fn history(&self, path: &str, since: u64) -> Vec<Value> {
        let uri = format!("{path}?watch=true&resourceVersion={since}&timeoutSeconds=1");
        let request = Request::get(uri).body(Full::<Bytes>::from("")).expect("a request");
        let answer = self.server.clone().call(request).await.expect("an answer");
        let text = answer.into_body().collect().await.expect("a whole watch").to_bytes();
        text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }

    /// How many requests of the controller the server has had, by what they were: `patch pkis/status`.
    pub fn requests(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for entry in self.server.requests().iter().filter(|entry| entry.user == CONTROLLER) {
            *counts.entry(format!("{} {}", entry.verb, entry.resource)).or_default() += 1;
        }
        counts
    }
}

/// A free port, and its address.
async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

/// [`World::until`] for what takes real time, on a clock that runs: a child process knows no other.
///
/// # Panics
/// When `check` still finds something wrong after a minute.
pub async fn soon<T, E: Debug>(check: impl AsyncFn() -> Result<T, E>) -> T {
    let start = std::time::Instant::now();
    loop {
        match check().await {
            Ok(found) => return found,
            Err(wrong) if start.elapsed() > Duration::from_secs(60) => panic!("still after a minute: {wrong:?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    }
}

/// `namespace/name`.
pub fn key(object: &Value) -> String {
    let meta = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
    format!("{}/{}", meta("namespace"), meta("name"))
}

fn collection(object: &Value) -> String {
    let (version, kind) = (object["apiVersion"].as_str().unwrap_or(""), object["kind"].as_str().unwrap_or(""));
    let root = if version.contains('/') { "/apis" } else { "/api" };
    let kind = kind.to_lowercase();
    let plural = if let Some(stem) = kind.strip_suffix('y') { format!("{stem}ies") } else { format!("{kind}s") };
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{root}/{version}/namespaces/{namespace}/{plural}"),
        None => format!("{root}/{version}/{plural}"),
    }
}

fn path(object: &Value) -> String {
    format!("{}/{}", collection(object), object["metadata"]["name"].as_str().unwrap_or_default())
}
