//! Builds HTTP responses.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::Value;

use crate::{
    body::Body,
    status::{Status, whole_seconds},
};

pub fn new(code: u16, content_type: &str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(content_type) = HeaderValue::from_str(content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    }
    response
}

pub fn json(code: u16, body: impl Into<Body>) -> Response<Body> {
    new(code, "application/json", body.into())
}

pub fn text(code: u16, text: &'static str) -> Response<Body> {
    new(code, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()).into())
}

/// A JSON value; like the real server's, it ends with a line break.
pub fn value(code: u16, value: &Value) -> Response<Body> {
    json(code, Bytes::from(format!("{value}\n")))
}

/// Adds `Warning` headers, which kubectl prints.
pub fn add_warnings(response: &mut Response<Body>, warnings: &[String]) {
    for warning in warnings {
        let text = warning.replace('\\', "\\\\").replace('"', "\\\"");
        // A warning that is not a valid header value is dropped.
        if let Ok(value) = HeaderValue::from_bytes(format!("299 - \"{text}\"").as_bytes()) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
}

pub fn error(status: &Status) -> Response<Body> {
    let mut response = value(status.code, &status.body());
    if let Some(after) = status.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, whole_seconds(after).into());
    }
    response
}
