//! Removes empty fields, like `omitempty` in Go: `hostNetwork: false`, `env: []`, `nodeName: ""`, `labels: {}`.
//!
//! This matters when two versions are compared: an update that adds `paused: false` changes nothing, so the generation must
//! stay the same.
//!
//! Pitfall: a map with user-defined keys keeps all entries: `data: {key: ""}`. Other empty objects are kept, because they
//! have a meaning: `emptyDir: {}`.

use serde_json::{Map, Value};

use crate::object::normalize;

/// Removes empty fields at every depth.
pub fn omit_empty(object: &mut Value) {
    if let Value::Object(fields) = object {
        fields.retain(|name, value| {
            if JSON.contains(&name.as_str()) {
                return true;
            }
            if MAPS.contains(&name.as_str()) && value.is_object() {
                return omit_empty_values(value);
            }
            match value {
                // The typed structs encode an untyped number as a float.
                Value::Number(number) => normalize(number),
                Value::Object(_) => omit_empty(value),
                Value::Array(elements) => elements.iter_mut().for_each(omit_empty),
                _ => {}
            }
            is_kept(name, value)
        });
    }
}

/// Removes empty fields from the values of a map. Returns false if the map has no entries.
fn omit_empty_values(value: &mut Value) -> bool {
    value.as_object_mut().is_none_or(|entries: &mut Map<String, Value>| {
        entries.values_mut().for_each(omit_empty);
        !entries.is_empty()
    })
}

fn is_kept(name: &str, value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty() || ALWAYS.contains(&name),
        Value::Array(elements) => !elements.is_empty(),
        Value::Bool(true) | Value::Object(_) => true,
        Value::Bool(false) => !ZERO.contains(&name),
        Value::Number(number) => number.as_i64() != Some(0) || !ZERO.contains(&name),
    }
}

/// Maps with user-defined keys, or names of resources and properties as keys.
#[rustfmt::skip]
const MAPS: &[&str] = &[
    "allocatedResources", "annotations", "binaryData", "data", "definitions", "dependencies", "disruptedPods", "labels",
    "limits", "matchLabels", "nodeSelector", "options", "overhead", "patternProperties", "properties", "requests",
    "stringData", "userAnnotations", "volumeAttributes",
];

/// Fields with arbitrary JSON, in the schemas of custom resources.
const JSON: &[&str] = &["default", "enum", "example"];

/// Numbers and booleans for which zero equals absent. For all others it does not: `replicas: 0`.
#[rustfmt::skip]
const ZERO: &[&str] = &[
    "availableReplicas", "chapAuthDiscovery", "chapAuthSession", "count", "deprecated", "exclusiveMaximum",
    "exclusiveMinimum", "failureThreshold", "fullyLabeledReplicas", "generation", "hostIPC", "hostNetwork", "hostPID",
    "hostPort", "initialDelaySeconds", "minReadySeconds", "nullable", "observedGeneration", "partition", "paused",
    "periodSeconds", "preserveUnknownFields", "readOnly", "readyReplicas", "signal", "sslEnabled", "stdin", "stdinOnce",
    "successThreshold", "timeoutSeconds", "tty", "unavailableReplicas", "uniqueItems", "updatedReplicas",
    "x-kubernetes-embedded-resource", "x-kubernetes-int-or-string",
];

/// Strings that are kept although they are empty. A released Lease has an empty holder.
const ALWAYS: &[&str] = &["holderIdentity", "imageID", "reportingComponent", "reportingInstance", "storageClassName"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn without_empty(mut object: Value) -> Value {
        omit_empty(&mut object);
        object
    }

    #[test]
    fn empty_fields_are_removed_at_every_depth() {
        let spec = json!({
            "hostNetwork": false, "nodeName": "", "tolerations": [], "hostname": null, "nodeSelector": {},
            "containers": [{ "name": "a", "tty": false, "env": [{ "name": "X", "value": "" }], "resources": { "limits": {} } }],
        });
        let expected = json!({ "containers": [{ "name": "a", "env": [{ "name": "X" }], "resources": {} }] });
        assert_eq!(without_empty(json!({ "spec": spec })), json!({ "spec": expected }));
    }

    #[test]
    fn meaningful_zero_or_empty_value_is_kept() {
        let object = json!({
            "spec": {
                "replicas": 0, "terminationGracePeriodSeconds": 0, "enableServiceLinks": false, "securityContext": {},
                "volumes": [{ "name": "v", "emptyDir": {} }], "paused": true, "priority": 0,
            },
            "immutable": false,
        });
        assert_eq!(without_empty(object.clone()), object);
    }

    #[test]
    fn map_with_user_defined_keys_keeps_all_entries() {
        let object = json!({ "data": { "a": "", "readOnly": "" }, "metadata": { "labels": { "paused": "" } } });
        assert_eq!(without_empty(object.clone()), object);
        let schema = json!({ "properties": {
            "labels": {}, "list": { "default": [], "example": {}, "enum": ["", null] }, "paused": { "type": "boolean" },
        } });
        assert_eq!(without_empty(schema.clone()), schema);
    }
}
