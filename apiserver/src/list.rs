//! List and get: one page, at one revision.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;

use crate::{
    body::Body,
    catalog::Resource,
    object::{Key, Object},
    request::{Query, Target},
    selector::Selector,
    state::State,
    status::{Result, Status},
};

/// One object, as it is now.
pub fn get(state: &State, resource: &Resource, target: &Target) -> Result<Arc<Object>> {
    let key = Key::new(&target.namespace, &target.name);
    let object = state.store.get(&resource.id(), &key).cloned();
    object.ok_or_else(|| Status::not_found(&resource.group, &resource.plural, &target.name))
}

/// A collection, as it is now.
pub fn list(state: &State, resource: &Resource, target: &Target, query: &Query) -> Result<Body> {
    let selector = Selector::parse(resource, query)?;
    let mut pieces = VecDeque::new();
    let head = format!(
        r#"{{"kind":"{}","apiVersion":"{}","metadata":{{"resourceVersion":"{}"}},"items":["#,
        resource.list_kind,
        resource.api_version(),
        state.store.revision()
    );
    pieces.push_back(Bytes::from(head));
    let mut separator: &'static str = "";
    for (key, object) in state.store.collection(&resource.id()).into_iter().flatten() {
        if (target.namespace.is_empty() || key.namespace == target.namespace) && selector.matches(object.value()) {
            pieces.push_back(Bytes::from_static(separator.as_bytes()));
            pieces.push_back(object.json());
            separator = ",";
        }
    }
    pieces.push_back(Bytes::from_static(b"]}"));
    Ok(Body::Pieces(pieces))
}
