//! What the real server fills in, in pods and in the templates of pods.

use serde_json::{Value, json};

use super::json::{absent, child, each};
use crate::object::text;

/// A pod has more defaults than a template.
pub fn pod(object: &mut Value) {
    child(object, "status");
    let inner = child(object, "spec");
    spec(inner);
    absent(inner, "enableServiceLinks", true);
    // As the admission plugin Priority does in every cluster.
    absent(inner, "priority", 0);
    absent(inner, "preemptionPolicy", "PreemptLowerPriority");
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
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe) {
            for (field, value) in
                [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
            {
                absent(probe, field, value);
            }
        }
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
        }
    }
}

/// Without a tag (and a digest), or with this one. A port is not a tag: `registry:5000/app`.
fn is_latest(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or_default();
    let tag = name.split_once(':').map_or("latest", |(_, tag)| tag);
    !image.is_empty() && !image.contains('@') && tag == "latest"
}
