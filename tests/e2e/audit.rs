//! The API server's log of our ServiceAccount's requests.

use std::{fmt, fs, path::Path};

use serde_json::Value;

/// Where the audit log has the id of a request's token.
pub const CREDENTIAL: &str = "authentication.kubernetes.io/credential-id";

/// Requests in the order of their answers. A watch is in it as soon as it is open.
#[derive(Clone)]
pub struct Audit(Vec<Request>);

/// One answered request.
#[derive(Clone)]
pub struct Request {
    /// `get`, `list`, `watch`, `create`, `patch`, …
    pub verb: String,
    /// `pkis/status`, with the subresource.
    pub resource: String,
    /// Empty for all, and for none.
    pub namespace: String,
    /// Empty for a list, and for a creation whose name is unknown.
    pub name: String,
    /// Path and query.
    pub uri: String,
    /// The status code.
    pub code: u64,
    /// The id of the token; only a real server has it.
    pub credential: String,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Request { verb, resource, namespace, name, uri, code, .. } = self;
        write!(f, "{code} {verb} {resource} {namespace}/{name}   {uri}")
    }
}

impl Request {
    /// Returns whether it is a write.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }
}

impl Audit {
    /// Requests from another source than a file.
    pub fn new(requests: Vec<Request>) -> Audit {
        Audit(requests)
    }

    /// Reads the file, without a line that is half written.
    pub fn read(file: &Path) -> Audit {
        let text = fs::read_to_string(file).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        // A watch has two lines: when it is opened, and when it has ended.
        let ended = |line: &Value| line["verb"] == "watch" && line["stage"] == "ResponseComplete" && code(line) == 200;
        Audit(lines.filter(|line| !ended(line)).map(|line| request(&line)).collect())
    }

    /// Their number: a mark for [`Audit::since`].
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Those after a mark.
    pub fn since(&self, mark: usize) -> Audit {
        Audit(self.0[mark.min(self.0.len())..].to_vec())
    }

    /// Those for which `wanted` is true.
    pub fn only(&self, wanted: impl Fn(&Request) -> bool) -> Audit {
        Audit(self.0.iter().filter(|request| wanted(request)).cloned().collect())
    }

    /// The writes.
    pub fn writes(&self) -> Audit {
        self.only(Request::is_write)
    }

    /// # Panics
    /// There is one.
    #[track_caller]
    pub fn assert_none(&self, what: &str) {
        assert!(self.0.is_empty(), "{what}:\n{self}");
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|request| writeln!(f, "  {request}"))
    }
}

fn code(line: &Value) -> u64 {
    line["responseStatus"]["code"].as_u64().unwrap_or_default()
}

fn request(line: &Value) -> Request {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = &line["objectRef"];
    let subresource = object["subresource"].as_str().map(|sub| format!("/{sub}")).unwrap_or_default();
    Request {
        verb: text(&line["verb"]),
        resource: text(&object["resource"]) + &subresource,
        namespace: text(&object["namespace"]),
        name: text(&object["name"]),
        uri: text(&line["requestURI"]),
        code: code(line),
        credential: line["user"]["extra"][CREDENTIAL].to_string(),
    }
}
