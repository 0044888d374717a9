//! What a plugin is: one method, from an event to a line for the log.

use std::{collections::BTreeMap, future::Future, str::FromStr, sync::Arc};

use demo_controller::{informer::Object, worker::ReconcileError};

use crate::{dynamic::Dynamic, resource::Resource};

mod exec;
mod simple;

pub use exec::{ChildGroup, Environment, Exec, Settings};
pub use simple::Simple;

/// A plugin's settings: the ini section `[plugin_NAME]`, keys in lower case.
pub type Config = BTreeMap<String, String>;

/// Handles events.
pub trait Plugin: Send + Sync + 'static {
    /// Handles one event and returns a message for the log, with its level.
    ///
    /// Must be safe to repeat: an event whose handling failed, or whose answer was lost, comes again. Events of one object come
    /// in order, those of different objects concurrently. Dropped at an await point when the process ends.
    ///
    /// # Errors
    /// The plugin classifies the failure, the worker retries.
    fn handle_event(
        &self,
        event: &Event,
        config: &Config,
    ) -> impl Future<Output = Result<(String, Level), ReconcileError>> + Send;
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// The plugin does not know the object yet.
    Added,
    /// The object has another version than the one that the plugin knows.
    Modified,
    /// The object does not exist any more.
    Deleted,
}

impl EventType {
    /// Returns the type as the API server names it.
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
    /// What happened.
    pub r#type: EventType,
    /// The object as it is now; for [`EventType::Deleted`] its last known state.
    pub object: Arc<Dynamic>,
    /// The object's resource, which has its kind: an item of a list has none.
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
#[expect(missing_docs, reason = "the names say it")]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl FromStr for Level {
    type Err = String;

    /// Reads Python's names as well. CRITICAL is logged as ERROR.
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

    /// An event of this object of the kind Pod.
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

    /// An event of a pod that came in a list, without its kind.
    pub fn event(r#type: EventType, name: &str) -> Event {
        event_of(r#type, &format!(r#"{{"metadata":{{"name":"{name}","namespace":"shop","uid":"u-{name}"}}}}"#))
    }
}
