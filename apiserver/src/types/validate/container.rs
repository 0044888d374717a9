//! The rules of a pod's containers.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Causes, items, text};
use crate::{names, types::quantity::Quantity};

/// All containers of a pod, which share one set of names.
pub fn containers(spec: &Value, field: &str, volumes: &BTreeSet<&str>, wrong: &mut Causes) {
    let mut seen = BTreeSet::new();
    if items(&spec["containers"]).is_empty() {
        wrong.required(&format!("{field}.containers"), "");
    }
    for list in ["containers", "initContainers"] {
        for (i, container) in items(&spec[list]).iter().enumerate() {
            let field = format!("{field}.{list}[{i}]");
            wrong.unique_label(&format!("{field}.name"), text(&container["name"]), &mut seen);
            one(container, &field, volumes, wrong);
        }
        // In a round of its own, as in the real server.
        for (i, container) in items(&spec[list]).iter().enumerate() {
            let image = text(&container["image"]);
            if image.trim() != image {
                let field = format!("{field}.{list}[{i}].image");
                wrong.invalid(&field, image, "must not have leading or trailing whitespace");
            }
        }
    }
}

fn one(container: &Value, field: &str, volumes: &BTreeSet<&str>, wrong: &mut Causes) {
    let image = text(&container["image"]);
    if image.is_empty() {
        wrong.required(&format!("{field}.image"), "");
    }
    let policy = text(&container["terminationMessagePolicy"]);
    wrong.one_of(&format!("{field}.terminationMessagePolicy"), policy, &["File", "FallbackToLogsOnError"]);
    ports(&container["ports"], &format!("{field}.ports"), wrong);
    environment(container, field, wrong);
    mounts(&container["volumeMounts"], &format!("{field}.volumeMounts"), volumes, wrong);
    resources(&container["resources"], &format!("{field}.resources"), wrong);
    let policy = text(&container["imagePullPolicy"]);
    wrong.one_of(&format!("{field}.imagePullPolicy"), policy, &["Always", "IfNotPresent", "Never"]);
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get(name) {
            let field = format!("{field}.{name}");
            if ["exec", "httpGet", "tcpSocket", "grpc"].into_iter().all(|handler| probe.get(handler).is_none()) {
                wrong.required(&field, "must specify a handler type");
            }
            for name in
                ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"]
            {
                wrong.at_least(&format!("{field}.{name}"), &probe[name], 0);
            }
        }
    }
}

/// Nobody can be promised more than they may have.
fn resources(resources: &Value, field: &str, wrong: &mut Causes) {
    for (name, request) in resources["requests"].as_object().into_iter().flatten() {
        let limit = &resources["limits"][name];
        let (request, limit) = (text(request), text(limit));
        if let (Ok(asked), Ok(most)) = (request.parse::<Quantity>(), limit.parse::<Quantity>())
            && asked.nanos > most.nanos
        {
            let why = format!("must be less than or equal to {name} limit of {limit}");
            wrong.invalid(&format!("{field}.requests"), request, &why);
        }
    }
}

fn ports(ports: &Value, field: &str, wrong: &mut Causes) {
    let mut seen = BTreeSet::new();
    for (i, port) in items(ports).iter().enumerate() {
        let field = format!("{field}[{i}]");
        if let Some(name) = port["name"].as_str() {
            let at = format!("{field}.name");
            port_name(name, &at, wrong);
            if !seen.insert(name) {
                wrong.duplicate(&at, name);
            }
        }
        match port["containerPort"].as_i64().unwrap_or_default() {
            0 => wrong.required(&format!("{field}.containerPort"), ""),
            1..=65535 => {}
            other => {
                let why = "must be between 1 and 65535, inclusive";
                wrong.invalid(&format!("{field}.containerPort"), other, why);
            }
        }
        wrong.one_of(&format!("{field}.protocol"), text(&port["protocol"]), &["SCTP", "TCP", "UDP"]);
    }
}

/// At most 15 letters, digits and single hyphens between them; at least one letter.
fn port_name(name: &str, field: &str, wrong: &mut Causes) {
    if name.len() > 15 {
        wrong.invalid(field, name, "must be no more than 15 characters");
    }
    if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        wrong.invalid(field, name, "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    }
    if !name.bytes().any(|b| b.is_ascii_lowercase()) {
        wrong.invalid(field, name, "must contain at least one letter (a-z)");
    }
    if name.contains("--") {
        wrong.invalid(field, name, "must not contain consecutive hyphens");
    }
    if name.starts_with('-') || name.ends_with('-') {
        wrong.invalid(field, name, "must not begin or end with a hyphen");
    }
}

fn environment(container: &Value, field: &str, wrong: &mut Causes) {
    for (i, variable) in items(&container["env"]).iter().enumerate() {
        let field = format!("{field}.env[{i}]");
        let name = text(&variable["name"]);
        if name.is_empty() {
            wrong.required(&format!("{field}.name"), "");
        } else if !name.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'=') {
            let why =
                "a valid environment variable name must consist only of printable ASCII characters other than '='";
            wrong.invalid(&format!("{field}.name"), name, why);
        }
        if let Some(from) = variable.get("valueFrom") {
            value_from(variable, from, &format!("{field}.valueFrom"), wrong);
        }
    }
    for (i, source) in items(&container["envFrom"]).iter().enumerate() {
        let mut sources = 0;
        for kind in ["configMapRef", "secretRef"] {
            if let Some(source) = source.get(kind) {
                sources += 1;
                if text(&source["name"]).is_empty() {
                    wrong.required(&format!("{field}.envFrom[{i}].{kind}.name"), "");
                }
            }
        }
        let field = format!("{field}.envFrom");
        match sources {
            0 => wrong.invalid(&field, "", "must specify one of: `configMapRef` or `secretRef`"),
            1 => {}
            _ => wrong.invalid(&field, "", "may not have more than one field specified at a time"),
        }
    }
}

fn value_from(variable: &Value, from: &Value, field: &str, wrong: &mut Causes) {
    let sources = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];
    let number = sources.into_iter().filter(|source| from.get(source).is_some()).count();
    for source in ["configMapKeyRef", "secretKeyRef"] {
        if let Some(source_ref) = from.get(source) {
            let name = text(&source_ref["name"]);
            wrong.texts(&format!("{field}.{source}.name"), name, names::dns_subdomain(name));
            match text(&source_ref["key"]) {
                "" => wrong.required(&format!("{field}.{source}.key"), ""),
                key => wrong.texts(&format!("{field}.{source}.key"), key, names::data_key(key)),
            }
        }
    }
    match number {
        0 => {
            let sources = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
            wrong.invalid(field, "", &format!("must specify one of: {sources}"));
        }
        _ if variable.get("value").is_some() => {
            wrong.invalid(field, "", "may not be specified when `value` is not empty");
        }
        1 => {}
        _ => wrong.invalid(field, "", "may not have more than one field specified at a time"),
    }
}

fn mounts(mounts: &Value, field: &str, volumes: &BTreeSet<&str>, wrong: &mut Causes) {
    let mut seen = BTreeSet::new();
    for (i, mount) in items(mounts).iter().enumerate() {
        let field = format!("{field}[{i}]");
        match text(&mount["name"]) {
            "" => wrong.required(&format!("{field}.name"), ""),
            name if !volumes.contains(name) => wrong.not_found(&format!("{field}.name"), name),
            _ => {}
        }
        match text(&mount["mountPath"]) {
            "" => wrong.required(&format!("{field}.mountPath"), ""),
            path if !seen.insert(path) => wrong.invalid(&format!("{field}.mountPath"), path, "must be unique"),
            _ => {}
        }
    }
}
