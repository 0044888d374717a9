//! The Event object: its content and its name.

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Event, EventSource, ObjectReference},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use ring::digest::{SHA256, digest};

use crate::informer::{Key, Object};

/// The longest message, in bytes. A longer one is cut.
pub const MESSAGE_LIMIT: usize = 1024;

/// The longest name that the API server accepts.
const NAME_LIMIT: usize = 253;

/// Returns a reference to an object of the cache. `kubectl describe` finds the object's events by it.
pub fn object_ref<T: Object>(api_version: &str, kind: &str, object: &T) -> ObjectReference {
    ObjectReference {
        api_version: Some(api_version.into()),
        kind: Some(kind.into()),
        namespace: Some(object.key().namespace().into()),
        name: Some(object.key().name().into()),
        uid: Some(object.uid().into()),
        resource_version: Some(object.resource_version().into()),
        field_path: None,
    }
}

/// The type of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// Information.
    Normal,
    /// An error that a person has to fix.
    Warning,
}

impl EventType {
    fn as_str(self) -> &'static str {
        match self {
            EventType::Normal => "Normal",
            EventType::Warning => "Warning",
        }
    }
}

/// Returns a new Event.
///
/// It has its component twice: in `source`, which `kubectl describe` prints, and in `reportingComponent`, which is the field
/// of events.k8s.io.
pub(super) fn new_event(
    component: &str,
    about: &ObjectReference,
    event_type: EventType,
    reason: &str,
    message: &str,
    now: Timestamp,
) -> Event {
    let some = |text: &str| Some(text.to_owned());
    let message = &message[..message.floor_char_boundary(MESSAGE_LIMIT)];
    // The API server requires a namespace: the object's, or `default` for an object without one.
    let namespace = about.namespace.as_deref().filter(|namespace| !namespace.is_empty()).unwrap_or("default");
    Event {
        metadata: ObjectMeta {
            name: Some(event_name(component, about, event_type, reason, message)),
            namespace: some(namespace),
            ..ObjectMeta::default()
        },
        involved_object: about.clone(),
        type_: some(event_type.as_str()),
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
pub(super) fn event_key(event: &Event) -> Key {
    let metadata = &event.metadata;
    Key::new(metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref().unwrap_or_default())
}

/// Returns the Event's name: the object's name and a hash of the fields that identify the event.
///
/// So a repeat has the same name and increments the count of the existing Event, also after a restart. client-go's names end
/// with the time, so each restart creates another Event.
///
/// Pitfall: std's `DefaultHasher` may return another hash in the next Rust release. SHA-256 does not change.
fn event_name<'a>(
    component: &str,
    about: &'a ObjectReference,
    event_type: EventType,
    reason: &str,
    message: &str,
) -> String {
    let mut text = Vec::new();
    let text_of = |field: &'a Option<String>| field.as_deref().unwrap_or_default();
    for part in [component, text_of(&about.kind), text_of(&about.uid), event_type.as_str(), reason, message] {
        // With the length, ("a", "bc") and ("ab", "c") are different events.
        text.extend_from_slice(&(part.len() as u64).to_be_bytes());
        text.extend_from_slice(part.as_bytes());
    }
    let hash: String = digest(&SHA256, &text).as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();

    let name = text_of(&about.name);
    let stem = name[..name.floor_char_boundary(NAME_LIMIT - hash.len() - 1)].trim_end_matches(['.', '-']);
    // Some kinds allow other names (RBAC: `system:node`), but Events do not.
    if daemon::names::is_subdomain(stem) { format!("{stem}.{hash}") } else { hash }
}

#[cfg(test)]
mod tests;
