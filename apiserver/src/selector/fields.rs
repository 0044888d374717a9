//! Field selectors: `metadata.name=x,status.phase!=Running`.
//!
//! Each resource has a short list of fields to select by, unlike labels, of which there can be any. A field that is absent
//! is the empty text: `spec.nodeName=` finds the pods without a node.

use std::borrow::Cow;

use serde_json::Value;

use crate::{
    object::text,
    resource::Resource,
    status::{Result, Status},
};

/// All of them have to hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields(Vec<Term>);

#[derive(Clone, Debug, PartialEq)]
struct Term {
    path: String,
    negated: bool,
    value: String,
}

impl Fields {
    /// # Errors
    /// 400 for what is no selector, or a field that this resource cannot be selected by.
    pub fn parse(resource: &Resource, text: &str) -> Result<Self> {
        let term = |(path, negated, value): (&str, bool, Cow<str>)| {
            Ok(Term { path: known(resource, path)?, negated, value: value.into_owned() })
        };
        Ok(Fields(terms(text)?.into_iter().map(term).collect::<Result<_>>()?))
    }

    pub fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|term| (field(object, &term.path) == term.value) != term.negated)
    }
}

/// The one value that a selector lets through for a field; None if there may be more, or if it is no selector.
///
/// Authorization asks here. Pitfall: if it read selectors in a way of its own, it would sooner or later allow one thing
/// while another is selected. A value that has to be written with a backslash is no object's name, and not given.
pub fn required<'a>(text: &'a str, path: &str) -> Option<&'a str> {
    let (_, _, value) = terms(text).ok()?.into_iter().find(|(field, negated, _)| *field == path && !negated)?;
    match value {
        Cow::Borrowed(value) => Some(value),
        Cow::Owned(_) => None,
    }
}

/// Field, whether it must differ, value: of each term.
fn terms(text: &str) -> Result<Vec<(&str, bool, Cow<'_, str>)>> {
    let mut terms = split(text);
    // As the real one does it: so that the same one of two mistakes is told.
    terms.sort_unstable();
    let parse = |term| {
        let (path, negated, value) = operator(term)
            .ok_or_else(|| Status::bad_request(format!("invalid selector: '{text}'; can't understand '{term}'")))?;
        Ok((path, negated, unescape(value)?))
    };
    terms.into_iter().filter(|term| !term.is_empty()).map(parse).collect()
}

/// At the commas that have no backslash before them.
fn split(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (i, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == ',' {
            terms.push(&text[start..i]);
            start = i + 1;
        }
    }
    terms.push(&text[start..]);
    terms
}

/// Field, whether it must differ, value: split at the first operator.
fn operator(term: &str) -> Option<(&str, bool, &str)> {
    for (i, _) in term.char_indices() {
        for (sign, negated) in [("!=", true), ("==", false), ("=", false)] {
            if let Some(value) = term[i..].strip_prefix(sign) {
                return Some((&term[..i], negated, value));
            }
        }
    }
    None
}

/// `\,` `\=` `\\` stand for what follows the backslash.
fn unescape(value: &str) -> Result<Cow<'_, str>> {
    if !value.contains(['\\', ',', '=']) {
        return Ok(value.into());
    }
    let mut plain = String::with_capacity(value.len());
    let mut rest = value.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some(c @ ('\\' | ',' | '=')) => plain.push(c),
                other => {
                    let sequence: String = [Some('\\'), other].into_iter().flatten().collect();
                    let message = format!("invalid field selector: invalid escape sequence: {sequence}");
                    return Err(Status::bad_request(message));
                }
            },
            // The real one gives the character's number.
            ',' | '=' => {
                let message = format!("invalid field selector: unescaped character in value: {}", u32::from(c));
                return Err(Status::bad_request(message));
            }
            _ => plain.push(c),
        }
    }
    Ok(plain.into())
}

const POD: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.podIPs",
    "status.nominatedNodeName",
];
const EVENT: &[&str] = &[
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
    "metadata.namespace",
    "metadata.name",
];
const SECRET: &[&str] = &["type", "metadata.namespace", "metadata.name"];
const NAMESPACE: &[&str] = &["status.phase", "metadata.name"];
const ANY: &[&str] = &["metadata.name", "metadata.namespace"];

/// The field's name as [`field`] knows it.
fn known(resource: &Resource, path: &str) -> Result<String> {
    if resource.custom.as_ref().is_some_and(|definition| definition.is_selectable(path)) {
        return Ok(path.to_owned());
    }
    let own = match (resource.group.as_str(), resource.plural.as_str()) {
        // From the time of the first clients.
        ("", "pods") if path == "spec.host" => return Ok("spec.nodeName".into()),
        ("", "pods") => POD,
        ("", "events") => EVENT,
        ("", "secrets") => SECRET,
        ("", "namespaces") => NAMESPACE,
        _ if resource.custom.is_some() && !resource.namespaced => &ANY[..1],
        _ if resource.custom.is_some() => ANY,
        _ if ANY.contains(&path) => ANY,
        _ => {
            let only = r#"only "metadata.name", "metadata.namespace""#;
            return Err(Status::bad_request(format!("{path:?} is not a known field selector: {only}")));
        }
    };
    if own.contains(&path) {
        return Ok(path.to_owned());
    }
    Err(Status::bad_request(format!("field label not supported: {path}")))
}

fn field<'a>(object: &'a Value, path: &str) -> Cow<'a, str> {
    let value = path.split('.').fold(object, |value, part| &value[part]);
    match (path, value) {
        // An event says who it is from in one of two places.
        ("source", _) => match object["source"]["component"].as_str() {
            Some(component) if !component.is_empty() => component.into(),
            _ => text(&object["reportingComponent"]).into(),
        },
        ("spec.hostNetwork", Value::Null) => "false".into(),
        (_, Value::String(text)) => text.into(),
        (_, Value::Bool(_) | Value::Number(_)) => value.to_string().into(),
        _ => "".into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_custom_resource_is_selected_by_the_fields_that_its_definition_names() {
        let definition = json!({ "spec": {
            "group": "x.com", "scope": "Namespaced", "names": { "plural": "foos", "kind": "Foo" },
            "versions": [{
                "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": { "type": "object" } },
                "selectableFields": [{ "jsonPath": ".spec.color" }, { "jsonPath": ".spec.size" }],
            }],
        } });
        let foos = crate::custom::resources(&definition).pop().expect("one version is served");
        let fields = Fields::parse(&foos, "spec.color=red,spec.size!=1").expect("is a selector");
        assert!(fields.matches(&json!({ "spec": { "color": "red", "size": 2 } })));
        assert!(!fields.matches(&json!({ "spec": { "color": "red", "size": 1 } })));
        let status = Fields::parse(&foos, "spec.shape=x").expect_err("is refused");
        assert_eq!(status.message, "field label not supported: spec.shape");
    }
}
