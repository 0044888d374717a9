//! What an object may look like: decode, complete, check. Custom resources go on to [`crate::custom`].
//!
//! ```text
//!  body --> decode: typed ------> what was understood, unknown fields named and dropped
//!                   compact ----> nothing that means nothing: "", [], false where it is the same as absent
//!                   defaults ---> what the real server adds
//!       --> validate: metadata, then the kind's own rules --> 422 with all causes
//! ```
//!
//! What is stored is what was understood: the text goes through the typed structs of k8s-openapi and back. The road not
//! taken is to keep the sender's JSON and cut the unknown fields out; then times, quantities and base64 would stay as
//! they were written, and two texts for one meaning would be two objects, and a change of generation.

mod compact;
mod decode;
mod defaults;
mod json;
mod pod_defaults;
mod validate;

pub use self::{decode::decode, validate::validate};
