//! KNOW: mirror a resource into memory.
//!
//! A controller asks "what is there now?" thousands of times for each time that something changes. Asking the API
//! server each time would drown it, so an informer keeps a copy: it lists once and then watches. Reading order:
//!
//! 1. [`Key`]: how an object is named from here on.
//! 2. [`Store`]: the copy, and what became different in it.
//! 3. [`list_watch`]: the two requests and how their answers are read.
//! 4. [`machine`]: which request comes next, after every kind of answer. The heart of it.
//! 5. [`Reflector`]: the loop that drives the machine.
//! 6. [`Resync`]: looking at everything again, which is something else than listing again.
//!
//! What an informer promises is less than one thinks. You will see the last state of each object, sooner or later. You
//! will *not* see every state in between, nor each deletion followed by a creation as two changes, and not a state
//! newer than the server's. Code that can live with that is called level-triggered, and survives everything in this
//! folder.

mod backoff;
mod health;
mod key;
pub mod list_watch;
pub mod machine;
mod metrics;
mod reflector;
mod resync;
mod store;

pub use backoff::{Backoff, LONGEST as LONGEST_BACKOFF};
pub use health::Health;
pub use key::Key;
pub use list_watch::{Event, List, ListWatch, Page, Undecodable, Watch};
pub use metrics::Metrics;
pub use reflector::Reflector;
pub use resync::Resync;
pub use store::{Change, Store};

/// What the cache needs to know about an object. Everything else about it is the business of whoever decodes it.
///
/// Implementors decode themselves straight from the wire (`serde::Deserialize`) and keep only the fields that are used.
pub trait Object: serde::de::DeserializeOwned + Send + Sync + 'static {
    /// `namespace/name`.
    fn key(&self) -> &Key;
    /// Tells an object from a later one of the same name.
    fn uid(&self) -> &str;
    /// Opaque; only ever compared for equality.
    fn resource_version(&self) -> &str;
}

#[cfg(test)]
pub(crate) mod thing;
