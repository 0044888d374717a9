//! The Event object: its content and its name.

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Event, EventSource, ObjectReference},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use ring::digest::{SHA256, digest};

use crate::informer::{Key, Object};

/// The longest message, in bytes. An instruction for a person fits; a list of a thousand allowed names does not.
pub const MESSAGE_LIMIT: usize = 1024;

/// The longest name that the API server accepts.
const NAME_LIMIT: usize = 253;

/// The object that an event is about. `kubectl describe` finds the event by this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectRef {
    /// As in a manifest: `v1`, `box.com/v1`.
    pub api_version: String,
    /// As in a manifest: `Pod`.
    pub kind: String,
    /// Empty for an object without a namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// Distinguishes the object from a later one of the same name. The limit per object uses it.
    pub uid: String,
    /// The version of the object that caused the event, if known.
    pub resource_version: Option<String>,
}

impl ObjectRef {
    /// Returns the reference to an object of the cache.
    pub fn of<T: Object>(api_version: &str, kind: &str, object: &T) -> Self {
        ObjectRef {
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: object.key().namespace().into(),
            name: object.key().name().into(),
            uid: object.uid().into(),
            resource_version: Some(object.resource_version().into()),
        }
    }
}

/// The type of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Information.
    Normal,
    /// An error, which the message describes.
    Warning,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::Normal => "Normal",
            Kind::Warning => "Warning",
        }
    }
}

/// Returns the Event as it is created.
///
/// It names its component twice: `kubectl describe` prints `source` under From, events.k8s.io calls the same
/// `reportingComponent`.
pub(super) fn new(
    component: &str,
    about: &ObjectRef,
    kind: Kind,
    reason: &str,
    message: &str,
    now: Timestamp,
) -> Event {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let message = &message[..message.floor_char_boundary(MESSAGE_LIMIT)];
    // The API server requires a namespace: the object's, or `default` if it has none.
    let namespace = if about.namespace.is_empty() { "default" } else { &about.namespace };
    Event {
        metadata: ObjectMeta {
            name: Some(name(component, about, kind, reason, message)),
            namespace: some(namespace),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: some(&about.api_version),
            kind: some(&about.kind),
            namespace: some(&about.namespace),
            name: some(&about.name),
            uid: some(&about.uid),
            resource_version: about.resource_version.clone(),
            field_path: None,
        },
        type_: some(kind.as_str()),
        reason: some(reason),
        message: some(message),
        count: Some(1),
        first_timestamp: Some(Time(now)),
        last_timestamp: Some(Time(now)),
        source: Some(EventSource { component: some(component), host: None }),
        reporting_component: some(component),
        ..Event::default()
    }
}

/// Returns the namespace and name of an Event.
pub(super) fn key(event: &Event) -> Key {
    let metadata = &event.metadata;
    Key::new(metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref().unwrap_or_default())
}

/// Returns the Event's name: the object's name and a hash of everything that identifies the event.
///
/// So a repeat has the same name and raises the count of the existing Event, after a restart of the controller, too.
/// client-go uses `NAME.TIME-IN-HEX`, which is simpler, but each restart then creates another Event with the same text.
///
/// Pitfall: std's `DefaultHasher` may return another hash in the next Rust release. SHA-256 will not.
fn name(component: &str, about: &ObjectRef, kind: Kind, reason: &str, message: &str) -> String {
    let mut text = Vec::new();
    for part in [component, &about.kind, &about.uid, kind.as_str(), reason, message] {
        // The length comes first: without it ("a", "bc") and ("ab", "c") would be the same event.
        text.extend_from_slice(&(part.len() as u64).to_be_bytes());
        text.extend_from_slice(part.as_bytes());
    }
    let hash: String = digest(&SHA256, &text).as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();

    let stem = &about.name[..about.name.floor_char_boundary(NAME_LIMIT - hash.len() - 1)];
    let stem = stem.trim_end_matches(['.', '-']);
    // A few kinds allow more (RBAC's `system:node`), an Event does not.
    if daemon::names::is_subdomain(stem) { format!("{stem}.{hash}") } else { hash }
}

#[cfg(test)]
mod tests;
