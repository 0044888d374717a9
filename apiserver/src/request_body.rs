//! Parses the body of a request into a [`Value`].

use http::Method;
use serde_json::{Value, json};

use crate::{
    protobuf,
    request::Request,
    status::{Result, Status},
};

/// Parses a body of any kind; an empty body is null. `expected` is the kind for the error message.
///
/// # Errors
/// 415 for an unsupported content type, 400 for invalid or too deeply nested JSON.
pub fn read(request: &Request, expected: &str) -> Result<Value> {
    match request.content_type() {
        // The content type of an empty body does not matter.
        _ if request.body.is_empty() && request.method == Method::DELETE => {}
        "" | "application/json" => {}
        "application/vnd.kubernetes.protobuf" if !request.body.is_empty() => {
            return protobuf::read(&request.body).map_err(|why| Status::new(415, "UnsupportedMediaType", why));
        }
        _ => {
            let message = "the body of the request was in an unknown format - accepted media types include: \
                           application/json";
            return Err(Status::new(415, "UnsupportedMediaType", message));
        }
    }
    if request.body.is_empty() {
        return Ok(Value::Null);
    }
    match serde_json::from_slice(&request.body) {
        // Pitfall: `null` is not an empty body. It decodes to empty DeleteOptions, so the query is ignored.
        Ok(Value::Null) if request.method == Method::DELETE => Ok(json!({})),
        Ok(value) => Ok(value),
        Err(why) if request.method == Method::DELETE => {
            Err(Status::bad_request(format!("couldn't get version/kind; json parse error: {why}")))
        }
        Err(why) => Err(decode_error(&request.body, expected, &why.to_string())),
    }
}

/// The error for a body that is not JSON; it shows the start of the body.
pub fn decode_error(body: &[u8], expected: &str, why: &str) -> Status {
    const SHOWN: usize = 30;
    let start = String::from_utf8_lossy(body.get(..SHOWN).unwrap_or(body));
    let start = if start.is_empty() { "<empty>" } else { &start };
    let dots = if body.len() > SHOWN { " ..." } else { "" };
    Status::bad_request(format!(
        "the object provided is unrecognized (must be of type {expected}): couldn't get version/kind; json parse error: \
         {why} ({start}{dots})"
    ))
}
