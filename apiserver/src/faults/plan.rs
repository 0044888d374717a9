//! The faults of one request.

use std::time::Duration;

use serde_json::json;

use super::Fault;
use crate::{causes::Causes, status::Status};

/// The faults of one request, in the order in which they are applied.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Plan {
    /// Wait this long first.
    pub delay: Option<Duration>,
    /// Compact the store.
    pub compact: bool,
    /// Close the connection without handling the request.
    pub reset_before: bool,
    /// Return this error without handling the request.
    pub error: Option<Status>,
    /// Reads return the state of this many revisions ago.
    pub lag: u64,
    /// Make the object of this name undecodable. Empty: every object.
    pub undecodable: Option<String>,
    pub watch: WatchPlan,
    /// Handle the request, then close the connection without a response.
    pub reset_after: bool,
}

/// The faults of a watch. Each field is a number of lines: events and bookmarks.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct WatchPlan {
    /// End the watch normally.
    pub end_after: Option<u64>,
    /// Close the connection between two lines.
    pub cut_after: Option<u64>,
    /// Close the connection in the middle of the next line.
    pub cut_in_line_after: Option<u64>,
    /// Send nothing more, but keep the watch open.
    pub silent_after: Option<u64>,
}

impl Plan {
    /// Adds a fault. Of two that set the same field, the first counts; delays add up, and the largest lag counts.
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
            Fault::EmptyWatch => set_once(&mut watch.end_after, 0),
            Fault::WatchEnd { after } => set_once(&mut watch.end_after, *after),
            Fault::WatchCut { after } => set_once(&mut watch.cut_after, *after),
            Fault::WatchCutInLine { after } => set_once(&mut watch.cut_in_line_after, *after),
            Fault::WatchSilent { after } => set_once(&mut watch.silent_after, *after),
            Fault::TooManyRequests { .. }
            | Fault::InternalError
            | Fault::ServiceUnavailable
            | Fault::StreamingListRefused
            | Fault::GoneOnOpen => {
                self.error.get_or_insert_with(|| error_status(fault));
            }
        }
    }
}

fn set_once(field: &mut Option<u64>, after: u64) {
    field.get_or_insert(after);
}

/// The error of the real server for this fault.
fn error_status(fault: &Fault) -> Status {
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
            let mut causes = Causes::default();
            causes.forbidden("sendInitialEvents", why);
            Status::invalid("meta.k8s.io", "ListOptions", "", &causes.0)
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
