//! The lists that a strategic merge patch merges, with their merge keys.
//!
//! The real server has these as tags on the fields of its Go structs (`patchStrategy`, `patchMergeKey`). A patch replaces
//! every list that is not in the table.

struct MergedList {
    /// The field that holds the list.
    list: &'static str,
    /// The field that identifies an element; empty for a list of strings.
    key: &'static str,
    /// The field that contains the list's struct; empty: any.
    parent: &'static str,
    /// Kinds in which a list of this name is replaced.
    except: &'static [&'static str],
}

const fn merged(list: &'static str, key: &'static str) -> MergedList {
    MergedList { list, key, parent: "", except: &[] }
}

/// The merge key of a list (empty for strings); None if the list is replaced.
pub fn merge_key(kind: &str, parent: &str, list: &str) -> Option<&'static str> {
    let is_in_parent = |row: &MergedList| row.parent.is_empty() || row.parent == parent;
    let row = TABLE.iter().find(|row| row.list == list && is_in_parent(row) && !row.except.contains(&kind));
    row.map(|row| row.key)
}

/// Whether the object in this field is replaced, not merged.
pub fn is_replaced(kind: &str, field: &str) -> bool {
    // A mix of two selectors would select the wrong pods.
    kind == "PodDisruptionBudget" && field == "selector"
}

static TABLE: &[MergedList] = &[
    MergedList { parent: "metadata", ..merged("finalizers", "") },
    merged("ownerReferences", "uid"),
    MergedList { except: &["ValidatingAdmissionPolicy", "CustomResourceDefinition"], ..merged("conditions", "type") },
    // Pods, and templates of pods.
    MergedList { parent: "spec", ..merged("containers", "name") },
    merged("initContainers", "name"),
    merged("ephemeralContainers", "name"),
    merged("env", "name"),
    // Pitfall: 53/UDP and 53/TCP have the same key. The real server has this bug, too.
    merged("ports", "containerPort"),
    merged("volumeMounts", "mountPath"),
    merged("volumeDevices", "devicePath"),
    merged("volumes", "name"),
    merged("hostAliases", "ip"),
    MergedList { except: &["ServiceAccount"], ..merged("imagePullSecrets", "name") },
    merged("schedulingGates", "name"),
    merged("topologySpreadConstraints", "topologyKey"),
    merged("resourceClaims", "name"),
    merged("resourceClaimStatuses", "name"),
    merged("allocatedResourcesStatus", "name"),
    merged("podIPs", "ip"),
    merged("hostIPs", "ip"),
    // Other kinds.
    merged("secrets", "name"),
    merged("matchConditions", "name"),
    merged("variables", "name"),
    merged("x-kubernetes-validations", "rule"),
];
