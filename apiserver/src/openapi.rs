//! `/openapi/v3` and what is below it.
use serde_json::Value;

use crate::{catalog::Catalog, request::Request};

/// The answer, if the path is one of OpenAPI's.
pub fn answer(_catalog: &Catalog, _request: &Request) -> Option<Value> {
    None
}
