//! A resource: as a person names it, and as the API server serves it.

/// What a person asks for, checked for its form only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {}

/// What the API server serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// `v1`, `route.openshift.io/v1`.
    pub api_version: String,
    /// `Pod`.
    pub kind: String,
    /// For people and for metrics: `pods`, `deployments.apps`.
    pub name: String,
    /// The collection's path, with the namespace in it if there is one.
    pub path: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}
