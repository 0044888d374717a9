//! Which objects of a collection are meant.
use serde_json::Value;

use crate::{catalog::Resource, request::Query, status::Result};

/// Label and field selector of one request.
#[derive(Clone, Debug, Default)]
pub struct Selector;

impl Selector {
    /// # Errors
    /// 400 for what is no selector, or a field that this resource cannot be selected by.
    pub fn parse(_resource: &Resource, _query: &Query) -> Result<Selector> {
        todo!("types")
    }

    pub fn matches(&self, _object: &Value) -> bool {
        todo!("types")
    }
}
