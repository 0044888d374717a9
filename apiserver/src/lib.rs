//! A Kubernetes API server in memory: the other end of the watch.
//!
//! It does what clients of list and watch can observe, and each thing that it does, it does as the real one. One
//! conformance suite runs on both. It knows nothing of any controller.
//!
//! ```text
//!  request --> server ---------> auth, rbac ---------> list ----> Store ----> one page
//!              parse, faults     401, 403        |---> watch <--- log <--|    a stream: a cursor in the log
//!                                                |---> write ------------'    one change, one revision
//!                                                      decode, default, validate; then whatever follows from it:
//!                                                      finalizers, garbage collection, ends of namespaces
//! ```
//!
//! Start with [`store`]: objects, one revision counter, and the log that every watch reads.

#![forbid(unsafe_code)]

mod auth;
mod body;
mod catalog;
mod control;
mod custom;
mod decode;
mod discovery;
mod dispatch;
mod faults;
mod format;
mod journal;
mod list;
mod names;
mod object;
mod openapi;
mod options;
mod owners;
mod page;
mod patch;
mod protobuf;
mod rbac;
mod request;
mod respond;
mod selector;
mod serve;
mod server;
mod state;
mod status;
mod store;
mod table;
#[cfg(test)]
mod testing;
mod types;
mod watch;
mod write;

pub use body::{Body, Reset};
pub use faults::{Active, Fault, Rule};
pub use journal::Entry;
pub use request::Verb;
pub use server::{ApiServer, Settings};
