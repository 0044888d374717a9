//! The envelope of an object in protobuf, and the Status in it.
//!
//! The messages have only the fields that are used, with the numbers of Kubernetes' `generated.proto`. Bytes of a message are a
//! view of the response, not a copy.

use bytes::Bytes;
use kube::core::{
    Status,
    response::{StatusCause, StatusDetails},
};
use prost::Message;

/// An object is preceded by this and by an [`Envelope`], so that its kind is known. (apimachinery: `serializer/protobuf`.)
const MAGIC: &[u8] = b"k8s\0";

/// `runtime.Unknown`
#[derive(Clone, PartialEq, Message)]
struct Envelope {
    #[prost(bytes = "bytes", tag = "2")]
    raw: Bytes,
}

/// Returns the object without its envelope.
///
/// # Errors
/// The bytes have none.
pub fn open_envelope(bytes: Bytes) -> Result<Bytes, String> {
    let envelope = bytes.strip_prefix(MAGIC).ok_or("no protobuf of Kubernetes: k8s\\0 is missing")?;
    decode::<Envelope>(bytes.slice_ref(envelope)).map(|envelope| envelope.raw)
}

/// Decodes a message.
///
/// # Errors
/// The bytes are not one.
pub fn decode<M: Message + Default>(bytes: Bytes) -> Result<M, String> {
    M::decode(bytes).map_err(|error| error.to_string())
}

#[derive(Clone, PartialEq, Message)]
struct StatusMessage {
    #[prost(string, tag = "3")]
    message: String,
    #[prost(string, tag = "4")]
    reason: String,
    #[prost(message, tag = "5")]
    details: Option<Details>,
    #[prost(int32, tag = "6")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Details {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    group: String,
    #[prost(string, tag = "3")]
    kind: String,
    #[prost(message, repeated, tag = "4")]
    causes: Vec<Cause>,
    #[prost(int32, tag = "5")]
    retry_after_seconds: i32,
    #[prost(string, tag = "6")]
    uid: String,
}

#[derive(Clone, PartialEq, Message)]
struct Cause {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(string, tag = "3")]
    field: String,
}

/// Decodes the Status of an error, in its envelope.
///
/// # Errors
/// The bytes are not one.
pub fn decode_status(bytes: Bytes) -> Result<Status, String> {
    let StatusMessage { message, reason, details, code } = decode(open_envelope(bytes)?)?;
    let details = details.map(|details| StatusDetails {
        name: details.name,
        group: details.group,
        kind: details.kind,
        uid: details.uid,
        retry_after_seconds: u32::try_from(details.retry_after_seconds).unwrap_or_default(),
        causes: details
            .causes
            .into_iter()
            .map(|cause| StatusCause { reason: cause.reason, message: cause.message, field: cause.field })
            .collect(),
    });
    let code = u16::try_from(code).unwrap_or_default();
    Ok(Status { details, code, ..Status::failure(&message, &reason) })
}
