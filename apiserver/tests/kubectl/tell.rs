//! What kubectl tells: describe, events, discovery, versions.

use crate::{Cluster, POD, lines, words};

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
fn describe_shows_a_pod_with_its_events() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.send("create", POD);
    let uid = cluster.ok("get pod a -o jsonpath={.metadata.uid}");
    cluster.send("create", &EVENT.replace("name: a, namespace", &format!("name: a, uid: {uid}, namespace")));
    let described = cluster.ok("describe pod a");
    let all = words(&described);
    assert!(all.starts_with("Name: a Namespace: default Priority: 0 Node: <none> Labels: app=web"), "{described}");
    assert!(all.contains("Status: Pending") && all.contains("QoS Class: BestEffort"), "{described}");
    let last = words(described.lines().last().unwrap());
    assert!(last.starts_with("Warning FailedMount ") && last.ends_with("kubelet secret \"x\" not found"), "{last}");
    let events = lines(&cluster.ok("get events"));
    assert_eq!(events[0], "LAST SEEN TYPE REASON OBJECT MESSAGE");
    assert!(events[1].ends_with("Warning FailedMount pod/a secret \"x\" not found"), "{events:?}");
    assert!(words(&cluster.ok("events --for pod/a")).contains("(x7 over"));
}

#[test]
fn describe_shows_other_objects() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.ok("create deployment web --image=nginx:1 --replicas=2");
    let described = words(&cluster.ok("describe deployment web"));
    assert!(described.contains("Selector: app=web Replicas: 2 desired"), "{described}");
    assert!(described.contains("StrategyType: RollingUpdate") && described.contains("Image: nginx:1"), "{described}");
    cluster.ok("create secret generic s --from-literal=password=secret");
    let described = words(&cluster.ok("describe secret s"));
    assert!(described.contains("password: 6 bytes") && described.contains("Type: Opaque"), "{described}");
}

#[test]
fn rollout_status_waits_for_the_controller() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.ok("create deployment web --image=nginx");
    let mut rollout = cluster.follow("rollout status deployment/web --timeout=20s");
    assert_eq!(rollout.line(), "Waiting for deployment spec update to be observed...");
    let status = r#"{"status":{"observedGeneration":1,"replicas":1,"updatedReplicas":1,"readyReplicas":1,
                     "availableReplicas":1}}"#;
    cluster.args(&["patch", "deployment", "web", "--subresource=status", "-p", status]);
    let mut line = rollout.line();
    while line.starts_with("Waiting") {
        line = rollout.line();
    }
    assert_eq!(line, "deployment \"web\" successfully rolled out");
}

#[test]
fn discovery_tells_what_is_served() {
    let Some(cluster) = Cluster::start() else { return };
    let resources = lines(&cluster.ok("api-resources"));
    assert_eq!(resources[0], "NAME SHORTNAMES APIVERSION NAMESPACED KIND");
    for line in ["pods po v1 true Pod", "deployments deploy apps/v1 true Deployment", "secrets v1 true Secret"] {
        assert!(resources.iter().any(|resource| resource == line), "{resources:?}");
    }
    assert!(cluster.ok("api-resources --categories=all -o name").contains("replicasets.apps"));
    let versions = cluster.ok("api-versions");
    assert!(versions.lines().any(|line| line == "rbac.authorization.k8s.io/v1"), "{versions}");
    assert!(cluster.ok("version").contains("Server Version: v1.36."));
    assert!(words(&cluster.ok("explain pods")).contains("KIND: Pod VERSION: v1"));
    assert_eq!(cluster.ok("get --raw /readyz"), "ok");
}
