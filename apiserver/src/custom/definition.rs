//! Defaults and status of a CustomResourceDefinition. [`super::validate_definition()`] validates it.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::object::{GroupResource, items, text, time};

const GROUP: &str = "apiextensions.k8s.io";

/// The collection of the definitions.
pub fn definitions() -> GroupResource {
    GroupResource::new(GROUP, "customresourcedefinitions")
}

pub fn group_and_plural(definition: &Value) -> (&str, &str) {
    (text(&definition["spec"]["group"]), text(&definition["spec"]["names"]["plural"]))
}

/// Sets the defaults and the initial status of a definition before it is stored.
pub fn prepare(definition: &mut Value, old: Option<&Value>) {
    let kind = text(&definition["spec"]["names"]["kind"]).to_owned();
    let names = &mut definition["spec"]["names"];
    for (field, default) in [("singular", kind.to_lowercase()), ("listKind", format!("{kind}List"))] {
        if names.is_object() && !kind.is_empty() && text(&names[field]).is_empty() {
            names[field] = default.into();
        }
    }
    if definition["spec"].is_object() && definition["spec"]["conversion"].is_null() {
        definition["spec"]["conversion"] = json!({ "strategy": "None" });
    }
    if old.is_none() {
        definition["status"] = json!({ "acceptedNames": { "kind": "", "plural": "" }, "conditions": null });
    }
    if let Some(storage) = storage_version(definition).map(str::to_owned)
        && let Some(status) = definition["status"].as_object_mut()
    {
        // A version stays in the list once stored: objects of that version may still exist.
        let stored = status.entry("storedVersions").or_insert_with(|| json!([]));
        if let Some(list) = stored.as_array_mut()
            && !list.iter().any(|version| *version == storage)
        {
            list.push(storage.into());
        }
    }
}

/// Sets the status of a served definition: Established, NamesAccepted, acceptedNames.
pub fn establish(definition: &mut Value, now: Timestamp) {
    let now = time(now);
    definition["status"]["acceptedNames"] = definition["spec"]["names"].clone();
    let wanted = [
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ];
    if !definition["status"]["conditions"].is_array() {
        definition["status"]["conditions"] = json!([]);
    }
    let Some(conditions) = definition["status"]["conditions"].as_array_mut() else { return };
    for (kind, reason, message) in wanted {
        if conditions.iter().any(|c| c["type"] == kind && c["status"] == "True") {
            continue;
        }
        conditions.retain(|condition| condition["type"] != kind);
        conditions.push(json!({
            "type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now,
        }));
    }
}

fn storage_version(definition: &Value) -> Option<&str> {
    items(&definition["spec"]["versions"]).iter().find(|version| version["storage"] == true)?["name"].as_str()
}
