//! A second controller on the same modules: each event of any resource goes to a plugin.
//!
//! ```text
//!  discovery --path--> Reflector --> cache of Dynamic --key--> WorkQueue --> workers: Dispatcher --event--> Plugin --> log
//! ```
//!
//! The informer, the queue and the workers are those of `demo_controller`. Read [`controller`] beside its namesake there: it
//! shows how little depends on the resource.
//!
//! | module | in one sentence |
//! | --- | --- |
//! | [`dynamic`] | An object of any resource: its JSON and the few fields that the cache needs. |
//! | [`resource`] | A resource, as a person names it and as the API server serves it. |
//! | [`discovery`] | Where the API server serves it. |
//! | [`plugin`] | What a plugin is; the plugins `simple` and `exec`. |
//! | [`dispatcher`] | The job: compares the cache with what the plugin knows. |
//! | [`controller`] | Puts them together, on one page. |
//! | [`cli`] | The command line, with the ini file. |
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod dynamic;
pub mod resource;
pub mod discovery;
pub mod plugin;
pub mod dispatcher;
pub mod controller;
pub mod cli;
