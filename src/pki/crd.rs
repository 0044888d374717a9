//! The definition of `Pki` for the API server.

/// What `demo-controller crd` prints, and what demo-controller.yaml holds.
pub const CRD: &str = include_str!("crd.yaml");
