//! The real kubectl against this server: each test asserts what a user sees.
//!
//! Needs `KUBEBUILDER_ASSETS` with a kubectl in it; skipped, with a line that says so, where there is none.

mod cluster;
mod custom;
mod objects;
mod tables;
mod tell;

pub use cluster::{Cluster, lines, words};

/// A pod that waits for a node.
pub const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: a, labels: {app: web}}
spec: {containers: [{name: main, image: 'nginx:1'}]}
";
