//! A Kubernetes API server in memory: the server side of list and watch.
//!
//! It implements the behaviour that clients of list and watch can observe. One conformance suite runs on it and on the real
//! kube-apiserver. It does not depend on the controllers of this project.
//!
//! ```text
//!  request --> server ---------> auth, rbac ---------> list ----> Store ----> one page
//!              parse, faults     401, 403        |---> watch <--- log <--|    a stream: a cursor in the log
//!                                                |---> write ------------'    one change, one revision
//!                                                      decode, default, validate; then the consequences:
//!                                                      finalizers, garbage collection, namespace deletion
//! ```
//!
//! # Start here
//!
//! [`store`]: objects, one revision counter, and the log that every watch reads. Then, in the order of a request:
//!
//! | module | purpose |
//! | --- | --- |
//! | [`object`], [`resource`], [`schema`], [`catalog`] | Objects, and the resources that are served. |
//! | [`store`], [`owners`] | The objects, the log of their changes, and an index by owner. |
//! | [`state`] | All state of the server, behind one lock. |
//! | [`server`], [`serve`] | The tower service, in process and on a socket: the steps of a request. |
//! | [`request`], [`request_body`], [`protobuf`], [`options`] | Parsing of requests: path, query, body. |
//! | [`user`], [`tokens`], [`auth`], [`rbac`] | Authentication and authorization. |
//! | [`faults`], [`control`], [`request_log`] | Fault injection; the last requests and their status codes. |
//! | [`dispatch`] | Authorizes a request and calls the module that handles it. |
//! | [`list`], [`continue_token`] | One page, at one revision, and the token for the next page. |
//! | [`mod@watch`] | A cursor in the log. |
//! | [`selector`] | Label and field selectors. |
//! | [`mod@write`] | Create, update, patch and delete, with their consequences. |
//! | [`scale`] | The subresource `scale`. |
//! | [`types`], [`decoded`], [`causes`], [`names`], [`patch`], [`custom`] | Decoding, defaulting and validation; patches; custom resources. |
//! | [`format`](mod@format), [`table`], [`json_path`], [`status`], [`response`], [`body`] | The form of a response: objects, tables, errors. |
//! | [`discovery`], [`openapi`] | The served resources and their schemas, for clients. |

#![forbid(unsafe_code)]
// The map above is for readers of the source: `make doc` includes private items.
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
mod request_log;
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
pub use faults::{ActiveRule, Fault, Rule};
pub use request::Verb;
pub use request_log::LoggedRequest;
pub use server::{ApiServer, Settings};

/// The examples in the README are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
