//! `metadata`: what the server writes into it, and what nobody may change.

use jiff::Timestamp;
use rand::{Rng, RngExt};
use serde_json::{Map, Value};

use crate::{
    causes::Causes,
    object::{Meta, size, time, words},
    resource::Resource,
    status::{Result, Status},
};

/// The letters of generated names: no vowels, no digits that look like them, so that no word comes out.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A generated name has at most the length of a DNS label.
const LONGEST_BASE: usize = 63 - 5;

/// `metadata`, made if it is not there.
pub fn metadata(object: &mut Value) -> &mut Map<String, Value> {
    object_in(object, "metadata")
}

/// An object's field that is an object itself, made if it is not one.
pub fn object_in<'a>(parent: &'a mut Value, field: &str) -> &'a mut Map<String, Value> {
    let child = as_object(parent).entry(field).or_insert(Value::Null);
    as_object(child)
}

fn as_object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("it was just made one"),
    }
}

/// A version 4 UUID.
pub fn uid(random: &mut impl Rng) -> String {
    let mut bits: u128 = random.random();
    bits = bits & !(0xf << 76) | 0x4 << 76;
    bits = bits & !(0x3 << 62) | 0x2 << 62;
    let hex = format!("{bits:032x}");
    let (a, b, c, d, e) = (&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    format!("{a}-{b}-{c}-{d}-{e}")
}

/// The base, then five random characters.
pub fn generated_name(base: &str, random: &mut impl Rng) -> String {
    let end = base.char_indices().map(|(at, _)| at).find(|at| *at >= LONGEST_BASE).unwrap_or(base.len());
    let mut name = base[..end].to_owned();
    name.extend((0..5).map(|_| ALPHABET[random.random_range(0..ALPHABET.len())] as char));
    name
}

/// The body's namespace is the path's, or absent: then it is filled in.
///
/// # Errors
/// 400 if it is another one.
pub fn ensure_namespace(object: &mut Value, resource: &Resource, namespace: &str) -> Result<()> {
    if !resource.namespaced {
        // Whoever gives one is not told so.
        metadata(object).remove("namespace");
        return Ok(());
    }
    let own = object.namespace();
    if own.is_empty() && !namespace.is_empty() {
        metadata(object).insert("namespace".into(), namespace.into());
    } else if own != namespace {
        let why = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Status::bad_request(why));
    }
    Ok(())
}

/// The body's name is the path's.
///
/// # Errors
/// 400 if it is not.
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

/// What the sender of a new object does not decide.
pub fn fill_in(object: &mut Value, now: Timestamp, random: &mut impl Rng) {
    let uid = uid(random);
    let metadata = metadata(object);
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields"] {
        metadata.remove(field);
    }
    metadata.insert("uid".into(), uid.into());
    metadata.insert("creationTimestamp".into(), time(now));
}

/// What the sender of a changed object does not decide: it stays as it was.
pub fn keep(object: &mut Value, old: &Value) {
    let old = &old["metadata"];
    let metadata = metadata(object);
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

/// What nobody may change.
pub fn immutable(object: &Value, old: &Value) -> Causes {
    let mut wrong = Causes::default();
    for field in ["uid", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let (new, old) = (&object["metadata"][field], &old["metadata"][field]);
        wrong.immutable(&format!("metadata.{field}"), new, Some(old));
    }
    let had = finalizers(old);
    let added: Vec<&str> = finalizers(object).into_iter().filter(|f| !had.contains(f)).collect();
    if old.is_ending() && !added.is_empty() {
        let list = added.iter().map(|f| format!("{f:?}")).collect::<Vec<_>>().join(", ");
        let why = "no new finalizers can be added if the object is being deleted";
        wrong.forbidden("metadata.finalizers", &format!("{why}, found new finalizers []string{{{list}}}"));
    }
    wrong
}

/// Who has to agree before the object goes.
pub fn finalizers(object: &Value) -> Vec<&str> {
    words(&object["metadata"]["finalizers"]).collect()
}

/// None left: then there is no such field, as in the real server's answers.
pub fn set_finalizers(object: &mut Value, finalizers: Vec<String>) {
    let metadata = metadata(object);
    if finalizers.is_empty() {
        metadata.remove("finalizers");
    } else {
        metadata.insert("finalizers".into(), finalizers.into());
    }
}

/// What etcd takes in one request.
const LARGEST: usize = 3 << 19;

/// A request is bounded; an object that is patched again and again has to be, too.
///
/// # Errors
/// 500: that is how the real server puts it.
pub fn check_size(object: &Value) -> Result<()> {
    if size(object) > LARGEST { Err(Status::new(500, "", "etcdserver: request is too large")) } else { Ok(()) }
}

/// Counts up, where generations are counted.
pub fn bump_generation(object: &mut Value) {
    let metadata = metadata(object);
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
    fn a_base_is_cut_at_a_character() {
        let name = generated_name(&"ä".repeat(60), &mut StdRng::seed_from_u64(0));
        assert!(name.starts_with(&"ä".repeat(29)) && name.len() == 63, "{name}");
    }

    #[test]
    fn a_uid_is_a_random_uuid() {
        let mut random = StdRng::seed_from_u64(1);
        for _ in 0..100 {
            let uid = uid(&mut random);
            let parts: Vec<usize> = uid.split('-').map(str::len).collect();
            assert_eq!((parts.as_slice(), &uid[14..15]), ([8, 4, 4, 4, 12].as_slice(), "4"), "{uid}");
            assert!(matches!(&uid[19..20], "8" | "9" | "a" | "b"), "{uid}");
        }
    }

    #[test]
    fn an_object_has_a_largest_size() {
        assert!(check_size(&json!({ "a": "x".repeat(1_500_000) })).is_ok());
        assert_eq!(check_size(&json!({ "a": "x".repeat(1_600_000) })).unwrap_err().code, 500);
        assert_eq!(check_size(&json!({ "a": vec![""; 800_000] })).unwrap_err().code, 500);
    }
}
