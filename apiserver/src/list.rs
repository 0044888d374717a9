//! List and get: one page, at one revision.
//!
//! Promises:
//! * all pages of a list show the collection at the revision of the first page, whatever is written meanwhile;
//! * after a compaction the next page is refused with 410 and with a token to go on with, at the price of consistency;
//! * a revision that does not exist yet is refused with 504, "too large resource version": a client that has seen it at
//!   another replica must not be shown an older state.

use std::{ops::Bound, sync::Arc};

use crate::{
    continue_token::ContinueToken,
    object::{Key, Object},
    options::{self, At, List},
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
    /// Leads to the next page, if there is one.
    pub next: Option<String>,
    /// How many objects are on the pages after this one; not known with a selector.
    pub remaining: Option<u64>,
}

/// One object. `latest` is the revision that is the latest here: of a replica that lags it is an old one.
pub fn get(state: &State, resource: &Resource, info: &RequestInfo, query: &Query, latest: u64) -> Result<Arc<Object>> {
    if let Some(version) = query.get("resourceVersion") {
        // The real server has no reason for this one, and no better code.
        let invalid = |why| Status::new(500, "", why);
        not_from_the_future(options::revision(version).map_err(invalid)?, latest)?;
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

/// One page of a collection.
pub fn list(state: &State, resource: &Resource, target: &RequestInfo, query: &Query, latest: u64) -> Result<Page> {
    let selector = Selector::parse(resource, query)?;
    let options = List::parse(target, query)?;
    let revision = match options.at {
        At::Latest => latest,
        At::NotOlderThan(version) => {
            not_from_the_future(version, latest)?;
            latest
        }
        At::Exactly(version) => {
            not_from_the_future(version, latest)?;
            version
        }
    };
    let snapshot = state.store.at(&resource.id(), revision).map_err(|compacted| match &options.after {
        Some(after) => {
            let mut status = Status::expired(TOKEN_TOO_OLD);
            status.next = Some(ContinueToken { revision: None, after: after.clone() }.encode(target));
            status
        }
        None => too_old(compacted),
    })?;

    // Within a namespace its objects stand together: from just before the first to the first of another one.
    let first = Key::new(&target.namespace, "");
    let from = match &options.after {
        Some(after) => Bound::Excluded(after),
        None if target.namespace.is_empty() => Bound::Unbounded,
        None => Bound::Included(&first),
    };
    let inside = |key: &Key| target.namespace.is_empty() || key.namespace == target.namespace;
    let mut objects = snapshot.range(from).take_while(|(key, _)| inside(key)).peekable();

    let mut page = Page { revision, items: Vec::new(), next: None, remaining: None };
    let limit = options.limit.unwrap_or(usize::MAX);
    while let Some((key, object)) = objects.next() {
        if selector.matches(object.value()) {
            page.items.push(object.clone());
        }
        // Whether what comes next is selected does not matter: like the real server's, the last page may be empty.
        if page.items.len() == limit && objects.peek().is_some() {
            page.next = Some(ContinueToken { revision: Some(revision), after: key.clone() }.encode(target));
            page.remaining = selector.is_empty().then(|| objects.count() as u64);
            break;
        }
    }
    Ok(page)
}

fn not_from_the_future(version: u64, latest: u64) -> Result<()> {
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

    async fn with(names: &[&str]) -> TestClient {
        let api = TestClient::new();
        for name in names {
            api.create(name, json!({})).await;
        }
        api
    }

    #[tokio::test]
    async fn a_replica_that_lags_shows_an_older_state_and_knows_no_newer_version() {
        let api = with(&["a"]).await;
        let b = api.create("b", json!({})).await;
        api.server.fault(Rule::new(Fault::StaleRead { lag: 1 }));
        assert_eq!(api.get(CONFIG_MAPS).await.names(), ["a"]);
        assert_eq!(api.get(&format!("{CONFIG_MAPS}/b")).await.code, 404);
        let list = api.get(&format!("{CONFIG_MAPS}?resourceVersion={}", b.version())).await;
        assert_eq!(list.reason(), (504, "Timeout"));
    }
}
