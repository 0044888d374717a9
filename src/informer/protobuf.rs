//! Decodes protobuf: pages of a list, and frames of a watch. `json.rs` does the same for the other encoding.
//!
//! Kubernetes sends built-in types in protobuf to clients that ask for it. It is shorter, and a field that is not used is skipped
//! by its length, without a look at its content. Custom resources have JSON only.

use bytes::Bytes;
use prost::Message;

use super::{Key, Object, Page, Undecodable, WatchEvent};
use crate::request::{
    Failure,
    protobuf::{decode, decode_status, open_envelope},
};

/// Protobuf, else JSON: an older server, or a proxy, may have only that.
pub(super) const ACCEPT: &str = "application/vnd.kubernetes.protobuf, application/json";

#[derive(Clone, PartialEq, Message)]
struct List {
    #[prost(message, tag = "1")]
    metadata: Option<ListMeta>,
    /// Each object is decoded alone, so that one that does not decode costs only itself.
    #[prost(bytes = "bytes", repeated, tag = "2")]
    items: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct ListMeta {
    #[prost(string, tag = "2")]
    resource_version: String,
    #[prost(string, tag = "3")]
    next: String,
}

#[derive(Clone, PartialEq, Message)]
struct Frame {
    #[prost(string, tag = "1")]
    r#type: String,
    #[prost(message, tag = "2")]
    object: Option<RawExtension>,
}

#[derive(Clone, PartialEq, Message)]
struct RawExtension {
    #[prost(bytes = "bytes", tag = "1")]
    raw: Bytes,
}

/// Any object.
#[derive(Clone, PartialEq, Message)]
struct PartialObject {
    #[prost(message, tag = "1")]
    metadata: Option<PartialMetadata>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialMetadata {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "3")]
    namespace: String,
    #[prost(string, tag = "6")]
    resource_version: String,
}

impl PartialMetadata {
    fn of(object: Bytes) -> Result<Self, String> {
        Ok(decode::<PartialObject>(object)?.metadata.unwrap_or_default())
    }

    fn key(&self) -> Key {
        Key::new(&self.namespace, &self.name)
    }
}

/// Decodes a page of a list.
///
/// # Errors
/// [`Failure::Malformed`]: not a list.
pub fn decode_page<T: Object>(bytes: Bytes) -> Result<Page<T>, Failure> {
    let list: List = open_envelope(bytes).and_then(decode).map_err(Failure::Malformed)?;
    let metadata = list.metadata.unwrap_or_default();
    let (mut items, mut undecodable) = (Vec::with_capacity(list.items.len()), Vec::new());
    for object in list.items {
        match decode_object::<T>(&object) {
            Ok(item) => items.push(item),
            Err(why) => undecodable.push(undecodable_object(object, why).0),
        }
    }
    let next = Some(metadata.next).filter(|token| !token.is_empty());
    Ok(Page { items, undecodable, resource_version: metadata.resource_version, next })
}

/// Decodes a frame of a watch.
///
/// # Errors
/// [`Failure::Malformed`]: not a watch event.
pub(super) fn decode_frame<T: Object>(frame: Bytes) -> Result<WatchEvent<T>, Failure> {
    let Frame { r#type, object } = decode(frame).map_err(Failure::Malformed)?;
    let raw = object.unwrap_or_default().raw;
    if r#type == "ERROR" {
        return Ok(WatchEvent::Error(Failure::from_status(decode_status(raw).map_err(Failure::Malformed)?, None)));
    }
    let object = open_envelope(raw).map_err(Failure::Malformed)?;
    match &*r#type {
        "ADDED" | "MODIFIED" => match decode_object(&object) {
            Ok(object) => Ok(WatchEvent::Applied(object)),
            Err(why) => {
                let (object, version) = undecodable_object(object, why);
                Ok(WatchEvent::Undecodable(object, version))
            }
        },
        "DELETED" => match PartialMetadata::of(object).map_err(Failure::Malformed)? {
            metadata if metadata.name.is_empty() => Err(Failure::Malformed("a deletion without a name".into())),
            metadata => Ok(WatchEvent::Deleted(metadata.key(), metadata.resource_version)),
        },
        "BOOKMARK" => {
            Ok(WatchEvent::Bookmark(PartialMetadata::of(object).map_err(Failure::Malformed)?.resource_version))
        }
        other => Err(Failure::Malformed(format!("a watch event of the unknown type {other:?}"))),
    }
}

fn decode_object<T: Object>(object: &Bytes) -> Result<T, String> {
    T::PROTOBUF.map_or_else(|| Err("protobuf was not requested".to_owned()), |decode| decode(object.clone()))
}

/// Returns the key, if any, and the version of an object that does not decode.
fn undecodable_object(object: Bytes, why: String) -> (Undecodable, String) {
    let metadata = PartialMetadata::of(object).unwrap_or_default();
    let key = (!metadata.name.is_empty()).then(|| metadata.key());
    (Undecodable { key, why }, metadata.resource_version)
}

#[cfg(test)]
mod tests;
