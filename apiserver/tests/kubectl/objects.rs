//! create, apply, patch, label, delete, wait.

use crate::{Cluster, POD, lines, words};

fn config(data: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\n{data}\n")
}

#[test]
fn apply_creates_then_changes_then_leaves_alone() {
    let Some(cluster) = Cluster::start() else { return };
    let first = config("data: {a: '1', b: '2'}");
    assert_eq!(cluster.send("apply", &first), "configmap/c created\n");
    assert_eq!(cluster.send("apply", &first), "configmap/c unchanged\n");
    // What is no longer in the file goes: that is what the annotation is for.
    assert_eq!(cluster.send("apply", &config("data: {a: '3'}")), "configmap/c configured\n");
    assert_eq!(cluster.ok("get cm c -o jsonpath={.data}"), r#"{"a":"3"}"#);
    let annotation = r"jsonpath={.metadata.annotations.kubectl\.kubernetes\.io/last-applied-configuration}";
    assert!(cluster.args(&["get", "cm", "c", "-o", annotation]).contains(r#""data":{"a":"3"}"#));
    let refused = cluster.fails("apply", &config("bogus: 1"));
    assert!(refused.contains("strict decoding error: unknown field \"bogus\""), "{refused}");
    let dry = cluster.send("apply --dry-run=server", &config("data: {a: '4'}"));
    assert_eq!(dry, "configmap/c configured (server dry run)\n");
    assert_eq!(cluster.ok("get cm c -o jsonpath={.data.a}"), "3");
    let server_side = cluster.fails("apply --server-side", &first);
    assert!(server_side.contains("server-side apply is not implemented by this server"), "{server_side}");
}

#[test]
fn create_makes_the_objects_that_kubectl_knows_by_heart() {
    let Some(cluster) = Cluster::start() else { return };
    assert_eq!(cluster.ok("create configmap c --from-literal=a=b"), "configmap/c created\n");
    assert_eq!(cluster.ok("create secret generic s --from-literal=p=q"), "secret/s created\n");
    assert_eq!(cluster.ok("get secret s -o jsonpath={.data.p}"), "cQ==");
    let table = lines(&cluster.ok("get secrets"));
    assert!(table[0] == "NAME TYPE DATA AGE" && table[1].starts_with("s Opaque 1 "), "{table:?}");
    let again = cluster.fails("create configmap c", "");
    assert_eq!(again, "error: failed to create configmap: configmaps \"c\" already exists\n");
    assert_eq!(cluster.ok("create namespace n"), "namespace/n created\n");
    assert_eq!(cluster.ok("run p --image=nginx -n n"), "pod/p created\n");
    let absent = cluster.fails("create configmap c -n absent", "");
    assert!(absent.contains("namespaces \"absent\" not found"), "{absent}");
}

#[test]
fn a_service_account_may_do_what_its_role_says() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.ok("create serviceaccount bob");
    cluster.ok("create role reader --verb=get,list --resource=pods");
    cluster.ok("create rolebinding bob --role=reader --serviceaccount=default:bob");
    assert!(cluster.ok("create token bob --duration=1h").trim().len() > 20);
    // Pitfall: kubectl sends no token over plain HTTP; it acts for somebody else instead.
    let bob = "--as=system:serviceaccount:default:bob";
    assert_eq!(cluster.args(&["auth", "can-i", "list", "pods", bob]), "yes\n");
    assert!(cluster.args(&["get", "pods", bob]).is_empty());
    assert!(cluster.args(&["auth", "whoami", bob]).contains("system:serviceaccount:default:bob"));
    assert_eq!(cluster.ok("auth can-i delete secrets"), "yes\n");
    let list = cluster.args(&["auth", "can-i", "--list", bob]);
    assert!(list.lines().any(|line| words(line) == "pods [] [] [get list]"), "{list}");
    let refused = cluster.fails(&format!("get secrets {bob}"), "");
    let why = r#"User "system:serviceaccount:default:bob" cannot list resource "secrets" in API group "" in the namespace "default""#;
    assert!(refused.contains(why), "{refused}");
}

#[test]
fn patches_of_all_three_types_change_what_they_name() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.ok("create deployment web --image=nginx:1");
    let strategic = r#"{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"side:1"}]}}}}"#;
    assert_eq!(cluster.args(&["patch", "deployment", "web", "-p", strategic]), "deployment.apps/web patched\n");
    let names = "get deployment web -o jsonpath={.spec.template.spec.containers[*].name}";
    assert_eq!(cluster.ok(names), "side nginx");
    assert!(cluster.args(&["patch", "deployment", "web", "-p", strategic]).contains("(no change)"));
    let merge = r#"{"spec":{"replicas":3,"paused":true}}"#;
    cluster.args(&["patch", "deployment", "web", "--type=merge", "-p", merge]);
    let json = r#"[{"op":"replace","path":"/spec/replicas","value":4},{"op":"remove","path":"/spec/paused"}]"#;
    cluster.args(&["patch", "deployment", "web", "--type=json", "-p", json]);
    assert_eq!(cluster.ok("get deployment web -o jsonpath={.spec.replicas},{.spec.paused}"), "4,");
    assert_eq!(cluster.ok("set image deployment/web nginx=nginx:2"), "deployment.apps/web image updated\n");
    assert_eq!(cluster.ok("label deployment web tier=front"), "deployment.apps/web labeled\n");
    assert_eq!(cluster.ok("annotate deployment web note=x"), "deployment.apps/web annotated\n");
    assert_eq!(cluster.ok("get deployments -l tier=front -o name"), "deployment.apps/web\n");
    assert!(cluster.fails("label deployment web tier=back", "").contains("--overwrite is false"));
}

#[test]
fn scale_says_how_many_and_checks_what_it_expects() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.ok("create deployment web --image=nginx:1");
    assert_eq!(cluster.ok("scale deployment/web --replicas=3"), "deployment.apps/web scaled\n");
    let replicas = || cluster.ok("get deployment web -o jsonpath={.spec.replicas},{.metadata.generation}");
    assert_eq!(replicas(), "3,2");
    let dry = cluster.ok("scale deployment/web --replicas=4 --dry-run=server");
    assert_eq!(dry, "deployment.apps/web scaled (server dry run)\n");
    let other = cluster.fails("scale deployment/web --replicas=4 --current-replicas=2", "");
    assert_eq!(other, "error: Expected replicas to be 2, was 3\n");
    let other = cluster.fails("scale deployment/web --replicas=4 --resource-version=1", "");
    assert!(other.starts_with("error: Expected resource version to be 1, was "), "{other}");
    assert_eq!(replicas(), "3,2");
    let version = cluster.ok("get deployment web -o jsonpath={.metadata.resourceVersion}");
    cluster.ok(&format!("scale deployment/web --replicas=5 --current-replicas=3 --resource-version={version}"));
    assert_eq!(replicas(), "5,3");
    let table = lines(&cluster.ok("get deployment web --subresource=scale"));
    assert!(table[0] == "NAME DESIRED AVAILABLE AGE" && table[1].starts_with("web 5 0 "), "{table:?}");
    let patch = r#"{"spec":{"replicas":6}}"#;
    let patched = cluster.args(&["patch", "deployment", "web", "--subresource=scale", "-p", patch]);
    assert_eq!(patched, "scale.autoscaling/web patched\n");
    assert_eq!(cluster.ok("scale --all deployments --replicas=0"), "deployment.apps/web scaled\n");
    assert_eq!(replicas(), "0,5");
    let absent = cluster.fails("scale deployment/absent --replicas=1", "");
    assert_eq!(absent, "Error from server (NotFound): deployments.apps \"absent\" not found\n");
}

#[test]
fn delete_takes_what_belongs_to_it_and_waits() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.ok("create configmap owner");
    let uid = cluster.ok("get cm owner -o jsonpath={.metadata.uid}");
    let owned = |name: &str| {
        format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, ownerReferences: [{{apiVersion: v1, kind: \
             ConfigMap, name: owner, uid: {uid}}}]}}}}"
        )
    };
    cluster.send("create", &owned("child"));
    let deleted = cluster.ok("delete cm owner");
    assert!(deleted.starts_with("configmap \"owner\" deleted"), "{deleted}");
    assert!(cluster.ok("get cm -o name").is_empty());
    assert!(cluster.fails("delete cm owner", "").contains("NotFound"));
    cluster.send("create", POD);
    assert_eq!(cluster.ok("delete pod a --ignore-not-found -o name"), "pod/a\n");
    assert_eq!(cluster.ok("wait --for=delete pod/a --timeout=5s"), "");
}

#[test]
fn deleting_an_owner_may_leave_what_belongs_to_it() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.ok("create deployment web --image=nginx");
    let uid = cluster.ok("get deployment web -o jsonpath={.metadata.uid}");
    let child = POD.replace(
        "labels: {app: web}",
        &format!("ownerReferences: [{{apiVersion: apps/v1, kind: Deployment, name: web, uid: {uid}}}]"),
    );
    cluster.send("create", &child);
    cluster.ok("delete deployment web --cascade=orphan");
    assert_eq!(cluster.ok("get pod a -o jsonpath={.metadata.ownerReferences}"), "");
}

#[test]
fn wait_ends_when_the_condition_holds() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.send("create", POD);
    let mut ready = cluster.follow("wait --for=condition=Ready pod/a --timeout=20s");
    let status = r#"{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}"#;
    cluster.args(&["patch", "pod", "a", "--subresource=status", "-p", status]);
    assert_eq!(ready.line(), "pod/a condition met");
    assert_eq!(cluster.ok("wait --for=jsonpath={.status.phase}=Running pod/a --timeout=5s"), "pod/a condition met\n");
    let late = cluster.fails("wait --for=condition=Absent pod/a --timeout=0.1s", "");
    assert!(late.contains("timed out waiting for the condition"), "{late}");
}
