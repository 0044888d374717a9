//! The table of a strategic merge patch: which lists are merged, and by which field of their elements.
//!
//! In the real server these are tags on the fields of its Go structs (`patchStrategy`, `patchMergeKey`); here they are
//! the rows below, for every built-in type that is served. A list without a row is replaced as a whole, as is every list
//! in a JSON merge patch: so a field that is forgotten here behaves as if it had no such tag.

/// A list that is merged.
struct Row {
    /// The field that holds the list.
    list: &'static str,
    /// The field that its elements are told apart by; empty for a list of texts.
    key: &'static str,
    /// The field that holds the struct that holds the list; empty: any.
    within: &'static str,
    /// Kinds whose field of this name is another thing, and is replaced.
    except: &'static [&'static str],
}

const fn row(list: &'static str, key: &'static str) -> Row {
    Row { list, key, within: "", except: &[] }
}

/// How the list in this field is merged: Some with its key (empty: texts), or None if it is replaced.
pub fn merge_key(kind: &str, within: &str, list: &str) -> Option<&'static str> {
    let fits =
        |row: &&Row| row.list == list && (row.within.is_empty() || row.within == within) && !row.except.contains(&kind);
    TABLE.iter().find(fits).map(|row| row.key)
}

/// Whether an object in this field is replaced, not merged.
pub fn is_replaced(kind: &str, field: &str) -> bool {
    // With half of two selectors it would select what nobody meant.
    kind == "PodDisruptionBudget" && field == "selector"
}

static TABLE: &[Row] = &[
    Row { within: "metadata", ..row("finalizers", "") },
    row("ownerReferences", "uid"),
    Row { except: &["ValidatingAdmissionPolicy", "CustomResourceDefinition"], ..row("conditions", "type") },
    // Pods, and templates of pods.
    Row { within: "spec", ..row("containers", "name") },
    row("initContainers", "name"),
    row("ephemeralContainers", "name"),
    row("env", "name"),
    // Pitfall: 53/UDP and 53/TCP have the same key. A known flaw of the real one.
    row("ports", "containerPort"),
    row("volumeMounts", "mountPath"),
    row("volumeDevices", "devicePath"),
    row("volumes", "name"),
    row("hostAliases", "ip"),
    Row { except: &["ServiceAccount"], ..row("imagePullSecrets", "name") },
    row("schedulingGates", "name"),
    row("topologySpreadConstraints", "topologyKey"),
    row("resourceClaims", "name"),
    row("resourceClaimStatuses", "name"),
    row("allocatedResourcesStatus", "name"),
    row("podIPs", "ip"),
    row("hostIPs", "ip"),
    // Other kinds.
    row("secrets", "name"),
    row("matchConditions", "name"),
    row("variables", "name"),
    row("x-kubernetes-validations", "rule"),
];
