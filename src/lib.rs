//! A Kubernetes controller to read: everything between the API server and the business code, written out by hand.
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
//! Read the rooms from top to bottom; each uses only what stands above it. `docs/tour.md` leads through them with a few
//! questions to each, and `--explain` makes the running program name the step that it is at.
//!
//! | room | in one sentence |
//! | --- | --- |
//! | [`request`] | A request, and in one type what can go wrong with it. |
//! | [`text`] | Text from outside, fit for one line. |
//! | [`mod@explain`] | The steps, for `--explain`. |
//! | [`informer`] | KNOW: mirror a resource into memory. |
//! | [`workqueue`] | DECIDE: what to look at next, and never at one key twice at once. |
//! | [`worker`] | DO: get a key, reconcile, then forget or retry; always done. |
//! | [`events`] | TELL: the event recorder. |
//! | [`pki`] | The certificate job: validate, issue, say why not. |
//! | [`pods`] | The lifecycle job: what happens to every pod, in one line each. |
//! | [`watch`] | The any-resource job: what happens to its objects, handed to a plugin. |
//! | [`process`] | What every daemon needs, and nothing about controllers. |
//! | [`cli`] | Every flag. |
//! | `wiring` | Caches with their reflectors, crews of workers: what controllers are put together from. |
//! | [`controller`] | Wires it all together, on one page. |
//! | [`watcher`] | The same for `watch`. |
//! | `playground` | No cluster needed: a simulated one, made of the same rooms (a cargo feature, on by default). |
//!
//! Two state machines carry the weight: [`informer::machine`] and [`workqueue`]'s; [`process::leader`] has a third. They are
//! pure: they do no I/O, read no clock and draw no random number, so what they promise can be tested by the million.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod request;
pub mod text;
pub mod explain;
pub mod informer;
pub mod workqueue;
pub mod worker;
pub mod events;
pub mod pki;
pub mod pods;
pub mod watch;
pub mod process;
pub mod cli;
mod wiring;
pub mod controller;
pub mod watcher;
#[cfg(feature = "playground")]
pub mod playground;

#[cfg(test)]
pub(crate) use testkit as testing;
