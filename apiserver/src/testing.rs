//! Test helpers: a client of an API server in the same process.

use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower_service::Service;

use crate::{ApiServer, Body, Reset, Settings};

/// A client with its own server.
#[derive(Clone)]
pub struct TestClient {
    pub server: ApiServer,
}

/// A complete response.
#[derive(Debug)]
pub struct TestResponse {
    pub code: u16,
    pub body: Value,
}

impl TestResponse {
    /// The names of a list's items.
    pub fn names(&self) -> Vec<&str> {
        let items = self.body["items"].as_array().unwrap_or_else(|| panic!("no list: {self:?}"));
        items.iter().filter_map(|item| item["metadata"]["name"].as_str()).collect()
    }

    pub fn version(&self) -> u64 {
        self.body["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
    }

    pub fn reason(&self) -> (u16, &str) {
        (self.code, self.body["reason"].as_str().unwrap_or_default())
    }
}

pub const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

impl TestClient {
    pub fn new() -> Self {
        Self::with_settings(Settings::default())
    }

    pub fn with_settings(settings: Settings) -> Self {
        TestClient { server: ApiServer::new(settings) }
    }

    pub async fn send(
        &self,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<TestResponse, Reset> {
        let (head, body) = self.open(method, uri, headers, body).await?.into_parts();
        let bytes = body.collect().await?.to_bytes();
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into());
        Ok(TestResponse { code: head.status.as_u16(), body })
    }

    async fn open(
        &self,
        method: &str,
        uri: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<http::Response<Body>, Reset> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.server.clone().call(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await
    }

    pub async fn get(&self, uri: &str) -> TestResponse {
        self.send("GET", uri, &[], "").await.unwrap()
    }

    /// Creates a ConfigMap with these labels (`{"a": "b"}`).
    pub async fn create(&self, name: &str, labels: Value) -> TestResponse {
        let body = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "labels": labels } })
            .to_string();
        let response = self.send("POST", CONFIG_MAPS, &[], &body).await.unwrap();
        assert_eq!(response.code, 201, "{response:?}");
        response
    }

    pub async fn label(&self, name: &str, labels: Value) -> TestResponse {
        let headers = [("content-type", "application/merge-patch+json")];
        let body = json!({ "metadata": { "labels": labels } }).to_string();
        let response = self.send("PATCH", &format!("{CONFIG_MAPS}/{name}"), &headers, &body).await.unwrap();
        assert_eq!(response.code, 200, "{response:?}");
        response
    }

    /// Creates the ServiceAccount `app` with these rules in `default`; returns its Authorization header.
    pub async fn create_account(&self, rules: Value) -> String {
        let namespace = "/namespaces/default";
        let roles = format!("/apis/rbac.authorization.k8s.io/v1{namespace}");
        let role = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "app" });
        let subject = json!({ "kind": "ServiceAccount", "name": "app", "namespace": "default" });
        let (metadata, mut token) = (json!({ "name": "app" }), String::new());
        for (uri, body) in [
            (format!("/api/v1{namespace}/serviceaccounts"), json!({ "metadata": metadata })),
            (format!("{roles}/roles"), json!({ "metadata": metadata, "rules": rules })),
            (format!("{roles}/rolebindings"), json!({ "metadata": metadata, "roleRef": role, "subjects": [subject] })),
            (format!("/api/v1{namespace}/serviceaccounts/app/token"), json!({})),
        ] {
            let response = self.send("POST", &uri, &[], &body.to_string()).await.unwrap();
            assert_eq!(response.code, 201, "{response:?}");
            token = format!("Bearer {}", response.body["status"]["token"].as_str().unwrap_or_default());
        }
        token
    }

    /// Watches ConfigMaps; `query` does not contain `watch`.
    pub async fn watch(&self, query: &str) -> WatchLines {
        self.watch_as("application/json", query).await
    }

    pub async fn watch_as(&self, accept: &str, query: &str) -> WatchLines {
        let uri = format!("{CONFIG_MAPS}?watch=true&{query}");
        let response = self.open("GET", &uri, &[("accept", accept)], "").await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        WatchLines { body: Box::pin(response.into_body()), rest: BytesMut::new() }
    }
}

/// The lines of a watch.
pub struct WatchLines {
    body: Pin<Box<Body>>,
    rest: BytesMut,
}

impl WatchLines {
    /// The next frame: one or more lines.
    pub async fn frame(&mut self) -> Bytes {
        self.body.frame().await.unwrap().unwrap().into_data().unwrap()
    }

    /// The next event; None at the end.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                return Some(serde_json::from_slice(&self.rest.split_to(end + 1)).unwrap());
            }
            let frame = self.body.frame().await?.unwrap();
            self.rest.extend_from_slice(&frame.into_data().unwrap());
        }
    }

    /// Type, name and version of the next event: `ADDED a 12`.
    pub async fn next_summary(&mut self) -> String {
        match self.next().await {
            None => "end".into(),
            Some(event) => {
                let metadata = &event["object"]["metadata"];
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                [text(&event["type"]), text(&metadata["name"]), text(&metadata["resourceVersion"])].join(" ")
            }
        }
    }
}
