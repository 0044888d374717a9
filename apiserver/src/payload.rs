//! The body of a request, from text to [`Value`].

use http::Method;
use serde_json::{Value, json};

use crate::{
    protobuf,
    request::Request,
    status::{Result, Status},
};

/// Reads a body without knowing what it is meant to be. An empty one is null. `expected` is the kind, for the message.
///
/// # Errors
/// 415 for another format, 400 for what cannot be read (too deep, too).
pub fn read(request: &Request, expected: &str) -> Result<Value> {
    match request.content_type() {
        // Whatever it is said to be, there is nothing to read.
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
        // Pitfall: no options are not those of the query. To Go null is a struct in which nothing is set.
        Ok(Value::Null) if request.method == Method::DELETE => Ok(json!({})),
        Ok(value) => Ok(value),
        Err(why) if request.method == Method::DELETE => {
            Err(Status::bad_request(format!("couldn't get version/kind; json parse error: {why}")))
        }
        Err(why) => Err(unreadable(&request.body, expected, &why.to_string())),
    }
}

/// What is said of a body that is not even JSON, with its beginning.
pub fn unreadable(body: &[u8], expected: &str, why: &str) -> Status {
    const SHOWN: usize = 30;
    let start = String::from_utf8_lossy(body.get(..SHOWN).unwrap_or(body));
    let start = if start.is_empty() { "<empty>" } else { &start };
    let dots = if body.len() > SHOWN { " ..." } else { "" };
    Status::bad_request(format!(
        "the object provided is unrecognized (must be of type {expected}): couldn't get version/kind; json parse error: \
         {why} ({start}{dots})"
    ))
}
