//! GET requests with a limit on the body and with the `Retry-After` header. kube's client has neither.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use daemon::error_chain;
use http::{Request, Response, header};
use http_body_util::BodyExt;
use kube::{Client, client::Body, core::Status};
use tokio::time::timeout;

use super::{Failure, REQUEST_TIMEOUT, protobuf};

/// The media type of JSON.
pub const JSON: &str = "application/json";

/// The media type of Kubernetes' protobuf.
pub const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// The largest error body that is read.
const LARGEST_ERROR: usize = 64 << 10;

/// Sends a GET for these media types. The head of the response arrives within [`REQUEST_TIMEOUT`]; the caller reads the body.
///
/// Cancellation: dropping the future abandons the request and loses nothing.
///
/// # Errors
/// Any [`Failure`], including every response except 2xx.
pub async fn get(client: &Client, uri: &str, accept: &str) -> Result<Response<Body>, Failure> {
    let request = Request::get(uri)
        .header(header::ACCEPT, accept)
        .body(Body::empty())
        .map_err(|e| Failure::Malformed(format!("the request itself: {e}")))?;
    let answer = match timeout(REQUEST_TIMEOUT, client.send(request)).await {
        Ok(answer) => answer?,
        Err(_) => return Err(Failure::Timeout(REQUEST_TIMEOUT)),
    };
    if answer.status().is_success() {
        return Ok(answer);
    }
    let code = answer.status();
    let seconds = answer.headers().get(header::RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
    let body = read_body(answer.into_body(), LARGEST_ERROR, REQUEST_TIMEOUT).await.ok().flatten().unwrap_or_default();
    let decoded = serde_json::from_slice(&body).ok().or_else(|| protobuf::decode_status(body.clone()).ok());
    let mut status = decoded.unwrap_or_else(|| {
        let text = match code.as_u16() {
            // For a path that it does not serve, an API server sends plain text.
            404 => {
                let path = uri.split('?').next().unwrap_or_default();
                format!("the server does not serve {path} (is the CRD installed?)")
            }
            // A proxy or a load balancer has responded.
            _ => String::from_utf8_lossy(&body).trim().chars().take(200).collect(),
        };
        Status::failure(&text, code.canonical_reason().unwrap_or("error"))
    });
    status.code = code.as_u16();
    Err(Failure::from_status(status, seconds.map(Duration::from_secs)))
}

/// Reads a body within `limit`. None: it has more than `size` bytes.
///
/// # Errors
/// [`Failure::Timeout`]; a connection that broke.
pub async fn read_body(mut body: Body, size: usize, limit: Duration) -> Result<Option<Bytes>, Failure> {
    let read = async {
        let mut all = BytesMut::new();
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.map_err(|e| Failure::Connection(error_chain(&e)))?.into_data() {
                all.extend_from_slice(&data);
            }
            if all.len() > size {
                return Ok(None);
            }
        }
        Ok(Some(all.freeze()))
    };
    timeout(limit, read).await.unwrap_or(Err(Failure::Timeout(limit)))
}
