//! Parses a request: verb, resource and query parameters.

use std::{
    collections::BTreeMap,
    num::{IntErrorKind, ParseIntError},
};

use bytes::Bytes;
use http::{HeaderMap, Method, header::CONTENT_TYPE};

use crate::status::{Result, Status};

/// The verb of a request in RBAC rules and audit logs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
}

impl Verb {
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::List => "list",
            Verb::Watch => "watch",
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
            Verb::DeleteCollection => "deletecollection",
        }
    }
}

/// The verb and the path of a resource request: `/apis/GROUP/VERSION/[namespaces/NS/]PLURAL[/NAME[/SUBRESOURCE]]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestInfo {
    pub verb: Verb,
    pub group: String,
    pub version: String,
    /// Empty for all namespaces or a cluster-scoped resource.
    pub namespace: String,
    pub plural: String,
    /// Empty for a collection.
    pub name: String,
    pub subresource: String,
}

/// A complete request.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    /// Path and query, as received.
    pub uri: String,
    /// The path, percent-decoded.
    pub path: String,
    pub query: Query,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Request {
    /// Splits `uri` into path and query.
    pub fn new(method: Method, uri: &str, headers: HeaderMap, body: Bytes) -> Self {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned();
        Request { method, uri: uri.into(), path, query: Query::parse(query), headers, body }
    }

    /// The media type without parameters (`charset=…`); empty if the header is missing.
    pub fn content_type(&self) -> &str {
        let value = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim()
    }
}

/// The decoded query parameters; the first of several values of a name is used.
#[derive(Clone, Default, Debug)]
pub struct Query(BTreeMap<String, String>);

impl Query {
    pub fn parse(text: &str) -> Self {
        let mut map = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            map.entry(name.into_owned()).or_insert(value.into_owned());
        }
        Query(map)
    }

    /// The value; None if it is absent or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.text(name).filter(|value| !value.is_empty())
    }

    /// The value, even if it is empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Parses an integer.
    ///
    /// # Errors
    /// 400 with Go's error message.
    pub fn integer(&self, name: &str) -> Result<Option<i64>> {
        let Some(text) = self.0.get(name) else { return Ok(None) };
        let invalid = |error: ParseIntError| {
            let why = match error.kind() {
                IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
                _ => "invalid syntax",
            };
            Status::bad_request(format!("strconv.ParseInt: parsing {text:?}: {why}"))
        };
        text.parse().map(Some).map_err(invalid)
    }

    /// Parses a boolean. As in the real server, every value except `false` and `0` is true.
    pub fn flag(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !matches!(value.to_ascii_lowercase().as_str(), "false" | "0"))
    }
}

impl RequestInfo {
    /// Parses a request; None if its path is not a resource path.
    ///
    /// # Errors
    /// 405 for an unsupported method.
    pub fn parse(request: &Request) -> Result<Option<RequestInfo>> {
        let parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        let (group, version, rest) = match &parts[..] {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Ok(None),
        };
        // `namespaces/NAME` and its subresources are the Namespace itself; other paths are inside the namespace.
        let (namespace, rest) = match rest {
            ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => ("", rest),
            ["namespaces", namespace, rest @ ..] => (*namespace, rest),
            _ => ("", rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] => (*plural, "", ""),
            [plural, name] => (*plural, *name, ""),
            [plural, name, subresource] => (*plural, *name, *subresource),
            _ => return Ok(None),
        };
        let is_collection = name.is_empty();
        let verb = match request.method {
            Method::GET if !is_collection => Verb::Get,
            Method::GET if request.query.flag("watch") => Verb::Watch,
            Method::GET => Verb::List,
            // POST to a named object is rejected after authorization.
            Method::POST => Verb::Create,
            Method::PUT => Verb::Update,
            Method::PATCH => Verb::Patch,
            Method::DELETE if is_collection => Verb::DeleteCollection,
            Method::DELETE => Verb::Delete,
            _ => return Err(Status::method_not_allowed()),
        };
        Ok(Some(RequestInfo {
            verb,
            group: group.into(),
            version: version.into(),
            namespace: namespace.into(),
            plural: plural.into(),
            name: name.into(),
            subresource: subresource.into(),
        }))
    }
}
