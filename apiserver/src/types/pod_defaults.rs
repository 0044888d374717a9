//! What the real server fills in, in pods and in the templates of pods.

use serde_json::{Value, json};

use super::defaults::{absent, child, each};
use crate::object::text;

/// A pod has more defaults than a template: those are wanted by whoever made the pod, and seen only in it.
pub fn pod(object: &mut Value) {
    child(object, "status");
    let inner = child(object, "spec");
    spec(inner);
    absent(inner, "enableServiceLinks", true);
    let on_host = inner["hostNetwork"] == true;
    for containers in ["containers", "initContainers"] {
        each(inner, containers, |container| {
            requests_from_limits(&mut container["resources"]);
            if on_host {
                each(container, "ports", |port| {
                    let own = port["containerPort"].clone();
                    absent(port, "hostPort", own);
                });
            }
        });
    }
    admission(inner);
}

/// A container that says how much it may have asks for as much.
fn requests_from_limits(resources: &mut Value) {
    let Some(limits) = resources["limits"].as_object().cloned() else { return };
    let requests = child(resources, "requests");
    for (name, limit) in limits {
        absent(requests, &name, limit);
    }
}

/// What the admission plugins Priority and DefaultTolerationSeconds add in every cluster.
fn admission(spec: &mut Value) {
    let priority: i64 = match text(&spec["priorityClassName"]) {
        "system-node-critical" => 2_000_001_000,
        "system-cluster-critical" => 2_000_000_000,
        _ => 0,
    };
    absent(spec, "priority", priority);
    absent(spec, "preemptionPolicy", "PreemptLowerPriority");
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let covers = |toleration: &Value| {
            let (own, effect) = (text(&toleration["key"]), text(&toleration["effect"]));
            (own == key || own.is_empty()) && matches!(effect, "NoExecute" | "")
        };
        absent(spec, "tolerations", json!([]));
        if let Some(Value::Array(tolerations)) = spec.get_mut("tolerations")
            && !tolerations.iter().any(covers)
        {
            let (operator, effect) = ("Exists", "NoExecute");
            tolerations.push(json!({ "key": key, "operator": operator, "effect": effect, "tolerationSeconds": 300 }));
        }
    }
}

/// Of a pod, or of the template of one.
pub fn spec(spec: &mut Value) {
    absent(spec, "dnsPolicy", "ClusterFirst");
    absent(spec, "restartPolicy", "Always");
    absent(spec, "securityContext", json!({}));
    absent(spec, "terminationGracePeriodSeconds", 30);
    absent(spec, "schedulerName", "default-scheduler");
    // One name in two fields, from the time when it was called `serviceAccount`.
    let accounts = ["serviceAccountName", "serviceAccount"];
    if let Some(name) = accounts.into_iter().find_map(|field| spec.get(field).cloned()) {
        accounts.into_iter().for_each(|field| spec[field] = name.clone());
    }
    for containers in ["containers", "initContainers", "ephemeralContainers"] {
        each(spec, containers, container);
    }
    each(spec, "volumes", volume);
}

fn container(container: &mut Value) {
    let policy = if is_latest(text(&container["image"])) { "Always" } else { "IfNotPresent" };
    absent(container, "imagePullPolicy", policy);
    absent(container, "terminationMessagePath", "/dev/termination-log");
    absent(container, "terminationMessagePolicy", "File");
    child(container, "resources");
    each(container, "ports", |port| absent(port, "protocol", "TCP"));
    each(container, "env", |env| {
        if let Some(from) = env.get_mut("valueFrom") {
            references(from);
        }
    });
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe) {
            for (field, value) in
                [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
            {
                absent(probe, field, value);
            }
            http_get(probe);
            if let Some(grpc) = probe.get_mut("grpc") {
                grpc["service"] = text(&grpc["service"]).into();
            }
        }
    }
    if let Some(lifecycle) = container.get_mut("lifecycle") {
        for hook in ["postStart", "preStop"] {
            if let Some(hook) = lifecycle.get_mut(hook) {
                http_get(hook);
            }
        }
    }
}

fn http_get(action: &mut Value) {
    if let Some(get) = action.get_mut("httpGet") {
        absent(get, "path", "/");
        absent(get, "scheme", "HTTP");
    }
}

/// References to fields of the pod, in `env` and in volumes.
fn references(from: &mut Value) {
    if let Some(field) = from.get_mut("fieldRef") {
        absent(field, "apiVersion", "v1");
    }
    if let Some(resource) = from.get_mut("resourceFieldRef") {
        absent(resource, "divisor", "0");
    }
}

fn volume(volume: &mut Value) {
    // Nothing but a name: a folder that lives as long as the pod.
    if volume.as_object().is_some_and(|fields| fields.keys().all(|field| field == "name")) {
        volume["emptyDir"] = json!({});
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = volume.get_mut(source) {
            // 0644
            absent(source, "defaultMode", 420);
            each(source, "items", references);
            each(source, "sources", |source| {
                if let Some(token) = source.get_mut("serviceAccountToken") {
                    absent(token, "expirationSeconds", 3600);
                }
                if let Some(fields) = source.get_mut("downwardAPI") {
                    each(fields, "items", references);
                }
            });
        }
    }
    if let Some(path) = volume.get_mut("hostPath") {
        absent(path, "type", "");
    }
    if let Some(image) = volume.get_mut("image") {
        let policy = if is_latest(text(&image["reference"])) { "Always" } else { "IfNotPresent" };
        absent(image, "pullPolicy", policy);
    }
}

/// Without a tag (and a digest), or with this one. A port is not a tag: `registry:5000/app`.
fn is_latest(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or_default();
    let tag = name.split_once(':').map_or("latest", |(_, tag)| tag);
    !image.is_empty() && !image.contains('@') && tag == "latest"
}
