//! The lifecycle job: log every change of a pod's state, once.
//!
//! The smallest complete controller of the project. Read it in this order:
//!
//! 1. `pod.rs`: a [`Pod`] as the cache holds it, and its [`State`] in one word. (`wire.rs` decodes it.)
//! 2. `lifecycle.rs`: the reconcile. It compares the pod in the cache with what was last logged, and logs the difference.
//!
//! There is nothing to write to the API server, so it cannot fail. The certificate job uses the same cache to find the pods
//! that wait for a Secret.

mod lifecycle;
mod pod;
mod wire;

pub use lifecycle::Lifecycle;
pub use pod::{Pod, PodState};
