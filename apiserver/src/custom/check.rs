//! Whether a CustomResourceDefinition may be stored: its names, its versions, its columns. Its schemas are looked at in
//! [`super::structural`].

use serde_json::Value;

use super::{definition::names, structural};
use crate::{
    catalog::Catalog,
    object::{GroupResource, Meta, items, text},
    status::Cause,
};

/// Everything that is wrong with a definition, in the real server's words.
pub fn check(definition: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let (group, plural) = names(definition);
    let name = definition.name();
    if name != format!("{plural}.{group}") {
        invalid(&mut causes, "metadata.name", name, r#"must be spec.names.plural+"."+spec.group"#);
    }
    check_group(&mut causes, group);
    check_protected(&mut causes, definition, group);
    check_scope(&mut causes, definition, old);
    check_versions(&mut causes, definition);
    check_names(&mut causes, definition, old);
    if definition["spec"]["preserveUnknownFields"] == true {
        let why =
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        causes.push(cause("FieldValueInvalid", "spec.preserveUnknownFields", format!("Invalid value: true: {why}")));
    }
    causes
}

fn check_group(causes: &mut Vec<Cause>, group: &str) {
    if group.is_empty() {
        causes.push(required("spec.group", ""));
    } else if !group.split('.').all(is_label) {
        invalid(causes, "spec.group", group, &format!("a lowercase RFC 1123 subdomain {SUBDOMAIN}"));
    } else if !group.contains('.') {
        invalid(causes, "spec.group", group, "should be a domain with at least one dot");
    }
}

/// Kubernetes' own groups are not for everybody: a definition in them needs a word of approval. And what is built in
/// cannot be defined again at all: both would share one collection.
fn check_protected(causes: &mut Vec<Cause>, definition: &Value, group: &str) {
    let within = |domain: &str| group == domain || group.strip_suffix(domain).is_some_and(|head| head.ends_with('.'));
    let annotation = "metadata.annotations[api-approved.kubernetes.io]";
    if (within("k8s.io") || within("kubernetes.io"))
        && definition["metadata"]["annotations"]["api-approved.kubernetes.io"].is_null()
    {
        causes.push(required(
            annotation,
            "protected groups must have approval annotation \"api-approved.kubernetes.io\", see \
             https://github.com/kubernetes/enhancements/pull/1111",
        ));
    }
    let plural = text(&definition["spec"]["names"]["plural"]);
    if Catalog::built_in().of(&GroupResource::new(group, plural)).is_some() {
        invalid(causes, "spec.names.plural", plural, "is built in");
    }
}

fn check_scope(causes: &mut Vec<Cause>, definition: &Value, old: Option<&Value>) {
    let scope = text(&definition["spec"]["scope"]);
    match scope {
        "" => causes.push(required("spec.scope", "")),
        "Cluster" | "Namespaced" => {}
        other => causes.push(not_supported("spec.scope", other, &["Cluster", "Namespaced"])),
    }
    immutable(causes, "spec.scope", &definition["spec"]["scope"], old.map(|old| &old["spec"]["scope"]));
}

/// What is stored under a name cannot be found under another.
fn immutable(causes: &mut Vec<Cause>, field: &str, new: &Value, old: Option<&Value>) {
    if old.is_some_and(|old| old != new) {
        causes.push(cause("FieldValueInvalid", field, format!("Invalid value: {new}: field is immutable")));
    }
}

fn check_versions(causes: &mut Vec<Cause>, definition: &Value) {
    let versions = items(&definition["spec"]["versions"]);
    // The real server moves what is the same in all versions to the top before it looks, and names it there.
    let at = |i: usize, below: &str| {
        let same = versions.iter().all(|version| version[below] == versions[i][below]);
        match (same, below) {
            (true, "schema") => "spec.validation".to_owned(),
            (true, _) => format!("spec.{below}"),
            (false, _) => format!("spec.versions[{i}].{below}"),
        }
    };
    for (i, version) in versions.iter().enumerate() {
        let name = text(&version["name"]);
        if !is_name(name) {
            invalid(causes, &format!("spec.versions[{i}].name"), name, &format!("a DNS-1035 label {LABEL}"));
        }
        let schema = &version["schema"]["openAPIV3Schema"];
        if !schema.is_object() {
            causes.push(required(&format!("spec.versions[{i}].schema.openAPIV3Schema"), ""));
        } else if i == 0 || at(i, "schema") != "spec.validation" {
            causes.extend(structural::check(schema, &format!("{}.openAPIV3Schema", at(i, "schema"))));
        }
        let columns = items(&version["additionalPrinterColumns"]).iter();
        for (j, column) in columns.enumerate() {
            check_column(causes, column, &format!("{}[{j}]", at(i, "additionalPrinterColumns")));
        }
    }
    let names: Vec<&str> = versions.iter().map(|version| text(&version["name"])).collect();
    let shown = serde_json::to_string(&names).unwrap_or_default();
    if names.iter().enumerate().any(|(i, name)| names[..i].contains(name)) {
        let message = format!("Invalid value: {shown}: must contain unique version names");
        causes.push(cause("FieldValueInvalid", "spec.versions", message));
    }
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let message = format!("Invalid value: {shown}: must have exactly one version marked as storage version");
        causes.push(cause("FieldValueInvalid", "spec.versions", message));
    }
}

fn check_column(causes: &mut Vec<Cause>, column: &Value, at: &str) {
    const TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
    if text(&column["name"]).is_empty() {
        causes.push(required(&format!("{at}.name"), ""));
    }
    match text(&column["type"]) {
        "" => causes.push(required(&format!("{at}.type"), &format!("must be one of {}", TYPES.join(",")))),
        kind if TYPES.contains(&kind) => {}
        kind => invalid(causes, &format!("{at}.type"), kind, &format!("must be one of {}", TYPES.join(","))),
    }
    match text(&column["jsonPath"]) {
        "" => causes.push(required(&format!("{at}.JSONPath"), "")),
        path if path.starts_with('.') => {}
        path => invalid(causes, &format!("{at}.JSONPath"), path, "must be a simple json path starting with ."),
    }
}

fn check_names(causes: &mut Vec<Cause>, definition: &Value, old: Option<&Value>) {
    let names = &definition["spec"]["names"];
    for field in ["plural", "singular", "kind", "listKind"] {
        let (at, name) = (format!("spec.names.{field}"), text(&names[field]));
        let mixed = field.to_ascii_lowercase().ends_with("kind");
        if name.is_empty() {
            causes.push(required(&at, ""));
        } else if mixed && !is_name(&name.to_lowercase()) {
            let why = format!("may have mixed case, but should otherwise match: a DNS-1035 label {LABEL}");
            invalid(causes, &at, name, &why);
        } else if !mixed && !is_name(name) {
            invalid(causes, &at, name, &format!("a DNS-1035 label {LABEL}"));
        }
    }
    for field in ["shortNames", "categories"] {
        for (i, name) in items(&names[field]).iter().map(text).enumerate() {
            if !is_name(name) {
                let at = format!("spec.names.{field}[{i}]");
                invalid(causes, &at, name, &format!("a DNS-1035 label {LABEL}"));
            }
        }
    }
    if !text(&names["kind"]).is_empty() && names["kind"] == names["listKind"] {
        invalid(causes, "spec.names.listKind", text(&names["listKind"]), "kind and listKind may not be the same");
    }
    for field in ["plural", "kind"] {
        let before = old.map(|old| &old["spec"]["names"][field]);
        immutable(causes, &format!("spec.names.{field}"), &names[field], before);
    }
}

/// What the real server says of a wrong name.
const LABEL: &str = "must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and \
                     end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is \
                     '[a-z]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an \
                         alphanumeric character (e.g. 'example.com', regex used for validation is \
                         '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/// A label that may begin with a digit.
fn is_label(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.len() <= 63 && text.chars().all(fits) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_name(text: &str) -> bool {
    is_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

pub fn cause(reason: &'static str, field: &str, message: String) -> Cause {
    Cause { reason, field: field.to_owned(), message }
}

pub fn required(field: &str, why: &str) -> Cause {
    let message = if why.is_empty() { "Required value".to_owned() } else { format!("Required value: {why}") };
    cause("FieldValueRequired", field, message)
}

pub fn not_supported(field: &str, value: &str, supported: &[&str]) -> Cause {
    let supported = supported.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(", ");
    cause("FieldValueNotSupported", field, format!("Unsupported value: {value:?}: supported values: {supported}"))
}

fn invalid(causes: &mut Vec<Cause>, field: &str, value: &str, why: &str) {
    causes.push(cause("FieldValueInvalid", field, format!("Invalid value: {value:?}: {why}")));
}

#[cfg(test)]
mod tests;
