//! Tables, as `kubectl get` asks for them.
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{catalog::Resource, object::Meta};

/// `columnDefinitions`.
pub fn columns(_resource: &Resource) -> Value {
    json!([
        { "name": "Name", "type": "string", "format": "name", "description": "", "priority": 0 },
        { "name": "Age", "type": "string", "format": "", "description": "", "priority": 0 },
    ])
}

/// `cells`.
pub fn cells(_resource: &Resource, object: &Value, now: Timestamp) -> Value {
    let age = match object.meta("creationTimestamp").parse::<Timestamp>() {
        Ok(created) => format!("{}s", now.duration_since(created).as_secs()),
        Err(_) => "<unknown>".into(),
    };
    json!([object.name(), age])
}
