//! Strategic merge patch: a merge patch that also merges lists.
//!
//! A JSON merge patch replaces a list as a whole. Most lists in Kubernetes have elements with names (containers, volumes,
//! conditions), and two writers change different elements. A strategic merge patch merges such lists by a key
//! ([`merge_keys`](super::merge_keys)). Directives, fields that start with `$`, express everything else:
//!
//! * `$patch: delete` or `replace` in an object or in an element of a list;
//! * `$deleteFromPrimitiveList/LIST`: strings to remove;
//! * `$setElementOrder/LIST`: the order of the elements in the client's list;
//! * `$retainKeys`: the fields to keep; every other field is removed.
//!
//! `kubectl apply` and `kubectl edit` send these patches. Errors are the real server's: 500 for most invalid directives.

use serde_json::{Map, Value};

use super::merge_keys::{is_replaced, merge_key};
use crate::status::{Result, Status};

const PATCH: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";

/// The location of the patched object; it determines how a list is merged.
#[derive(Clone, Copy)]
pub struct Location<'a> {
    pub kind: &'a str,
    /// The field that contains the object; empty at the top level.
    pub parent: &'a str,
}

type Fields = Map<String, Value>;

/// Merges the patch into an object.
///
/// # Errors
/// 400 or 500 for invalid directives.
pub fn merge(original: &mut Fields, mut patch: Fields, location: Location<'_>) -> Result<()> {
    match patch.remove(PATCH) {
        None => {}
        Some(directive) if directive == "replace" => {
            *original = patch;
            return Ok(());
        }
        Some(directive) if directive == "delete" => {
            original.clear();
            return Ok(());
        }
        Some(directive) => return Err(unknown_directive(&directive)),
    }
    retain_keys(original, &mut patch)?;
    merge_ordered_lists(original, &mut patch, location)?;
    for (field, value) in patch {
        if let Some(list) = field.strip_prefix(DELETE_FROM) {
            if let (Some(Value::Array(elements)), Value::Array(gone)) = (original.get_mut(list), &value) {
                elements.retain(|element| !gone.contains(element));
            }
            continue;
        }
        match (original.get_mut(&field), value) {
            (_, Value::Null) => {
                original.remove(&field);
            }
            (Some(Value::Object(old)), Value::Object(new)) if is_replaced(location.kind, &field) => *old = new,
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new, Location { parent: &field, ..location })?,
            (Some(Value::Array(old)), Value::Array(new)) => merge_list(old, new, &field, location)?,
            (_, value) => match remove_directives(value) {
                Some(value) => drop(original.insert(field, value)),
                None => drop(original.remove(&field)),
            },
        }
    }
    Ok(())
}

/// `$retainKeys` lists every field to keep, including those that the patch sets.
fn retain_keys(original: &mut Fields, patch: &mut Fields) -> Result<()> {
    let invalid = || Status::bad_request("invalid patch format of retainKeys");
    let Some(retained) = patch.remove(RETAIN) else { return Ok(()) };
    let retained = retained.as_array().ok_or_else(invalid)?;
    let is_retained = |field: &str| retained.iter().any(|name| name == field);
    let is_valid = |(field, value): (&String, &Value)| value.is_null() || field.starts_with('$') || is_retained(field);
    if !patch.iter().all(is_valid) {
        return Err(invalid());
    }
    original.retain(|field, _| is_retained(field));
    Ok(())
}

/// `$setElementOrder`: merges these lists and then sorts them.
fn merge_ordered_lists(original: &mut Fields, patch: &mut Fields, location: Location<'_>) -> Result<()> {
    let directives: Vec<String> = patch.keys().filter(|field| field.starts_with(ORDER)).cloned().collect();
    for directive in directives {
        let Some(order) = patch.remove(&directive) else { continue };
        let Value::Array(order) = order else { return Err(not_a_list(&order)) };
        let list = directive.strip_prefix(ORDER).unwrap_or_default();
        let key = merge_key(location.kind, location.parent, list);
        let mut merged = match original.remove(list) {
            None => None,
            Some(Value::Array(elements)) => Some(elements),
            Some(other) => return Err(not_a_list(&other)),
        };
        let before = merged.clone().unwrap_or_default();
        match patch.remove(list) {
            None => {}
            Some(Value::Array(elements)) => {
                check_order(&elements, &order, key.unwrap_or_default())?;
                match &mut merged {
                    Some(merged) => merge_list(merged, elements, list, location)?,
                    None => merged = Some(elements.into_iter().filter_map(remove_directives).collect()),
                }
            }
            Some(other) => return Err(not_a_list(&other)),
        }
        if let Some(merged) = merged {
            let merged = sort_elements(merged, &order, &before, key.unwrap_or_default())?;
            original.insert(list.to_owned(), Value::Array(merged));
        }
    }
    Ok(())
}

/// Checks that the elements of the patch have the order of `$setElementOrder`.
fn check_order(elements: &[Value], order: &[Value], key: &str) -> Result<()> {
    let mut wanted = order.iter();
    if order.is_empty() {
        return Ok(());
    }
    for element in elements.iter().filter(|element| element.get(PATCH).is_none()) {
        let own = merge_key_value(element, key)?;
        if !wanted.any(|other| merge_key_value(other, key).is_ok_and(|other| other == own)) {
            let (patch, order) = (Value::from(elements), Value::from(order));
            let text = format!("The order in patch list:\n{patch}\n doesn't match $setElementOrder list:\n{order}\n");
            return Err(Status::new(500, "", text));
        }
    }
    Ok(())
}

/// Merges or replaces a list, as defined by [`merge_key`].
fn merge_list(old: &mut Vec<Value>, new: Vec<Value>, field: &str, location: Location<'_>) -> Result<()> {
    let Some(key) = merge_key(location.kind, location.parent, field) else {
        *old = new;
        return Ok(());
    };
    let before = old.clone();
    let mut order = Vec::new();
    let mut replace = false;
    for element in new {
        match element.get(PATCH).cloned() {
            None => order.push(element),
            Some(directive) if directive == "delete" => {
                let gone = merge_key_value(&element, key)?;
                old.retain(|element| merge_key_value(element, key).is_ok_and(|own| own != gone));
            }
            Some(directive) if directive == "replace" => replace = true,
            Some(directive) => return Err(unknown_directive(&directive)),
        }
    }
    if replace {
        *old = order;
        return Ok(());
    }
    for element in &order {
        let own = merge_key_value(element, key)?;
        match old.iter_mut().find(|old| merge_key_value(old, key).is_ok_and(|other| other == own)) {
            None => old.extend(remove_directives(element.clone())),
            Some(Value::Object(old)) => {
                let new = element.as_object().cloned().unwrap_or_default();
                merge(old, new, Location { parent: field, ..location })?;
            }
            // A string that is already in the list.
            Some(_) => {}
        }
    }
    *old = sort_elements(std::mem::take(old), &order, &before, key)?;
    Ok(())
}

/// Sorts the elements that `order` names by it; the others keep their previous order and place.
fn sort_elements(elements: Vec<Value>, order: &[Value], before: &[Value], key: &str) -> Result<Vec<Value>> {
    let position = |list: &[Value], element: &Value| -> Option<usize> {
        let own = merge_key_value(element, key).ok()?;
        list.iter().position(|other| merge_key_value(other, key).is_ok_and(|other| other == own))
    };
    for element in &elements {
        merge_key_value(element, key)?;
    }
    let (mut named, mut others): (Vec<Value>, Vec<Value>) =
        elements.into_iter().partition(|element| position(order, element).is_some());
    named.sort_by_key(|element| position(order, element));
    others.sort_by_key(|element| position(before, element));
    // One of the others comes first only if it was before the next named element. A new element had no position.
    let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
    let mut all = Vec::new();
    loop {
        let other_first = match (others.peek(), named.peek()) {
            (None, None) => return Ok(all),
            (other, None) => other.is_some(),
            (None, _) => false,
            (Some(other), Some(named)) => {
                let named = position(before, named);
                named.is_some() && position(before, other) < named
            }
        };
        all.extend(if other_first { others.next() } else { named.next() });
    }
}

/// The value that identifies an element: its merge key, or the element itself if it is a string.
fn merge_key_value<'a>(element: &'a Value, key: &str) -> Result<&'a Value> {
    match element {
        Value::Object(fields) if !key.is_empty() => fields
            .get(key)
            .ok_or_else(|| Status::new(500, "", format!("map: {element} does not contain declared merge key: {key}"))),
        Value::Object(_) | Value::Array(_) => {
            Err(Status::new(500, "", format!("cannot merge lists without merge key: {element}")))
        }
        _ if key.is_empty() => Ok(element),
        _ => Err(Status::new(500, "", format!("list element types are not identical: {element}"))),
    }
}

/// Removes nulls and directives from a new value; None if the value has a `$patch` directive.
fn remove_directives(value: Value) -> Option<Value> {
    Some(match value {
        Value::Object(fields) if fields.contains_key(PATCH) => return None,
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(field, value)| !value.is_null() && !is_directive(field));
            kept.filter_map(|(field, value)| Some((field, remove_directives(value)?))).collect()
        }
        Value::Array(elements) => elements.into_iter().filter_map(remove_directives).collect(),
        other => other,
    })
}

/// Pitfall: not every field that starts with `$` is a directive. Schemas have `$ref`.
fn is_directive(field: &str) -> bool {
    field == RETAIN || field.starts_with(DELETE_FROM) || field.starts_with(ORDER)
}

fn unknown_directive(directive: &Value) -> Status {
    Status::new(500, "", format!("unknown patch type: {}", directive.as_str().unwrap_or("not a text")))
}

fn not_a_list(value: &Value) -> Status {
    Status::new(500, "", format!("expected a []interface {{}}, but received {value}"))
}

#[cfg(test)]
mod tests;
