//! What a client wants to see: objects whole, as rows of a table, or their metadata alone. And how they are sent.
//!
//! Promises:
//! * what is sent as it is stored is not made into text twice, neither for the next client nor for the next watch;
//! * the first of the acceptable forms is taken, the others are 406.

use std::collections::VecDeque;

use bytes::Bytes;
use http::{HeaderMap, header};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    body::Body,
    list::Page,
    object::{Meta, Object},
    request::Query,
    resource::Resource,
    status::{Result, Status},
    table,
};

/// In which form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Whole,
    /// Rows; each brings the object along as far as `includeObject` says.
    Table(Include),
    Metadata,
}

/// How much of its object a row has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Include {
    None,
    Metadata,
    Whole,
}

/// How the objects of one resource are sent to one client.
pub struct Format {
    pub form: Form,
    /// When ages are counted from.
    pub now: Timestamp,
}

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    One,
    List,
    Watch,
}

impl Form {
    /// # Errors
    /// 406 if none of what the client accepts is spoken here.
    pub fn accepted(headers: &HeaderMap, query: &Query, answer: Answer) -> Result<Form> {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if accept.is_empty() {
            return Ok(Form::Whole);
        }
        let mut clauses: Vec<Clause> = accept.split(',').map(Clause::parse).collect();
        clauses.sort_by_key(|clause| u32::MAX - clause.quality);
        if !clauses.iter().any(|clause| clause.json) {
            let mut status =
                Status::new(406, "NotAcceptable", "406: Not Acceptable\n\nAvailable representations: application/json");
            status.details = json!({});
            return Err(status);
        }
        let list = answer == Answer::List;
        for clause in clauses.iter().filter(|clause| clause.json) {
            match clause.kind {
                "" => return Ok(Form::Whole),
                _ if (clause.group, clause.version) != ("meta.k8s.io", "v1") => {}
                "Table" => return Ok(Form::Table(Include::parse(query)?)),
                "PartialObjectMetadata" if !list => return Ok(Form::Metadata),
                "PartialObjectMetadataList" if answer != Answer::One => return Ok(Form::Metadata),
                kind @ ("PartialObjectMetadata" | "PartialObjectMetadataList") => {
                    let what = if list { "a list" } else { "not a list" };
                    let message = format!("you requested {kind}, but the requested object is {what}");
                    return Err(Status::new(406, "NotAcceptable", message));
                }
                _ => {}
            }
        }
        let message = "only the following media types are accepted: application/json";
        Err(Status::new(406, "NotAcceptable", message))
    }
}

/// One of the forms that a client accepts: `application/json;as=Table;v=v1;g=meta.k8s.io;q=0.9`.
#[derive(Default)]
struct Clause<'a> {
    json: bool,
    kind: &'a str,
    version: &'a str,
    group: &'a str,
    /// In thousandths.
    quality: u32,
}

impl<'a> Clause<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let json = matches!(parts.next(), Some("application/json" | "application/*" | "*/*"));
        let mut clause = Clause { json, quality: 1000, ..Clause::default() };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name {
                "as" => clause.kind = value,
                "v" => clause.version = value,
                "g" => clause.group = value,
                "q" => clause.quality = value.parse().map_or(0, |quality: f32| (quality * 1000.0) as u32),
                _ => {}
            }
        }
        clause
    }
}

impl Include {
    fn parse(query: &Query) -> Result<Include> {
        match query.get("includeObject") {
            None | Some("Metadata") => Ok(Include::Metadata),
            Some("None") => Ok(Include::None),
            Some("Object") => Ok(Include::Whole),
            Some(other) => Err(Status::bad_request(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: {other:?}: must be 'Metadata', \
                 'Object', 'None', or empty"
            ))),
        }
    }
}

impl Format {
    /// A single object, as the answer to a get or a write.
    pub fn one(&self, resource: &Resource, object: &Object) -> Bytes {
        match self.form {
            Form::Table(_) => {
                let metadata = json!({ "resourceVersion": object.value().resource_version() });
                table(metadata, table::columns(resource), self.row(resource, object)).to_string().into()
            }
            _ => self.item(resource, object),
        }
    }

    /// A page of a list, in pieces.
    pub fn page(&self, resource: &Resource, page: &Page) -> Body {
        let mut metadata = json!({ "resourceVersion": page.revision.to_string() });
        if let Some(next) = &page.next {
            metadata["continue"] = next.as_str().into();
        }
        if let Some(remaining) = page.remaining {
            metadata["remainingItemCount"] = remaining.into();
        }
        let (kind, api_version, columns, items) = match self.form {
            Form::Whole => (&*resource.list_kind, &*resource.api_version(), Value::Null, "items"),
            Form::Table(_) => ("Table", META, table::columns(resource), "rows"),
            Form::Metadata => ("PartialObjectMetadataList", META, Value::Null, "items"),
        };
        let columns = if columns.is_null() { String::new() } else { format!(r#""columnDefinitions":{columns},"#) };
        let head =
            format!(r#"{{"kind":"{kind}","apiVersion":"{api_version}","metadata":{metadata},{columns}"{items}":"#);
        let mut pieces = VecDeque::with_capacity(2 * page.items.len() + 2);
        pieces.push_back(Bytes::from(head));
        if self.form == Form::Metadata && page.items.is_empty() {
            // Pitfall: no items are none at all here. A client that takes this for a broken list fails on an empty one.
            pieces.push_back(Bytes::from_static(b"null}"));
            return Body::Pieces(pieces);
        }
        pieces.push_back(Bytes::from_static(b"["));
        // In a list of a built-in type the items do not repeat what they are.
        let bare = self.form == Form::Whole && resource.custom.is_none();
        let (before_first, between) = if bare { ("{", ",{") } else { ("", ",") };
        for (i, object) in page.items.iter().enumerate() {
            let separator = if i == 0 { before_first } else { between };
            pieces.push_back(Bytes::from_static(separator.as_bytes()));
            pieces.push_back(match self.form {
                Form::Table(_) => self.row(resource, object).to_string().into(),
                _ if bare => object.json_after_kind(),
                _ => self.item(resource, object),
            });
        }
        pieces.push_back(Bytes::from_static(b"]}"));
        Body::Pieces(pieces)
    }

    /// An object in a watch. `first`: a table names its columns once.
    pub fn event(&self, resource: &Resource, object: &Object, first: bool) -> Bytes {
        match self.form {
            Form::Table(_) => {
                let metadata = json!({ "resourceVersion": object.value().resource_version() });
                let columns = if first { table::columns(resource) } else { Value::Null };
                table(metadata, columns, self.row(resource, object)).to_string().into()
            }
            _ => self.item(resource, object),
        }
    }

    fn item(&self, resource: &Resource, object: &Object) -> Bytes {
        match self.form {
            Form::Metadata => metadata(object.value()).to_string().into(),
            _ if resource.custom.is_none() || object.value()["apiVersion"] == resource.api_version() => object.json(),
            // Stored as another version of its definition: there is no conversion, so that is all there is to do.
            _ => {
                let mut value = object.value().clone();
                value["apiVersion"] = resource.api_version().into();
                value.to_string().into()
            }
        }
    }

    fn row(&self, resource: &Resource, object: &Object) -> Value {
        let included = match self.form {
            Form::Table(Include::Whole) => object.value().clone(),
            Form::Table(Include::Metadata) => metadata(object.value()),
            _ => Value::Null,
        };
        json!({ "cells": table::cells(resource, object.value(), self.now), "object": included })
    }
}

const META: &str = "meta.k8s.io/v1";

fn table(metadata: Value, columns: Value, row: Value) -> Value {
    json!({ "kind": "Table", "apiVersion": META, "metadata": metadata, "columnDefinitions": columns, "rows": [row] })
}

fn metadata(object: &Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": META, "metadata": object["metadata"] })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

    fn form(accept: &str, answer: Answer) -> Result<Form> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        Form::accepted(&headers, &Query::default(), answer)
    }

    #[test]
    fn the_first_acceptable_form_is_taken() {
        for (accept, wanted) in [
            ("*/*", Form::Whole),
            ("application/vnd.kubernetes.protobuf,application/json", Form::Whole),
            ("application/json;as=Foo;v=v1;g=meta.k8s.io,application/json", Form::Whole),
            ("application/json;as=Table;v=v2;g=meta.k8s.io,application/json", Form::Whole),
            (TABLE, Form::Table(Include::Metadata)),
            (
                "application/json;q=0.5,application/json;as=Table;v=v1;g=meta.k8s.io;q=0.9",
                Form::Table(Include::Metadata),
            ),
        ] {
            assert_eq!(form(accept, Answer::List).unwrap(), wanted, "{accept}");
        }
        assert_eq!(Form::accepted(&HeaderMap::new(), &Query::default(), Answer::List).unwrap(), Form::Whole);
    }

    #[test]
    fn text_that_is_sent_as_it_is_stored_is_made_once() {
        let catalog = crate::catalog::Catalog::built_in();
        let pods = catalog.find("", "v1", "pods").unwrap();
        let object = Object::new(json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" } }));
        let format = Format { form: Form::Whole, now: Timestamp::UNIX_EPOCH };
        let once = format.one(&pods, &object);
        assert_eq!(once.as_ptr(), format.event(&pods, &object, true).as_ptr(), "the same bytes, not equal ones");
    }
}
