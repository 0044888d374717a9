//! `metadata`: the fields that the server sets, and those that are immutable.

use jiff::Timestamp;
use rand::{Rng, RngExt};
use serde_json::{Map, Value};

use crate::{
    causes::Causes,
    object::{Meta, estimate_size, strings, time},
    resource::Resource,
    status::{Result, Status},
};

/// The characters of generated names: without vowels and similar digits, so that they form no words.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A generated name has at most the length of a DNS label.
const MAX_BASE_LENGTH: usize = 63 - 5;

/// `metadata`; creates it if it is absent.
pub fn metadata_mut(object: &mut Value) -> &mut Map<String, Value> {
    ensure_object(object, "metadata")
}

/// The object in a field; replaces any other value by an empty object.
pub fn ensure_object<'a>(parent: &'a mut Value, field: &str) -> &'a mut Map<String, Value> {
    let child = as_object(parent).entry(field).or_insert(Value::Null);
    as_object(child)
}

fn as_object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("the value is an object"),
    }
}

/// A version 4 UUID.
pub fn generate_uid(random: &mut impl Rng) -> String {
    let mut bits: u128 = random.random();
    bits = bits & !(0xf << 76) | 0x4 << 76;
    bits = bits & !(0x3 << 62) | 0x2 << 62;
    let hex = format!("{bits:032x}");
    let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    format!("{a}-{b}-{c}-{d}-{e}")
}

/// The base with five random characters.
pub fn generate_name(base: &str, random: &mut impl Rng) -> String {
    let end = base.char_indices().map(|(at, _)| at).find(|at| *at >= MAX_BASE_LENGTH).unwrap_or(base.len());
    let mut name = base[..end].to_owned();
    name.extend((0..5).map(|_| ALPHABET[random.random_range(0..ALPHABET.len())] as char));
    name
}

/// Sets the namespace of the path if the body has none.
///
/// # Errors
/// 400 if the body has another namespace.
pub fn ensure_namespace(object: &mut Value, resource: &Resource, namespace: &str) -> Result<()> {
    if !resource.namespaced {
        // The real server also drops it without an error.
        metadata_mut(object).remove("namespace");
        return Ok(());
    }
    let own = object.namespace();
    if own.is_empty() && !namespace.is_empty() {
        metadata_mut(object).insert("namespace".into(), namespace.into());
    } else if own != namespace {
        let why = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Status::bad_request(why));
    }
    Ok(())
}

/// Checks that the body has the name of the path.
///
/// # Errors
/// 400 for another name.
pub fn check_name(object: &Value, name: &str) -> Result<()> {
    match object.name() {
        "" => Err(Status::bad_request(format!(
            "the name of the object ({name} based on URL) was undeterminable: name must be provided"
        ))),
        own if own != name => Err(Status::bad_request(format!(
            "the name of the object ({own}) does not match the name on the URL ({name})"
        ))),
        _ => Ok(()),
    }
}

/// Sets the system fields of a new object.
pub fn fill_system_fields(object: &mut Value, now: Timestamp, random: &mut impl Rng) {
    let uid = generate_uid(random);
    let metadata = metadata_mut(object);
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields"] {
        metadata.remove(field);
    }
    metadata.insert("uid".into(), uid.into());
    metadata.insert("creationTimestamp".into(), time(now));
}

/// Restores the system fields of an updated object.
pub fn keep_system_fields(object: &mut Value, old: &Value) {
    let old = &old["metadata"];
    let metadata = metadata_mut(object);
    metadata.remove("managedFields");
    metadata.remove("selfLink");
    for field in ["generation", "creationTimestamp", "deletionTimestamp"] {
        match old.get(field) {
            Some(value) => metadata.insert(field.into(), value.clone()),
            None if field == "deletionTimestamp" => None,
            None => metadata.remove(field),
        };
    }
    for field in ["uid", "deletionGracePeriodSeconds"] {
        if let Some(value) = old.get(field)
            && metadata.get(field).is_none_or(|new| new.is_null() || new == "")
        {
            metadata.insert(field.into(), value.clone());
        }
    }
}

/// Checks that an update changes no immutable field.
pub fn check_immutable(object: &Value, old: &Value) -> Causes {
    let mut causes = Causes::default();
    for field in ["uid", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let (new, old) = (&object["metadata"][field], &old["metadata"][field]);
        causes.immutable(&format!("metadata.{field}"), new, Some(old));
    }
    let had = finalizers(old);
    let added: Vec<&str> = finalizers(object).into_iter().filter(|f| !had.contains(f)).collect();
    if old.is_terminating() && !added.is_empty() {
        let list = added.iter().map(|f| format!("{f:?}")).collect::<Vec<_>>().join(", ");
        let why = "no new finalizers can be added if the object is being deleted";
        causes.forbidden("metadata.finalizers", &format!("{why}, found new finalizers []string{{{list}}}"));
    }
    causes
}

pub fn finalizers(object: &Value) -> Vec<&str> {
    strings(&object["metadata"]["finalizers"]).collect()
}

/// Sets the finalizers; removes the field if the list is empty.
pub fn set_finalizers(object: &mut Value, finalizers: Vec<String>) {
    let metadata = metadata_mut(object);
    if finalizers.is_empty() {
        metadata.remove("finalizers");
    } else {
        metadata.insert("finalizers".into(), finalizers.into());
    }
}

/// etcd's limit for one request.
const MAX_BYTES: usize = 3 << 19;

/// Checks the size of an object. Repeated patches could make it larger than any request.
///
/// # Errors
/// 500, like the real server.
pub fn check_size(object: &Value) -> Result<()> {
    if estimate_size(object) > MAX_BYTES {
        Err(Status::new(500, "", "etcdserver: request is too large"))
    } else {
        Ok(())
    }
}

/// Increments the generation, if the object has one.
pub fn bump_generation(object: &mut Value) {
    let metadata = metadata_mut(object);
    if let Some(generation) = metadata.get("generation").and_then(Value::as_i64).filter(|n| *n > 0) {
        metadata.insert("generation".into(), generation.saturating_add(1).into());
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};
    use serde_json::json;

    use super::*;

    #[test]
    fn base_of_a_generated_name_is_cut_at_a_character() {
        let name = generate_name(&"ä".repeat(60), &mut StdRng::seed_from_u64(0));
        assert!(name.starts_with(&"ä".repeat(29)) && name.len() == 63, "{name}");
    }

    #[test]
    fn uid_is_a_version_4_uuid() {
        let mut random = StdRng::seed_from_u64(1);
        for _ in 0..100 {
            let uid = generate_uid(&mut random);
            let parts: Vec<usize> = uid.split('-').map(str::len).collect();
            assert_eq!((parts.as_slice(), &uid[14..15]), ([8, 4, 4, 4, 12].as_slice(), "4"), "{uid}");
            assert!(matches!(&uid[19..20], "8" | "9" | "a" | "b"), "{uid}");
        }
    }

    #[test]
    fn too_large_object_is_rejected() {
        assert!(check_size(&json!({ "a": "x".repeat(1_500_000) })).is_ok());
        assert_eq!(check_size(&json!({ "a": "x".repeat(1_600_000) })).unwrap_err().code, 500);
        assert_eq!(check_size(&json!({ "a": vec![""; 800_000] })).unwrap_err().code, 500);
    }
}
