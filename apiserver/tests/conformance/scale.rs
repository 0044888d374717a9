//! The subresource `scale`: how many replicas, for whoever does not know the kind.

use serde_json::{Value, json};

use crate::{
    objects::{Is, deployment},
    world::{JSON_PATCH, MERGE, STRATEGIC, World},
};

const SCALE: &str = "apps/v1:deployments/a/scale";
const DEPLOYMENT: &str = "apps/v1:deployments/a";

/// A Deployment `a` of one replica.
fn deploy(w: &World) -> Value {
    w.post("apps/v1:deployments", &deployment("a")).is(201)
}

/// Name and version of the object; replicas that are wanted and that are there; the selector as a text.
pub fn a_scale_is_a_view_of_what_has_replicas(w: &World) {
    for (kind, plural) in [("Deployment", "deployments"), ("ReplicaSet", "replicasets")] {
        let mut object = deployment("a");
        object["kind"] = json!(kind);
        object["spec"]["selector"] = json!({
            "matchLabels": { "b": "2", "a": "1" },
            "matchExpressions": [
                { "key": "d", "operator": "Exists" },
                { "key": "c", "operator": "In", "values": ["z", "y"] },
                { "key": "b", "operator": "In", "values": ["2"] },
                { "key": "f", "operator": "DoesNotExist" },
                { "key": "e", "operator": "NotIn", "values": ["x"] },
            ],
        });
        object["spec"]["template"]["metadata"]["labels"] = json!({ "a": "1", "b": "2", "c": "y", "d": "" });
        w.post(&format!("apps/v1:{plural}"), &object).is(201);
        let object = format!("apps/v1:{plural}/a");
        let status = json!({ "status": { "replicas": 3 } });
        let written = w.patch(&format!("{object}/status"), MERGE, &status).is(200);
        let mut expected = json!({
            "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {}, "spec": { "replicas": 1 },
            "status": { "replicas": 3, "selector": "a=1,b=2,b in (2),c in (y,z),d,e notin (x),!f" },
        });
        for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
            expected["metadata"][field] = written["metadata"][field].clone();
        }
        assert_eq!(w.get(&format!("{object}/scale")).is(200), expected, "{plural}");
        // None wanted: not said. None there: said.
        let none = w.patch(&format!("{object}/scale"), MERGE, &json!({ "spec": { "replicas": 0 } })).is(200);
        assert_eq!(none["spec"], json!({}));
        let none = w.patch(&format!("{object}/status"), MERGE, &json!({ "status": { "replicas": 0 } })).is(200);
        let scale = w.get(&format!("{object}/scale")).is(200);
        assert_eq!((scale.version(), &scale["status"]["replicas"]), (none.version(), &json!(0)));
    }
}

/// A replace and the three patches are each an update of one field of the object, which is a new generation of it.
pub fn who_writes_a_scale_writes_the_replicas_and_nothing_else(w: &World) {
    let created = deploy(w);
    let replicas = |n: u32| json!({ "spec": { "replicas": n } });
    let all = json!({
        "metadata": { "name": "a", "labels": { "x": "y" } }, "spec": { "replicas": 2 }, "status": { "replicas": 9 },
    });
    let answers = [
        w.put(SCALE, &all),
        w.patch(SCALE, MERGE, &replicas(3)),
        w.patch(SCALE, STRATEGIC, &replicas(4)),
        w.patch(SCALE, JSON_PATCH, &json!([{ "op": "replace", "path": "/spec/replicas", "value": 5 }])),
    ];
    let mut last = Value::Null;
    for (answer, n) in answers.into_iter().zip(2..) {
        last = answer.is(200);
        let seen = json!([last["kind"], last["spec"], last["status"]["replicas"], last["metadata"]["labels"]]);
        assert_eq!(seen, json!(["Scale", { "replicas": n }, 0, null]));
    }
    let object = w.get(DEPLOYMENT).is(200);
    assert_eq!((object.generation(), object.version()), (Some(5), last.version()));
    let mut expected = created.clone();
    expected["spec"]["replicas"] = json!(5);
    for field in ["resourceVersion", "generation", "managedFields"] {
        expected["metadata"][field] = object["metadata"][field].clone();
    }
    if object["metadata"]["managedFields"].is_null() {
        expected["metadata"].as_object_mut().expect("an object").remove("managedFields");
    }
    assert_eq!(object, expected);
    // What is as it was is no write; what is not said is none.
    assert_eq!(w.patch(SCALE, MERGE, &replicas(5)).is(200), last);
    assert_eq!(w.put(SCALE, &json!({ "metadata": { "name": "a" } })).is(200)["spec"], json!({}));
    assert_eq!(w.get(DEPLOYMENT).is(200)["spec"]["replicas"], 0);
}
