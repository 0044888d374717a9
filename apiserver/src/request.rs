//! What is asked: method, path and query, as the real server reads them.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::status::Result;

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

/// A request to a resource: `/apis/GROUP/VERSION/[namespaces/NS/]PLURAL[/NAME[/SUBRESOURCE]]`.
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
    /// Decoded.
    pub path: String,
    pub query: Query,
    pub headers: HeaderMap,
    pub body: Bytes,
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

    /// None if absent or empty: the real server makes no difference.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
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
    /// 405 if the method makes no sense there.
    pub fn parse(_request: &Request) -> Result<Option<Target>> {
        todo!("core")
    }
}
