//! Tables, as `kubectl get` prints them.

use serde_json::{Value, json};

use crate::{
    objects::{ObjectExt, configmap, pod},
    test_env::{MERGE, TestEnv},
};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// The names of the columns; those of `-o wide` follow a bar.
fn columns(table: &Value) -> String {
    let all = table["columnDefinitions"].as_array().cloned().unwrap_or_default();
    let named = |wide: bool| -> Vec<String> {
        let of = all.iter().filter(|column| (column["priority"] == json!(1)) == wide);
        of.map(|column| column["name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    format!("{} | {}", named(false).join(", "), named(true).join(", ")).trim_end_matches([' ', '|']).to_owned()
}

pub fn every_kind_has_its_usual_columns(env: &TestEnv) {
    let tables = env.accepting(TABLE);
    let cases = [
        ("pods", "Name, Ready, Status, Restarts, Age | IP, Node, Nominated Node, Readiness Gates"),
        ("configmaps", "Name, Data, Age"),
        ("secrets", "Name, Type, Data, Age"),
        ("events", "Last Seen, Type, Reason, Object, Message | Subobject, Source, First Seen, Count, Name"),
        ("serviceaccounts", "Name, Age"),
        ("/api/v1/namespaces", "Name, Status, Age"),
        ("apps/v1:deployments", "Name, Ready, Up-to-date, Available, Age | Containers, Images, Selector"),
        ("apps/v1:replicasets", "Name, Desired, Current, Ready, Age | Containers, Images, Selector"),
        ("coordination.k8s.io/v1:leases", "Name, Holder, Age"),
        ("policy/v1:poddisruptionbudgets", "Name, Min Available, Max Unavailable, Allowed Disruptions, Age"),
        ("rbac.authorization.k8s.io/v1:roles", "Name, Created At"),
        ("rbac.authorization.k8s.io/v1:rolebindings", "Name, Role, Age | Users, Groups, ServiceAccounts"),
        ("/apis/rbac.authorization.k8s.io/v1/clusterroles", "Name, Created At"),
        ("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", "Name, Role, Age | Users, Groups, ServiceAccounts"),
        ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "Name, Created At"),
    ];
    for (path, expected) in cases {
        let table = tables.get(path).expect(200);
        assert_eq!((table["kind"].as_str(), columns(&table).as_str()), (Some("Table"), expected), "{path}");
    }
}

pub fn row_has_cells_and_the_metadata_of_its_object(env: &TestEnv) {
    env.post("configmaps", &configmap("a")).expect(201);
    let created = env.post("pods", &pod("a")).expect(201);
    let tables = env.accepting(TABLE);
    let table = tables.get("pods").expect(200);
    assert_eq!((&table["kind"], &table["apiVersion"]), (&json!("Table"), &json!("meta.k8s.io/v1")));
    assert!(table.revision() >= created.revision());
    let row = &table["rows"][0];
    let cells = row["cells"].as_array().cloned().unwrap_or_default();
    assert_eq!(cells[..4], [json!("a"), json!("0/1"), json!("Pending"), json!("0")]);
    assert_eq!(cells[5..], ["<none>", "<none>", "<none>", "<none>"].map(|text| json!(text)));
    let object = &row["object"];
    let frame = json!([object["kind"], object["apiVersion"], object["metadata"]["name"], object["spec"]]);
    assert_eq!(frame, json!(["PartialObjectMetadata", "meta.k8s.io/v1", "a", null]));
    let one = tables.get("pods/a").expect(200);
    assert_eq!(one["rows"].as_array().map(Vec::len), Some(1));
    assert_eq!(one["rows"][0]["cells"][0], "a");
    assert_eq!(tables.get("configmaps/a").expect(200)["rows"][0]["cells"][1], 1);
}

/// Without such a reason, the column shows the phase.
pub fn pod_status_column_shows_the_container_reason(env: &TestEnv) {
    let tables = env.accepting(TABLE);
    let status = |name: &str, status: Value| {
        env.post("pods", &crate::objects::running_pod(name)).expect(201);
        env.patch(&format!("pods/{name}/status"), MERGE, &json!({ "status": status })).expect(200);
        let table = tables.get(&format!("pods/{name}")).expect(200);
        let cells = &table["rows"][0]["cells"];
        [1, 2, 3].map(|cell| cells[cell].as_str().unwrap_or_default().to_owned()).join(" ")
    };
    let container = |state: Value, restarts: u32, ready: bool| {
        let one = json!({
            "name": "web", "state": state, "restartCount": restarts, "ready": ready, "image": "web", "imageID": "",
        });
        json!([one])
    };
    let waiting = container(json!({ "waiting": { "reason": "ContainerCreating" } }), 0, false);
    assert_eq!(status("a", json!({ "phase": "Pending", "containerStatuses": waiting })), "0/1 ContainerCreating 0");
    let running = container(json!({ "running": {} }), 2, true);
    assert_eq!(status("b", json!({ "phase": "Running", "containerStatuses": running })), "1/1 Running 2");
    let ended = container(json!({ "terminated": { "reason": "Completed", "exitCode": 0 } }), 0, false);
    assert_eq!(status("c", json!({ "phase": "Succeeded", "containerStatuses": ended })), "0/1 Completed 0");
    let failed = container(json!({ "terminated": { "exitCode": 3 } }), 0, false);
    assert_eq!(status("d", json!({ "phase": "Failed", "containerStatuses": failed })), "0/1 ExitCode:3 0");
    env.delete("pods/b").expect(200);
    assert_eq!(tables.get("pods/b").expect(200)["rows"][0]["cells"][2], "Terminating");
}

pub fn watch_of_tables_sends_its_columns_once(env: &TestEnv) {
    env.post("configmaps", &configmap("a")).expect(201);
    let mut watch = env.accepting(TABLE).watch("configmaps");
    let first = watch.expect("ADDED");
    assert_eq!((columns(&first).as_str(), &first["rows"][0]["cells"][0]), ("Name, Data, Age", &json!("a")));
    env.post("configmaps", &configmap("b")).expect(201);
    let second = watch.expect("ADDED");
    assert_eq!((&second["kind"], &second["columnDefinitions"]), (&json!("Table"), &json!(null)));
    assert_eq!(second["rows"][0]["object"].name(), "b");
}

pub fn partial_object_metadata_is_served(env: &TestEnv) {
    env.post("configmaps", &configmap("a")).expect(201);
    let one = env.accepting("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io");
    let seen = one.get("configmaps/a").expect(200);
    let frame = json!([seen["kind"], seen["apiVersion"], seen["metadata"]["name"], seen["data"]]);
    assert_eq!(frame, json!(["PartialObjectMetadata", "meta.k8s.io/v1", "a", null]));
    let all = env.accepting("application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io");
    // Pitfall: the `items` of an empty list are null.
    let none = all.get("configmaps?labelSelector=of%3Dnone").expect(200);
    assert_eq!((none.get("items"), none.meta("continue")), (Some(&json!(null)), ""));
    let list = all.get("configmaps").expect(200);
    assert_eq!((list["kind"].as_str(), list.names()), (Some("PartialObjectMetadataList"), vec!["a"]));
}
