//! An object at one version: JSON, and how to look into it.

use std::{
    cmp::Ordering,
    fmt::{self, Write},
    sync::OnceLock,
};

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Number, Value};

/// Which collection: `pods`, `deployments.apps`, `pkis.box.com`. All versions of a group share one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GroupResource(std::sync::Arc<str>);

impl GroupResource {
    /// As kubectl writes it: the plural, then the group if it has a name.
    pub fn new(group: &str, plural: &str) -> Self {
        GroupResource(if group.is_empty() { plural.into() } else { format!("{plural}.{group}").into() })
    }

    /// Whether it is this one; cheaper than making it in order to compare.
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

/// Which object of a collection. The namespace is empty where there is none.
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

/// A list is in this order. The real server's keys are texts, `NAMESPACE/NAME`, so what is in the namespace `a-b` comes
/// before what is in `a`: the minus sign is less than the slash.
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

/// One version of an object. It never changes: a write makes another one.
#[derive(Debug)]
pub struct Object {
    value: Value,
    text: OnceLock<Text>,
}

/// An object as JSON: what it is (kind and apiVersion) comes first, so that a list can leave it out.
#[derive(Debug)]
struct Text {
    whole: Bytes,
    /// Where the other fields begin.
    head: usize,
}

impl Object {
    pub fn new(value: Value) -> Self {
        Object { value, text: OnceLock::new() }
    }

    pub fn value(&self) -> &Value {
        &self.value
    }

    /// As text. Made once: fifty watchers send the same bytes.
    pub fn json(&self) -> Bytes {
        self.text().whole.clone()
    }

    /// The end of the text: the fields after `{"kind":…,"apiVersion":…,`.
    pub fn json_after_kind(&self) -> Bytes {
        let text = self.text();
        text.whole.slice(text.head..)
    }

    /// How many bytes it is as text; if that has not been made, about so many.
    pub fn size(&self) -> usize {
        self.text.get().map_or_else(|| size(&self.value), |text| text.whole.len())
    }

    fn text(&self) -> &Text {
        self.text.get_or_init(|| Text::of(&self.value))
    }
}

impl Text {
    fn of(value: &Value) -> Text {
        const FIRST: [&str; 2] = ["kind", "apiVersion"];
        let Value::Object(fields) = value else { return Text { whole: value.to_string().into(), head: 0 } };
        let mut text = String::from("{");
        let mut add = |name: &str, value: &Value| {
            let separator = if text.len() == 1 { "" } else { "," };
            // To a String: it cannot fail.
            let _ = write!(text, "{separator}{}:{value}", Value::from(name));
            text.len()
        };
        let mut head = 1;
        for name in FIRST {
            if let Some(value) = fields.get(name) {
                // And the comma, or what stands in its place.
                head = add(name, value) + 1;
            }
        }
        for (name, value) in fields.iter().filter(|(name, _)| !FIRST.contains(&name.as_str())) {
            add(name, value);
        }
        text.push('}');
        Text { whole: text.into(), head }
    }
}

/// About how many bytes it is as text; cheaper than making the text.
pub fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|item| size(item) + 1).sum::<usize>() + 2,
        Value::Object(map) => map.iter().map(|(name, value)| name.len() + size(value) + 4).sum::<usize>() + 2,
        _ => 4,
    }
}

/// A text; empty if it is none.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The elements of a list; none if it is none.
pub fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The texts in a list.
pub fn words(value: &Value) -> impl Iterator<Item = &str> {
    items(value).iter().filter_map(Value::as_str)
}

/// As the API writes a time: UTC, whole seconds.
pub fn time(at: Timestamp) -> Value {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into()
}

/// `2.0` becomes `2`: the real server makes no difference between numbers of the same value.
pub fn normalize(number: &mut Number) {
    // Beyond this, not every whole number has a fraction of its own.
    const EXACT: f64 = (1_i64 << f64::MANTISSA_DIGITS) as f64;
    let fraction = number.as_f64().filter(|value| number.is_f64() && value.fract() == 0.0);
    if let Some(value) = fraction.filter(|value| value.abs() < EXACT) {
        *number = (value as i64).into();
    }
}

/// What every object has, read from its JSON. Everything absent is empty.
pub trait Meta {
    /// A text below `metadata`, empty if there is none.
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
    /// Its end has been decided: there is a deletionTimestamp.
    fn is_ending(&self) -> bool {
        !self.meta("deletionTimestamp").is_empty()
    }
}

impl Meta for Value {
    fn meta(&self, field: &str) -> &str {
        text(&self["metadata"][field])
    }
}
