//! Field selectors: `metadata.name=x,status.phase!=Running`.
//!
//! Each resource supports only a few fields. An absent field is the empty string: `spec.nodeName=` selects the pods without
//! a node.

use std::borrow::Cow;

use serde_json::Value;

use crate::{
    object::text,
    resource::Resource,
    status::{Result, Status},
};

/// A field selector; an object has to match all terms.
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
    /// 400 for an invalid selector or an unsupported field.
    pub fn parse(resource: &Resource, text: &str) -> Result<Self> {
        let term = |(path, negated, value): (&str, bool, Cow<str>)| {
            Ok(Term { path: convert_field_label(resource, path)?, negated, value: value.into_owned() })
        };
        Ok(Fields(parse_terms(text)?.into_iter().map(term).collect::<Result<_>>()?))
    }

    pub fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|term| (field_value(object, &term.path) == term.value) != term.negated)
    }
}

/// The value that a selector requires for a field; None if it requires none or is invalid.
///
/// Authorization uses this. Pitfall: with another parser, it could allow one object while the request selects another. An
/// escaped value is not returned, because it cannot be an object's name.
pub fn exact_match<'a>(text: &'a str, path: &str) -> Option<&'a str> {
    let (_, _, value) = parse_terms(text).ok()?.into_iter().find(|(field, negated, _)| *field == path && !negated)?;
    match value {
        Cow::Borrowed(value) => Some(value),
        Cow::Owned(_) => None,
    }
}

/// Parses each term into field, whether it is negated, and value.
fn parse_terms(text: &str) -> Result<Vec<(&str, bool, Cow<'_, str>)>> {
    let mut terms = split_terms(text);
    // The real server sorts, too: of two errors, both report the same one.
    terms.sort_unstable();
    let parse = |term| {
        let (path, negated, value) = split_operator(term)
            .ok_or_else(|| Status::bad_request(format!("invalid selector: '{text}'; can't understand '{term}'")))?;
        Ok((path, negated, unescape(value)?))
    };
    terms.into_iter().filter(|term| !term.is_empty()).map(parse).collect()
}

/// Splits at the commas without a backslash.
fn split_terms(text: &str) -> Vec<&str> {
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

/// Splits a term at the first operator into field, whether it is negated, and value.
fn split_operator(term: &str) -> Option<(&str, bool, &str)> {
    for (i, _) in term.char_indices() {
        for (sign, negated) in [("!=", true), ("==", false), ("=", false)] {
            if let Some(value) = term[i..].strip_prefix(sign) {
                return Some((&term[..i], negated, value));
            }
        }
    }
    None
}

/// Replaces the escape sequences `\,`, `\=` and `\\`.
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
            // The real server prints the code point, too.
            ',' | '=' => {
                let message = format!("invalid field selector: unescaped character in value: {}", u32::from(c));
                return Err(Status::bad_request(message));
            }
            _ => plain.push(c),
        }
    }
    Ok(plain.into())
}

#[rustfmt::skip]
const POD: &[&str] = &[
    "metadata.name", "metadata.namespace", "spec.nodeName", "spec.restartPolicy", "spec.schedulerName",
    "spec.serviceAccountName", "spec.hostNetwork", "status.phase", "status.podIP", "status.podIPs",
    "status.nominatedNodeName",
];
#[rustfmt::skip]
const EVENT: &[&str] = &[
    "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
    "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
    "reportingComponent", "source", "type", "metadata.namespace", "metadata.name",
];
const SECRET: &[&str] = &["type", "metadata.namespace", "metadata.name"];
const NAMESPACE: &[&str] = &["status.phase", "metadata.name"];
const ANY: &[&str] = &["metadata.name", "metadata.namespace"];

/// Checks that the resource supports the field; returns its name for [`field_value`].
fn convert_field_label(resource: &Resource, path: &str) -> Result<String> {
    if resource.custom.as_ref().is_some_and(|definition| definition.is_selectable(path)) {
        return Ok(path.to_owned());
    }
    let own = match (resource.group.as_str(), resource.plural.as_str()) {
        // The old name of the field.
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

fn field_value<'a>(object: &'a Value, path: &str) -> Cow<'a, str> {
    let value = path.split('.').fold(object, |value, part| &value[part]);
    match (path, value) {
        // The old and the new API of events have different fields.
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
    fn custom_resource_is_selected_by_its_selectable_fields() {
        let definition = json!({ "spec": {
            "group": "x.com", "scope": "Namespaced", "names": { "plural": "foos", "kind": "Foo" },
            "versions": [{
                "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": { "type": "object" } },
                "selectableFields": [{ "jsonPath": ".spec.color" }, { "jsonPath": ".spec.size" }],
            }],
        } });
        let foos = crate::custom::resources(&definition).pop().expect("one version is served");
        let fields = Fields::parse(&foos, "spec.color=red,spec.size!=1").expect("is valid");
        assert!(fields.matches(&json!({ "spec": { "color": "red", "size": 2 } })));
        assert!(!fields.matches(&json!({ "spec": { "color": "red", "size": 1 } })));
        let status = Fields::parse(&foos, "spec.shape=x").expect_err("is invalid");
        assert_eq!(status.message, "field label not supported: spec.shape");
    }
}
