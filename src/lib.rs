//! A Kubernetes controller to read: everything between the API server and the business code, without a framework.
//!
//! ```text
//!  API server --list, watch--> Reflector --> Store (cache + index)
//!                                  | key of what changed        \ reads
//!                                  v                             v
//!                              WorkQueue ------ claim -------> Worker --writes--> API server (Secret, status, Event)
//!                                  ^                             |
//!                                  +-- add_rate_limited: error --+-- forget: success, or a permanent error
//! ```
//!
//! # Start here
//!
//! Each module uses only the modules above it, libraries, and `daemon` (connection, log, health, signals, leader election:
//! nothing that is specific to controllers). `docs/tour.md` follows one change through them, and `--explain` logs each step
//! of that tour while the program runs.
//!
//! | module | in one sentence |
//! | --- | --- |
//! | [`mod@explain`] | The steps of the tour, for `--explain`. |
//! | [`request`] | Requests with a time limit, and one type for their failures. |
//! | [`informer`] | KNOW: mirror a resource into memory. |
//! | [`workqueue`] | DECIDE: which key is next, and never the same key twice at once. |
//! | [`worker`] | DO: get a key, reconcile, then forget or retry; always done. |
//! | [`pods`] | The smallest job: the lifecycle of every pod, one log line per change. |
//! | [`events`] | TELL: the event recorder. |
//! | [`pki`] | The certificate job: validate, issue, report why not. |
//! | [`controller`] | Puts them together, on one page. |
//! | [`cli`] | The command line. |
//!
//! Two pure state machines make the difficult decisions: [`informer::machine`] and the work queue's. They do no I/O, read no
//! clock and draw no random number, so that tests can run them through any history.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod explain;
pub mod request;
pub mod informer;
pub mod workqueue;
pub mod worker;
pub mod pods;
pub mod events;
pub mod pki;
pub mod controller;
pub mod cli;
