//! Decodes JSON: pages of a list, and lines of a watch. `protobuf.rs` does the same for the other encoding.

use std::borrow::Cow;

use kube::core::Status;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Key, Object, Page, Undecodable, WatchEvent};
use crate::request::Failure;

#[derive(Deserialize)]
struct WirePage<I> {
    metadata: ListMeta,
    /// Go writes an empty list as null.
    items: Option<Vec<I>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMeta {
    resource_version: String,
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

/// Decodes a page in one pass. If that fails, decodes each item alone, to find the wrong ones.
///
/// # Errors
/// [`Failure::Malformed`]: not a list.
pub fn decode_page<T: Object>(bytes: &[u8]) -> Result<Page<T>, Failure> {
    let page = |metadata: ListMeta, items, undecodable| Page {
        items,
        undecodable,
        resource_version: metadata.resource_version,
        next: metadata.next.filter(|token| !token.is_empty()),
    };
    if let Ok(whole) = serde_json::from_slice::<WirePage<T>>(bytes) {
        return Ok(page(whole.metadata, whole.items.unwrap_or_default(), Vec::new()));
    }
    let parts: WirePage<&RawValue> = decode(bytes)?;
    let raws = parts.items.unwrap_or_default();
    let (mut items, mut undecodable) = (Vec::with_capacity(raws.len()), Vec::new());
    for raw in raws {
        match serde_json::from_str(raw.get()) {
            Ok(item) => items.push(item),
            Err(e) => undecodable.push(undecodable_object(raw, &e).0),
        }
    }
    Ok(page(parts.metadata, items, undecodable))
}

#[derive(Deserialize)]
struct WireEvent<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// Decodes a line of a watch.
///
/// # Errors
/// [`Failure::Malformed`]: not a watch event.
pub(super) fn decode_line<T: Object>(line: &[u8]) -> Result<WatchEvent<T>, Failure> {
    let WireEvent { r#type, object } = decode(line)?;
    let raw = object.get().as_bytes();
    match &*r#type {
        "ADDED" | "MODIFIED" => match serde_json::from_slice(raw) {
            Ok(object) => Ok(WatchEvent::Applied(object)),
            Err(e) => {
                let (object, version) = undecodable_object(object, &e);
                Ok(WatchEvent::Undecodable(object, version))
            }
        },
        "DELETED" => match decode::<PartialObject>(raw)? {
            PartialObject { metadata } if metadata.name.is_empty() => {
                Err(Failure::Malformed("a deletion without a name".into()))
            }
            PartialObject { metadata } => Ok(WatchEvent::Deleted(metadata.key(), metadata.resource_version)),
        },
        "BOOKMARK" => {
            decode::<PartialObject>(raw).map(|bookmark| WatchEvent::Bookmark(bookmark.metadata.resource_version))
        }
        "ERROR" => decode::<Status>(raw).map(|status| WatchEvent::Error(Failure::from_status(status, None))),
        other => Err(Failure::Malformed(format!("a watch event of the unknown type {other:?}"))),
    }
}

/// Returns the key, if any, and the version of an object that does not decode.
fn undecodable_object(raw: &RawValue, error: &serde_json::Error) -> (Undecodable, String) {
    let PartialObject { metadata } = decode(raw.get().as_bytes()).unwrap_or_default();
    let key = (!metadata.name.is_empty()).then(|| metadata.key());
    (Undecodable { key, why: error.to_string() }, metadata.resource_version)
}

#[derive(Default, Deserialize)]
struct PartialObject {
    metadata: PartialMetadata,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PartialMetadata {
    name: String,
    namespace: String,
    resource_version: String,
}

impl PartialMetadata {
    fn key(&self) -> Key {
        Key::new(&self.namespace, &self.name)
    }
}

fn decode<'de, D: Deserialize<'de>>(bytes: &'de [u8]) -> Result<D, Failure> {
    serde_json::from_slice(bytes).map_err(|e| Failure::Malformed(e.to_string()))
}
