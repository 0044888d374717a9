//! Rules as JSON, for the control endpoint. What is wrong is named, together with what is accepted.

use serde_json::Value;

use super::{Fault, Rule};
use crate::{
    catalog::Catalog,
    status::{Result, Status},
};

/// The fields of a rule.
const FIELDS: &[&str] =
    &["fault", "user", "verb", "resource", "subresource", "namespace", "name", "nth", "times", "probability"];

/// Each fault as it is written, in the order of the README's table.
const FAULTS: &[&str] = &[
    r#"{"Delay":{"duration":"2s"}}"#,
    r#"{"TooManyRequests":{"retryAfter":"1s"}}"#,
    r#""InternalError""#,
    r#""ServiceUnavailable""#,
    r#""ResetBefore""#,
    r#""ResetAfter""#,
    r#""Compact""#,
    r#"{"StaleRead":{"lag":3}}"#,
    r#"{"Undecodable":{}}"#,
    r#""StreamingListRefused""#,
    r#""GoneOnOpen""#,
    r#""EmptyWatch""#,
    r#"{"WatchEnd":{"after":3}}"#,
    r#"{"WatchCut":{"after":3}}"#,
    r#"{"WatchCutInLine":{"after":3}}"#,
    r#"{"WatchSilent":{"after":3}}"#,
];

/// One rule, or a list of rules. `catalog` is what is served now.
///
/// # Errors
/// 400 that names what is wrong: as well a resource that is not served, or a verb that the fault cannot happen to, since
/// nobody would find out why nothing happens. Users, names and subresources may be any: they are the requests' to choose.
pub fn parse(body: &[u8], catalog: &Catalog) -> Result<Vec<Rule>> {
    let rule = |value: Value| {
        let rule = rule(value)?;
        can_match(&rule, catalog).map(|()| rule)
    };
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| Status::bad_request(format!("expected a rule as JSON, such as {}: {error}", example())))?;
    match value {
        Value::Array(rules) => rules.into_iter().map(rule).collect(),
        one => Ok(vec![rule(one)?]),
    }
}

fn example() -> String {
    format!(r#"{{"verb":"watch","resource":"pods","fault":{}}}"#, FAULTS[13])
}

fn rule(value: Value) -> Result<Rule> {
    let wrong = |what: String| Err(Status::bad_request(what));
    let Some(object) = value.as_object() else {
        return wrong(format!("expected a rule, such as {}, found {value}", example()));
    };
    for field in object.keys() {
        if !FIELDS.contains(&field.as_str()) {
            return wrong(format!("unknown field {field:?}{}; expected {}", nearest(field, FIELDS), FIELDS.join(", ")));
        }
    }
    let Some(fault) = object.get("fault") else {
        return wrong(format!("a rule needs a fault; expected one of {}", FAULTS.join(", ")));
    };
    check_fault(fault)?;
    let rule: Rule = match serde_json::from_value(value) {
        Ok(rule) => rule,
        Err(error) => return wrong(format!("{error}; expected a rule such as {}", example())),
    };
    if rule.nth == Some(0) {
        return wrong("nth: expected 1 or more, found 0".into());
    }
    if let Some(probability) = rule.probability
        && !(0.0..=1.0).contains(&probability)
    {
        return wrong(format!("probability: expected 0 to 1, found {probability}"));
    }
    Ok(rule)
}

/// Whether its fault can happen to its verb, and its resource is one that is served, or may be.
fn can_match(rule: &Rule, catalog: &Catalog) -> Result<()> {
    if let (Some(verb), Some(verbs)) = (rule.verb, rule.fault.verbs())
        && !verbs.contains(&verb)
    {
        let verbs: Vec<&str> = verbs.iter().map(|verb| verb.as_str()).collect();
        let (verb, verbs) = (verb.as_str(), verbs.join(", "));
        return Err(Status::bad_request(format!("verb {verb:?}: this fault can happen to {verbs} only")));
    }
    // What a definition serves has a group, so that it is known for what it is before it is there.
    let Some(resource) = rule.resource.as_deref().filter(|resource| !resource.contains('.')) else { return Ok(()) };
    let mut served: Vec<String> = catalog.all().iter().map(|served| served.id().to_string()).collect();
    served.sort_unstable();
    served.dedup();
    if served.iter().any(|served| served == resource) {
        return Ok(());
    }
    let names: Vec<&str> = served.iter().map(String::as_str).collect();
    let near = nearest(resource, &names);
    let message = format!("resource {resource:?} is not served{near}; expected one of {}, or", names.join(", "));
    Err(Status::bad_request(format!("{message} PLURAL.GROUP of a definition that is yet to come")))
}

/// A better answer than the one that decoding would give.
fn check_fault(fault: &Value) -> Result<()> {
    let name = match fault {
        Value::String(name) => name,
        Value::Object(fields) if fields.len() == 1 => fields.keys().next().map_or("", |name| name),
        other => {
            return Err(Status::bad_request(format!("fault: expected one of {}, found {other}", FAULTS.join(", "))));
        }
    };
    let names: Vec<&str> = FAULTS.iter().filter_map(|one| one.split('"').nth(1)).collect();
    let Some(at) = names.iter().position(|known| *known == name) else {
        let known = FAULTS.join(", ");
        return Err(Status::bad_request(format!(
            "unknown fault {name:?}{}; expected one of {known}",
            nearest(name, &names)
        )));
    };
    match serde_json::from_value::<Fault>(fault.clone()) {
        Ok(_) => Ok(()),
        Err(error) => Err(Status::bad_request(format!("fault {name}: {error}; expected {}", FAULTS[at]))),
    }
}

/// `, did you mean "…"?`, or nothing if nothing is near.
fn nearest(word: &str, known: &[&str]) -> String {
    let near = known.iter().map(|known| (distance(word, known), known)).min().filter(|(distance, _)| *distance <= 3);
    near.map(|(_, known)| format!(", did you mean {known:?}?")).unwrap_or_default()
}

/// So many letters have to be put in, taken away or changed; case does not matter.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    // Bounded: a name is no longer than a request's body, and what is far too long is not near.
    for (i, x) in a.bytes().take(100).enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let changed = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(corner + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

/// `2s`, `500ms`, `1m 30s`.
pub mod duration {
    use std::time::Duration;

    use jiff::SignedDuration;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer
            .collect_str(&format_args!("{:#}", SignedDuration::try_from(*duration).unwrap_or(SignedDuration::MAX)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        let duration = text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
        duration.ok_or_else(|| D::Error::custom(format!("{text:?} is no duration such as 2s, 500ms or 1m 30s")))
    }
}

#[cfg(test)]
mod tests;
