//! A second controller on the same modules: sends each event of any resource to a plugin.
//!
//! ```text
//!  discovery --path--> Reflector --> cache of DynamicObject --key--> WorkQueue --> workers: Dispatcher --event--> Plugin --> log
//! ```
//!
//! The informer, the queue and the workers are those of `demo_controller`. Compare [`controller`] with
//! `demo_controller::controller`: little depends on the resource.
//!
//! | module | content |
//! | --- | --- |
//! | [`dynamic`] | An object of any resource: its JSON and the few fields that the cache needs. |
//! | [`resource`] | A resource: the user's name for it, and how the API server serves it. |
//! | [`discovery`] | Finds the resource in the API server's discovery documents. |
//! | [`plugin`] | The trait for plugins; the plugins `simple` and `exec`. |
//! | [`dispatcher`] | The reconciler: compares the cache with what was delivered to the plugin. |
//! | [`controller`] | Connects them, on one page. |
//! | [`cli`] | The command line and the ini file. |
//! | [`init`] | Process 1 of a container. |
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod dynamic;
pub mod resource;
pub mod discovery;
pub mod plugin;
pub mod dispatcher;
pub mod controller;
pub mod cli;
pub mod init;
