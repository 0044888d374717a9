//! The parameters of a list or a watch.
//!
//! Promises:
//! * a combination that the real server rejects is rejected with its message, before anything is read;
//! * a watch without a version (or with "0") gets the initial events, as in the real server since 1.34.

use crate::{
    causes::Causes,
    continue_token::ContinueToken,
    object::Key,
    request::{Query, RequestInfo},
    status::{Result, Status},
};

const MATCH: &str = "resourceVersionMatch";

/// The revision that a list requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResourceVersionMatch {
    Latest,
    /// This revision or a newer one.
    NotOlderThan(u64),
    Exact(u64),
}

#[derive(PartialEq, Eq, Debug)]
pub struct ListOptions {
    pub version_match: ResourceVersionMatch,
    /// The maximum number of objects; None: all.
    pub limit: Option<usize>,
    /// Continue after this key.
    pub after: Option<Key>,
}

#[derive(PartialEq, Eq, Debug)]
pub struct WatchOptions {
    /// Changes after this revision. None: from now on.
    pub since: Option<u64>,
    /// Send the existing objects first, as ADDED.
    pub initial_events: bool,
    pub bookmarks: bool,
    /// In seconds. None: the server chooses. Negative: the watch ends at once.
    pub timeout: Option<i64>,
}

impl ListOptions {
    pub fn parse(info: &RequestInfo, query: &Query) -> Result<ListOptions> {
        let limit = query.integer("limit")?.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
        // A list ignores it, but it must be a number.
        query.integer("timeoutSeconds")?;
        let (version, matching) = (query.get("resourceVersion"), query.get("resourceVersionMatch"));
        let token = query.get("continue");
        // Pitfall: the real server reads version 0 from its cache, which has no pages. So it ignores the limit.
        let limit = limit.filter(|_| version != Some("0") || token.is_some());

        let mut causes = Causes::default();
        if let Some(matching) = matching {
            if version.is_none() {
                causes.forbidden(MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided");
            }
            if token.is_some() {
                causes.forbidden(MATCH, "resourceVersionMatch is forbidden when continue is provided");
            }
            if !matches!(matching, "Exact" | "NotOlderThan") {
                causes.one_of(MATCH, matching, &["Exact", "NotOlderThan", ""]);
            }
            if (matching, version) == ("Exact", Some("0")) {
                causes.forbidden(MATCH, r#"resourceVersionMatch "exact" is forbidden for resourceVersion "0""#);
            }
        }
        if query.has("sendInitialEvents") {
            causes.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list");
        }
        causes.into_result("meta.k8s.io", "ListOptions", "")?;

        if let Some(token) = token {
            let token = ContinueToken::parse(token, info)?;
            if version.is_some_and(|version| version != "0") {
                return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
            }
            let version_match = token.revision.map_or(ResourceVersionMatch::Latest, ResourceVersionMatch::Exact);
            return Ok(ListOptions { version_match, limit, after: Some(token.after) });
        }
        let version = match version {
            None => 0,
            Some(text) => parse_resource_version(text)
                .map_err(|why| Status::bad_request(format!("invalid resource version: {why}")))?,
        };
        let version_match = match (version, matching) {
            (0, _) => ResourceVersionMatch::Latest,
            (version, Some("Exact")) => ResourceVersionMatch::Exact(version),
            // Legacy behaviour without resourceVersionMatch: all pages must have the same revision.
            (version, None) if limit.is_some() => ResourceVersionMatch::Exact(version),
            (version, _) => ResourceVersionMatch::NotOlderThan(version),
        };
        Ok(ListOptions { version_match, limit, after: None })
    }
}

impl WatchOptions {
    pub fn parse(query: &Query) -> Result<WatchOptions> {
        query.integer("limit")?;
        let timeout = query.integer("timeoutSeconds")?.filter(|seconds| *seconds != 0);
        let (version, mut matching) = (query.get("resourceVersion"), query.get("resourceVersionMatch"));
        let mut initial_events = query.has("sendInitialEvents").then(|| query.flag("sendInitialEvents"));
        if initial_events.is_none() && matching.is_none() && matches!(version, None | Some("0")) {
            (initial_events, matching) = (Some(true), Some("NotOlderThan"));
        }

        let mut causes = Causes::default();
        if initial_events.is_some() && matching != Some("NotOlderThan") {
            causes.forbidden(MATCH, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
        }
        if let Some(matching) = matching {
            if initial_events.is_none() {
                causes.forbidden(
                    MATCH,
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                );
            }
            if matching != "NotOlderThan" {
                causes.one_of(MATCH, matching, &["NotOlderThan"]);
            }
            if query.get("continue").is_some() {
                causes.forbidden(MATCH, "resourceVersionMatch is forbidden when continue is provided");
            }
        }
        causes.into_result("meta.k8s.io", "ListOptions", "")?;

        let since = match version {
            None => 0,
            // As in the real server: 500 without a reason.
            Some(text) => parse_resource_version(text).map_err(|why| Status::new(500, "", why))?,
        };
        Ok(WatchOptions {
            since: Some(since).filter(|since| *since > 0),
            initial_events: initial_events.unwrap_or(false),
            bookmarks: query.flag("allowWatchBookmarks"),
            timeout,
        })
    }
}

/// Parses a resourceVersion of a client, with Go's error message.
pub fn parse_resource_version(text: &str) -> Result<u64, String> {
    let is_number = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).ok_or_else(|| {
        let why = if is_number { "value out of range" } else { "invalid syntax" };
        format!("resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: {why}")
    })
}
