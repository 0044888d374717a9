//! describe, events, api-resources, api-versions, version, explain.

use crate::{POD, TestEnv, lines, single_spaced};

const EVENT: &str = "
apiVersion: v1
kind: Event
metadata: {name: a.1, namespace: default}
type: Warning
reason: FailedMount
message: 'secret \"x\" not found'
count: 7
involvedObject: {apiVersion: v1, kind: Pod, name: a, namespace: default}
source: {component: kubelet}
firstTimestamp: '2020-01-01T00:00:00Z'
lastTimestamp: '2020-01-01T00:05:00Z'
";

#[test]
fn describe_prints_a_pod_with_its_events() {
    let Some(env) = TestEnv::start() else { return };
    env.kubectl_with_input("create", POD);
    let uid = env.kubectl("get pod a -o jsonpath={.metadata.uid}");
    env.kubectl_with_input("create", &EVENT.replace("name: a, namespace", &format!("name: a, uid: {uid}, namespace")));
    let described = env.kubectl("describe pod a");
    let all = single_spaced(&described);
    assert!(all.starts_with("Name: a Namespace: default Priority: 0 Node: <none> Labels: app=web"), "{described}");
    assert!(all.contains("Status: Pending") && all.contains("QoS Class: BestEffort"), "{described}");
    let last = single_spaced(described.lines().last().unwrap());
    assert!(last.starts_with("Warning FailedMount ") && last.ends_with("kubelet secret \"x\" not found"), "{last}");
    let events = lines(&env.kubectl("get events"));
    assert_eq!(events[0], "LAST SEEN TYPE REASON OBJECT MESSAGE");
    assert!(events[1].ends_with("Warning FailedMount pod/a secret \"x\" not found"), "{events:?}");
    assert!(single_spaced(&env.kubectl("events --for pod/a")).contains("(x7 over"));
}

#[test]
fn describe_prints_a_deployment_and_a_secret() {
    let Some(env) = TestEnv::start() else { return };
    env.kubectl("create deployment web --image=nginx:1 --replicas=2");
    let described = single_spaced(&env.kubectl("describe deployment web"));
    assert!(described.contains("Selector: app=web Replicas: 2 desired"), "{described}");
    assert!(described.contains("StrategyType: RollingUpdate") && described.contains("Image: nginx:1"), "{described}");
    env.kubectl("create secret generic s --from-literal=password=secret");
    let described = single_spaced(&env.kubectl("describe secret s"));
    assert!(described.contains("password: 6 bytes") && described.contains("Type: Opaque"), "{described}");
}

#[test]
fn api_resources_and_versions_are_printed() {
    let Some(env) = TestEnv::start() else { return };
    let resources = lines(&env.kubectl("api-resources"));
    assert_eq!(resources[0], "NAME SHORTNAMES APIVERSION NAMESPACED KIND");
    for line in ["pods po v1 true Pod", "deployments deploy apps/v1 true Deployment", "secrets v1 true Secret"] {
        assert!(resources.iter().any(|resource| resource == line), "{resources:?}");
    }
    assert!(env.kubectl("api-resources --categories=all -o name").contains("replicasets.apps"));
    let versions = env.kubectl("api-versions");
    assert!(versions.lines().any(|line| line == "rbac.authorization.k8s.io/v1"), "{versions}");
    assert!(env.kubectl("version").contains("Server Version: v1.36."));
    assert!(single_spaced(&env.kubectl("explain pods")).contains("KIND: Pod VERSION: v1"));
    assert_eq!(env.kubectl("get --raw /readyz"), "ok");
}
