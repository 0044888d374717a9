//! The lifecycle controller: logs a line when the state of a pod differs from its last line.
//!
//! The smallest complete controller of the project: start here. Its reconcile writes no object, so it cannot fail.
//!
//! 1. `pod.rs`: a [`Pod`] as the cache holds it, and its [`PodState`].
//! 2. `lifecycle.rs`: the reconcile. It compares the pod in the cache with the pod that was last logged, and logs the
//!    difference.
//! 3. `json.rs` and `protobuf.rs` decode a pod. They may be skipped.
//!
//! The next modules show how a pod gets into the cache ([`crate::informer`]), how its key gets to a worker
//! ([`crate::workqueue`]), and which loop calls the reconcile ([`crate::worker`]).

mod json;
mod lifecycle;
mod pod;
mod protobuf;

pub use lifecycle::PodReconciler;
pub use pod::{Pod, PodState};
#[cfg(test)]
pub(crate) use protobuf::tests::encode as encode_pod;
