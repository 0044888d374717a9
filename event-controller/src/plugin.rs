//! The trait for plugins: one method, which handles an event and returns a message for the log.

use std::{collections::BTreeMap, future::Future, str::FromStr, sync::Arc};

use demo_controller::{informer::Object, worker::ReconcileError};

use crate::{dynamic::DynamicObject, resource::Resource};

mod exec;
mod simple;

pub use exec::{Environment, Exec, ExecSettings};
pub use simple::Simple;

/// A plugin's settings: the ini section `[plugin_NAME]`, keys in lower case.
pub type Config = BTreeMap<String, String>;

/// Handles events.
pub trait Plugin: Send + Sync + 'static {
    /// Handles one event and returns a message for the log, with its level.
    ///
    /// Must be safe to repeat: an event that failed, or whose response was lost, is sent again. Events of one object
    /// are sent in order, those of different objects concurrently. When the process ends, the future is dropped.
    ///
    /// # Errors
    /// The plugin classifies the failure; the worker retries.
    fn handle_event(
        &self,
        event: &Event,
        config: &Config,
    ) -> impl Future<Output = Result<(String, Level), ReconcileError>> + Send;
}

/// The type of an event, as in a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// The first event of the object.
    Added,
    /// The object has another version than in its last event.
    Modified,
    /// The object was deleted.
    Deleted,
}

impl EventType {
    /// Returns the name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            EventType::Added => "ADDED",
            EventType::Modified => "MODIFIED",
            EventType::Deleted => "DELETED",
        }
    }
}

/// An event of an object.
#[derive(Clone, Debug)]
pub struct Event {
    /// The type.
    pub r#type: EventType,
    /// The current object; for [`EventType::Deleted`] its last known state.
    pub object: Arc<DynamicObject>,
    /// The object's resource. It has the kind, which an item of a list lacks.
    pub resource: Arc<Resource>,
}

impl Event {
    /// Returns the object's name.
    pub fn name(&self) -> &str {
        self.object.key().name()
    }
}

/// The level of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the levels")]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl FromStr for Level {
    type Err = String;

    /// Parses a level. Accepts Python's names, too; CRITICAL is logged as ERROR.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().to_ascii_uppercase().as_str() {
            "TRACE" => Ok(Level::Trace),
            "DEBUG" => Ok(Level::Debug),
            "INFO" => Ok(Level::Info),
            "WARN" | "WARNING" => Ok(Level::Warn),
            "ERROR" | "CRITICAL" => Ok(Level::Error),
            _ => {
                let start: String = text.chars().take(20).collect();
                Err(format!("level {start:?}: expected TRACE, DEBUG, INFO, WARN, WARNING, ERROR or CRITICAL"))
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns an event of this object, a Pod.
    pub fn event_of(r#type: EventType, json: &str) -> Event {
        let resource = Resource {
            api_version: "v1".into(),
            kind: "Pod".into(),
            name: "pods".into(),
            path: "/api/v1/pods".into(),
            namespaced: true,
        };
        Event { r#type, object: Arc::new(serde_json::from_str(json).expect("an object")), resource: Arc::new(resource) }
    }

    /// Returns an event of a Pod from a list, without its kind.
    pub fn event(r#type: EventType, name: &str) -> Event {
        event_of(r#type, &format!(r#"{{"metadata":{{"name":"{name}","namespace":"shop","uid":"u-{name}"}}}}"#))
    }
}
