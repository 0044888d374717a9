//! Kubernetes objects as JSON.

use serde_json::Value;

/// A field of the metadata, empty if it is absent.
pub fn meta<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

/// `namespace/name`.
pub fn key(object: &Value) -> String {
    format!("{}/{}", meta(object, "namespace"), meta(object, "name"))
}

/// A field of the condition Ready, empty if it is absent.
pub fn ready<'a>(object: &'a Value, field: &str) -> &'a str {
    let conditions = object["status"]["conditions"].as_array();
    let ready = conditions.and_then(|all| all.iter().find(|condition| condition["type"] == "Ready"));
    ready.and_then(|condition| condition[field].as_str()).unwrap_or_default()
}

/// The path of the collection in which an object like this one is created.
pub fn collection(object: &Value) -> String {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    let (version, kind) = (text("apiVersion"), text("kind").to_lowercase());
    let root = if version.contains('/') { "/apis" } else { "/api" };
    let plural = kind.strip_suffix('y').map_or_else(|| format!("{kind}s"), |stem| format!("{stem}ies"));
    match meta(object, "namespace") {
        "" => format!("{root}/{version}/{plural}"),
        namespace => format!("{root}/{version}/namespaces/{namespace}/{plural}"),
    }
}

/// The path of an object.
pub fn path(object: &Value) -> String {
    format!("{}/{}", collection(object), meta(object, "name"))
}

/// The objects of a manifest.
///
/// # Panics
/// The text is not YAML.
pub fn documents(manifest: &str) -> Vec<Value> {
    let mut documents: Vec<Value> = serde_saphyr::from_multiple(manifest).expect("YAML");
    documents.retain(|document| !document.is_null());
    documents
}
