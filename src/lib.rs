//! A Kubernetes controller to read.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod request;
pub mod informer;
pub mod workqueue;
pub mod worker;
pub mod events;
pub mod pki;
pub mod pods;
pub mod process;
pub mod cli;
pub mod controller;

#[cfg(test)]
pub(crate) mod testing;
