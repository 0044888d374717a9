//! Strategic merge patch: a merge patch that knows which lists are sets.
//!
//! A JSON merge patch can only replace a list. In Kubernetes most lists are sets of things with names (containers,
//! volumes, conditions), and two writers want to change different ones: so this patch merges them by their names
//! ([`merge_keys`](super::merge_keys)). What it cannot say with values it says with directives, fields that start with `$`:
//!
//! * `$patch: delete` or `replace` in an object, or in an element of a list;
//! * `$deleteFromPrimitiveList/LIST`: texts to take out;
//! * `$setElementOrder/LIST`: the order that the sender's elements are to have;
//! * `$retainKeys`: the fields that stay; every other one goes.
//!
//! `kubectl apply` and `kubectl edit` send these. Errors are the real server's, which answers 500 to most nonsense.

use serde_json::{Map, Value};

use super::merge_keys::{is_replaced, merge_key};
use crate::status::{Result, Status};

const PATCH: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";

/// Where we are: that decides how a list is merged.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub kind: &'a str,
    /// The field that holds the object; empty for the whole object.
    pub within: &'a str,
}

type Fields = Map<String, Value>;

/// Applies the patch.
///
/// # Errors
/// 400 or 500 for directives that make no sense.
pub fn merge(original: &mut Fields, mut patch: Fields, place: Place<'_>) -> Result<()> {
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
        Some(directive) => return Err(unknown(&directive)),
    }
    retain_keys(original, &mut patch)?;
    set_orders(original, &mut patch, place)?;
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
            (Some(Value::Object(old)), Value::Object(new)) if is_replaced(place.kind, &field) => *old = new,
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new, Place { within: &field, ..place })?,
            (Some(Value::Array(old)), Value::Array(new)) => merge_list(old, new, &field, place)?,
            (_, value) => match without_directives(value) {
                Some(value) => drop(original.insert(field, value)),
                None => drop(original.remove(&field)),
            },
        }
    }
    Ok(())
}

/// `$retainKeys`: the patch names every field that is to be there, its own included.
fn retain_keys(original: &mut Fields, patch: &mut Fields) -> Result<()> {
    let wrong = || Status::bad_request("invalid patch format of retainKeys");
    let Some(retained) = patch.remove(RETAIN) else { return Ok(()) };
    let retained = retained.as_array().ok_or_else(wrong)?;
    let stays = |field: &str| retained.iter().any(|name| name == field);
    let is_own = |(field, value): (&String, &Value)| value.is_null() || field.starts_with('$') || stays(field);
    if !patch.iter().all(is_own) {
        return Err(wrong());
    }
    original.retain(|field, _| stays(field));
    Ok(())
}

/// `$setElementOrder`: merges those lists, and then puts them in order.
fn set_orders(original: &mut Fields, patch: &mut Fields, place: Place<'_>) -> Result<()> {
    let directives: Vec<String> = patch.keys().filter(|field| field.starts_with(ORDER)).cloned().collect();
    for directive in directives {
        let Some(order) = patch.remove(&directive) else { continue };
        let Value::Array(order) = order else { return Err(not_a_list(&order)) };
        let list = directive.strip_prefix(ORDER).unwrap_or_default();
        let key = merge_key(place.kind, place.within, list);
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
                    Some(merged) => merge_list(merged, elements, list, place)?,
                    None => merged = Some(elements.into_iter().filter_map(without_directives).collect()),
                }
            }
            Some(other) => return Err(not_a_list(&other)),
        }
        if let Some(merged) = merged {
            let merged = in_order(merged, &order, &before, key.unwrap_or_default())?;
            original.insert(list.to_owned(), Value::Array(merged));
        }
    }
    Ok(())
}

/// The elements of the patch have to stand in the order that it asks for.
fn check_order(elements: &[Value], order: &[Value], key: &str) -> Result<()> {
    let mut wanted = order.iter();
    if order.is_empty() {
        return Ok(());
    }
    for element in elements.iter().filter(|element| element.get(PATCH).is_none()) {
        let own = identity(element, key)?;
        if !wanted.any(|other| identity(other, key).is_ok_and(|other| other == own)) {
            let (patch, order) = (Value::from(elements), Value::from(order));
            let text = format!("The order in patch list:\n{patch}\n doesn't match $setElementOrder list:\n{order}\n");
            return Err(Status::new(500, "", text));
        }
    }
    Ok(())
}

/// Merges, or replaces, as the table says.
fn merge_list(old: &mut Vec<Value>, new: Vec<Value>, field: &str, place: Place<'_>) -> Result<()> {
    let Some(key) = merge_key(place.kind, place.within, field) else {
        *old = new;
        return Ok(());
    };
    let before = old.clone();
    let mut order = Vec::new();
    let mut replaced = None;
    for element in new {
        match element.get(PATCH).cloned() {
            None => order.push(element),
            Some(directive) if directive == "delete" => {
                let gone = identity(&element, key)?;
                old.retain(|element| identity(element, key).is_ok_and(|own| own != gone));
            }
            Some(directive) if directive == "replace" => replaced = Some(()),
            Some(directive) => return Err(unknown(&directive)),
        }
    }
    if replaced.is_some() {
        *old = order;
        return Ok(());
    }
    for element in &order {
        let own = identity(element, key)?;
        match old.iter_mut().find(|old| identity(old, key).is_ok_and(|other| other == own)) {
            None => old.extend(without_directives(element.clone())),
            Some(Value::Object(old)) => {
                let new = element.as_object().cloned().unwrap_or_default();
                merge(old, new, Place { within: field, ..place })?;
            }
            // A text that is there already.
            Some(_) => {}
        }
    }
    *old = in_order(std::mem::take(old), &order, &before, key)?;
    Ok(())
}

/// What `order` names, in that order, among the others, which keep the order they had.
fn in_order(elements: Vec<Value>, order: &[Value], before: &[Value], key: &str) -> Result<Vec<Value>> {
    let position = |list: &[Value], element: &Value| -> Option<usize> {
        let own = identity(element, key).ok()?;
        list.iter().position(|other| identity(other, key).is_ok_and(|other| other == own))
    };
    for element in &elements {
        identity(element, key)?;
    }
    let (mut named, mut others): (Vec<Value>, Vec<Value>) =
        elements.into_iter().partition(|element| position(order, element).is_some());
    named.sort_by_key(|element| position(order, element));
    others.sort_by_key(|element| position(before, element));
    // One of the others goes first only where it stood before the next of the named: a new one is before all of them.
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

/// What an element is told apart by: its key, or itself if it is a text.
fn identity<'a>(element: &'a Value, key: &str) -> Result<&'a Value> {
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

/// Something new is taken as it is, without nulls and directives; None if it says that it is to be deleted.
fn without_directives(value: Value) -> Option<Value> {
    Some(match value {
        Value::Object(fields) if fields.contains_key(PATCH) => return None,
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(field, value)| !value.is_null() && !is_directive(field));
            kept.filter_map(|(field, value)| Some((field, without_directives(value)?))).collect()
        }
        Value::Array(elements) => elements.into_iter().filter_map(without_directives).collect(),
        other => other,
    })
}

/// Pitfall: not every field that starts with `$` is one: `$ref` stands in schemas.
fn is_directive(field: &str) -> bool {
    field == RETAIN || field.starts_with(DELETE_FROM) || field.starts_with(ORDER)
}

fn unknown(directive: &Value) -> Status {
    Status::new(500, "", format!("unknown patch type: {}", directive.as_str().unwrap_or("not a text")))
}

fn not_a_list(value: &Value) -> Status {
    Status::new(500, "", format!("expected a []interface {{}}, but received {value}"))
}

#[cfg(test)]
mod tests;
