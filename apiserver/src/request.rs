//! What is asked: method, path and query, as the real server reads them.

use std::{
    collections::BTreeMap,
    num::{IntErrorKind, ParseIntError},
};

use bytes::Bytes;
use http::{HeaderMap, Method, header::CONTENT_TYPE};

use crate::status::{Result, Status};

/// What is to be done, as RBAC and audit logs name it.
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

/// What a request is for: `/apis/GROUP/VERSION/[namespaces/NS/]PLURAL[/NAME[/SUBRESOURCE]]`. In the real server it is
/// called RequestInfo.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    pub verb: Verb,
    pub group: String,
    pub version: String,
    /// Empty: all namespaces, or a resource that has none.
    pub namespace: String,
    pub plural: String,
    /// Empty: the collection.
    pub name: String,
    pub subresource: String,
}

/// Any request.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    /// Path and query, as they were sent.
    pub uri: String,
    /// Decoded.
    pub path: String,
    pub query: Query,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Request {
    /// `uri` is the path and, after a `?`, the query.
    pub fn new(method: Method, uri: &str, headers: HeaderMap, body: Bytes) -> Self {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned();
        Request { method, uri: uri.into(), path, query: Query::parse(query), headers, body }
    }

    /// Without parameters (`charset=…`); empty if there is none.
    pub fn content_type(&self) -> &str {
        let value = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim()
    }
}

/// The parameters, decoded. Where one stands twice, the first counts.
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

    /// None if absent or empty: mostly the real server makes no difference.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.text(name).filter(|value| !value.is_empty())
    }

    /// As it was sent, even if it is empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether it is there at all, even if it is empty.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// # Errors
    /// 400 for what is no whole number, in the words of the language that the real server is written in.
    pub fn integer(&self, name: &str) -> Result<Option<i64>> {
        let Some(text) = self.0.get(name) else { return Ok(None) };
        let wrong = |error: ParseIntError| {
            let why = match error.kind() {
                IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
                _ => "invalid syntax",
            };
            Status::bad_request(format!("strconv.ParseInt: parsing {text:?}: {why}"))
        };
        text.parse().map(Some).map_err(wrong)
    }

    /// `true`, `1` and a bare name are true, as in the real server.
    pub fn flag(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !matches!(value.to_ascii_lowercase().as_str(), "false" | "0"))
    }
}

impl Target {
    /// None if the path is not a resource's.
    ///
    /// # Errors
    /// 405 for a method that no resource knows.
    pub fn parse(request: &Request) -> Result<Option<Target>> {
        let parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
        let (group, version, rest) = match &parts[..] {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Ok(None),
        };
        // `namespaces` is a resource itself: `namespaces/NAME`, `namespaces/NAME/status`; anything else is in a namespace.
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
        let collection = name.is_empty();
        let verb = match request.method {
            Method::GET if !collection => Verb::Get,
            Method::GET if request.query.flag("watch") => Verb::Watch,
            Method::GET => Verb::List,
            // Whether it makes sense there is a question for later: whoever may not is told that first.
            Method::POST => Verb::Create,
            Method::PUT => Verb::Update,
            Method::PATCH => Verb::Patch,
            Method::DELETE if collection => Verb::DeleteCollection,
            Method::DELETE => Verb::Delete,
            _ => return Err(Status::method_not_allowed()),
        };
        Ok(Some(Target {
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
