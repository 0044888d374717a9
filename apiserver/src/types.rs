//! Decodes, defaults and validates objects. For custom resources, it calls [`crate::custom`].
//!
//! ```text
//!  body --> decode: decode_as ----> known fields only, unknown fields reported
//!                   omit_empty ---> no empty fields: "", [], false where it equals absent
//!                   defaults -----> the real server's defaults
//!       --> validate: metadata, then the rules of the kind --> 422 with all causes
//! ```
//!
//! An object is decoded into the typed structs of k8s-openapi and encoded again. So two notations of one time or base64
//! value are stored as the same object, and a change of notation does not change the generation.

mod decode;
mod defaults;
mod json;
mod omit_empty;
mod pod_defaults;
mod validate;

pub use self::{decode::decode, validate::validate};
