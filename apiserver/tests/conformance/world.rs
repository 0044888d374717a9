//! What a case has in its hands: a server, a namespace of its own, requests, and what their answers must be.

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
    servers::{DEADLINE, Kind, RUNTIME, Server},
    stream::Watch,
    wait::within,
};

pub const MERGE: &str = "application/merge-patch+json";
pub const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub const JSON_PATCH: &str = "application/json-patch+json";
pub const APPLY: &str = "application/apply-patch+yaml";

/// A server, as somebody sees it, and a namespace that nobody else uses.
///
/// A path that does not begin with a slash is one in that namespace: `pods/a`, `apps/v1:deployments/a?dryRun=All`.
pub struct World<'s> {
    server: &'s Server,
    pub namespace: String,
    token: Option<String>,
    accept: Option<&'static str>,
}

impl<'s> World<'s> {
    /// As the administrator, in a new namespace.
    pub fn new(server: &'s Server) -> World<'s> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let namespace = format!("case-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let world = World { server, namespace, token: server.token.map(str::to_owned), accept: None };
        world.post("/api/v1/namespaces", &json!({ "metadata": { "name": world.namespace } })).is(201);
        world
    }

    fn with(&self, token: Option<String>, accept: Option<&'static str>) -> World<'s> {
        World { server: self.server, namespace: self.namespace.clone(), token, accept }
    }

    /// The same as the holder of this token.
    pub fn with_token(&self, token: &str) -> World<'s> {
        self.with(Some(token.to_owned()), self.accept)
    }

    /// The same as nobody.
    pub fn anonymous(&self) -> World<'s> {
        self.with(None, self.accept)
    }

    /// The same, and answers are wanted in this form.
    pub fn accepting(&self, accept: &'static str) -> World<'s> {
        self.with(self.token.clone(), Some(accept))
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], &body.to_string())
    }

    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, &[("content-type", "application/json")], &body.to_string())
    }

    pub fn patch(&self, path: &str, content_type: &str, body: &Value) -> Answer {
        self.send("PATCH", path, &[("content-type", content_type)], &body.to_string())
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], "")
    }

    /// With DeleteOptions.
    pub fn delete_with(&self, path: &str, options: &Value) -> Answer {
        self.send("DELETE", path, &[("content-type", "application/json")], &options.to_string())
    }

    /// Any request.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let what = format!("{method} {path} {body:.500}");
        let exchange = async {
            let response = self.server.client.send(self.request(method, path, headers, body)).await;
            let (head, body) = response.unwrap_or_else(|e| panic!("{what}: {e}")).into_parts();
            let bytes = body.collect().await.unwrap_or_else(|e| panic!("{what}: {e}")).to_bytes();
            (head.status.as_u16(), head.headers, String::from_utf8_lossy(&bytes).into_owned())
        };
        let (code, headers, text) = RUNTIME
            .block_on(async { tokio::time::timeout(*DEADLINE, exchange).await })
            .unwrap_or_else(|_| panic!("{what}: no answer within {:?}", *DEADLINE));
        let body = serde_json::from_str(&text).unwrap_or_default();
        Answer { what, code, headers, text, body }
    }

    /// The code that a GET over plain HTTP is answered with.
    pub fn get_without_tls(&self, path: &str) -> u16 {
        http1::get(self.server.port, path).unwrap_or_else(|why| panic!("{why}")).0
    }

    /// Opens a watch: `watch=true` is added to the query.
    pub fn watch(&self, path: &str) -> Watch {
        let path = format!("{path}{}watch=true", if path.contains('?') { '&' } else { '?' });
        let request = self.request("GET", &path, &[], "");
        Watch::open(&self.server.client, request)
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

    /// The whole of a path: see [`World`].
    pub fn path(&self, path: &str) -> String {
        let namespace = &self.namespace;
        match path.split_once(':') {
            _ if path.starts_with('/') => path.to_owned(),
            Some((group, rest)) if group.contains('/') => format!("/apis/{group}/namespaces/{namespace}/{rest}"),
            _ => format!("/api/v1/namespaces/{namespace}/{path}"),
        }
    }

    /// Looks until `look` is content: for what the real server's controllers and caches do a moment later.
    #[track_caller]
    pub fn eventually<T, E: Display>(&self, what: impl Display, look: impl FnMut() -> Result<T, E>) -> T {
        within(*DEADLINE, what, look)
    }

    /// Makes it forget all versions but the present one.
    pub fn compact(&self) {
        self.server.compact(&self.version());
    }

    /// The present version of everything.
    pub fn version(&self) -> String {
        let list = self.get("configmaps?limit=1").is(200);
        list["metadata"]["resourceVersion"].as_str().expect("a version").to_owned()
    }

    /// For what takes the real one a moment.
    pub fn is_real(&self) -> bool {
        self.server.kind == Kind::Real
    }

    /// What the two kinds of server knowingly do not do alike: the README lists it under this id.
    #[track_caller]
    pub fn differs<T: PartialEq + Debug>(&self, id: &'static str, seen: T, known: Differs<T>) {
        differences::seen(id);
        let expected = if self.is_real() { known.real } else { known.embedded };
        assert_eq!(seen, expected, "on the {} server, as the known difference [{id}]", self.server.kind);
    }
}

/// See [`World::differs`].
pub struct Differs<T> {
    pub embedded: T,
    pub real: T,
}

/// An answer.
pub struct Answer {
    /// The request, for messages.
    what: String,
    pub code: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// Null if it is not JSON.
    pub body: Value,
}

impl Answer {
    /// The body, if this is the code.
    #[track_caller]
    pub fn is(self, code: u16) -> Value {
        assert_eq!(self.code, code, "{}\n{}", self.what, self.text);
        self.body
    }

    /// A refusal: a Status with this code, reason and message. Returns its details.
    #[track_caller]
    pub fn refused(self, code: u16, reason: &str, message: &str) -> Value {
        let body = &self.body;
        let seen = (self.code, &body["reason"], &body["message"]);
        assert_eq!(seen, (code, &json!(reason), &json!(message)), "{}\n{}", self.what, self.text);
        let frame = json!([body["kind"], body["apiVersion"], body["metadata"], body["status"], body["code"]]);
        assert_eq!(frame, json!(["Status", "v1", {}, "Failure", code]), "{}\n{}", self.what, self.text);
        self.body["details"].clone()
    }

    /// A refusal with this code and reason. Returns its message, for when only its beginning is the same.
    #[track_caller]
    pub fn refusal(self, code: u16, reason: &str) -> String {
        let message = self.body["message"].as_str().unwrap_or_default().to_owned();
        self.refused(code, reason, &message);
        message
    }

    /// Invalid, for these reasons: `[reason, field, message]` each.
    #[track_caller]
    pub fn invalid(self, causes: Value) {
        assert_eq!((self.code, &self.body["reason"]), (422, &json!("Invalid")), "{}\n{}", self.what, self.text);
        let all = self.body["details"]["causes"].as_array().cloned().unwrap_or_default();
        let mut seen: Vec<Value> = all.iter().map(|c| json!([c["reason"], c["field"], c["message"]])).collect();
        // Of what is wrong with the metadata of an update, the real server's causes say each thing twice.
        seen.dedup();
        assert_eq!(json!(seen), causes, "{}\n{}", self.what, self.text);
    }

    /// What clients are told besides: the texts of the headers `Warning`.
    pub fn warnings(&self) -> Vec<String> {
        let texts = self.headers.get_all("warning").iter().filter_map(|value| value.to_str().ok());
        texts.map(str::to_owned).collect()
    }

    pub fn content_type(&self) -> &str {
        self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
