//! What follows for one request.

use std::time::Duration;

use serde_json::json;

use super::Fault;
use crate::{causes::Causes, status::Status};

/// What is to go wrong with one request. Everything absent goes right. In the order in which it happens.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Plan {
    /// Wait so long before anything else.
    pub delay: Option<Duration>,
    /// Compact the store.
    pub compact: bool,
    /// Hang up without an answer, having done nothing.
    pub reset_before: bool,
    /// Answer this, having done nothing.
    pub refuse: Option<Status>,
    /// Answer reads as of so many revisions ago.
    pub lag: u64,
    /// The object of this name reaches the client as something that it cannot decode. Empty: every object.
    pub undecodable: Option<String>,
    /// What becomes of a watch.
    pub watch: WatchPlan,
    /// Do it, then hang up without an answer.
    pub reset_after: bool,
}

/// What is to go wrong with a watch. Lines are counted: events, bookmarks too.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct WatchPlan {
    /// End it, properly, after so many lines.
    pub end_after: Option<u64>,
    /// Hang up between two lines, after so many.
    pub cut_after: Option<u64>,
    /// Hang up in the middle of the line that follows so many.
    pub cut_in_line_after: Option<u64>,
    /// Say nothing more after so many lines, and do not end either.
    pub silent_after: Option<u64>,
}

impl Plan {
    /// One more fault. Where two say what to do about the same thing, the first rule counts; delays add up.
    pub(super) fn add(&mut self, fault: &Fault) {
        let watch = &mut self.watch;
        match fault {
            Fault::Delay { duration } => self.delay = Some(self.delay.unwrap_or_default().saturating_add(*duration)),
            Fault::Compact => self.compact = true,
            Fault::ResetBefore => self.reset_before = true,
            Fault::ResetAfter => self.reset_after = true,
            Fault::StaleRead { lag } => self.lag = self.lag.max(*lag),
            Fault::Undecodable { name } => {
                self.undecodable.get_or_insert(name.clone().unwrap_or_default());
            }
            Fault::EmptyWatch => first(&mut watch.end_after, 0),
            Fault::WatchEnd { after } => first(&mut watch.end_after, *after),
            Fault::WatchCut { after } => first(&mut watch.cut_after, *after),
            Fault::WatchCutInLine { after } => first(&mut watch.cut_in_line_after, *after),
            Fault::WatchSilent { after } => first(&mut watch.silent_after, *after),
            Fault::TooManyRequests { .. }
            | Fault::InternalError
            | Fault::ServiceUnavailable
            | Fault::StreamingListRefused
            | Fault::GoneOnOpen => {
                self.refuse.get_or_insert_with(|| refusal(fault));
            }
        }
    }
}

fn first(slot: &mut Option<u64>, after: u64) {
    slot.get_or_insert(after);
}

/// The answer to a request that is refused, as a real server words it.
fn refusal(fault: &Fault) -> Status {
    match fault {
        Fault::TooManyRequests { retry_after } => {
            let mut status = Status::new(429, "TooManyRequests", "Too many requests, please try again later.");
            status.details = json!({});
            status.retry_after = Some(*retry_after);
            status
        }
        Fault::ServiceUnavailable => {
            Status::new(503, "ServiceUnavailable", "the server is currently unable to handle the request")
        }
        Fault::StreamingListRefused => {
            let why = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
            let mut wrong = Causes::default();
            wrong.forbidden("sendInitialEvents", why);
            Status::invalid("meta.k8s.io", "ListOptions", "", &wrong.0)
        }
        Fault::GoneOnOpen => Status::expired("The resourceVersion for the provided watch is too old."),
        _ => {
            let mut status =
                Status::new(500, "InternalError", "Internal error occurred: etcdserver: request timed out");
            status.details = json!({ "causes": [{ "message": "etcdserver: request timed out" }] });
            status
        }
    }
}
