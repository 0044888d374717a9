//! Label and field selectors: `?labelSelector=` and `?fieldSelector=`.
//!
//! Promises:
//! * an invalid selector is rejected with the real server's message;
//! * matching labels and string fields allocates nothing: it runs for every object of a list, and twice (before, after) for
//!   every change of a watch.

mod fields;
mod labels;

use serde_json::Value;

use self::{fields::Fields, labels::Labels};
use crate::{
    object::{items, strings, text},
    request::Query,
    resource::Resource,
    status::Result,
};

/// The label and field selector of one request. The default matches everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selector {
    labels: Labels,
    fields: Fields,
}

impl Selector {
    /// Parses both selectors.
    ///
    /// # Errors
    /// 400 for an invalid selector or an unsupported field.
    pub fn parse(resource: &Resource, query: &Query) -> Result<Selector> {
        Ok(Selector {
            labels: Labels::parse(query.get("labelSelector").unwrap_or_default())?,
            fields: Fields::parse(resource, query.get("fieldSelector").unwrap_or_default())?,
        })
    }

    /// Whether it matches everything.
    pub fn is_empty(&self) -> bool {
        *self == Selector::default()
    }

    pub fn matches(&self, object: &Value) -> bool {
        self.labels.matches(object) && self.fields.matches(object)
    }
}

/// The name that a field selector requires; empty if it requires none.
pub fn selected_name(query: &Query) -> &str {
    query.get("fieldSelector").and_then(|text| fields::exact_match(text, "metadata.name")).unwrap_or_default()
}

/// Formats the selector of a spec for `?labelSelector=`, sorted by label: `app=web,tier in (back,front),!old`.
pub fn format_label_selector(selector: &Value) -> String {
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let mut terms: Vec<(&str, String)> =
        labels.map(|(key, value)| (&**key, format!("{key}={}", text(value)))).collect();
    for expression in items(&selector["matchExpressions"]) {
        let key = text(&expression["key"]);
        let mut values: Vec<&str> = strings(&expression["values"]).collect();
        values.sort_unstable();
        let values = values.join(",");
        let term = match text(&expression["operator"]) {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => return "<invalid>".into(),
        };
        terms.push((key, term));
    }
    // A stable sort: terms of one label keep their order.
    terms.sort_by(|a, b| a.0.cmp(b.0));
    terms.into_iter().map(|(_, term)| term).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn formatted_selector_is_sorted_by_label() {
        let all = json!({
            "matchLabels": { "b": "2", "a": "1" },
            "matchExpressions": [
                { "key": "f", "operator": "Exists" },
                { "key": "c", "operator": "In", "values": ["z", "y"] },
                { "key": "d", "operator": "DoesNotExist" },
                { "key": "e", "operator": "NotIn", "values": ["v"] },
                { "key": "b", "operator": "In", "values": ["2"] },
            ],
        });
        assert_eq!(format_label_selector(&all), "a=1,b=2,b in (2),c in (y,z),!d,e notin (v),f");
        assert_eq!(format_label_selector(&Value::Null), "");
        // As in the real server, a duplicate value stays.
        let twice = json!({ "matchExpressions": [{ "key": "a", "operator": "In", "values": ["c", "b", "b"] }] });
        assert_eq!(format_label_selector(&twice), "a in (b,b,c)");
    }
}
