//! The any-resource job: hand what happens to the objects of some resource to a plugin.
//!
//! It is made of the same rooms as the other two jobs, which shows how little is specific to a resource: what is cached
//! ([`Dynamic`], an object that stays JSON), what a look at a key does ([`Deliver`]), and, since the resource is named by
//! a person, where the API server serves it ([`discovery`]).
//!
//! ```text
//!  reflector --> cache of Dynamic --key--> queue --> workers: Deliver --event--> Plugin --> (message, level) --> log
//! ```
//!
//! Reading order: [`Dynamic`], [`Deliver`], [`plugin`], [`Simple`], [`exec`]; then [`resource`], [`discovery`] and
//! [`selector`].

mod deliver;
pub mod discovery;
mod dynamic;
pub mod exec;
#[cfg(test)]
mod fixture;
pub mod plugin;
pub mod resource;
pub mod selector;
mod simple;

pub use deliver::Deliver;
pub use dynamic::Dynamic;
pub use plugin::{Config, Event, EventType, Level, Plugin};
pub use resource::{Resource, Wanted};
pub use simple::Simple;
