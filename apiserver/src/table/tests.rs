use serde_json::json;

use super::*;
use crate::catalog::Catalog;

fn now() -> Timestamp {
    "2026-01-01T01:00:00Z".parse().unwrap()
}

/// The cells by column name.
fn table_row(group: &str, plural: &str, object: &Value) -> serde_json::Map<String, Value> {
    let resource = Catalog::built_in().find(group, "v1", plural).unwrap();
    let (columns, cells) = (columns(&resource), cells(&resource, object, now()));
    let (columns, cells) = (columns.as_array().unwrap(), cells.as_array().unwrap());
    assert_eq!(columns.len(), cells.len());
    columns.iter().map(|c| c["name"].as_str().unwrap().to_owned()).zip(cells.iter().cloned()).collect()
}

fn pod_cells(object: &Value) -> [String; 3] {
    let row = table_row("", "pods", object);
    ["Ready", "Status", "Restarts"].map(|name| row[name].as_str().unwrap().to_owned())
}

#[test]
fn pod_status_shows_init_containers_and_counts_sidecars() {
    let of = |init: Value, conditions: Value| {
        pod_cells(&json!({
            "spec": {
                "containers": [{ "name": "main" }],
                "initContainers": [{ "name": "one" }, { "name": "side", "restartPolicy": "Always" }],
            },
            "status": {
                "phase": "Pending", "conditions": conditions, "initContainerStatuses": init,
                "containerStatuses": [{ "name": "main", "state": { "waiting": { "reason": "PodInitializing" } } }],
            },
        }))
    };
    let done = json!({ "name": "one", "restartCount": 2, "state": { "terminated": { "exitCode": 0 } } });
    let waits = |name: &str, reason: &str| json!({ "name": name, "state": { "waiting": { "reason": reason } } });
    assert_eq!(of(json!([waits("one", "PodInitializing")]), json!([])), ["0/2", "Init:0/2", "0"]);
    assert_eq!(of(json!([waits("one", "ErrImagePull")]), json!([]))[1], "Init:ErrImagePull");
    assert_eq!(of(json!([done, waits("side", "")]), json!([])), ["0/2", "Init:1/2", "2"]);
    let failed = json!({ "name": "one", "state": { "terminated": { "exitCode": 3 } } });
    assert_eq!(of(json!([failed]), json!([]))[1], "Init:ExitCode:3");
    let side = json!({ "name": "side", "started": true, "ready": true, "restartCount": 1, "state": { "running": {} } });
    // Restarts of finished init containers do not count.
    assert_eq!(of(json!([done, side]), json!([])), ["1/2", "PodInitializing", "1"]);
}

#[test]
fn event_shows_when_it_was_last_seen() {
    let mut event = json!({
        "metadata": { "name": "e" }, "type": "Warning", "reason": "Oops", "message": " it broke\n", "count": 4,
        "involvedObject": { "kind": "Pod", "name": "p" },
        "source": { "component": "kubelet", "host": "n1" },
        "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:59:30Z",
    });
    let shown = table_row("", "events", &event);
    let cells =
        ["Last Seen", "Type", "Object", "Source", "Message", "First Seen"].map(|name| shown[name].as_str().unwrap());
    assert_eq!(cells, ["30s", "Warning", "pod/p", "kubelet, n1", "it broke", "60m"]);
    assert_eq!(shown["Count"], 4);
    event["series"] = json!({ "count": 9, "lastObservedTime": "2026-01-01T00:59:59.000000Z" });
    let shown = table_row("", "events", &event);
    assert_eq!((&shown["Last Seen"], &shown["Count"]), (&json!("1s"), &json!(9)));
    let new =
        json!({ "eventTime": "2026-01-01T00:59:50.000000Z", "reportingComponent": "c", "reportingInstance": "i" });
    let shown = table_row("", "events", &new);
    assert_eq!((&shown["Last Seen"], &shown["Source"], &shown["Count"]), (&json!("10s"), &json!("c, i"), &json!(1)));
}

#[test]
fn malformed_object_is_printed() {
    for odd in [json!({}), json!([]), json!("x"), json!({ "metadata": 1, "spec": [1], "status": "s", "data": 7 })] {
        for resource in Catalog::built_in().all() {
            assert_eq!(
                cells(resource, &odd, now()).as_array().unwrap().len(),
                columns(resource).as_array().unwrap().len()
            );
        }
    }
}
