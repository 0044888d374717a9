//! Encodes objects and lists in the representation that the client accepts: complete, as a table, or metadata only.
//!
//! Promises:
//! * a stored object is encoded at most once; all responses and watches share the bytes;
//! * the first supported representation in the Accept header is used; without one, the response is 406.

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

/// The representation of objects in a response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Representation {
    Object,
    Table(IncludeObject),
    Metadata,
}

/// The parameter `includeObject`: the part of its object that a table row contains.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IncludeObject {
    None,
    Metadata,
    Object,
}

/// How the objects of one resource are sent to one client.
pub struct Format {
    pub representation: Representation,
    /// The time for the ages in tables.
    pub now: Timestamp,
}

/// The kind of a response; it limits the representations that a client can request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResponseKind {
    Object,
    List,
    Watch,
}

impl Representation {
    /// Chooses the representation by the Accept header.
    ///
    /// # Errors
    /// 406 if the client accepts no supported representation.
    pub fn negotiate(headers: &HeaderMap, query: &Query, response: ResponseKind) -> Result<Representation> {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if accept.is_empty() {
            return Ok(Representation::Object);
        }
        let mut ranges: Vec<MediaRange> = accept.split(',').map(MediaRange::parse).collect();
        ranges.sort_by_key(|range| u32::MAX - range.quality);
        if !ranges.iter().any(|range| range.json) {
            let message = "406: Not Acceptable\n\nAvailable representations: application/json";
            return Err(Status::new(406, "NotAcceptable", message).with_empty_details());
        }
        let list = response == ResponseKind::List;
        for range in ranges.iter().filter(|range| range.json) {
            match range.kind {
                "" => return Ok(Representation::Object),
                _ if (range.group, range.version) != ("meta.k8s.io", "v1") => {}
                "Table" => return Ok(Representation::Table(IncludeObject::parse(query)?)),
                "PartialObjectMetadata" if !list => return Ok(Representation::Metadata),
                "PartialObjectMetadataList" if response != ResponseKind::Object => return Ok(Representation::Metadata),
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

/// One element of an Accept header: `application/json;as=Table;v=v1;g=meta.k8s.io;q=0.9`.
#[derive(Default)]
struct MediaRange<'a> {
    json: bool,
    kind: &'a str,
    version: &'a str,
    group: &'a str,
    /// In thousandths.
    quality: u32,
}

impl<'a> MediaRange<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let json = matches!(parts.next(), Some("application/json" | "application/*" | "*/*"));
        let mut range = MediaRange { json, quality: 1000, ..MediaRange::default() };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name {
                "as" => range.kind = value,
                "v" => range.version = value,
                "g" => range.group = value,
                "q" => range.quality = value.parse().map_or(0, |quality: f32| (quality * 1000.0) as u32),
                _ => {}
            }
        }
        range
    }
}

impl IncludeObject {
    fn parse(query: &Query) -> Result<IncludeObject> {
        match query.get("includeObject") {
            None | Some("Metadata") => Ok(IncludeObject::Metadata),
            Some("None") => Ok(IncludeObject::None),
            Some("Object") => Ok(IncludeObject::Object),
            Some(other) => Err(Status::bad_request(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: {other:?}: must be 'Metadata', \
                 'Object', 'None', or empty"
            ))),
        }
    }
}

impl Format {
    /// The response to a get or a write.
    pub fn encode_object(&self, resource: &Resource, object: &Object) -> Bytes {
        match self.representation {
            Representation::Table(_) => {
                let metadata = json!({ "resourceVersion": object.value().resource_version() });
                table(metadata, table::columns(resource), self.table_row(resource, object)).to_string().into()
            }
            _ => self.encode_item(resource, object),
        }
    }

    /// The response to a list.
    pub fn encode_page(&self, resource: &Resource, page: &Page) -> Body {
        let mut metadata = json!({ "resourceVersion": page.revision.to_string() });
        if let Some(next) = &page.next {
            metadata["continue"] = next.as_str().into();
        }
        if let Some(remaining) = page.remaining {
            metadata["remainingItemCount"] = remaining.into();
        }
        let (kind, api_version, columns, items) = match self.representation {
            Representation::Object => (&*resource.list_kind, &*resource.api_version(), Value::Null, "items"),
            Representation::Table(_) => ("Table", META, table::columns(resource), "rows"),
            Representation::Metadata => ("PartialObjectMetadataList", META, Value::Null, "items"),
        };
        let columns = if columns.is_null() { String::new() } else { format!(r#""columnDefinitions":{columns},"#) };
        let head =
            format!(r#"{{"kind":"{kind}","apiVersion":"{api_version}","metadata":{metadata},{columns}"{items}":"#);
        let mut pieces = VecDeque::with_capacity(2 * page.items.len() + 2);
        pieces.push_back(Bytes::from(head));
        if self.representation == Representation::Metadata && page.items.is_empty() {
            // Pitfall: an empty PartialObjectMetadataList has `"items":null`, as in the real server. Clients must accept it.
            pieces.push_back(Bytes::from_static(b"null}"));
            return Body::Pieces(pieces);
        }
        pieces.push_back(Bytes::from_static(b"["));
        // The items of a built-in list have neither kind nor apiVersion.
        let bare = self.representation == Representation::Object && resource.custom.is_none();
        let (before_first, between) = if bare { ("{", ",{") } else { ("", ",") };
        for (i, object) in page.items.iter().enumerate() {
            let separator = if i == 0 { before_first } else { between };
            pieces.push_back(Bytes::from_static(separator.as_bytes()));
            pieces.push_back(match self.representation {
                Representation::Table(_) => self.table_row(resource, object).to_string().into(),
                _ if bare => object.json_after_kind(),
                _ => self.encode_item(resource, object),
            });
        }
        pieces.push_back(Bytes::from_static(b"]}"));
        Body::Pieces(pieces)
    }

    /// The object of a watch event. Only the first event has the column definitions of a table.
    pub fn encode_event(&self, resource: &Resource, object: &Object, first: bool) -> Bytes {
        match self.representation {
            Representation::Table(_) => {
                let metadata = json!({ "resourceVersion": object.value().resource_version() });
                let columns = if first { table::columns(resource) } else { Value::Null };
                table(metadata, columns, self.table_row(resource, object)).to_string().into()
            }
            _ => self.encode_item(resource, object),
        }
    }

    fn encode_item(&self, resource: &Resource, object: &Object) -> Bytes {
        match self.representation {
            Representation::Metadata => metadata(object.value()).to_string().into(),
            _ if resource.custom.is_none() || object.value()["apiVersion"] == resource.api_version() => object.json(),
            // Stored in another version of its definition. Without conversion, only the apiVersion differs.
            _ => {
                let mut value = object.value().clone();
                value["apiVersion"] = resource.api_version().into();
                value.to_string().into()
            }
        }
    }

    fn table_row(&self, resource: &Resource, object: &Object) -> Value {
        let included = match self.representation {
            Representation::Table(IncludeObject::Object) => object.value().clone(),
            Representation::Table(IncludeObject::Metadata) => metadata(object.value()),
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

    fn negotiate(accept: &str, kind: ResponseKind) -> Result<Representation> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        Representation::negotiate(&headers, &Query::default(), kind)
    }

    #[test]
    fn first_supported_representation_is_chosen() {
        for (accept, wanted) in [
            ("*/*", Representation::Object),
            ("application/vnd.kubernetes.protobuf,application/json", Representation::Object),
            ("application/json;as=Foo;v=v1;g=meta.k8s.io,application/json", Representation::Object),
            ("application/json;as=Table;v=v2;g=meta.k8s.io,application/json", Representation::Object),
            (TABLE, Representation::Table(IncludeObject::Metadata)),
            (
                "application/json;q=0.5,application/json;as=Table;v=v1;g=meta.k8s.io;q=0.9",
                Representation::Table(IncludeObject::Metadata),
            ),
        ] {
            assert_eq!(negotiate(accept, ResponseKind::List).unwrap(), wanted, "{accept}");
        }
        let default = Representation::negotiate(&HeaderMap::new(), &Query::default(), ResponseKind::List);
        assert_eq!(default.unwrap(), Representation::Object);
    }

    #[test]
    fn stored_object_is_encoded_once() {
        let catalog = crate::catalog::Catalog::built_in();
        let pods = catalog.find("", "v1", "pods").unwrap();
        let object = Object::new(json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" } }));
        let format = Format { representation: Representation::Object, now: Timestamp::UNIX_EPOCH };
        let once = format.encode_object(&pods, &object);
        assert_eq!(once.as_ptr(), format.encode_event(&pods, &object, true).as_ptr(), "not shared");
    }
}
