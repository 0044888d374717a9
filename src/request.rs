//! Requests to the API server: their time limit, and one type for every failure.
//!
//! A caller has two questions about a failure. Is the object at fault, or is the API server unavailable? Did the server
//! request a pause (`Retry-After`)?

use std::{error::Error as StdError, fmt, future::Future, time::Duration};

use daemon::{error_chain, leader::NotSent};
use kube::core::Status;

mod get;
pub(crate) mod protobuf;

pub use get::{JSON, PROTOBUF, get, read_body};

/// Time limit for a request, except the body of a list or a watch.
///
/// Without it a dead connection blocks its caller forever: the client has no read timeout, which would end each watch.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Time limit for the body of one page of a list: the default of kube-apiserver's `--request-timeout`.
pub const PAGE_TIMEOUT: Duration = Duration::from_secs(60);

/// A request that failed.
#[derive(Clone, Debug)]
pub enum Failure {
    /// No connection, or it broke: refused, reset, no such host, certificate not trusted. The text has every cause.
    Connection(String),
    /// No response within this time.
    Timeout(Duration),
    /// The server responded with an error.
    Status {
        /// The response.
        status: Box<Status>,
        /// The pause that the server requests (`Retry-After`, or `details.retryAfterSeconds`).
        retry_after: Option<Duration>,
    },
    /// The response does not decode.
    Malformed(String),
    /// Blocked before it was sent: this process does not lead.
    NotSent(NotSent),
}

impl Failure {
    /// Wraps the Status of a response body or of a watch's `ERROR` line. `header` is the `Retry-After` header, if any.
    pub fn from_status(status: Status, header: Option<Duration>) -> Self {
        let asked = status.details.as_ref().map(|d| u64::from(d.retry_after_seconds)).filter(|s| *s > 0);
        Failure::Status { retry_after: header.or(asked.map(Duration::from_secs)), status: Box::new(status) }
    }

    /// The HTTP status code, if the server responded.
    pub fn code(&self) -> Option<u16> {
        match self {
            Failure::Status { status, .. } => Some(status.code),
            _ => None,
        }
    }

    /// The pause that the server requests. The caller limits it.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Failure::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the server no longer knows the requested version: 410 (`Expired`, or `Gone` from older servers).
    pub fn is_expired(&self) -> bool {
        self.code() == Some(410) || matches!(self.reason(), "Expired" | "Gone")
    }

    /// Whether the server does not have the requested version yet: it lags, or was restored from a backup.
    ///
    /// Kubernetes before 1.17 has only a message for it.
    pub fn is_version_too_large(&self) -> bool {
        let Failure::Status { status, .. } = self else { return false };
        let caused =
            |d: &kube::core::response::StatusDetails| d.causes.iter().any(|c| c.reason == "ResourceVersionTooLarge");
        status.details.as_ref().is_some_and(caused)
            || (status.reason == "Timeout" && status.message.contains("Too large resource version"))
    }

    /// Whether the namespace is being deleted, so that no object can be created in it. This is not an error to report.
    pub fn is_namespace_terminating(&self) -> bool {
        let Failure::Status { status, .. } = self else { return false };
        status.code == 403
            && status.details.as_ref().is_some_and(|d| d.causes.iter().any(|c| c.reason == "NamespaceTerminating"))
    }

    /// Whether the object is not at fault: retry without a limit.
    ///
    /// 409 is included: another writer was faster, and the next reconcile reads the new version.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Failure::Connection(_) | Failure::Timeout(_) | Failure::NotSent(_) => true,
            Failure::Status { status, .. } => matches!(status.code, 401 | 409 | 429 | 503 | 504),
            Failure::Malformed(_) => false,
        }
    }

    /// The label `reason` in the metrics: one of a fixed list.
    pub fn label(&self) -> &'static str {
        match self {
            Failure::Connection(_) => "connection",
            Failure::Timeout(_) => "timeout",
            Failure::Malformed(_) => "malformed",
            Failure::NotSent(_) => "not_sent",
            Failure::Status { status, .. } => match status.code {
                401 => "unauthorized",
                403 => "forbidden",
                404 => "not_found",
                409 => "conflict",
                410 => "expired",
                422 => "invalid",
                429 => "too_many_requests",
                400..=499 => "client_error",
                _ => "server_error",
            },
        }
    }

    fn reason(&self) -> &str {
        match self {
            Failure::Status { status, .. } => &status.reason,
            _ => "",
        }
    }
}

/// For the log: `403 Forbidden: pods is forbidden: User …`, `no connection: …`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Connection(why) => write!(f, "no connection: {why}"),
            Failure::Timeout(limit) => write!(f, "no response within {} s", limit.as_secs()),
            Failure::Malformed(why) => write!(f, "the response cannot be decoded: {why}"),
            Failure::NotSent(why) => write!(f, "not sent: {why}"),
            Failure::Status { status, .. } => {
                if status.code != 0 {
                    write!(f, "{} ", status.code)?;
                }
                write!(f, "{}: {}", status.reason, status.message.trim_end())
            }
        }
    }
}

impl StdError for Failure {}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Failure::from_status(*status, None),
            kube::Error::SerdeError(e) => Failure::Malformed(e.to_string()),
            kube::Error::FromUtf8(e) => Failure::Malformed(e.to_string()),
            kube::Error::Service(e) => match e.downcast_ref::<NotSent>() {
                Some(held_back) => Failure::NotSent(*held_back),
                None => Failure::Connection(error_chain(&*e)),
            },
            other => Failure::Connection(error_chain(&other)),
        }
    }
}

/// Awaits a request for at most [`REQUEST_TIMEOUT`].
///
/// Cancellation: dropping the future abandons the request. The server may have executed it, as after a timeout. So every
/// write in this project is safe to repeat.
///
/// # Errors
/// Every failure of the request, and [`Failure::Timeout`].
pub async fn with_timeout<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Failure> {
    match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
        Ok(answer) => answer.map_err(Failure::from),
        Err(_) => Err(Failure::Timeout(REQUEST_TIMEOUT)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use testkit::status;

    fn failure(status: serde_json::Value) -> Failure {
        Failure::from_status(serde_json::from_value(status).unwrap(), None)
    }

    #[test]
    fn failure_that_is_not_about_the_object_is_unavailable() {
        for code in [401, 409, 429, 503, 504] {
            assert!(failure(status(code, "Reason", "")).is_unavailable(), "{code}");
        }
        for code in [400, 403, 404, 410, 422, 500, 502] {
            assert!(!failure(status(code, "Reason", "")).is_unavailable(), "{code}");
        }
        assert!(Failure::Connection("refused".into()).is_unavailable());
        assert!(Failure::Timeout(REQUEST_TIMEOUT).is_unavailable());
        assert!(Failure::NotSent(NotSent("held back")).is_unavailable());
        assert!(!Failure::Malformed("html".into()).is_unavailable());
    }

    #[test]
    fn retry_after_is_read_from_the_header_or_the_body() {
        let mut body = status(429, "TooManyRequests", "");
        body["details"] = json!({ "retryAfterSeconds": 7 });
        assert_eq!(failure(body.clone()).retry_after(), Some(Duration::from_secs(7)));
        let header = Some(Duration::from_secs(3));
        assert_eq!(Failure::from_status(serde_json::from_value(body).unwrap(), header).retry_after(), header);
        assert_eq!(failure(status(429, "TooManyRequests", "")).retry_after(), None);
    }

    #[test]
    fn failure_is_displayed_as_the_server_reported_it() {
        assert_eq!(
            failure(status(403, "Forbidden", "pods is forbidden")).to_string(),
            "403 Forbidden: pods is forbidden"
        );
        assert_eq!(Failure::Timeout(REQUEST_TIMEOUT).to_string(), "no response within 30 s");
    }
}
