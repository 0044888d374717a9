//! An object of whatever kind: its JSON as it came, and the few fields that the cache needs.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;

use crate::informer::{Key, Object};

/// An object that stays JSON.
///
/// The text is kept, not a tree of values: a tree takes several times the memory, and as a rule the next thing that
/// happens to an object here is that it is written out again.
#[derive(Debug)]
pub struct Dynamic {
    key: Key,
    uid: Box<str>,
    resource_version: Box<str>,
    /// It says of itself what it is. In a list it does not.
    typed: bool,
    json: Box<RawValue>,
}

impl Dynamic {
    /// The object as the API server sent it. One line: a line end inside would end the line of whoever it is handed to.
    pub fn json(&self) -> &str {
        self.json.get()
    }

    /// Whether [`json`](Dynamic::json) holds `apiVersion` and `kind`. The items of a list do not.
    pub fn is_typed(&self) -> bool {
        self.typed
    }
}

impl Object for Dynamic {
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
struct Wire<'a> {
    #[serde(borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    metadata: Meta<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    namespace: Cow<'a, str>,
    #[serde(borrow, default)]
    uid: Cow<'a, str>,
    #[serde(borrow, default)]
    resource_version: Cow<'a, str>,
}

impl<'de> Deserialize<'de> for Dynamic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut json = Box::<RawValue>::deserialize(deserializer)?;
        // No API server does that, but a proxy might.
        if json.get().contains(['\n', '\r']) {
            let value: serde_json::Value = serde_json::from_str(json.get()).map_err(D::Error::custom)?;
            json = serde_json::value::to_raw_value(&value).map_err(D::Error::custom)?;
        }
        let Wire { kind, metadata } = serde_json::from_str(json.get()).map_err(D::Error::custom)?;
        Ok(Dynamic {
            key: Key::new(&metadata.namespace, &metadata.name),
            uid: metadata.uid.into(),
            resource_version: metadata.resource_version.into(),
            typed: kind.is_some(),
            json,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(json: &str) -> Dynamic {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_text_stays_as_it_came() {
        let json =
            r#"{"kind":"Route","metadata":{"name":"a","namespace":"ns","uid":"u","resourceVersion":"7"},"x":1.0}"#;
        let route = decode(json);
        assert_eq!(route.json(), json, "1.0 does not become 1, keys keep their order");
        assert_eq!((route.key().as_str(), route.uid(), route.resource_version()), ("ns/a", "u", "7"));
        assert!(route.is_typed());
    }

    #[test]
    fn an_item_of_a_list_does_not_say_what_it_is() {
        let node = decode(r#"{"metadata":{"name":"n\u00e9"}}"#);
        assert!(!node.is_typed());
        assert_eq!((node.key().as_str(), node.uid()), ("né", ""));
    }

    #[test]
    fn an_object_is_one_line() {
        let pretty = decode("{\n  \"metadata\": {\"name\": \"a\"},\r\n \"text\": \"two\\nlines\"\n}");
        assert_eq!(pretty.json(), r#"{"metadata":{"name":"a"},"text":"two\nlines"}"#);
    }

    #[test]
    fn an_object_without_a_name_is_none() {
        assert!(serde_json::from_str::<Dynamic>(r#"{"metadata":{}}"#).is_err());
        assert!(serde_json::from_str::<Dynamic>("[]").is_err());
    }
}
