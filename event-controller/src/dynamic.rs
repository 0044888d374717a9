//! An object of any resource: its JSON and the few fields that the cache needs.

use std::borrow::Cow;

use demo_controller::informer::{Key, Object};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;

/// An object of any resource, as JSON text.
///
/// A tree of values would take several times the memory, and plugins get the text anyway.
#[derive(Debug)]
pub struct DynamicObject {
    key: Key,
    uid: Box<str>,
    resource_version: Box<str>,
    has_kind: bool,
    json: Box<RawValue>,
}

impl DynamicObject {
    /// Returns the object as the API server sent it, as one line.
    pub fn json(&self) -> &str {
        self.json.get()
    }

    /// Returns whether [`json`](DynamicObject::json) has `apiVersion` and `kind`. The items of a list do not.
    pub fn has_kind(&self) -> bool {
        self.has_kind
    }
}

impl Object for DynamicObject {
    fn key(&self) -> &Key {
        &self.key
    }
    fn uid(&self) -> &str {
        &self.uid
    }
    fn resource_version(&self) -> &str {
        &self.resource_version
    }
}

#[derive(Deserialize)]
struct ObjectHead<'a> {
    #[serde(borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    namespace: Cow<'a, str>,
    #[serde(borrow, default)]
    uid: Cow<'a, str>,
    #[serde(borrow, default)]
    resource_version: Cow<'a, str>,
}

impl<'de> Deserialize<'de> for DynamicObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut json = Box::<RawValue>::deserialize(deserializer)?;
        // The API server sends compact JSON, but a proxy may change that.
        if json.get().contains(['\n', '\r']) {
            let value: serde_json::Value = serde_json::from_str(json.get()).map_err(D::Error::custom)?;
            json = serde_json::value::to_raw_value(&value).map_err(D::Error::custom)?;
        }
        let ObjectHead { kind, metadata } = serde_json::from_str(json.get()).map_err(D::Error::custom)?;
        Ok(DynamicObject {
            key: Key::new(&metadata.namespace, &metadata.name),
            uid: metadata.uid.into(),
            resource_version: metadata.resource_version.into(),
            has_kind: kind.is_some(),
            json,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(json: &str) -> DynamicObject {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn text_of_an_object_is_kept() {
        let json =
            r#"{"kind":"Route","metadata":{"name":"a","namespace":"ns","uid":"u","resourceVersion":"7"},"x":1.0}"#;
        let route = decode(json);
        assert_eq!(route.json(), json, "1.0 does not become 1, keys keep their order");
        assert_eq!((route.key().as_str(), route.uid(), route.resource_version()), ("ns/a", "u", "7"));
        assert!(route.has_kind());
        assert!(!decode(r#"{"metadata":{"name":"a"}}"#).has_kind(), "an item of a list");
    }

    #[test]
    fn object_is_one_line() {
        let pretty = decode("{\n  \"metadata\": {\"name\": \"a\"},\r\n \"text\": \"two\\nlines\"\n}");
        assert_eq!(pretty.json(), r#"{"metadata":{"name":"a"},"text":"two\nlines"}"#);
    }
}
