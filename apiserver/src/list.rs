//! List and get: one page, at one revision.
//!
//! Promises:
//! * all pages of a list show the collection at the revision of the first page, also after later writes;
//! * after a compaction the next page gets 410 and a token to continue an inconsistent list;
//! * a revision that does not exist yet gets 504, "too large resource version". The client may have seen it at another
//!   replica, and must not see an older state.

use std::{ops::Bound, sync::Arc};

use crate::{
    continue_token::ContinueToken,
    object::{Key, Object},
    options::{ListOptions, ResourceVersionMatch, parse_resource_version},
    request::{Query, RequestInfo},
    resource::Resource,
    selector::Selector,
    state::State,
    status::{Result, Status},
    store::Compacted,
};

/// A part of a list, or all of it.
pub struct Page {
    pub revision: u64,
    pub items: Vec<Arc<Object>>,
    /// The continue token of the next page, if there is one.
    pub next: Option<String>,
    /// The number of objects after this page; unknown with a selector.
    pub remaining: Option<u64>,
}

/// Returns one object. `latest` is the latest revision of this replica; with a `StaleRead` fault, an older one.
pub fn get(state: &State, resource: &Resource, info: &RequestInfo, query: &Query, latest: u64) -> Result<Arc<Object>> {
    if let Some(version) = query.get("resourceVersion") {
        // As in the real server: 500 without a reason.
        let invalid = |why| Status::new(500, "", why);
        check_not_too_large(parse_resource_version(version).map_err(invalid)?, latest)?;
    }
    let key = Key::new(&info.namespace, &info.name);
    let found = if latest == state.store.revision() {
        state.store.get(&resource.id(), &key).cloned()
    } else {
        let snapshot = state.store.at(&resource.id(), latest).map_err(too_old)?;
        snapshot
            .range(Bound::Included(&key))
            .next()
            .filter(|(found, _)| **found == key)
            .map(|(_, object)| object.clone())
    };
    found.ok_or_else(|| Status::not_found(&resource.group, &resource.plural, &info.name))
}

/// Returns one page of a collection.
pub fn list(state: &State, resource: &Resource, info: &RequestInfo, query: &Query, latest: u64) -> Result<Page> {
    let selector = Selector::parse(resource, query)?;
    let options = ListOptions::parse(info, query)?;
    let revision = match options.version_match {
        ResourceVersionMatch::Latest => latest,
        ResourceVersionMatch::NotOlderThan(version) => {
            check_not_too_large(version, latest)?;
            latest
        }
        ResourceVersionMatch::Exact(version) => {
            check_not_too_large(version, latest)?;
            version
        }
    };
    let snapshot = state.store.at(&resource.id(), revision).map_err(|compacted| match &options.after {
        Some(after) => {
            let mut status = Status::expired(TOKEN_TOO_OLD);
            status.next = Some(ContinueToken { revision: None, after: after.clone() }.encode(info));
            status
        }
        None => too_old(compacted),
    })?;

    // The objects of a namespace are adjacent in the collection.
    let first = Key::new(&info.namespace, "");
    let from = match &options.after {
        Some(after) => Bound::Excluded(after),
        None if info.namespace.is_empty() => Bound::Unbounded,
        None => Bound::Included(&first),
    };
    let inside = |key: &Key| info.namespace.is_empty() || key.namespace == info.namespace;
    let mut objects = snapshot.range(from).take_while(|(key, _)| inside(key)).peekable();

    let mut page = Page { revision, items: Vec::new(), next: None, remaining: None };
    let limit = options.limit.unwrap_or(usize::MAX);
    while let Some((key, object)) = objects.next() {
        if selector.matches(object.value()) {
            page.items.push(object.clone());
        }
        // The next object may not match the selector. So the last page may be empty, as in the real server.
        if page.items.len() == limit && objects.peek().is_some() {
            page.next = Some(ContinueToken { revision: Some(revision), after: key.clone() }.encode(info));
            page.remaining = selector.is_empty().then(|| objects.count() as u64);
            break;
        }
    }
    Ok(page)
}

fn check_not_too_large(version: u64, latest: u64) -> Result<()> {
    if version > latest { Err(Status::too_large_resource_version(version, latest)) } else { Ok(()) }
}

fn too_old(_: Compacted) -> Status {
    Status::expired("The resourceVersion for the provided list is too old.")
}

const TOKEN_TOO_OLD: &str = "The provided continue parameter is too old to display a consistent list result. You can \
    start a new list without the continue parameter, or use the continue token in this response to retrieve the \
    remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were \
    created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        Fault, Rule,
        testing::{CONFIG_MAPS, TestClient},
    };

    async fn api_with_config_maps(names: &[&str]) -> TestClient {
        let api = TestClient::new();
        for name in names {
            api.create(name, json!({})).await;
        }
        api
    }

    #[tokio::test]
    async fn stale_read_shows_the_state_of_a_lagging_replica() {
        let api = api_with_config_maps(&["a"]).await;
        let b = api.create("b", json!({})).await;
        api.server.fault(Rule::new(Fault::StaleRead { lag: 1 }));
        assert_eq!(api.get(CONFIG_MAPS).await.names(), ["a"]);
        assert_eq!(api.get(&format!("{CONFIG_MAPS}/b")).await.code, 404);
        let list = api.get(&format!("{CONFIG_MAPS}?resourceVersion={}", b.version())).await;
        assert_eq!(list.reason(), (504, "Timeout"));
    }
}
