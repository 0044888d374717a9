//! A server, the namespace of one case, requests, and assertions on their responses.

use std::{
    fmt::{Debug, Display},
    sync::atomic::{AtomicU32, Ordering},
};

use http::{
    HeaderMap, Request,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::{Value, json};

use crate::{
    differences, http1,
    server::{DEADLINE, RUNTIME, Server, ServerKind},
    wait::within,
    watch_stream::WatchStream,
};

pub const MERGE: &str = "application/merge-patch+json";
pub const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub const JSON_PATCH: &str = "application/json-patch+json";
pub const APPLY: &str = "application/apply-patch+yaml";

/// A server, the namespace of one case, and the credentials of its requests.
///
/// A path without a leading slash is in that namespace: `pods/a`, `apps/v1:deployments/a?dryRun=All`.
pub struct TestEnv<'s> {
    server: &'s Server,
    pub namespace: String,
    token: Option<String>,
    accept: Option<&'static str>,
}

impl<'s> TestEnv<'s> {
    /// Creates a namespace. Requests are the administrator's.
    pub fn new(server: &'s Server) -> TestEnv<'s> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let namespace = format!("case-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let env = TestEnv { server, namespace, token: server.token.map(str::to_owned), accept: None };
        env.post("/api/v1/namespaces", &json!({ "metadata": { "name": env.namespace } })).expect(201);
        env
    }

    fn with(&self, token: Option<String>, accept: Option<&'static str>) -> TestEnv<'s> {
        TestEnv { server: self.server, namespace: self.namespace.clone(), token, accept }
    }

    /// The same environment, with another token.
    pub fn with_token(&self, token: &str) -> TestEnv<'s> {
        self.with(Some(token.to_owned()), self.accept)
    }

    /// The same environment, with the token of a new ServiceAccount `app`, which has no rights.
    pub fn with_new_account(&self) -> TestEnv<'s> {
        self.post("serviceaccounts", &json!({ "metadata": { "name": "app" } })).expect(201);
        let response = self.post("serviceaccounts/app/token", &json!({})).expect(201);
        self.with_token(response["status"]["token"].as_str().expect("a token"))
    }

    /// The same environment, without a token.
    pub fn anonymous(&self) -> TestEnv<'s> {
        self.with(None, self.accept)
    }

    /// The same environment, with this `Accept` header.
    pub fn accepting(&self, accept: &'static str) -> TestEnv<'s> {
        self.with(self.token.clone(), Some(accept))
    }

    pub fn get(&self, path: &str) -> Response {
        self.send("GET", path, &[], "")
    }

    pub fn post(&self, path: &str, body: &Value) -> Response {
        self.send("POST", path, &[("content-type", "application/json")], &body.to_string())
    }

    pub fn put(&self, path: &str, body: &Value) -> Response {
        self.send("PUT", path, &[("content-type", "application/json")], &body.to_string())
    }

    pub fn patch(&self, path: &str, content_type: &str, body: &Value) -> Response {
        self.send("PATCH", path, &[("content-type", content_type)], &body.to_string())
    }

    pub fn delete(&self, path: &str) -> Response {
        self.send("DELETE", path, &[], "")
    }

    pub fn delete_with_options(&self, path: &str, options: &Value) -> Response {
        self.send("DELETE", path, &[("content-type", "application/json")], &options.to_string())
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let request = format!("{method} {path} {body:.500}");
        let exchange = async {
            let response = self.server.client.send(self.request(method, path, headers, body)).await;
            let (head, body) = response.unwrap_or_else(|e| panic!("{request}: {e}")).into_parts();
            let bytes = body.collect().await.unwrap_or_else(|e| panic!("{request}: {e}")).to_bytes();
            (head.status.as_u16(), head.headers, String::from_utf8_lossy(&bytes).into_owned())
        };
        let (code, headers, text) = RUNTIME
            .block_on(async { tokio::time::timeout(*DEADLINE, exchange).await })
            .unwrap_or_else(|_| panic!("{request}: no response within {:?}", *DEADLINE));
        let body = serde_json::from_str(&text).unwrap_or_default();
        Response { request, code, headers, text, body }
    }

    /// The code of a GET over plain HTTP.
    pub fn get_without_tls(&self, path: &str) -> u16 {
        http1::get(self.server.port, path).unwrap_or_else(|error| panic!("{error}")).0
    }

    /// Opens a watch: `watch=true` is added to the query.
    pub fn watch(&self, path: &str) -> WatchStream {
        let path = format!("{path}{}watch=true", if path.contains('?') { '&' } else { '?' });
        let request = self.request("GET", &path, &[], "");
        WatchStream::open(&self.server.client, request)
    }

    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(self.path(path));
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(accept) = self.accept {
            request = request.header(ACCEPT, accept);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::from(body.as_bytes().to_vec())).expect("a request")
    }

    /// The full path: see [`TestEnv`].
    pub fn path(&self, path: &str) -> String {
        let namespace = &self.namespace;
        match path.split_once(':') {
            _ if path.starts_with('/') => path.to_owned(),
            Some((group, rest)) if group.contains('/') => format!("/apis/{group}/namespaces/{namespace}/{rest}"),
            _ => format!("/api/v1/namespaces/{namespace}/{path}"),
        }
    }

    /// Waits until `check` succeeds: the real server's controllers and caches have a delay.
    #[track_caller]
    pub fn eventually<T, E: Display>(&self, what: impl Display, check: impl FnMut() -> Result<T, E>) -> T {
        within(*DEADLINE, what, check)
    }

    /// Compacts the log up to the latest version.
    pub fn compact(&self) {
        self.server.compact(&self.resource_version());
    }

    /// The latest version.
    pub fn resource_version(&self) -> String {
        let list = self.get("configmaps?limit=1").expect(200);
        list["metadata"]["resourceVersion"].as_str().expect("a version").to_owned()
    }

    pub fn is_real(&self) -> bool {
        self.server.kind == ServerKind::Real
    }

    /// Asserts a known difference, which the README lists under this id.
    #[track_caller]
    pub fn assert_difference<T: PartialEq + Debug>(&self, id: &'static str, seen: T, expected: PerServer<T>) {
        differences::record(id);
        let expected = if self.is_real() { expected.real } else { expected.embedded };
        assert_eq!(seen, expected, "known difference [{id}] on the {} server", self.server.kind);
    }
}

/// The expected values of [`TestEnv::assert_difference`].
pub struct PerServer<T> {
    pub embedded: T,
    pub real: T,
}

pub struct Response {
    /// The request, for assertion messages.
    request: String,
    pub code: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// Null if the text is not JSON.
    pub body: Value,
}

impl Response {
    /// Asserts the code, and returns the body.
    #[track_caller]
    pub fn expect(self, code: u16) -> Value {
        assert_eq!(self.code, code, "{}\n{}", self.request, self.text);
        self.body
    }

    /// Asserts a Status with this code, reason and message, and returns its details.
    #[track_caller]
    pub fn expect_error(self, code: u16, reason: &str, message: &str) -> Value {
        let body = &self.body;
        let seen = (self.code, &body["reason"], &body["message"]);
        assert_eq!(seen, (code, &json!(reason), &json!(message)), "{}\n{}", self.request, self.text);
        let frame = json!([body["kind"], body["apiVersion"], body["metadata"], body["status"], body["code"]]);
        assert_eq!(frame, json!(["Status", "v1", {}, "Failure", code]), "{}\n{}", self.request, self.text);
        self.body["details"].clone()
    }

    /// Asserts a Status with this code and reason, and returns its message.
    #[track_caller]
    pub fn error_message(self, code: u16, reason: &str) -> String {
        let message = self.body["message"].as_str().unwrap_or_default().to_owned();
        self.expect_error(code, reason, &message);
        message
    }

    /// Asserts a Status with reason Invalid and these causes: `[reason, field, message]` each.
    #[track_caller]
    pub fn expect_invalid(self, causes: Value) {
        assert_eq!((self.code, &self.body["reason"]), (422, &json!("Invalid")), "{}\n{}", self.request, self.text);
        let all = self.body["details"]["causes"].as_array().cloned().unwrap_or_default();
        let mut seen: Vec<Value> = all.iter().map(|c| json!([c["reason"], c["field"], c["message"]])).collect();
        // The real server repeats a cause for the metadata of an update.
        seen.dedup();
        assert_eq!(json!(seen), causes, "{}\n{}", self.request, self.text);
    }

    /// The values of the `Warning` headers.
    pub fn warnings(&self) -> Vec<String> {
        let texts = self.headers.get_all("warning").iter().filter_map(|value| value.to_str().ok());
        texts.map(str::to_owned).collect()
    }

    pub fn content_type(&self) -> &str {
        self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
