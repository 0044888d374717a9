//! A Kubernetes controller for reading: all code between the API server and the business code, without a framework.
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
//! # Reading order
//!
//! The modules are in this order, and so is the book in `docs/`: `docs/trace.md` follows one change through them. `--explain`
//! logs each step while the program runs.
//!
//! | module | in one sentence |
//! | --- | --- |
//! | [`pods`] | The smallest controller: logs a line when the state of a pod has changed. The example for the next three. |
//! | [`informer`] | Keeps a copy of a resource in memory: key, store, list and watch, reflector, resync. |
//! | [`workqueue`] | Decides which key is processed next, and never gives a key to two workers at once. |
//! | [`worker`] | Gets a key, reconciles it, then forgets its failures or retries. |
//! | [`events`] | Records Events, which `kubectl describe` prints. |
//! | [`pki`] | The certificate controller: validates, issues, reports an error to the application's owner. |
//! | [`controller`] | Connects these modules, on one page. |
//! | [`cli`] | The command line. |
//! | [`request`] | Requests with a time limit, and one type for their failures. Read it when you meet it. |
//! | [`mod@explain`] | The log lines of `--explain`. Skip it. |
//!
//! Imports point in one direction: a module uses the modules above it, [`request`] and [`mod@explain`]. The exception is
//! [`pods`], which uses [`informer`] and [`worker`] like any controller. Everything that is not specific to controllers
//! (connection, log, health, signals, leader election) comes from the package `daemon`.
//!
//! Two pure state machines make the difficult decisions: [`informer::machine`] and the work queue's `state.rs`. They do no
//! I/O, read no clock and draw no random number, so tests can simulate any sequence of failures.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod pods;
pub mod informer;
pub mod workqueue;
pub mod worker;
pub mod events;
pub mod pki;
pub mod controller;
pub mod cli;
pub mod request;
pub mod explain;
