//! Events for tests.

use std::sync::Arc;

use super::{Event, EventType, Resource};

/// Something happened to a pod that a list has brought, so it does not say what it is.
pub fn event(r#type: EventType, name: &str) -> Event {
    of(r#type, &format!(r#"{{"metadata":{{"name":"{name}","namespace":"shop","uid":"u-{name}"}}}}"#))
}

/// Something happened to this pod.
pub fn of(r#type: EventType, json: &str) -> Event {
    let resource = Resource {
        api_version: "v1".into(),
        kind: "Pod".into(),
        name: "pods".into(),
        path: "/api/v1/pods".into(),
        namespaced: true,
    };
    let object = Arc::new(serde_json::from_str(json).expect("an object"));
    Event { r#type, object, resource: Arc::new(resource) }
}
