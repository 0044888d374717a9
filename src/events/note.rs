//! What an event says, and the Event object that says it.

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Event, EventSource, ObjectReference},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use ring::digest::{SHA256, digest};

use crate::informer::{Key, Object};

/// The longest message, in bytes. What a person has to do fits; a list of a thousand allowed names does not.
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
    /// Tells the object from a later one of the same name, which does not inherit its events. Needed: how much may be
    /// said about an object is counted by it.
    pub uid: String,
    /// The version that was looked at, where it is known.
    pub resource_version: Option<String>,
}

impl ObjectRef {
    /// The reference to an object of the cache.
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

/// Whether somebody has to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Good to know.
    Normal,
    /// Something is wrong, and the message says what.
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

/// One thing that is said about one object, however often it is said.
#[derive(Clone, Debug)]
pub(super) struct Note {
    pub about: ObjectRef,
    pub kind: Kind,
    pub reason: String,
    /// Cut to [`MESSAGE_LIMIT`].
    pub message: String,
}

impl Note {
    pub fn new(about: &ObjectRef, kind: Kind, reason: &str, message: &str) -> Self {
        // At a character: half a character is not UTF-8.
        let message = &message[..message.floor_char_boundary(MESSAGE_LIMIT)];
        Note { about: about.clone(), kind, reason: reason.to_owned(), message: message.to_owned() }
    }

    /// Namespace and name of the Event that says this. It follows from what is said alone, so a controller that was
    /// restarted finds the Event that it wrote before.
    ///
    /// The road not taken is the original recorder's `NAME.TIME-IN-HEX`: it is simpler, and after each restart the
    /// object has one more Event with the same words.
    ///
    /// Pitfall: std's `DefaultHasher` may give another hash with the next Rust release. SHA-256 will not.
    pub fn key(&self, component: &str) -> Key {
        let mut text = Vec::new();
        for part in [component, &self.about.kind, &self.about.uid, self.kind.as_str(), &self.reason, &self.message] {
            // The length goes first: without it ("a", "bc") and ("ab", "c") would be the same Event.
            text.extend_from_slice(&(part.len() as u64).to_be_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        let hash: String = digest(&SHA256, &text).as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();

        let name = &self.about.name;
        let stem = &name[..name.floor_char_boundary(NAME_LIMIT - hash.len() - 1)];
        let stem = stem.trim_end_matches(['.', '-']);
        let name = if is_subdomain(stem) { format!("{stem}.{hash}") } else { hash };
        Key::new(self.namespace(), &name)
    }

    /// Where the Event lives: with its object, or in `default` if that has no namespace. The API server insists.
    fn namespace(&self) -> &str {
        if self.about.namespace.is_empty() { "default" } else { &self.about.namespace }
    }

    /// The Event as it is created. It names its sender twice: `source` is what `kubectl describe` prints under From,
    /// `reportingComponent` is what the newer API calls the same thing.
    pub fn event(&self, component: &str, name: &str, count: i32, first: Timestamp, last: Timestamp) -> Event {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Event {
            metadata: ObjectMeta { name: some(name), namespace: some(self.namespace()), ..ObjectMeta::default() },
            involved_object: ObjectReference {
                api_version: some(&self.about.api_version),
                kind: some(&self.about.kind),
                namespace: some(&self.about.namespace),
                name: some(&self.about.name),
                uid: some(&self.about.uid),
                resource_version: self.about.resource_version.clone(),
                field_path: None,
            },
            type_: some(self.kind.as_str()),
            reason: some(&self.reason),
            message: some(&self.message),
            count: Some(count),
            first_timestamp: Some(Time(first)),
            last_timestamp: Some(Time(last)),
            source: Some(EventSource { component: some(component), host: None }),
            reporting_component: some(component),
            ..Event::default()
        }
    }
}

/// Whether an Event's name may begin with this. The name of nearly every object is a DNS subdomain; a few kinds (RBAC's
/// `system:node`) allow more, an Event does not.
fn is_subdomain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.split('.')
        .all(|label| label.starts_with(plain) && label.ends_with(plain) && label.chars().all(|c| plain(c) || c == '-'))
}
