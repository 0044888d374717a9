//! create, apply, patch, label, scale, delete, wait.

use crate::{POD, TestEnv, lines, single_spaced};

fn config(data: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\n{data}\n")
}

#[test]
fn apply_creates_changes_or_keeps_an_object() {
    let Some(env) = TestEnv::start() else { return };
    let first = config("data: {a: '1', b: '2'}");
    assert_eq!(env.kubectl_with_input("apply", &first), "configmap/c created\n");
    assert_eq!(env.kubectl_with_input("apply", &first), "configmap/c unchanged\n");
    // kubectl removes `b`, which is in the annotation and no longer in the file.
    assert_eq!(env.kubectl_with_input("apply", &config("data: {a: '3'}")), "configmap/c configured\n");
    assert_eq!(env.kubectl("get cm c -o jsonpath={.data}"), r#"{"a":"3"}"#);
    let annotation = r"jsonpath={.metadata.annotations.kubectl\.kubernetes\.io/last-applied-configuration}";
    assert!(env.kubectl_args(&["get", "cm", "c", "-o", annotation]).contains(r#""data":{"a":"3"}"#));
    let error = env.kubectl_error("apply", &config("bogus: 1"));
    assert!(error.contains("strict decoding error: unknown field \"bogus\""), "{error}");
    let dry = env.kubectl_with_input("apply --dry-run=server", &config("data: {a: '4'}"));
    assert_eq!(dry, "configmap/c configured (server dry run)\n");
    assert_eq!(env.kubectl("get cm c -o jsonpath={.data.a}"), "3");
    let server_side = env.kubectl_error("apply --server-side", &first);
    assert!(server_side.contains("server-side apply is not implemented by this server"), "{server_side}");
}

#[test]
fn create_and_run_create_objects() {
    let Some(env) = TestEnv::start() else { return };
    assert_eq!(env.kubectl("create configmap c --from-literal=a=b"), "configmap/c created\n");
    assert_eq!(env.kubectl("create secret generic s --from-literal=p=q"), "secret/s created\n");
    assert_eq!(env.kubectl("get secret s -o jsonpath={.data.p}"), "cQ==");
    let table = lines(&env.kubectl("get secrets"));
    assert!(table[0] == "NAME TYPE DATA AGE" && table[1].starts_with("s Opaque 1 "), "{table:?}");
    let again = env.kubectl_error("create configmap c", "");
    assert_eq!(again, "error: failed to create configmap: configmaps \"c\" already exists\n");
    assert_eq!(env.kubectl("create namespace n"), "namespace/n created\n");
    assert_eq!(env.kubectl("run p --image=nginx -n n"), "pod/p created\n");
    let absent = env.kubectl_error("create configmap c -n absent", "");
    assert!(absent.contains("namespaces \"absent\" not found"), "{absent}");
}

#[test]
fn service_account_has_the_rights_of_its_role() {
    let Some(env) = TestEnv::start() else { return };
    env.kubectl("create serviceaccount bob");
    env.kubectl("create role reader --verb=get,list --resource=pods");
    env.kubectl("create rolebinding bob --role=reader --serviceaccount=default:bob");
    assert!(env.kubectl("create token bob --duration=1h").trim().len() > 20);
    // kubectl sends no token over plain HTTP, so it impersonates the account.
    let bob = "--as=system:serviceaccount:default:bob";
    assert_eq!(env.kubectl_args(&["auth", "can-i", "list", "pods", bob]), "yes\n");
    assert!(env.kubectl_args(&["get", "pods", bob]).is_empty());
    assert!(env.kubectl_args(&["auth", "whoami", bob]).contains("system:serviceaccount:default:bob"));
    assert_eq!(env.kubectl("auth can-i delete secrets"), "yes\n");
    let list = env.kubectl_args(&["auth", "can-i", "--list", bob]);
    assert!(list.lines().any(|line| single_spaced(line) == "pods [] [] [get list]"), "{list}");
    let error = env.kubectl_error(&format!("get secrets {bob}"), "");
    let message = r#"User "system:serviceaccount:default:bob" cannot list resource "secrets" in API group "" in the namespace "default""#;
    assert!(error.contains(message), "{error}");
}

#[test]
fn patch_label_and_annotate_change_a_deployment() {
    let Some(env) = TestEnv::start() else { return };
    env.kubectl("create deployment web --image=nginx:1");
    let strategic = r#"{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"side:1"}]}}}}"#;
    assert_eq!(env.kubectl_args(&["patch", "deployment", "web", "-p", strategic]), "deployment.apps/web patched\n");
    let names = "get deployment web -o jsonpath={.spec.template.spec.containers[*].name}";
    assert_eq!(env.kubectl(names), "side nginx");
    assert!(env.kubectl_args(&["patch", "deployment", "web", "-p", strategic]).contains("(no change)"));
    let merge = r#"{"spec":{"replicas":3,"paused":true}}"#;
    env.kubectl_args(&["patch", "deployment", "web", "--type=merge", "-p", merge]);
    let json = r#"[{"op":"replace","path":"/spec/replicas","value":4},{"op":"remove","path":"/spec/paused"}]"#;
    env.kubectl_args(&["patch", "deployment", "web", "--type=json", "-p", json]);
    assert_eq!(env.kubectl("get deployment web -o jsonpath={.spec.replicas},{.spec.paused}"), "4,");
    assert_eq!(env.kubectl("set image deployment/web nginx=nginx:2"), "deployment.apps/web image updated\n");
    assert_eq!(env.kubectl("label deployment web tier=front"), "deployment.apps/web labeled\n");
    assert_eq!(env.kubectl("annotate deployment web note=x"), "deployment.apps/web annotated\n");
    assert_eq!(env.kubectl("get deployments -l tier=front -o name"), "deployment.apps/web\n");
    assert!(env.kubectl_error("label deployment web tier=back", "").contains("--overwrite is false"));
}

#[test]
fn scale_sets_replicas_and_checks_preconditions() {
    let Some(env) = TestEnv::start() else { return };
    env.kubectl("create deployment web --image=nginx:1");
    assert_eq!(env.kubectl("scale deployment/web --replicas=3"), "deployment.apps/web scaled\n");
    let replicas = || env.kubectl("get deployment web -o jsonpath={.spec.replicas},{.metadata.generation}");
    assert_eq!(replicas(), "3,2");
    let dry = env.kubectl("scale deployment/web --replicas=4 --dry-run=server");
    assert_eq!(dry, "deployment.apps/web scaled (server dry run)\n");
    let other = env.kubectl_error("scale deployment/web --replicas=4 --current-replicas=2", "");
    assert_eq!(other, "error: Expected replicas to be 2, was 3\n");
    let other = env.kubectl_error("scale deployment/web --replicas=4 --resource-version=1", "");
    assert!(other.starts_with("error: Expected resource version to be 1, was "), "{other}");
    assert_eq!(replicas(), "3,2");
    let version = env.kubectl("get deployment web -o jsonpath={.metadata.resourceVersion}");
    env.kubectl(&format!("scale deployment/web --replicas=5 --current-replicas=3 --resource-version={version}"));
    assert_eq!(replicas(), "5,3");
    let table = lines(&env.kubectl("get deployment web --subresource=scale"));
    assert!(table[0] == "NAME DESIRED AVAILABLE AGE" && table[1].starts_with("web 5 0 "), "{table:?}");
    let patch = r#"{"spec":{"replicas":6}}"#;
    let patched = env.kubectl_args(&["patch", "deployment", "web", "--subresource=scale", "-p", patch]);
    assert_eq!(patched, "scale.autoscaling/web patched\n");
    assert_eq!(env.kubectl("scale --all deployments --replicas=0"), "deployment.apps/web scaled\n");
    assert_eq!(replicas(), "0,5");
    let absent = env.kubectl_error("scale deployment/absent --replicas=1", "");
    assert_eq!(absent, "Error from server (NotFound): deployments.apps \"absent\" not found\n");
}

#[test]
fn delete_waits_for_the_object_and_its_dependents() {
    let Some(env) = TestEnv::start() else { return };
    env.kubectl("create configmap owner");
    let uid = env.kubectl("get cm owner -o jsonpath={.metadata.uid}");
    let reference = format!("{{apiVersion: v1, kind: ConfigMap, name: owner, uid: {uid}}}");
    let metadata = format!("{{name: child, ownerReferences: [{reference}]}}");
    env.kubectl_with_input("create", &format!("{{apiVersion: v1, kind: ConfigMap, metadata: {metadata}}}"));
    let deleted = env.kubectl("delete cm owner");
    assert!(deleted.starts_with("configmap \"owner\" deleted"), "{deleted}");
    assert!(env.kubectl("get cm -o name").is_empty());
    assert!(env.kubectl_error("delete cm owner", "").contains("NotFound"));
    env.kubectl_with_input("create", POD);
    assert_eq!(env.kubectl("delete pod a --ignore-not-found -o name"), "pod/a\n");
    assert_eq!(env.kubectl("wait --for=delete pod/a --timeout=5s"), "");
}

#[test]
fn wait_ends_when_the_condition_is_met() {
    let Some(env) = TestEnv::start() else { return };
    env.kubectl_with_input("create", POD);
    let mut ready = env.spawn_kubectl("wait --for=condition=Ready pod/a --timeout=20s");
    let status = r#"{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}"#;
    env.kubectl_args(&["patch", "pod", "a", "--subresource=status", "-p", status]);
    assert_eq!(ready.next_line(), "pod/a condition met");
    assert_eq!(env.kubectl("wait --for=jsonpath={.status.phase}=Running pod/a --timeout=5s"), "pod/a condition met\n");
    let late = env.kubectl_error("wait --for=condition=Absent pod/a --timeout=0.1s", "");
    assert!(late.contains("timed out waiting for the condition"), "{late}");
}

#[test]
fn rollout_status_waits_for_the_controller() {
    let Some(env) = TestEnv::start() else { return };
    env.kubectl("create deployment web --image=nginx");
    let mut rollout = env.spawn_kubectl("rollout status deployment/web --timeout=20s");
    assert_eq!(rollout.next_line(), "Waiting for deployment spec update to be observed...");
    let status = r#"{"status":{"observedGeneration":1,"replicas":1,"updatedReplicas":1,"readyReplicas":1,
                     "availableReplicas":1}}"#;
    env.kubectl_args(&["patch", "deployment", "web", "--subresource=status", "-p", status]);
    let mut line = rollout.next_line();
    while line.starts_with("Waiting") {
        line = rollout.next_line();
    }
    assert_eq!(line, "deployment \"web\" successfully rolled out");
}
