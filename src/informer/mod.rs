//! KNOW: mirror a resource into memory.

mod key;

pub use key::Key;

/// What the cache needs to know about an object. Everything else about it is the business of whoever decodes it.
///
/// Implementors decode themselves straight from the wire (`serde::Deserialize`) and keep only the fields that are used.
pub trait Object: serde::de::DeserializeOwned + Send + Sync + 'static {
    /// `namespace/name`.
    fn key(&self) -> &Key;
    /// Tells an object from a later one of the same name.
    fn uid(&self) -> &str;
    /// Opaque; only ever compared for equality.
    fn resource_version(&self) -> &str;
}
