//! One version of an object, and helpers to read its JSON.

use std::{
    cmp::Ordering,
    fmt::{self, Write},
    sync::OnceLock,
};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Number, Value};

/// Identifies a collection: `pods`, `deployments.apps`, `pkis.box.com`. All API versions share one collection.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GroupResource(std::sync::Arc<str>);

impl GroupResource {
    pub fn new(group: &str, plural: &str) -> Self {
        GroupResource(if group.is_empty() { plural.into() } else { format!("{plural}.{group}").into() })
    }

    /// Compares without allocating.
    pub fn is(&self, group: &str, plural: &str) -> bool {
        let rest = self.0.strip_prefix(plural);
        rest.is_some_and(|rest| if group.is_empty() { rest.is_empty() } else { rest.strip_prefix('.') == Some(group) })
    }
}

impl fmt::Display for GroupResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Identifies an object in a collection. The namespace is empty for cluster-scoped objects.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    pub namespace: String,
    pub name: String,
}

impl Key {
    pub fn new(namespace: &str, name: &str) -> Self {
        Key { namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

/// The order of a list, which is that of the strings `NAMESPACE/NAME` in the real server's etcd. So the namespace `a-b`
/// comes before `a`: the minus sign is less than the slash.
impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.namespace == other.namespace {
            return self.name.cmp(&other.name);
        }
        let [ours, theirs] = [self, other].map(|key| key.namespace.bytes().chain([b'/']).chain(key.name.bytes()));
        ours.cmp(theirs)
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// One version of an object. Immutable: a write creates a new version.
#[derive(Debug)]
pub struct Object {
    value: Value,
    json: OnceLock<Json>,
}

/// An object as JSON. `kind` and `apiVersion` come first, so that a list can omit them.
#[derive(Debug)]
struct Json {
    whole: Bytes,
    /// The offset of the other fields.
    tail: usize,
}

impl Object {
    pub fn new(value: Value) -> Self {
        Object { value, json: OnceLock::new() }
    }

    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The object as JSON. It is encoded once; all watches share the bytes.
    pub fn json(&self) -> Bytes {
        self.encoded().whole.clone()
    }

    /// The JSON after `{"kind":…,"apiVersion":…,`.
    pub fn json_after_kind(&self) -> Bytes {
        let text = self.encoded();
        text.whole.slice(text.tail..)
    }

    /// The size of the JSON in bytes; an estimate if it is not encoded yet.
    pub fn size(&self) -> usize {
        self.json.get().map_or_else(|| estimate_size(&self.value), |text| text.whole.len())
    }

    fn encoded(&self) -> &Json {
        self.json.get_or_init(|| Json::new(&self.value))
    }
}

impl Json {
    fn new(value: &Value) -> Json {
        const FIRST: [&str; 2] = ["kind", "apiVersion"];
        let Value::Object(fields) = value else { return Json { whole: value.to_string().into(), tail: 0 } };
        let mut text = String::from("{");
        let mut add = |name: &str, value: &Value| {
            let separator = if text.len() == 1 { "" } else { "," };
            // Writing to a String cannot fail.
            let _ = write!(text, "{separator}{}:{value}", Value::from(name));
            text.len()
        };
        let mut tail = 1;
        for name in FIRST {
            if let Some(value) = fields.get(name) {
                // Skip the comma, or the closing brace.
                tail = add(name, value) + 1;
            }
        }
        for (name, value) in fields.iter().filter(|(name, _)| !FIRST.contains(&name.as_str())) {
            add(name, value);
        }
        text.push('}');
        Json { whole: text.into(), tail }
    }
}

/// Estimates the size of the JSON in bytes, without encoding it.
pub fn estimate_size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|item| estimate_size(item) + 1).sum::<usize>() + 2,
        Value::Object(map) => map.iter().map(|(name, value)| name.len() + estimate_size(value) + 4).sum::<usize>() + 2,
        _ => 4,
    }
}

/// The string; empty if the value is not a string.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The elements of a list; empty if the value is not a list.
pub fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The strings in a list.
pub fn strings(value: &Value) -> impl Iterator<Item = &str> {
    items(value).iter().filter_map(Value::as_str)
}

/// A time in the format of `metav1.Time`: UTC, whole seconds.
pub fn time(at: Timestamp) -> Value {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into()
}

/// Turns `2.0` into `2`: the real server does not distinguish them.
pub fn normalize(number: &mut Number) {
    // Above this, an f64 cannot represent every integer.
    const EXACT: f64 = (1_i64 << f64::MANTISSA_DIGITS) as f64;
    let whole = number.as_f64().filter(|value| number.is_f64() && value.fract() == 0.0);
    if let Some(value) = whole.filter(|value| value.abs() < EXACT) {
        *number = (value as i64).into();
    }
}

/// Reads the metadata of an object. An absent field is an empty string.
pub trait Meta {
    /// A string field of `metadata`.
    fn meta(&self, field: &str) -> &str;
    fn name(&self) -> &str {
        self.meta("name")
    }
    fn namespace(&self) -> &str {
        self.meta("namespace")
    }
    fn uid(&self) -> &str {
        self.meta("uid")
    }
    fn resource_version(&self) -> &str {
        self.meta("resourceVersion")
    }
    /// Whether the object has a deletionTimestamp.
    fn is_terminating(&self) -> bool {
        !self.meta("deletionTimestamp").is_empty()
    }
}

impl Meta for Value {
    fn meta(&self, field: &str) -> &str {
        text(&self["metadata"][field])
    }
}
