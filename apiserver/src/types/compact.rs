//! Fields that say nothing are not stored: `hostNetwork: false`, `env: []`, `nodeName: ""`, `labels: {}`.
//!
//! The real server's structs leave them out when they are written as JSON. It matters where two texts are compared: a
//! replace that adds `paused: false` changes nothing, so it must not raise the generation.
//!
//! Pitfall: in a map with keys of the user's own, everything says something: `data: {key: ""}` stays. And an empty
//! object stays if it is not such a map: `emptyDir: {}` is a choice.

use serde_json::{Map, Value};

use crate::object::normalize;

/// Removes what says nothing, at every depth.
pub fn compact(object: &mut Value) {
    if let Value::Object(fields) = object {
        fields.retain(|name, value| {
            if JSON.contains(&name.as_str()) {
                return true;
            }
            if MAPS.contains(&name.as_str()) && value.is_object() {
                return map(value);
            }
            match value {
                // A struct with a field for any number writes every number as a fraction.
                Value::Number(number) => normalize(number),
                Value::Object(_) => compact(value),
                Value::Array(elements) => elements.iter_mut().for_each(compact),
                _ => {}
            }
            says_something(name, value)
        });
    }
}

/// False if it is empty.
fn map(value: &mut Value) -> bool {
    value.as_object_mut().is_none_or(|entries: &mut Map<String, Value>| {
        entries.values_mut().for_each(compact);
        !entries.is_empty()
    })
}

fn says_something(name: &str, value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty() || ALWAYS.contains(&name),
        Value::Array(elements) => !elements.is_empty(),
        Value::Bool(true) | Value::Object(_) => true,
        Value::Bool(false) => !ZERO.contains(&name),
        Value::Number(number) => number.as_i64() != Some(0) || !ZERO.contains(&name),
    }
}

/// The keys below these are the user's, or the names of resources and properties.
#[rustfmt::skip]
const MAPS: &[&str] = &[
    "allocatedResources", "annotations", "binaryData", "data", "definitions", "dependencies", "disruptedPods", "labels",
    "limits", "matchLabels", "nodeSelector", "options", "overhead", "patternProperties", "properties", "requests",
    "stringData", "userAnnotations", "volumeAttributes",
];

/// Any JSON, in the schemas of custom resources.
const JSON: &[&str] = &["default", "enum", "example"];

/// Numbers and truth values whose zero is the same as absent. For all others it is not: `replicas: 0`.
#[rustfmt::skip]
const ZERO: &[&str] = &[
    "availableReplicas", "chapAuthDiscovery", "chapAuthSession", "count", "deprecated", "exclusiveMaximum",
    "exclusiveMinimum", "failureThreshold", "fullyLabeledReplicas", "generation", "hostIPC", "hostNetwork", "hostPID",
    "hostPort", "initialDelaySeconds", "minReadySeconds", "nullable", "observedGeneration", "partition", "paused",
    "periodSeconds", "preserveUnknownFields", "readOnly", "readyReplicas", "signal", "sslEnabled", "stdin", "stdinOnce",
    "successThreshold", "timeoutSeconds", "tty", "unavailableReplicas", "uniqueItems", "updatedReplicas",
    "x-kubernetes-embedded-resource", "x-kubernetes-int-or-string",
];

/// Texts that are there even when they are empty. A Lease with an empty holder was given back; one without has had none.
const ALWAYS: &[&str] = &["holderIdentity", "imageID", "reportingComponent", "reportingInstance", "storageClassName"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn compacted(mut object: Value) -> Value {
        compact(&mut object);
        object
    }

    #[test]
    fn what_says_nothing_goes_at_every_depth() {
        let spec = json!({
            "hostNetwork": false, "nodeName": "", "tolerations": [], "hostname": null, "nodeSelector": {},
            "containers": [{ "name": "a", "tty": false, "env": [{ "name": "X", "value": "" }], "resources": { "limits": {} } }],
        });
        let expected = json!({ "containers": [{ "name": "a", "env": [{ "name": "X" }], "resources": {} }] });
        assert_eq!(compacted(json!({ "spec": spec })), json!({ "spec": expected }));
    }

    #[test]
    fn a_choice_stays_even_if_it_is_zero_or_empty() {
        let object = json!({
            "spec": {
                "replicas": 0, "terminationGracePeriodSeconds": 0, "enableServiceLinks": false, "securityContext": {},
                "volumes": [{ "name": "v", "emptyDir": {} }], "paused": true, "priority": 0,
            },
            "immutable": false,
        });
        assert_eq!(compacted(object.clone()), object);
    }

    #[test]
    fn in_a_map_of_the_users_own_everything_stays() {
        let object = json!({ "data": { "a": "", "readOnly": "" }, "metadata": { "labels": { "paused": "" } } });
        assert_eq!(compacted(object.clone()), object);
        let schema = json!({ "properties": {
            "labels": {}, "list": { "default": [], "example": {}, "enum": ["", null] }, "paused": { "type": "boolean" },
        } });
        assert_eq!(compacted(schema.clone()), schema);
    }
}
