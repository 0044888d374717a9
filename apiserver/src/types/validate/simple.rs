//! The rules of kinds that have few: Secret, ConfigMap, Event, Lease, PodDisruptionBudget.

use k8s_openapi::ByteString;
use serde::Deserialize;
use serde_json::Value;

use super::{Causes, text};
use crate::{names, object::Meta};

const MOST_DATA: usize = 1024 * 1024;
const REDACTED: &str = "<secret contents redacted>";

pub fn secret(object: &Value, old: Option<&Value>, wrong: &mut Causes) {
    if let Some(old) = old {
        wrong.immutable("type", &object["type"], &old["type"]);
        unchanged(object, old, &["data"], wrong);
    }
    let data = &object["data"];
    if data_keys("data", data, Written::Base64, wrong) > MOST_DATA {
        wrong.too_long("data", MOST_DATA);
    }
    let mut needs = |keys: &[&str]| {
        for key in keys.iter().filter(|key| data.get(**key).is_none()) {
            wrong.required(&format!("data[{key}]"), "");
        }
    };
    match text(&object["type"]) {
        // What is in them is nobody's business: any bytes will do.
        "kubernetes.io/tls" => needs(&["tls.crt", "tls.key"]),
        "kubernetes.io/ssh-auth" => needs(&["ssh-privatekey"]),
        "kubernetes.io/basic-auth" if data.get("username").or(data.get("password")).is_none() => {
            needs(&["username", "password"]);
        }
        "kubernetes.io/dockerconfigjson" => json_in(".dockerconfigjson", data, wrong),
        "kubernetes.io/dockercfg" => json_in(".dockercfg", data, wrong),
        "kubernetes.io/service-account-token" => {
            const ACCOUNT: &str = "kubernetes.io/service-account.name";
            if text(&object["metadata"]["annotations"][ACCOUNT]).is_empty() {
                wrong.required(&format!("metadata.annotations[{ACCOUNT}]"), "");
            }
        }
        _ => {}
    }
}

fn json_in(key: &str, data: &Value, wrong: &mut Causes) {
    let field = format!("data[{key}]");
    let Some(value) = data.get(key) else { return wrong.required(&field, "") };
    let bytes = ByteString::deserialize(value).unwrap_or_default();
    if let Err(error) = serde_json::from_slice::<serde_json::Map<String, Value>>(&bytes.0) {
        wrong.invalid(&field, REDACTED, &error.to_string());
    }
}

pub fn config_map(object: &Value, old: Option<&Value>, wrong: &mut Causes) {
    if let Some(old) = old {
        unchanged(object, old, &["data", "binaryData"], wrong);
    }
    let size = data_keys("data", &object["data"], Written::Plain, wrong)
        + data_keys("binaryData", &object["binaryData"], Written::Base64, wrong);
    for (key, _) in object["data"].as_object().into_iter().flatten() {
        if object["binaryData"].get(key).is_some() {
            wrong.invalid(&format!("data[{key}]"), key.as_str(), "duplicate of key present in binaryData");
        }
    }
    if size > MOST_DATA {
        // The whole object, says the real one.
        wrong.too_long("[]", MOST_DATA);
    }
}

/// How the values stand in the JSON.
#[derive(Clone, Copy, PartialEq)]
enum Written {
    Plain,
    Base64,
}

/// Checks the keys, returns how many bytes the values have.
fn data_keys(field: &str, data: &Value, written: Written, wrong: &mut Causes) -> usize {
    let mut size = 0;
    for (key, value) in data.as_object().into_iter().flatten() {
        wrong.texts(&format!("{field}[{key}]"), key, names::data_key(key));
        size += match written {
            Written::Plain => text(value).len(),
            Written::Base64 => text(value).trim_end_matches('=').len() * 3 / 4,
        };
    }
    size
}

fn unchanged(object: &Value, old: &Value, fields: &[&str], wrong: &mut Causes) {
    if old["immutable"] != true {
        return;
    }
    const WHY: &str = "field is immutable when `immutable` is set";
    if object["immutable"] != true {
        wrong.forbidden("immutable", WHY);
    }
    for field in fields.iter().filter(|field| object[**field] != old[**field]) {
        wrong.forbidden(field, WHY);
    }
}

/// There are two generations of events; the newer one has an `eventTime`, and stricter rules.
pub fn event(object: &Value, wrong: &mut Causes) {
    const FIELD: &str = "involvedObject.namespace";
    let (own, other) = (object.namespace(), text(&object["involvedObject"]["namespace"]));
    let is_new = !object["eventTime"].is_null();
    let fits = match other {
        // About something that has no namespace: a node.
        "" => own == "default" || is_new && own == "kube-system",
        other => is_new || own == other,
    };
    if !fits {
        wrong.invalid(FIELD, other, "does not match event.namespace");
    }
    if !is_new {
        return;
    }
    let component = text(&object["reportingComponent"]);
    if component.is_empty() {
        wrong.required("reportingComponent", "");
    }
    wrong.texts("reportingComponent", component, names::label_key(component));
    for (field, most, needed) in
        [("reportingInstance", 128, true), ("action", 128, true), ("reason", 128, true), ("message", 1024, false)]
    {
        let value = text(&object[field]);
        if needed && value.is_empty() {
            wrong.required(field, "");
        }
        if value.len() > most {
            wrong.invalid(field, "", &format!("can have at most {most} characters"));
        }
    }
}

pub fn lease(object: &Value, wrong: &mut Causes) {
    wrong.at_least("spec.leaseDurationSeconds", &object["spec"]["leaseDurationSeconds"], 1);
    wrong.at_least("spec.leaseTransitions", &object["spec"]["leaseTransitions"], 0);
}

pub fn budget(object: &Value, wrong: &mut Causes) {
    let spec = &object["spec"];
    if spec.get("minAvailable").is_some() && spec.get("maxUnavailable").is_some() {
        wrong.invalid("spec", spec.clone(), "minAvailable and maxUnavailable cannot be both set");
    }
}
