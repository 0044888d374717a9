//! What is served: the built-in resources, and those that CustomResourceDefinitions add.

use std::sync::{Arc, LazyLock};

use crate::{object::GroupResource, resource::Resource};

/// Everything that is served now. Cheap to clone.
#[derive(Clone)]
pub struct Catalog {
    resources: Vec<Arc<Resource>>,
}

impl Catalog {
    /// What is built in.
    pub fn built_in() -> Self {
        Catalog { resources: BUILT_IN.iter().map(|row| Arc::new(row.resource())).collect() }
    }

    pub fn all(&self) -> &[Arc<Resource>] {
        &self.resources
    }

    /// What a path names.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        let wanted = |r: &&Arc<Resource>| r.plural == plural && r.group == group && r.version == version;
        self.resources.iter().find(wanted).cloned()
    }

    /// Any version of what a collection holds.
    pub fn of(&self, id: &GroupResource) -> Option<Arc<Resource>> {
        self.resources.iter().find(|r| id.is(&r.group, &r.plural)).cloned()
    }

    /// The resource of a kind, as owner references and bodies name it.
    pub fn of_kind(&self, api_version: &str, kind: &str) -> Option<Arc<Resource>> {
        self.resources.iter().find(|r| r.kind == kind && r.api_version() == api_version).cloned()
    }

    /// Serves custom resources in place of those of this group and plural that were served before. None: no longer.
    pub fn set_custom(&mut self, group: &str, plural: &str, versions: Vec<Arc<Resource>>) {
        self.resources.retain(|r| r.custom.is_none() || r.group != group || r.plural != plural);
        self.resources.extend(versions);
    }
}

/// What the subresource `scale` is read and written as: see [`crate::scale`]. There is no collection of them.
pub static SCALE: LazyLock<Arc<Resource>> =
    LazyLock::new(|| Arc::new(row("autoscaling", "scales", "Scale").resource()));

/// A built-in resource. Lists are separated by blanks.
struct Row {
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    kind: &'static str,
    short_names: &'static str,
    categories: &'static str,
    namespaced: bool,
    subresources: &'static str,
}

impl Row {
    fn resource(&self) -> Resource {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        Resource {
            group: self.group.into(),
            version: self.version.into(),
            plural: self.plural.into(),
            singular: self.kind.to_ascii_lowercase(),
            kind: self.kind.into(),
            list_kind: format!("{}List", self.kind),
            short_names: words(self.short_names),
            categories: words(self.categories),
            namespaced: self.namespaced,
            subresources: words(self.subresources),
            custom: None,
        }
    }
}

const fn row(group: &'static str, plural: &'static str, kind: &'static str) -> Row {
    Row { group, version: "v1", plural, kind, short_names: "", categories: "", namespaced: true, subresources: "" }
}

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";

/// What clients of the demo need. Everything else is one more row, its columns in `table`, its type in `types`.
static BUILT_IN: &[Row] = &[
    Row { short_names: "ns", namespaced: false, subresources: "status finalize", ..row("", "namespaces", "Namespace") },
    Row { short_names: "po", categories: "all", subresources: "status binding", ..row("", "pods", "Pod") },
    row("", "secrets", "Secret"),
    Row { short_names: "cm", ..row("", "configmaps", "ConfigMap") },
    Row { short_names: "ev", ..row("", "events", "Event") },
    Row { short_names: "sa", subresources: "token", ..row("", "serviceaccounts", "ServiceAccount") },
    Row {
        short_names: "deploy",
        categories: "all",
        subresources: "status scale",
        ..row("apps", "deployments", "Deployment")
    },
    Row {
        short_names: "rs",
        categories: "all",
        subresources: "status scale",
        ..row("apps", "replicasets", "ReplicaSet")
    },
    row("coordination.k8s.io", "leases", "Lease"),
    row(RBAC, "roles", "Role"),
    row(RBAC, "rolebindings", "RoleBinding"),
    Row { namespaced: false, ..row(RBAC, "clusterroles", "ClusterRole") },
    Row { namespaced: false, ..row(RBAC, "clusterrolebindings", "ClusterRoleBinding") },
    Row {
        categories: "api-extensions",
        namespaced: false,
        subresources: "status",
        ..row(ADMISSION, "validatingadmissionpolicies", "ValidatingAdmissionPolicy")
    },
    Row {
        categories: "api-extensions",
        namespaced: false,
        ..row(ADMISSION, "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding")
    },
    Row { short_names: "netpol", ..row("networking.k8s.io", "networkpolicies", "NetworkPolicy") },
    Row { short_names: "pdb", subresources: "status", ..row("policy", "poddisruptionbudgets", "PodDisruptionBudget") },
    Row {
        short_names: "crd crds",
        categories: "api-extensions",
        namespaced: false,
        subresources: "status",
        ..row("apiextensions.k8s.io", "customresourcedefinitions", "CustomResourceDefinition")
    },
];
