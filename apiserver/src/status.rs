//! Errors of the API: the `Status` object.
//!
//! Clients check the code and the reason (`Conflict`, `AlreadyExists`, `Expired`); users read the message. All are exactly
//! the real server's.

use std::{fmt, time::Duration};

use serde_json::{Value, json};

use crate::object::GroupResource;

/// The result of a handler.
pub type Result<T, E = Status> = std::result::Result<T, E>;

/// The error of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    pub code: u16,
    pub reason: &'static str,
    pub message: String,
    /// `details` without `retryAfterSeconds`; null if absent.
    pub details: Value,
    /// `metadata.continue`: continues an expired list.
    pub next: Option<String>,
    /// Also sent as the header Retry-After, in whole seconds.
    pub retry_after: Option<Duration>,
}

/// One invalid field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// `FieldValueRequired`, `FieldValueInvalid`, `FieldValueNotSupported`, …
    pub reason: &'static str,
    /// `spec.serviceName`, `spec.dnsNames[0]`.
    pub field: String,
    /// Without the field: `Required value`, `Invalid value: "x": must be …`.
    pub message: String,
}

impl Status {
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Status { code, reason, message: message.into(), details: Value::Null, next: None, retry_after: None }
    }

    fn with_details(mut self, group: &str, resource: &str, name: &str) -> Self {
        let mut details = json!({});
        // Like the real server, omit empty fields.
        for (field, text) in [("name", name), ("group", group), ("kind", resource)] {
            if !text.is_empty() {
                details[field] = text.into();
            }
        }
        self.details = details;
        self
    }

    /// The real server sends `details: {}` with some errors.
    pub fn with_empty_details(mut self) -> Self {
        self.details = json!({});
        self
    }

    pub fn not_found(group: &str, plural: &str, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", GroupResource::new(group, plural));
        Status::new(404, "NotFound", message).with_details(group, plural, name)
    }

    /// The path does not exist.
    pub fn no_such_path() -> Self {
        Status::new(404, "NotFound", "the server could not find the requested resource").with_empty_details()
    }

    /// The subresource does not exist. For those that `kubectl logs`, `exec` and `debug` use, the message names this server
    /// as the reason.
    pub fn no_such_subresource(plural: &str, subresource: &str) -> Self {
        let mut status = Status::no_such_path();
        let needs_node = matches!(subresource, "log" | "exec" | "attach" | "portforward" | "proxy");
        let is_known = needs_node || matches!(subresource, "ephemeralcontainers" | "eviction" | "resize");
        if is_known && plural == "pods" {
            status.message.push_str(&format!(": this embedded API server does not serve {plural}/{subresource}"));
        }
        status
    }

    pub fn already_exists(group: &str, plural: &str, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", GroupResource::new(group, plural));
        Status::new(409, "AlreadyExists", message).with_details(group, plural, name)
    }

    /// The object has changed, or a precondition failed.
    pub fn conflict(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let id = GroupResource::new(group, plural);
        let message = format!("Operation cannot be fulfilled on {id} \"{name}\": {why}");
        Status::new(409, "Conflict", message).with_details(group, plural, name)
    }

    /// The object is invalid. The details contain the kind, not the resource.
    pub fn invalid(group: &str, kind: &str, name: &str, causes: &[Cause]) -> Self {
        let texts: Vec<String> = causes.iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
        let text = if let [one] = &texts[..] { one.clone() } else { format!("[{}]", texts.join(", ")) };
        let message = format!("{} \"{name}\" is invalid: {text}", GroupResource::new(group, kind));
        let mut status = Status::new(422, "Invalid", message).with_details(group, kind, name);
        let cause = |c: &Cause| json!({ "reason": c.reason, "message": c.message, "field": c.field });
        status.details["causes"] = causes.iter().map(cause).collect();
        status
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Status::new(400, "BadRequest", message)
    }

    pub fn forbidden(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let id = GroupResource::new(group, plural);
        let subject = if name.is_empty() { format!("{id}") } else { format!("{id} \"{name}\"") };
        Status::new(403, "Forbidden", format!("{subject} is forbidden: {why}")).with_details(group, plural, name)
    }

    pub fn unauthorized() -> Self {
        Status::new(401, "Unauthorized", "Unauthorized")
    }

    /// A resourceVersion or continue token from before the last compaction.
    pub fn expired(message: impl Into<String>) -> Self {
        Status::new(410, "Expired", message)
    }

    /// A resourceVersion that this server has not reached yet; the client has it from another replica.
    pub fn too_large_resource_version(requested: u64, latest: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {requested}, current: {latest}");
        let mut status = Status::new(504, "Timeout", message);
        let cause = json!({ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" });
        status.details = json!({ "causes": [cause] });
        status.retry_after = Some(Duration::from_secs(1));
        status
    }

    /// The request took too long.
    pub fn timeout() -> Self {
        Status::new(504, "Timeout", "Timeout: request did not complete within the allotted timeout")
            .with_empty_details()
    }

    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Status::new(405, "MethodNotAllowed", message).with_empty_details()
    }

    /// The `Status` object.
    pub fn body(&self) -> Value {
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            body["reason"] = self.reason.into();
        }
        if let Some(next) = &self.next {
            body["metadata"]["continue"] = next.as_str().into();
        }
        if !self.details.is_null() {
            body["details"] = self.details.clone();
        }
        if let Some(after) = self.retry_after {
            body["details"]["retryAfterSeconds"] = whole_seconds(after).into();
        }
        body
    }
}

/// Rounds up, so that no client retries too early.
pub fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.code, self.reason, self.message)
    }
}

impl std::error::Error for Status {}
