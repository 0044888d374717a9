//! The parameters of a list or a watch, as the real server understands them.
//!
//! Promises:
//! * whatever it refuses is refused, in its words and before anything is read;
//! * a watch without a version (or with "0") is one that asks for the initial events: the two are one thing since 1.34.

use crate::{
    causes::Causes,
    continue_token::ContinueToken,
    object::Key,
    request::{Query, RequestInfo},
    status::{Result, Status},
};

/// The parameter that says how a version is meant.
const MATCH: &str = "resourceVersionMatch";

/// Which revision a list is to be of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum At {
    /// The latest.
    Latest,
    /// Any that is not older; the latest will do.
    NotOlderThan(u64),
    /// This one and no other.
    Exactly(u64),
}

/// A list.
#[derive(PartialEq, Eq, Debug)]
pub struct List {
    pub at: At,
    /// At most so many objects; None: all.
    pub limit: Option<usize>,
    /// Go on after this key.
    pub after: Option<Key>,
}

/// A watch.
#[derive(PartialEq, Eq, Debug)]
pub struct Watch {
    /// Changes after this revision. None: from now on.
    pub since: Option<u64>,
    /// First all that is there now, as ADDED.
    pub initial_events: bool,
    pub bookmarks: bool,
    /// None: as the server likes. Negative: over at once.
    pub seconds: Option<i64>,
}

impl List {
    pub fn parse(target: &RequestInfo, query: &Query) -> Result<List> {
        let limit = query.integer("limit")?.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
        // Without a meaning for a list, but it has to be a number.
        query.integer("timeoutSeconds")?;
        let (version, matching) = (query.get("resourceVersion"), query.get("resourceVersionMatch"));
        let token = query.get("continue");
        // Pitfall: "any version will do" is answered from the real server's cache, and that knows no pages. A client that
        // asks for version 0 and for pages gets all at once.
        let limit = limit.filter(|_| version != Some("0") || token.is_some());

        let mut wrong = Causes::default();
        if let Some(matching) = matching {
            if version.is_none() {
                wrong.forbidden(MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided");
            }
            if token.is_some() {
                wrong.forbidden(MATCH, "resourceVersionMatch is forbidden when continue is provided");
            }
            if !matches!(matching, "Exact" | "NotOlderThan") {
                wrong.one_of(MATCH, matching, &["Exact", "NotOlderThan", ""]);
            }
            if (matching, version) == ("Exact", Some("0")) {
                wrong.forbidden(MATCH, r#"resourceVersionMatch "exact" is forbidden for resourceVersion "0""#);
            }
        }
        if query.has("sendInitialEvents") {
            wrong.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list");
        }
        wrong.refuse("meta.k8s.io", "ListOptions", "")?;

        if let Some(token) = token {
            let token = ContinueToken::parse(token, target)?;
            if version.is_some_and(|version| version != "0") {
                return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
            }
            let at = token.revision.map_or(At::Latest, At::Exactly);
            return Ok(List { at, limit, after: Some(token.after) });
        }
        let version = match version {
            None => 0,
            Some(text) => {
                revision(text).map_err(|why| Status::bad_request(format!("invalid resource version: {why}")))?
            }
        };
        let at = match (version, matching) {
            (0, _) => At::Latest,
            (version, Some("Exact")) => At::Exactly(version),
            // From before resourceVersionMatch: a limit wants pages, and pages want one revision.
            (version, None) if limit.is_some() => At::Exactly(version),
            (version, _) => At::NotOlderThan(version),
        };
        Ok(List { at, limit, after: None })
    }
}

impl Watch {
    pub fn parse(query: &Query) -> Result<Watch> {
        query.integer("limit")?;
        let seconds = query.integer("timeoutSeconds")?.filter(|seconds| *seconds != 0);
        let (version, mut matching) = (query.get("resourceVersion"), query.get("resourceVersionMatch"));
        let mut initial_events = query.has("sendInitialEvents").then(|| query.flag("sendInitialEvents"));
        if initial_events.is_none() && matching.is_none() && matches!(version, None | Some("0")) {
            (initial_events, matching) = (Some(true), Some("NotOlderThan"));
        }

        let mut wrong = Causes::default();
        if initial_events.is_some() && matching != Some("NotOlderThan") {
            wrong.forbidden(MATCH, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
        }
        if let Some(matching) = matching {
            if initial_events.is_none() {
                wrong.forbidden(
                    MATCH,
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                );
            }
            if matching != "NotOlderThan" {
                wrong.one_of(MATCH, matching, &["NotOlderThan"]);
            }
            if query.get("continue").is_some() {
                wrong.forbidden(MATCH, "resourceVersionMatch is forbidden when continue is provided");
            }
        }
        wrong.refuse("meta.k8s.io", "ListOptions", "")?;

        let since = match version {
            None => 0,
            // The real server has no reason for this one, and no better code.
            Some(text) => revision(text).map_err(|why| Status::new(500, "", why))?,
        };
        Ok(Watch {
            since: Some(since).filter(|since| *since > 0),
            initial_events: initial_events.unwrap_or(false),
            bookmarks: query.flag("allowWatchBookmarks"),
            seconds,
        })
    }
}

/// A version that a client gave.
pub fn revision(text: &str) -> Result<u64, String> {
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| plain).ok_or_else(|| {
        let why = if plain { "value out of range" } else { "invalid syntax" };
        format!("resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: {why}")
    })
}
