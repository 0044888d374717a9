//! The lifecycle job: say what happens to every pod, once, and nothing that did not happen.
//!
//! The shortest complete controller of the project: what is [cached](Pod), what is [decided](lifecycle), and nothing to
//! write. The certificate job borrows its cache to find the pods that wait for a Secret.

pub mod lifecycle;
mod pod;

pub use lifecycle::Lifecycle;
pub use pod::{Pod, State};
