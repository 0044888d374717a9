//! The scenarios.

use std::{fs, process::Command, time::Duration};

use k8s_openapi::ByteString;
use serde_json::json;
use testkit::{
    Folder, repo_file,
    server::signal,
    wait::{eventually, expect, within},
};

use crate::cluster::{APP, Cluster, pids};

/// An example, with the image that the node has.
fn example(name: &str) -> String {
    repo_file(&format!("examples/{name}")).replace("busybox:1.37", APP)
}

/// A pod with one container.
fn pod(namespace: &str, name: &str, container: serde_json::Value, volumes: serde_json::Value) -> String {
    let mut container = container;
    container["name"] = "main".into();
    if container["image"].is_null() {
        container["image"] = APP.into();
    }
    let never = container["restart"].take() == "Never";
    container.as_object_mut().expect("a container").remove("restart");
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": namespace, "labels": { "app": name } },
        "spec": { "containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 1,
                  "restartPolicy": if never { "Never" } else { "Always" } },
    })
    .to_string()
}

pub fn pod_of_the_manifest_is_ready_and_restricted(cluster: &Cluster) {
    cluster.deploy("demo-controller.yaml", "demo-controller", "./demo-controller");
    cluster.wait_clean_start("demo-controller", "controlplane");
    let status = fs::read_to_string(format!("/proc/{}/status", pids("/demo-controller")[0])).expect("its status");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or_default();
        line.split_whitespace().next().unwrap_or_default().to_owned()
    };
    assert_eq!((field("Uid"), field("NoNewPrivs"), field("Seccomp")), ("65532".into(), "1".into(), "2".into()));
    assert_eq!(field("CapEff").trim_matches('0'), "");
    println!("resident memory at rest: {} kB", field("VmRSS"));
}

pub fn typo_is_reported_on_the_pod_and_its_fix_starts_it(cluster: &Cluster) {
    cluster.apply(&example("app2.yaml"));
    cluster.apply(&example("app1.yaml"));
    cluster.wait("the owner sees both events", "describe pod -n app1", |text| {
        let has = |words: &[&str]| text.lines().any(|line| words.iter().all(|word| line.contains(word)));
        has(&["FailedMount", "app1-pki"])
            && has(&["pki ServiceName error", "controlplane", "ServiceName: appp1 in pki"])
    });
    cluster.apply(&example("app1.yaml").replace("appp1", "app1"));
    cluster.wait_pki("app1", "app1-pki", "Issued");
    for app in ["app1", "app2"] {
        cluster.kubectl(&format!("rollout status --timeout=150s -n {app} deployment/{app}"));
        let files = cluster.kubectl(&format!("exec -n {app} deployment/{app} -- ls /etc/foo"));
        assert_eq!(files.split_whitespace().collect::<Vec<_>>(), ["ca.crt", "tls.crt", "tls.key"]);
    }
}

pub fn certificate_is_accepted_by_a_tls_client(cluster: &Cluster) {
    let container = json!({ "volumeMounts": [{ "name": "pki", "mountPath": "/etc/foo" }] });
    let volumes = json!([{ "name": "pki", "secret": { "secretName": "app2-pki" } }]);
    cluster.apply(&pod("app2", "tls", container, volumes));
    let is_address = |text: &str| text.contains('.');
    let address = cluster.wait("the pod has an address", "get pod -n app2 tls -o=jsonpath={.status.podIP}", is_address);
    let ca = cluster.kubectl("get secret -n app2 app2-pki -o=jsonpath={.data.ca\\.crt}");
    let ca: ByteString = serde_json::from_value(ca.into()).expect("base64");
    let folder = Folder::new("node");
    let ca = folder.file("ca.crt", &String::from_utf8(ca.0).expect("PEM"));
    for (name, is_accepted) in [("app2.app2.svc", true), ("app1", false)] {
        eventually(format!("a client that asks for {name}"), || {
            let mut client = Command::new("openssl");
            client.args(["s_client", "-verify_return_error", "-verify_hostname", name, "-connect"]);
            let output = client.arg(format!("{address}:8443")).arg("-CAfile").arg(&ca).output().expect("openssl runs");
            let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            let is_connected = text.contains("CONNECTED");
            match is_connected && output.status.success() == is_accepted {
                true => Ok(()),
                false => Err(text.into_owned()),
            }
        });
    }
}

pub fn pod_with_an_optional_secret_gets_no_event(cluster: &Cluster) {
    cluster.create_pki("app2", "typo", "appp2");
    cluster.wait_pki("app2", "typo", "NameNotAllowed");
    let volumes = |optional| json!([{ "name": "pki", "secret": { "secretName": "typo", "optional": optional } }]);
    let container = json!({ "volumeMounts": [{ "name": "pki", "mountPath": "/etc/foo" }] });
    cluster.apply(&pod("app2", "starts", container.clone(), volumes(true)));
    cluster.apply(&pod("app2", "waits", container, volumes(false)));
    let args = "get events -n app2 --field-selector=source=controlplane -o=jsonpath={.items[*].involvedObject.name}";
    let names = cluster.wait("an event", args, |names| names.contains("waits"));
    assert!(!names.contains("starts"), "{names}");
}

pub fn lifecycle_line_has_the_reason(cluster: &Cluster) {
    cluster.kubectl("create namespace life");
    let run = |script: &str, restart: &str| json!({ "command": ["sh", "-c", script], "restart": restart });
    let none = || json!([]);
    let mut out_of_memory = run("x=x; while :; do x=$x$x; done", "Never");
    out_of_memory["resources"] = json!({ "limits": { "memory": "32Mi" } });
    for (name, container) in [
        ("succeeds", run("exit 0", "Never")),
        ("fails", run("exit 1", "Never")),
        ("crashes", run("exit 1", "Always")),
        ("killed", out_of_memory),
        ("pulls", json!({ "image": "localhost/nowhere:1" })),
        ("drained", run("sleep 1000", "Always")),
    ] {
        cluster.apply(&pod("life", name, container, none()));
    }
    for (name, last) in [
        ("succeeds", "Succeeded"),
        ("fails", "Failed Error"),
        ("crashes", "Running CrashLoopBackOff"),
        ("killed", "Failed OOMKilled"),
        ("pulls", "Pending ImagePullBackOff"),
        ("drained", "Ready"),
    ] {
        cluster.wait_lifecycle(&format!("life/{name}"), last);
    }
    let node = cluster.kubectl("get nodes -o=name");
    cluster.kubectl(&format!("drain {node} --pod-selector=app=drained --force"));
    cluster.kubectl(&format!("uncordon {node}"));
    cluster.wait_lifecycle("life/drained", "Terminating");
    cluster.wait_lifecycle("life/drained", "Deleted Error");
}

pub fn killed_controller_is_restarted_and_goes_on(cluster: &Cluster) {
    signal(pids("/demo-controller")[0], "KILL");
    let restarts = "-o=jsonpath={.items[0].status.containerStatuses[0].restartCount}";
    cluster.wait("it is restarted", &format!("get pods -n controlplane {restarts}"), |count| count == "1");
    cluster.wait_rollout("controlplane", "demo-controller");
    cluster.create_pki("app2", "after-kill", "app2");
    cluster.wait_pki("app2", "after-kill", "Issued");
}

pub fn edited_config_map_is_followed(cluster: &Cluster) {
    cluster.create_pki("app2", "new-name", "app9");
    cluster.wait_pki("app2", "new-name", "NameNotAllowed");
    let patch = r#"{"data":{"allowed-names":"app1\napp2\napp9\n"}}"#;
    cluster.kubectl(&format!("patch configmap -n controlplane demo-controller --type=merge -p {patch}"));
    cluster.wait_pki("app2", "new-name", "Issued");
}

/// Takes 11 minutes, because no token lives for less than 10.
pub fn expired_token_has_been_replaced(cluster: &Cluster) {
    let volume = json!({ "name": "token", "projected": { "sources": [
        { "serviceAccountToken": { "path": "token", "expirationSeconds": 600 } },
        { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
    ] } });
    let folder = "/var/run/secrets/kubernetes.io/serviceaccount";
    let pod = "/spec/template/spec";
    let patch = json!([
        { "op": "add", "path": format!("{pod}/automountServiceAccountToken"), "value": false },
        { "op": "add", "path": format!("{pod}/volumes/-"), "value": volume },
        { "op": "add", "path": format!("{pod}/containers/0/volumeMounts/-"),
          "value": { "name": "token", "mountPath": folder, "readOnly": true } },
    ]);
    let deployment = ["patch", "deployment", "-n", "controlplane", "demo-controller", "--type=json", "-p"];
    cluster.try_kubectl(&[&deployment[..], &[&patch.to_string()]].concat(), "").expect("a patch");
    cluster.wait_rollout("controlplane", "demo-controller");
    let path = format!("/proc/{}/root{folder}/token", pids("/demo-controller")[0]);
    let first = fs::read_to_string(&path).expect("a token");
    within(Duration::from_secs(600), "the kubelet replaces the token", || match fs::read_to_string(&path) {
        Ok(token) if token == first => Err("the first token".to_owned()),
        Ok(_) => Ok(()),
        Err(e) => Err(e.to_string()),
    });
    let server = cluster.kubectl("config view -o=jsonpath={.clusters[0].cluster.server}");
    let whoami = format!(
        "auth whoami --kubeconfig=/dev/null --server={server} --insecure-skip-tls-verify --token={first} -o=name"
    );
    let whoami: Vec<_> = whoami.split(' ').collect();
    within(Duration::from_secs(300), "the API server rejects the first token", || {
        let answer = cluster.try_kubectl(&whoami, "");
        expect(answer.as_ref().is_err_and(|why| why.contains("Unauthorized")), format!("{answer:?}"))
    });
    cluster.create_pki("app2", "after-rotation", "app2");
    cluster.wait_pki("app2", "after-rotation", "Issued");
    let log = cluster.kubectl("logs -n controlplane deployment/demo-controller");
    assert!(!log.contains("Unauthorized") && !log.contains("\"401\""), "{log}");
}

pub fn standby_takes_over_when_the_leader_is_deleted(cluster: &Cluster) {
    let args = r#"["run","--allowed-names","/etc/demo-controller/allowed-names","--leader-elect"]"#;
    let patch = format!(
        r#"[{{"op":"replace","path":"/spec/replicas","value":2}},{{"op":"replace","path":"/spec/strategy","value":{{"type":"RollingUpdate"}}}},{{"op":"replace","path":"/spec/template/spec/containers/0/args","value":{args}}}]"#
    );
    cluster.kubectl(&format!("patch deployment -n controlplane demo-controller --type=json -p {patch}"));
    cluster.wait_rollout("controlplane", "demo-controller");
    let lease = "get lease -n controlplane demo-controller -o=jsonpath={.spec.holderIdentity}";
    let pods = "get pods -n controlplane -o=jsonpath={.items[*].metadata.name}";
    let leader = cluster.wait("a pod of the new ReplicaSet leads", lease, |leader| {
        !leader.is_empty() && cluster.kubectl(pods).contains(leader.split('_').next().unwrap_or_default())
    });
    cluster
        .kubectl(&format!("delete pod -n controlplane --wait=false {}", leader.split('_').next().unwrap_or_default()));
    cluster.wait("another pod leads", lease, |next| !next.is_empty() && next != leader);
    cluster.create_pki("app2", "after-takeover", "app2");
    cluster.wait_pki("app2", "after-takeover", "Issued");
}

pub fn event_controller_handles_every_pod(cluster: &Cluster) {
    let (name, binary) = ("event-controller", "./event-controller/event-controller");
    cluster.deploy("event-controller/event-controller.yaml", name, binary);
    cluster.wait_clean_start(name, name);
    cluster.wait("an event of a pod", &format!("logs -n {name} deployment/{name}"), |log| {
        log.contains("Kind: Pod; Name: tls; Event Type: ADDED")
    });
}
