//! Parses rules from JSON, for the control endpoint. An error names the invalid value and the accepted ones.

use serde_json::Value;

use super::Rule;
use crate::{
    catalog::Catalog,
    status::{Result, Status},
};

/// Parses one rule or a list of rules.
///
/// # Errors
/// 400 for invalid JSON or values, and for a resource or a verb that the rule could never match.
pub fn parse(body: &[u8], catalog: &Catalog) -> Result<Vec<Rule>> {
    const EXAMPLE: &str =
        r#"expected a rule such as {"verb":"watch","resource":"pods","fault":{"WatchCut":{"after":3}}}"#;
    let invalid = |error: serde_json::Error| Status::bad_request(format!("{error}; {EXAMPLE}"));
    let rules = match serde_json::from_slice(body).map_err(invalid)? {
        Value::Array(rules) => rules,
        one => vec![one],
    };
    let parse = |rule: Value| {
        let rule: Rule = serde_json::from_value(rule).map_err(invalid)?;
        check(&rule, catalog).map_err(Status::bad_request)?;
        Ok(rule)
    };
    rules.into_iter().map(parse).collect()
}

/// Checks that the numbers are valid and that the rule can match a request.
fn check(rule: &Rule, catalog: &Catalog) -> Result<(), String> {
    if rule.nth == Some(0) {
        return Err("nth: expected 1 or more, found 0".into());
    }
    if let Some(probability) = rule.probability.filter(|probability| !(0.0..=1.0).contains(probability)) {
        return Err(format!("probability: expected 0 to 1, found {probability}"));
    }
    if let (Some(verb), Some(verbs)) = (rule.verb, rule.fault.verbs())
        && !verbs.contains(&verb)
    {
        let verbs: Vec<&str> = verbs.iter().map(|verb| verb.as_str()).collect();
        return Err(format!("verb {:?}: this fault hits only {}", verb.as_str(), verbs.join(", ")));
    }
    // A resource with a group may belong to a definition that does not exist yet.
    let Some(resource) = rule.resource.as_deref().filter(|resource| !resource.contains('.')) else { return Ok(()) };
    let served: Vec<String> = catalog.all().iter().map(|served| served.id().to_string()).collect();
    if served.iter().any(|served| served == resource) {
        return Ok(());
    }
    Err(format!("resource {resource:?} is not served; expected one of {}, or PLURAL.GROUP", served.join(", ")))
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
        duration.ok_or_else(|| D::Error::custom(format!("{text:?} is not a duration such as 2s, 500ms or 1m 30s")))
    }
}

#[cfg(test)]
mod tests;
