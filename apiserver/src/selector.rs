//! Which objects of a collection are meant: `?labelSelector=` and `?fieldSelector=`.
//!
//! Promises:
//! * what the real server refuses is refused, in its words;
//! * matching allocates nothing for labels and for fields that are text: it runs for every object of every list, and
//!   twice (before, after) for every change that a watch sees.

mod fields;
mod labels;

use serde_json::Value;

use self::{fields::Fields, labels::Labels};
use crate::{
    object::{items, text, words},
    request::Query,
    resource::Resource,
    status::Result,
};

/// Label and field selector of one request. The default matches everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selector {
    labels: Labels,
    fields: Fields,
}

impl Selector {
    /// # Errors
    /// 400 for what is no selector, or a field that this resource cannot be selected by.
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

/// The one name that a field selector lets through. Empty if there may be more.
pub fn selected_name(query: &Query) -> &str {
    query.get("fieldSelector").and_then(|text| fields::required(text, "metadata.name")).unwrap_or_default()
}

/// The selector in a spec as a text, as people write it and as a list takes it: `app=web,tier in (back,front),!old`.
/// Sorted by label.
pub fn as_text(selector: &Value) -> String {
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let mut terms: Vec<(&str, String)> =
        labels.map(|(key, value)| (&**key, format!("{key}={}", text(value)))).collect();
    for expression in items(&selector["matchExpressions"]) {
        let key = text(&expression["key"]);
        let mut values: Vec<&str> = words(&expression["values"]).collect();
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
    // Stable: what is said of one label stays in order.
    terms.sort_by(|a, b| a.0.cmp(b.0));
    terms.into_iter().map(|(_, term)| term).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_selector_is_one_line_sorted_by_label() {
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
        assert_eq!(as_text(&all), "a=1,b=2,b in (2),c in (y,z),!d,e notin (v),f");
        assert_eq!(as_text(&Value::Null), "");
        // A value that stands twice is said twice, as by the real server.
        let twice = json!({ "matchExpressions": [{ "key": "a", "operator": "In", "values": ["c", "b", "b"] }] });
        assert_eq!(as_text(&twice), "a in (b,b,c)");
    }
}
