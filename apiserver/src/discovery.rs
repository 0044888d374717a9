//! What is served, told to clients: `/api`, `/apis`, `/version`.
use serde_json::Value;

use crate::{catalog::Catalog, request::Request};

/// The answer, with its content type, if the path is one of discovery's. Aggregated or not, as the Accept header wants.
pub fn answer(_catalog: &Catalog, _request: &Request) -> Option<(String, Value)> {
    todo!("custom")
}
