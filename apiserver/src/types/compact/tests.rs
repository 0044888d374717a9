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
