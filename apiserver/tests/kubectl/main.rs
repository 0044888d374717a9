//! The real kubectl with the embedded server: each test asserts what kubectl prints.
//!
//! The tests need the folder `KUBEBUILDER_ASSETS` with kubectl. Without it they are skipped, with a message.

mod custom_resources;
mod describe;
mod get;
mod objects;
mod test_env;

pub use test_env::{TestEnv, lines, single_spaced};

/// A pod without a node.
pub const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: a, labels: {app: web}}
spec: {containers: [{name: main, image: 'nginx:1'}]}
";
