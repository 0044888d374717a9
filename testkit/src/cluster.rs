//! An API server in this process, for tests under a paused clock.
//!
//! There is no socket: the client calls the server as a function. So tokio's clock can be paused, and an hour of waiting
//! takes only as long as the work in it.

use std::{collections::BTreeMap, fmt::Debug, time::Duration};

use apiserver::{ApiServer, Body as Incoming, Fault, Reset, Rule, Settings};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use kube::{Client, client::Body as Outgoing};
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::{Service, ServiceExt};

use crate::objects::{collection, documents, key, path};

/// An API server, and the ServiceAccount of the controller under test.
pub struct Cluster {
    pub server: ApiServer,
    account: (&'static str, &'static str),
}

impl Cluster {
    /// Creates an empty cluster. `account` is the `NAMESPACE/NAME` of the controller's ServiceAccount.
    pub fn new(seed: u64, account: &'static str) -> Cluster {
        let server = ApiServer::new(Settings { seed, ..Settings::default() });
        Cluster { server, account: account.split_once('/').expect("NAMESPACE/NAME") }
    }

    /// Creates the objects of a manifest that are of these kinds, except Deployments.
    pub async fn apply(&self, manifest: &str, kinds: impl Fn(&str) -> bool) {
        for object in documents(manifest) {
            let kind = object["kind"].as_str().unwrap_or_default();
            if kind != "Deployment" && kinds(kind) {
                self.create(&object).await;
            }
        }
    }

    /// A client with the token of the ServiceAccount.
    pub async fn client(&self) -> Client {
        Client::new(self.service().await, self.account.0)
    }

    /// The server, as [`Cluster::client`] reaches it.
    pub async fn service(
        &self,
    ) -> impl Service<Request<Outgoing>, Response = Response<Incoming>, Error = Reset, Future: Send> + Clone + Send + use<>
    {
        let (namespace, name) = self.account;
        let token = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let answer = self.ask(Method::POST, &token, &json!({ "spec": { "expirationSeconds": 86_400 } })).await;
        let token = answer["status"]["token"].as_str().expect("a token");
        let bearer = HeaderValue::try_from(format!("Bearer {token}")).expect("a header");
        self.server.clone().map_request(move |mut request: Request<Outgoing>| {
            request.headers_mut().insert(header::AUTHORIZATION, bearer.clone());
            request
        })
    }

    /// The user name of the ServiceAccount.
    pub fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.account.0, self.account.1)
    }

    /// Lets the ServiceAccount list and watch one more resource.
    pub async fn grant(&self, group: &str, plural: &str) {
        let (api, name) = ("rbac.authorization.k8s.io", format!("{plural}.{group}"));
        let rules = json!([{ "apiGroups": [group], "resources": [plural], "verbs": ["list", "watch"] }]);
        let (version, metadata) = (format!("{api}/v1"), json!({ "name": name }));
        let role = json!({ "apiVersion": version, "kind": "ClusterRole", "metadata": metadata, "rules": rules });
        let subject = json!({ "kind": "ServiceAccount", "namespace": self.account.0, "name": self.account.1 });
        let binding = json!({
            "apiVersion": version, "kind": "ClusterRoleBinding", "metadata": metadata, "subjects": [subject],
            "roleRef": { "apiGroup": api, "kind": "ClusterRole", "name": name },
        });
        self.create(&role).await;
        self.create(&binding).await;
    }

    /// Adds a fault to the ServiceAccount's requests.
    pub fn fault(&self, rule: Rule) {
        self.server.fault(rule.user(self.user()));
    }

    /// Lets a third of the ServiceAccount's requests fail, in every way except undecodable answers.
    pub fn storm(&self) {
        let seconds = Duration::from_secs;
        for (fault, probability) in [
            (Fault::Delay { duration: seconds(3) }, 0.1),
            (Fault::Delay { duration: seconds(40) }, 0.02),
            (Fault::TooManyRequests { retry_after: seconds(1) }, 0.05),
            (Fault::InternalError, 0.05),
            (Fault::ServiceUnavailable, 0.05),
            (Fault::ResetBefore, 0.05),
            (Fault::ResetAfter, 0.1),
            (Fault::StaleRead { lag: 3 }, 0.1),
            (Fault::Compact, 0.05),
            (Fault::GoneOnOpen, 0.1),
            (Fault::EmptyWatch, 0.1),
            (Fault::WatchEnd { after: 5 }, 0.2),
            (Fault::WatchCut { after: 7 }, 0.2),
            (Fault::WatchCutInLine { after: 9 }, 0.2),
            (Fault::WatchSilent { after: 11 }, 0.1),
        ] {
            self.fault(Rule::new(fault).probability(probability));
        }
    }

    /// Breaks the ServiceAccount's connections, and each new one at once, until the faults are cleared.
    pub fn cut(&self) {
        self.fault(Rule::new(Fault::ResetBefore));
        self.server.cut_watches();
    }

    /// The ServiceAccount's requests by verb and resource: `patch pkis/status`.
    pub fn requests(&self) -> BTreeMap<String, usize> {
        let (user, mut counts) = (self.user(), BTreeMap::new());
        for entry in self.server.requests().iter().filter(|entry| entry.user == user) {
            *counts.entry(format!("{} {}", entry.verb, entry.resource)).or_default() += 1;
        }
        counts
    }

    /// # Panics
    /// A request of the ServiceAccount was refused for lack of rights.
    pub fn assert_rights_were_enough(&self) {
        let user = self.user();
        let forbidden = self.server.requests().into_iter().filter(|entry| entry.user == user && entry.code == 403);
        let forbidden: Vec<_> = forbidden.collect();
        assert!(forbidden.is_empty(), "outside the rights of the manifest: {forbidden:?}");
    }

    /// Waits, in tokio's time, until `check` returns Ok.
    ///
    /// # Panics
    /// It still fails after an hour.
    pub async fn until<T, E: Debug>(&self, check: impl AsyncFn() -> Result<T, E>) -> T {
        let start = Instant::now();
        loop {
            match check().await {
                Ok(found) => return found,
                Err(wrong) if start.elapsed() > Duration::from_secs(3600) => panic!("still after an hour: {wrong:?}"),
                // Ever more rarely: the checks are all that takes real time here.
                Err(_) => tokio::time::sleep(Duration::from_secs(1) + start.elapsed() / 10).await,
            }
        }
    }

    /// Creates a namespace.
    pub async fn namespace(&self, name: &str) {
        self.create(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })).await;
    }

    /// Creates a pod of one container with these volumes.
    pub async fn create_pod(&self, namespace: &str, name: &str, volumes: Value) -> Value {
        let metadata = json!({ "namespace": namespace, "name": name });
        let spec = json!({ "containers": [{ "name": "web", "image": "web" }], "volumes": volumes });
        self.create(&json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec })).await
    }

    /// Sends a request of the administrator and returns the answer, also a refusal.
    pub async fn ask(&self, method: Method, path: &str, body: &Value) -> Value {
        let kind = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, kind);
        let text = self.send(request.body(Full::from(body)).expect("a request")).await;
        serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{path}: {e}: {}", String::from_utf8_lossy(&text)))
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Bytes {
        let answer = self.server.clone().call(request).await.expect("an answer");
        answer.into_body().collect().await.expect("a whole answer").to_bytes()
    }

    async fn done(&self, method: Method, path: &str, body: &Value) -> Value {
        let answer = self.ask(method.clone(), path, body).await;
        assert_ne!(answer["status"], "Failure", "{method} {path}: {answer}");
        answer
    }

    /// Reads what is at `path`; panics if it is refused, as the following do.
    pub async fn get(&self, path: &str) -> Value {
        self.done(Method::GET, path, &Value::Null).await
    }

    /// Creates an object.
    pub async fn create(&self, object: &Value) -> Value {
        self.done(Method::POST, &collection(object), object).await
    }

    /// Changes an object, by merge patch.
    pub async fn patch(&self, object: &Value, patch: Value) -> Value {
        self.done(Method::PATCH, &path(object), &patch).await
    }

    /// Changes an object's status, by merge patch.
    pub async fn patch_status(&self, object: &Value, status: Value) -> Value {
        self.done(Method::PATCH, &format!("{}/status", path(object)), &json!({ "status": status })).await
    }

    /// Deletes an object at once.
    pub async fn delete(&self, object: &Value) {
        self.done(Method::DELETE, &format!("{}?gracePeriodSeconds=0", path(object)), &Value::Null).await;
    }

    /// The objects of a collection by `namespace/name`.
    pub async fn all(&self, path: &str) -> BTreeMap<String, Value> {
        let mut list = self.get(path).await;
        let items = list["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
        items.into_iter().map(|item| (key(&item), item)).collect()
    }

    /// The watch events of a collection since a revision.
    pub async fn history(&self, path: &str, since: u64) -> Vec<Value> {
        let uri = format!("{path}?watch=true&resourceVersion={since}&timeoutSeconds=1");
        let text = self.send(Request::get(uri).body(Full::default()).expect("a request")).await;
        text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}
