//! What a plugin is: one method, from an event to what the log should say about it.

use std::{collections::BTreeMap, fmt, future::Future, str::FromStr, sync::Arc};

use super::{Dynamic, Resource};
use crate::{informer::Object, worker::Error};

/// A plugin's settings: the ini section `[plugin_NAME]`, keys in lower case.
pub type Config = BTreeMap<String, String>;

/// Does something with an event.
pub trait Plugin: Send + Sync + 'static {
    /// Handles one event and says what to log about it, and how loud.
    ///
    /// Must be safe to repeat: an event whose handling failed, or whose answer got lost, comes again. Events of one
    /// object come one after the other and in order, those of different objects at the same time. Dropped at an await
    /// point when the process ends.
    ///
    /// # Errors
    /// What it is ([`Error::Permanent`], [`Error::Transient`], [`Error::Unavailable`]), not what to do about it: retry
    /// is the worker's business.
    fn handle_event(
        &self,
        event: &Event,
        config: &Config,
    ) -> impl Future<Output = Result<(String, Level), Error>> + Send;
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// An object that the plugin has not been told of yet.
    Added,
    /// An object in another version than the plugin was told of last.
    Modified,
    /// An object that is gone.
    Deleted,
}

impl EventType {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            EventType::Added => "ADDED",
            EventType::Modified => "MODIFIED",
            EventType::Deleted => "DELETED",
        }
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something happened to an object.
#[derive(Clone, Debug)]
pub struct Event {
    /// What.
    pub r#type: EventType,
    /// The object as it is now; for [`EventType::Deleted`] as it was last known.
    pub object: Arc<Dynamic>,
    /// What kind of object it is.
    pub resource: Arc<Resource>,
}

impl Event {
    /// The object's kind. It is its resource's: an item of a list does not say its own.
    pub fn kind(&self) -> &str {
        &self.resource.kind
    }

    /// The object's name.
    pub fn name(&self) -> &str {
        self.object.key().name()
    }
}

/// How loud a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// `TRACE`
    Trace,
    /// `DEBUG`
    Debug,
    /// `INFO`
    Info,
    /// `WARN` or `WARNING`
    Warn,
    /// `ERROR`; `CRITICAL` too, for which the log has no word of its own.
    Error,
}

impl Level {
    /// What is accepted, for errors.
    pub const ACCEPTED: &str = "TRACE, DEBUG, INFO, WARN, WARNING, ERROR or CRITICAL, in any case";
}

/// None of [`Level::ACCEPTED`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownLevel;

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        match text.trim().to_ascii_uppercase().as_str() {
            "TRACE" => Ok(Level::Trace),
            "DEBUG" => Ok(Level::Debug),
            "INFO" => Ok(Level::Info),
            "WARN" | "WARNING" => Ok(Level::Warn),
            "ERROR" | "CRITICAL" => Ok(Level::Error),
            _ => Err(UnknownLevel),
        }
    }
}
