//! An API server in this process, for tests under a paused clock.
//!
//! The client calls the server as a function. Without a socket, tokio's clock can be paused, and hours pass in milliseconds.

use std::{collections::BTreeMap, fmt::Debug, time::Duration};

use apiserver::{ApiServer, Body as Incoming, Fault, Reset, Rule, Settings};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use kube::{Client, client::Body as Outgoing};
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::{Service, ServiceExt};

use crate::objects::{collection, documents, key, path, pod, watch_rights};

/// An embedded API server, and the ServiceAccount of the controller under test.
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

    /// The service below [`Cluster::client`].
    pub async fn service(
        &self,
    ) -> impl Service<Request<Outgoing>, Response = Response<Incoming>, Error = Reset, Future: Send> + Clone + Send + use<>
    {
        let token = self.token().await;
        let bearer = HeaderValue::try_from(format!("Bearer {token}")).expect("a header");
        self.server.clone().map_request(move |mut request: Request<Outgoing>| {
            request.headers_mut().insert(header::AUTHORIZATION, bearer.clone());
            request
        })
    }

    /// A token of the ServiceAccount.
    pub async fn token(&self) -> String {
        let (namespace, name) = self.account;
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let response = self.request(Method::POST, &path, &json!({ "spec": { "expirationSeconds": 86_400 } })).await;
        response["status"]["token"].as_str().expect("a token").to_owned()
    }

    /// The user name of the ServiceAccount.
    pub fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.account.0, self.account.1)
    }

    /// Lets the ServiceAccount list and watch one more resource.
    pub async fn grant(&self, group: &str, plural: &str) {
        for object in watch_rights(self.account, group, plural) {
            self.create(&object).await;
        }
    }

    /// Adds a fault to the ServiceAccount's requests.
    pub fn add_fault(&self, rule: Rule) {
        self.server.fault(rule.user(self.user()));
    }

    /// Makes about a third of the ServiceAccount's requests fail, with every fault except undecodable objects.
    pub fn add_random_faults(&self) {
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
            self.add_fault(Rule::new(fault).probability(probability));
        }
    }

    /// Breaks the ServiceAccount's connections and refuses new ones, until the faults are cleared.
    pub fn break_connections(&self) {
        self.add_fault(Rule::new(Fault::ResetBefore));
        self.server.cut_watches();
    }

    /// Counts the ServiceAccount's requests by verb and resource: `patch pkis/status`.
    pub fn requests(&self) -> BTreeMap<String, usize> {
        let (user, mut counts) = (self.user(), BTreeMap::new());
        for entry in self.server.requests().iter().filter(|entry| entry.user == user) {
            *counts.entry(format!("{} {}", entry.verb, entry.resource)).or_default() += 1;
        }
        counts
    }

    /// Panics if a request of the ServiceAccount was forbidden.
    pub fn assert_nothing_forbidden(&self) {
        let user = self.user();
        let forbidden = self.server.requests().into_iter().filter(|entry| entry.user == user && entry.code == 403);
        let forbidden: Vec<_> = forbidden.collect();
        assert!(forbidden.is_empty(), "the manifest does not allow: {forbidden:?}");
    }

    /// Waits, in tokio's time, until `check` returns Ok.
    ///
    /// # Panics
    /// `check` still fails after an hour.
    pub async fn wait_until<T, E: Debug>(&self, check: impl AsyncFn() -> Result<T, E>) -> T {
        let start = Instant::now();
        loop {
            match check().await {
                Ok(found) => return found,
                Err(last) if start.elapsed() > Duration::from_secs(3600) => panic!("still after an hour: {last:?}"),
                // The delay grows: under a paused clock, only the checks take real time.
                Err(_) => tokio::time::sleep(Duration::from_secs(1) + start.elapsed() / 10).await,
            }
        }
    }

    /// Creates a namespace.
    pub async fn create_namespace(&self, name: &str) {
        self.create(&json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })).await;
    }

    /// Creates a pod of one container with these volumes.
    pub async fn create_pod(&self, namespace: &str, name: &str, volumes: Value) -> Value {
        self.create(&pod(namespace, name, volumes)).await
    }

    /// Sends a request as the administrator and returns the response, even if it is an error.
    pub async fn request(&self, method: Method, path: &str, body: &Value) -> Value {
        let kind = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, kind);
        let text = self.send(request.body(Full::from(body)).expect("a request")).await;
        serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{path}: {e}: {}", String::from_utf8_lossy(&text)))
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Bytes {
        let response = self.server.clone().call(request).await.expect("a response");
        response.into_body().collect().await.expect("a complete response").to_bytes()
    }

    async fn request_ok(&self, method: Method, path: &str, body: &Value) -> Value {
        let response = self.request(method.clone(), path, body).await;
        assert_ne!(response["status"], "Failure", "{method} {path}: {response}");
        response
    }

    /// Reads the object or list at `path`. This method and those below panic on an error.
    pub async fn get(&self, path: &str) -> Value {
        self.request_ok(Method::GET, path, &Value::Null).await
    }

    /// Creates an object.
    pub async fn create(&self, object: &Value) -> Value {
        self.request_ok(Method::POST, &collection(object), object).await
    }

    /// Patches an object, by merge patch.
    pub async fn patch(&self, object: &Value, patch: Value) -> Value {
        self.request_ok(Method::PATCH, &path(object), &patch).await
    }

    /// Patches an object's status, by merge patch.
    pub async fn patch_status(&self, object: &Value, status: Value) -> Value {
        self.request_ok(Method::PATCH, &format!("{}/status", path(object)), &json!({ "status": status })).await
    }

    /// Deletes an object at once.
    pub async fn delete(&self, object: &Value) {
        self.request_ok(Method::DELETE, &format!("{}?gracePeriodSeconds=0", path(object)), &Value::Null).await;
    }

    /// Lists a collection. The keys are `namespace/name`.
    pub async fn list(&self, path: &str) -> BTreeMap<String, Value> {
        let mut list = self.get(path).await;
        let items = list["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
        items.into_iter().map(|item| (key(&item), item)).collect()
    }

    /// Returns the watch events of a collection since a revision.
    pub async fn watch_events(&self, path: &str, since: u64) -> Vec<Value> {
        let uri = format!("{path}?watch=true&resourceVersion={since}&timeoutSeconds=1");
        let text = self.send(Request::get(uri).body(Full::default()).expect("a request")).await;
        text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}
