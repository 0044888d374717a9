//! Which objects of a collection are meant: `?labelSelector=` and `?fieldSelector=`.
//!
//! Promises:
//! * what the real server refuses is refused, in its words;
//! * matching allocates nothing for labels and for fields that are text: it runs for every object of every list, and
//!   twice (before, after) for every change that a watch sees.

mod fields;
mod labels;

use serde_json::Value;

pub use self::fields::required;
use self::{fields::Fields, labels::Labels};
use crate::{catalog::Resource, request::Query, status::Result};

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
