//! The served resources: built-in ones, and those that CustomResourceDefinitions add.

use std::sync::{Arc, LazyLock};

use crate::{object::GroupResource, resource::Resource};

/// The resources that are served now. Cheap to clone.
#[derive(Clone)]
pub struct Catalog {
    resources: Vec<Arc<Resource>>,
}

impl Catalog {
    pub fn built_in() -> Self {
        Catalog { resources: BUILT_IN.iter().map(|entry| Arc::new(entry.resource())).collect() }
    }

    pub fn all(&self) -> &[Arc<Resource>] {
        &self.resources
    }

    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        let wanted = |r: &&Arc<Resource>| r.plural == plural && r.group == group && r.version == version;
        self.resources.iter().find(wanted).cloned()
    }

    /// Any version of a resource; all versions share one collection.
    pub fn find_any_version(&self, id: &GroupResource) -> Option<Arc<Resource>> {
        self.resources.iter().find(|r| id.is(&r.group, &r.plural)).cloned()
    }

    /// The resource of a kind, as owner references name it.
    pub fn find_kind(&self, api_version: &str, kind: &str) -> Option<Arc<Resource>> {
        self.resources.iter().find(|r| r.kind == kind && r.api_version() == api_version).cloned()
    }

    /// Replaces the served versions of a custom resource. Without versions, it is no longer served.
    pub fn set_custom(&mut self, group: &str, plural: &str, versions: Vec<Arc<Resource>>) {
        self.resources.retain(|r| r.custom.is_none() || r.group != group || r.plural != plural);
        self.resources.extend(versions);
    }
}

/// The kind of the subresource `scale`, see [`crate::scale`]. It has no collection.
pub static SCALE: LazyLock<Arc<Resource>> = LazyLock::new(|| Arc::new(v1("autoscaling", "scales", "Scale").resource()));

/// A built-in resource. Lists are separated by spaces.
struct Entry {
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    kind: &'static str,
    short_names: &'static str,
    categories: &'static str,
    namespaced: bool,
    subresources: &'static str,
}

impl Entry {
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

const fn v1(group: &'static str, plural: &'static str, kind: &'static str) -> Entry {
    Entry { group, version: "v1", plural, kind, short_names: "", categories: "", namespaced: true, subresources: "" }
}

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";

/// The resources that clients of the demo need. A new one also needs its columns in `table` and its type in `types`.
static BUILT_IN: &[Entry] = &[
    Entry {
        short_names: "ns",
        namespaced: false,
        subresources: "status finalize",
        ..v1("", "namespaces", "Namespace")
    },
    Entry { short_names: "po", categories: "all", subresources: "status binding", ..v1("", "pods", "Pod") },
    v1("", "secrets", "Secret"),
    Entry { short_names: "cm", ..v1("", "configmaps", "ConfigMap") },
    Entry { short_names: "ev", ..v1("", "events", "Event") },
    Entry { short_names: "sa", subresources: "token", ..v1("", "serviceaccounts", "ServiceAccount") },
    Entry {
        short_names: "deploy",
        categories: "all",
        subresources: "status scale",
        ..v1("apps", "deployments", "Deployment")
    },
    Entry {
        short_names: "rs",
        categories: "all",
        subresources: "status scale",
        ..v1("apps", "replicasets", "ReplicaSet")
    },
    v1("coordination.k8s.io", "leases", "Lease"),
    v1(RBAC, "roles", "Role"),
    v1(RBAC, "rolebindings", "RoleBinding"),
    Entry { namespaced: false, ..v1(RBAC, "clusterroles", "ClusterRole") },
    Entry { namespaced: false, ..v1(RBAC, "clusterrolebindings", "ClusterRoleBinding") },
    Entry {
        categories: "api-extensions",
        namespaced: false,
        subresources: "status",
        ..v1(ADMISSION, "validatingadmissionpolicies", "ValidatingAdmissionPolicy")
    },
    Entry {
        categories: "api-extensions",
        namespaced: false,
        ..v1(ADMISSION, "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding")
    },
    Entry { short_names: "netpol", ..v1("networking.k8s.io", "networkpolicies", "NetworkPolicy") },
    Entry { short_names: "pdb", subresources: "status", ..v1("policy", "poddisruptionbudgets", "PodDisruptionBudget") },
    Entry {
        short_names: "crd crds",
        categories: "api-extensions",
        namespaced: false,
        subresources: "status",
        ..v1("apiextensions.k8s.io", "customresourcedefinitions", "CustomResourceDefinition")
    },
];
