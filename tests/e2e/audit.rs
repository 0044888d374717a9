//! The API server's audit log: the requests of the controller's ServiceAccount.

use std::{fmt, fs, path::Path};

use serde_json::Value;

/// The field of an audit event that has the ID of the token.
pub const CREDENTIAL: &str = "authentication.kubernetes.io/credential-id";

/// Requests in the order of their responses. A watch is logged when it is opened.
#[derive(Clone)]
pub struct AuditLog(Vec<AuditEvent>);

/// One request that has a response.
#[derive(Clone)]
pub struct AuditEvent {
    /// `get`, `list`, `watch`, `create`, `patch`, …
    pub verb: String,
    /// With the subresource: `pkis/status`.
    pub resource: String,
    /// Empty for all namespaces, and for resources of the cluster.
    pub namespace: String,
    /// Empty for a list. May be empty for a creation.
    pub name: String,
    /// Path and query.
    pub uri: String,
    /// The status code.
    pub code: u64,
    /// The ID of the token. The embedded server does not log it.
    pub credential: String,
}

impl fmt::Display for AuditEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AuditEvent { verb, resource, namespace, name, uri, code, .. } = self;
        write!(f, "{code} {verb} {resource} {namespace}/{name}   {uri}")
    }
}

impl AuditEvent {
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }
}

impl AuditLog {
    pub fn new(requests: Vec<AuditEvent>) -> AuditLog {
        AuditLog(requests)
    }

    /// Reads the file. Skips an incomplete last line.
    pub fn read(file: &Path) -> AuditLog {
        let text = fs::read_to_string(file).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        // A watch has two lines: the first when it opens, the second when it ends.
        let ended = |line: &Value| line["verb"] == "watch" && line["stage"] == "ResponseComplete" && code(line) == 200;
        AuditLog(lines.filter(|line| !ended(line)).map(|line| parse(&line)).collect())
    }

    /// The number of requests, for [`AuditLog::since`].
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The requests after the first `mark`.
    pub fn since(&self, mark: usize) -> AuditLog {
        AuditLog(self.0[mark.min(self.0.len())..].to_vec())
    }

    /// The requests that `wanted` selects.
    pub fn only(&self, wanted: impl Fn(&AuditEvent) -> bool) -> AuditLog {
        AuditLog(self.0.iter().filter(|request| wanted(request)).cloned().collect())
    }

    pub fn writes(&self) -> AuditLog {
        self.only(AuditEvent::is_write)
    }

    /// Panics if the log has a request.
    #[track_caller]
    pub fn assert_none(&self, what: &str) {
        assert!(self.0.is_empty(), "{what}:\n{self}");
    }
}

impl fmt::Display for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|request| writeln!(f, "  {request}"))
    }
}

fn code(line: &Value) -> u64 {
    line["responseStatus"]["code"].as_u64().unwrap_or_default()
}

fn parse(line: &Value) -> AuditEvent {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = &line["objectRef"];
    let subresource = object["subresource"].as_str().map(|sub| format!("/{sub}")).unwrap_or_default();
    AuditEvent {
        verb: text(&line["verb"]),
        resource: text(&object["resource"]) + &subresource,
        namespace: text(&object["namespace"]),
        name: text(&object["name"]),
        uri: text(&line["requestURI"]),
        code: code(line),
        credential: line["user"]["extra"][CREDENTIAL].to_string(),
    }
}
