//! A Kubernetes controller to read.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod cli;
pub mod controller;
pub mod events;
pub mod informer;
pub mod pki;
pub mod pods;
pub mod process;
pub mod request;
pub mod worker;
pub mod workqueue;

#[cfg(test)]
pub(crate) mod testing;
