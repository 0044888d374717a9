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
//! # Start here
//!
//! [`store`]: objects, one revision counter, and the log that every watch reads. Then, as a request goes:
//!
//! | module | in one sentence |
//! | --- | --- |
//! | [`object`], [`resource`], [`schema`], [`catalog`] | What there is: objects, and the resources that they are of. |
//! | [`store`], [`owners`] | What is known, since when, and who owns it. |
//! | [`state`] | All that the server knows, behind one lock. |
//! | [`server`], [`serve`] | The tower service, in process and on a socket: the order in which a request is handled. |
//! | [`request`], [`request_body`], [`protobuf`], [`options`] | A request, as the real server reads it. |
//! | [`user`], [`tokens`], [`auth`], [`rbac`] | The sender of a request, and what they may do. |
//! | [`faults`], [`control`], [`journal`] | Faults on demand; the last requests and their answers. |
//! | [`dispatch`] | Authorization, then the module that answers. |
//! | [`list`], [`continue_token`] | One page, at one revision, and the token that leads to the next. |
//! | [`mod@watch`] | A cursor in the log. |
//! | [`selector`] | The objects of a collection that a request is about. |
//! | [`mod@write`] | Every change, and what follows from it. |
//! | [`scale`] | A view of an object with replicas, and a write of that view. |
//! | [`types`], [`decoded`], [`causes`], [`names`], [`patch`], [`custom`] | Decode, complete and check an object; patches; custom resources. |
//! | [`format`](mod@format), [`table`], [`json_path`], [`status`], [`response`], [`body`] | The form of an answer: objects, rows, refusals. |
//! | [`discovery`], [`openapi`] | What is served. |

#![forbid(unsafe_code)]
// The map above is for readers of the source: `make doc` documents what is private, too.
#![allow(rustdoc::private_intra_doc_links)]

mod auth;
mod body;
mod catalog;
mod causes;
mod continue_token;
mod control;
mod custom;
mod decoded;
mod discovery;
mod dispatch;
mod faults;
mod format;
mod journal;
mod json_path;
mod list;
mod names;
mod object;
mod openapi;
mod options;
mod owners;
mod patch;
mod protobuf;
mod rbac;
mod request;
mod request_body;
mod resource;
mod response;
mod scale;
mod schema;
mod selector;
mod serve;
mod server;
mod state;
mod status;
mod store;
mod table;
#[cfg(test)]
mod testing;
mod tokens;
mod types;
mod user;
mod watch;
mod write;

pub use body::{Body, Reset};
pub use faults::{Active, Fault, Rule};
pub use journal::Entry;
pub use request::Verb;
pub use server::{ApiServer, Settings};

/// The examples in the README are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
