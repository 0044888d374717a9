//! The log of the last requests and their status codes, for tests and for debugging.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::request::{Request, RequestInfo, Verb};

/// One request and its status code, recorded when the response begins.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct LoggedRequest {
    /// `system:serviceaccount:NS:NAME`, `system:admin`.
    pub user: String,
    /// As RBAC names it (`list`, `deletecollection`). For a non-resource path, the method in lower case.
    pub verb: String,
    /// `pods`, `pkis/status`; empty for a non-resource path.
    pub resource: String,
    /// Empty for all namespaces, and for cluster-scoped resources.
    pub namespace: String,
    /// Empty for a collection. For a create, the name in the body.
    pub name: String,
    /// Path and query.
    pub uri: String,
    /// 0: the connection was closed without a response.
    pub code: u16,
}

impl LoggedRequest {
    pub(crate) fn new(user: String, mut request: Request, info: Option<RequestInfo>, code: u16) -> Self {
        truncate(&mut request.uri, MAX_URI_BYTES);
        let Some(info) = info else {
            let verb = request.method.as_str().to_lowercase();
            return LoggedRequest { user, verb, uri: request.uri, code, ..LoggedRequest::default() };
        };
        let subresource = if info.subresource.is_empty() { "" } else { "/" };
        let mut name =
            if info.verb == Verb::Create && info.name.is_empty() { requested_name(&request.body) } else { info.name };
        truncate(&mut name, MAX_NAME_BYTES);
        LoggedRequest {
            user,
            verb: info.verb.as_str().into(),
            resource: [&info.plural, subresource, &info.subresource].concat(),
            namespace: info.namespace,
            name,
            uri: request.uri,
            code,
        }
    }
}

/// No valid name is longer.
const MAX_NAME_BYTES: usize = 253;

/// Longer URIs are truncated.
const MAX_URI_BYTES: usize = 2048;

fn truncate(text: &mut String, max: usize) {
    text.truncate(text.floor_char_boundary(max));
}

/// The name in the body of a create; empty if it has none.
pub(crate) fn requested_name(body: &[u8]) -> String {
    serde_json::from_slice::<NamedObject>(body).map(|named| named.metadata.name).unwrap_or_default()
}

/// The part of a body that is parsed.
#[derive(Deserialize)]
struct NamedObject {
    metadata: Name,
}

#[derive(Deserialize)]
struct Name {
    #[serde(default)]
    name: String,
}

/// The last requests, oldest first. Bounded, because a server may run for a long time.
#[derive(Default)]
pub struct RequestLog(VecDeque<LoggedRequest>);

impl RequestLog {
    pub const CAPACITY: usize = 10_000;

    /// Adds a request; if the log is full, drops the oldest one.
    pub fn push(&mut self, entry: LoggedRequest) {
        if self.0.len() == Self::CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back(entry);
    }

    /// Oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &LoggedRequest> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;

    /// The entry for a request of the administrator.
    fn entry(method: Method, uri: &str, body: &str) -> LoggedRequest {
        let request = Request::new(method, uri, HeaderMap::new(), body.to_owned().into());
        let info = RequestInfo::parse(&request).unwrap();
        LoggedRequest::new("system:admin".into(), request, info, 200)
    }

    #[test]
    fn entry_has_user_verb_resource_and_name() {
        let uri = "/api/v1/namespaces/x/pods/a/status?dryRun=All";
        let expected = LoggedRequest {
            user: "system:admin".into(),
            verb: "patch".into(),
            resource: "pods/status".into(),
            namespace: "x".into(),
            name: "a".into(),
            uri: uri.into(),
            code: 200,
        };
        assert_eq!(entry(Method::PATCH, uri, ""), expected);
        let created = entry(Method::POST, "/api/v1/namespaces/x/pods", r#"{"metadata":{"name":"b"}}"#);
        assert_eq!((&*created.verb, &*created.name), ("create", "b"));
        let version = LoggedRequest { verb: "get".into(), uri: "/version".into(), ..LoggedRequest::default() };
        let found = entry(Method::GET, "/version", "");
        assert_eq!(found, LoggedRequest { user: "system:admin".into(), code: 200, ..version });
    }

    #[test]
    fn long_uri_is_truncated_between_characters() {
        let long = format!("/api/v1/pods?labelSelector={}", "a".repeat(10_000));
        assert_eq!(entry(Method::GET, &long, "").uri, long[..MAX_URI_BYTES]);
        let odd = format!("/{}", "é".repeat(2_000));
        assert_eq!(entry(Method::GET, &odd, "").uri.len(), MAX_URI_BYTES - 1, "truncated inside a character");
        let body = format!(r#"{{"metadata":{{"name":"{}"}}}}"#, "n".repeat(10_000));
        assert_eq!(entry(Method::POST, "/api/v1/namespaces/x/pods", &body).name.len(), MAX_NAME_BYTES);
    }
}
