//! The defaults of pods and pod templates.

use serde_json::{Value, json};

use super::json::{ensure_object, for_each, set_default};
use crate::object::text;

/// Sets the defaults of a pod, which has more than a template.
pub fn set_pod_defaults(object: &mut Value) {
    ensure_object(object, "status");
    let spec = ensure_object(object, "spec");
    set_pod_spec_defaults(spec);
    set_default(spec, "enableServiceLinks", true);
    // From the admission plugin Priority.
    set_default(spec, "priority", 0);
    set_default(spec, "preemptionPolicy", "PreemptLowerPriority");
}

/// Sets the defaults of the spec of a pod or a pod template.
pub fn set_pod_spec_defaults(spec: &mut Value) {
    set_default(spec, "dnsPolicy", "ClusterFirst");
    set_default(spec, "restartPolicy", "Always");
    set_default(spec, "securityContext", json!({}));
    set_default(spec, "terminationGracePeriodSeconds", 30);
    set_default(spec, "schedulerName", "default-scheduler");
    // `serviceAccount` is the deprecated name of the field.
    let accounts = ["serviceAccountName", "serviceAccount"];
    if let Some(name) = accounts.into_iter().find_map(|field| spec.get(field).cloned()) {
        accounts.into_iter().for_each(|field| spec[field] = name.clone());
    }
    for containers in ["containers", "initContainers", "ephemeralContainers"] {
        for_each(spec, containers, set_container_defaults);
    }
    for_each(spec, "volumes", set_volume_defaults);
}

fn set_container_defaults(container: &mut Value) {
    let policy = if is_latest(text(&container["image"])) { "Always" } else { "IfNotPresent" };
    set_default(container, "imagePullPolicy", policy);
    set_default(container, "terminationMessagePath", "/dev/termination-log");
    set_default(container, "terminationMessagePolicy", "File");
    ensure_object(container, "resources");
    for_each(container, "ports", |port| set_default(port, "protocol", "TCP"));
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe) {
            for (field, value) in
                [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
            {
                set_default(probe, field, value);
            }
        }
    }
}

fn set_volume_defaults(volume: &mut Value) {
    // The default volume source.
    if volume.as_object().is_some_and(|fields| fields.keys().all(|field| field == "name")) {
        volume["emptyDir"] = json!({});
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = volume.get_mut(source) {
            // 0o644
            set_default(source, "defaultMode", 420);
        }
    }
}

/// Whether the tag is `latest` or missing, without a digest. A port is not a tag: `registry:5000/app`.
fn is_latest(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or_default();
    let tag = name.split_once(':').map_or("latest", |(_, tag)| tag);
    !image.is_empty() && !image.contains('@') && tag == "latest"
}
