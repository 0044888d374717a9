//! The rules of pods, and of the templates of pods.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Causes, container, items, text};
use crate::names;

pub fn validate(object: &Value, old: Option<&Value>, wrong: &mut Causes) {
    spec(&object["spec"], "spec", wrong);
    match old {
        None if !items(&object["spec"]["ephemeralContainers"]).is_empty() => {
            wrong.forbidden("spec.ephemeralContainers", "cannot be set on create");
        }
        None => {}
        Some(old) => unchanged(&object["spec"], &old["spec"], wrong),
    }
}

/// Of a pod, or of a template.
pub fn spec(spec: &Value, field: &str, wrong: &mut Causes) {
    let volumes = volumes(&spec["volumes"], &format!("{field}.volumes"), wrong);
    container::containers(spec, field, &volumes, wrong);
    wrong.one_of(&format!("{field}.restartPolicy"), text(&spec["restartPolicy"]), &["Always", "OnFailure", "Never"]);
    let dns = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    wrong.one_of(&format!("{field}.dnsPolicy"), text(&spec["dnsPolicy"]), &dns);
    for (name, check) in [
        ("nodeName", names::dns_subdomain as fn(&str) -> Vec<String>),
        ("serviceAccountName", names::dns_subdomain),
        ("hostname", names::dns_label),
        ("subdomain", names::dns_label),
    ] {
        if let Some(value) = spec[name].as_str() {
            wrong.texts(&format!("{field}.{name}"), value, check(value));
        }
    }
    super::meta::labels(&format!("{field}.nodeSelector"), &spec["nodeSelector"], wrong);
    if let Some(seconds) = spec["activeDeadlineSeconds"].as_i64()
        && !(1..=i64::from(i32::MAX)).contains(&seconds)
    {
        let why = "must be between 1 and 2147483647, inclusive";
        wrong.invalid(&format!("{field}.activeDeadlineSeconds"), seconds, why);
    }
}

/// The names of the volumes.
fn volumes<'a>(volumes: &'a Value, field: &str, wrong: &mut Causes) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    for (i, volume) in items(volumes).iter().enumerate() {
        let field = format!("{field}[{i}]");
        let sources = volume.as_object().into_iter().flatten().filter(|(source, _)| *source != "name");
        for (nth, (name, source)) in sources.enumerate() {
            let field = format!("{field}.{name}");
            if nth > 0 {
                wrong.forbidden(&field, "may not specify more than 1 volume type");
                continue;
            }
            match name.as_str() {
                "secret" => referred(source, "secretName", &field, wrong),
                "configMap" => referred(source, "name", &field, wrong),
                "projected" => {
                    for (i, source) in items(&source["sources"]).iter().enumerate() {
                        for kind in ["secret", "configMap"] {
                            if let Some(source) = source.get(kind) {
                                referred(source, "name", &format!("{field}.sources[{i}].{kind}"), wrong);
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        wrong.unique_label(&format!("{field}.name"), text(&volume["name"]), &mut seen);
    }
    seen
}

/// A Secret or ConfigMap as a volume: its name, and which keys become which files.
fn referred(source: &Value, name: &str, field: &str, wrong: &mut Causes) {
    if text(&source[name]).is_empty() {
        wrong.required(&format!("{field}.{name}"), "");
    }
    for (i, item) in items(&source["items"]).iter().enumerate() {
        let field = format!("{field}.items[{i}]");
        if text(&item["key"]).is_empty() {
            wrong.required(&format!("{field}.key"), "");
        }
        let path = text(&item["path"]);
        let at = format!("{field}.path");
        if path.is_empty() {
            wrong.required(&at, "");
        } else if path.starts_with('/') {
            wrong.invalid(&at, path, "must be a relative path");
        } else if path.split('/').any(|part| part == "..") {
            wrong.invalid(&at, path, "must not contain '..'");
        } else if path.starts_with("..") {
            wrong.invalid(&at, path, "must not start with '..'");
        }
    }
}

/// A pod is what it is: but for images and deadlines, whoever wants another spec makes another pod.
fn unchanged(new: &Value, old: &Value, wrong: &mut Causes) {
    let mut expected = new.clone();
    for containers in ["containers", "initContainers"] {
        let (had, has) = (items(&old[containers]), items(&new[containers]));
        if had.len() != has.len() {
            return wrong.forbidden(&format!("spec.{containers}"), "pod updates may not add or remove containers");
        }
        for (i, old) in had.iter().enumerate() {
            expected[containers][i]["image"] = old["image"].clone();
        }
    }
    let deadlines = (new["activeDeadlineSeconds"].as_i64(), old["activeDeadlineSeconds"].as_i64());
    let field = "spec.activeDeadlineSeconds";
    match deadlines {
        (Some(new), Some(old)) if new > old => {
            return wrong.invalid(field, new, "must be less than or equal to previous value");
        }
        (None, Some(_)) => wrong.invalid(field, json!(null), "must not update from a positive integer to nil value"),
        _ => {}
    }
    if !items(&old["tolerations"]).iter().all(|one| items(&new["tolerations"]).contains(one)) {
        let why = "existing toleration can not be modified except its tolerationSeconds";
        wrong.forbidden("spec.tolerations", why);
    }
    for field in ["activeDeadlineSeconds", "tolerations", "schedulingGates"] {
        if let (Some(expected), Some(old)) = (expected.as_object_mut(), old.as_object()) {
            match old.get(field) {
                Some(value) => drop(expected.insert(field.into(), value.clone())),
                None => drop(expected.remove(field)),
            }
        }
    }
    if expected != *old {
        let may = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
                   `spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` \
                   (allow it to be set to 1 if it was previously negative)";
        // The real one shows the difference of two Go structs; here are the names of the fields.
        let fields = old.as_object().into_iter().flatten().chain(expected.as_object().into_iter().flatten());
        let changed: BTreeSet<&str> =
            fields.map(|(name, _)| name.as_str()).filter(|name| old.get(*name) != expected.get(*name)).collect();
        let changed = changed.into_iter().collect::<Vec<_>>().join(", ");
        wrong.forbidden("spec", &format!("pod updates may not change fields other than {may}\nchanged: {changed}\n"));
    }
}
