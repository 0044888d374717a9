//! get.

use crate::{POD, TestEnv, lines, single_spaced};

const TWO_PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: b, labels: {app: web}}
spec: {nodeName: node-1, containers: [{name: main, image: 'nginx:1'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: a, labels: {app: other}}
spec: {containers: [{name: main, image: 'nginx:1'}, {name: side, image: 'side:2'}]}
";

const CRASHING: &str = r#"{"status":{"phase":"Running","containerStatuses":[{"name":"main","image":"nginx:1","imageID":"",
    "ready":false,"restartCount":3,"state":{"waiting":{"reason":"CrashLoopBackOff"}},
    "lastState":{"terminated":{"exitCode":1,"finishedAt":"2020-01-01T00:00:00Z"}}}]}}"#;

#[test]
fn get_prints_the_usual_columns() {
    let Some(env) = TestEnv::start() else { return };
    assert_eq!(env.kubectl_with_input("create", TWO_PODS), "pod/b created\npod/a created\n");
    env.kubectl_args(&["patch", "pod", "b", "--subresource=status", "-p", CRASHING]);
    let table = lines(&env.kubectl("get pods"));
    assert_eq!(table[0], "NAME READY STATUS RESTARTS AGE");
    assert!(table[1].starts_with("a 0/2 Pending 0 "), "{table:?}");
    assert!(table[2].starts_with("b 0/1 CrashLoopBackOff 3 (") && table[2].contains("y"), "{table:?}");
    let wide = lines(&env.kubectl("get pods -o wide"));
    assert_eq!(wide[0], "NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES");
    assert!(wide[2].ends_with("<none> node-1 <none> <none>"), "{wide:?}");
    let namespaces = lines(&env.kubectl("get ns"));
    assert_eq!(namespaces[0], "NAME STATUS AGE");
    assert!(namespaces[1].starts_with("default Active "));
    assert!(env.kubectl("get pods -n kube-system").is_empty());
}

#[test]
fn get_selects_sorts_and_formats() {
    let Some(env) = TestEnv::start() else { return };
    env.kubectl_with_input("create", TWO_PODS);
    assert_eq!(env.kubectl("get pods -o name"), "pod/a\npod/b\n");
    assert_eq!(env.kubectl("get pods -l app=web -o name"), "pod/b\n");
    assert_eq!(env.kubectl("get pods --field-selector spec.nodeName=node-1 -o name"), "pod/b\n");
    assert_eq!(env.kubectl("get pods --sort-by={.metadata.labels.app} -o name"), "pod/a\npod/b\n");
    assert_eq!(env.kubectl("get pods -A -o jsonpath={.items[*].metadata.name}"), "a b");
    assert_eq!(lines(&env.kubectl("get pods -A"))[0], "NAMESPACE NAME READY STATUS RESTARTS AGE");
    assert_eq!(lines(&env.kubectl("get pods -L app"))[0], "NAME READY STATUS RESTARTS AGE APP");
    let json: serde_json::Value = serde_json::from_str(&env.kubectl("get pod b -o json")).unwrap();
    assert_eq!((&json["kind"], &json["spec"]["nodeName"]), (&"Pod".into(), &"node-1".into()));
    let yaml = env.kubectl("get pods -o yaml");
    assert!(yaml.starts_with("apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Pod\n"), "{yaml}");
    assert_eq!(env.kubectl_error("get pod none", ""), "Error from server (NotFound): pods \"none\" not found\n");
    let selected = env.kubectl_error("get pods --field-selector spec.nope=1", "");
    assert!(selected.contains("field label not supported: spec.nope"), "{selected}");
}

#[test]
fn get_watch_prints_every_change() {
    let Some(env) = TestEnv::start() else { return };
    env.kubectl_with_input("create", POD);
    let mut watch = env.spawn_kubectl("get pods --watch --output-watch-events");
    assert_eq!(watch.next_line(), "EVENT NAME READY STATUS RESTARTS AGE");
    assert!(watch.next_line().starts_with("ADDED a 0/1 Pending 0 "));
    env.kubectl_args(&["patch", "pod", "a", "--subresource=status", "-p", CRASHING]);
    assert!(watch.next_line().starts_with("MODIFIED a 0/1 CrashLoopBackOff 3 ("));
    env.kubectl("delete pod a --grace-period=0 --force");
    assert!(watch.next_line().starts_with("MODIFIED a 0/1 Terminating 3 ("));
    assert!(watch.next_line().starts_with("DELETED a 0/1 Terminating 3 ("));
}

#[test]
fn get_deployments_prints_wanted_and_ready_replicas() {
    let Some(env) = TestEnv::start() else { return };
    assert_eq!(env.kubectl("create deployment web --image=nginx:1 --replicas=2"), "deployment.apps/web created\n");
    let table = lines(&env.kubectl("get deployments -o wide"));
    assert_eq!(table[0], "NAME READY UP-TO-DATE AVAILABLE AGE CONTAINERS IMAGES SELECTOR");
    assert!(table[1].starts_with("web 0/2 0 0 ") && table[1].ends_with(" nginx nginx:1 app=web"), "{table:?}");
    assert!(single_spaced(&env.kubectl("get all")).contains("deployment.apps/web 0/2"));
}
