//! A fake API server: the test responds to each request.
//!
//! It replaces the HTTP connection below `kube::Client`. Without a socket, tokio's clock can be paused.

use std::{collections::BTreeMap, io, time::Duration};

use bytes::Bytes;
use futures::channel::mpsc;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tower_test::mock;

type Reply = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// Returns a client and the server that it is connected to.
pub fn api_server() -> (Client, FakeApiServer) {
    let (service, handle) = mock::pair::<Request<Body>, Reply>();
    (Client::new(service, "default"), FakeApiServer(handle))
}

/// The server's end of the client's requests.
pub struct FakeApiServer(mock::Handle<Request<Body>, Reply>);

impl FakeApiServer {
    /// Returns the client's next request.
    ///
    /// # Panics
    /// No request arrives within an hour, usually of paused time.
    pub async fn next(&mut self) -> Call {
        self.next_within(Duration::from_secs(3600)).await.expect("a request within an hour")
    }

    /// Returns the next request, or None if none arrives within `limit`.
    pub async fn next_within(&mut self, limit: Duration) -> Option<Call> {
        let (request, reply) = tokio::time::timeout(limit, self.0.next_request()).await.ok()??;
        let (parts, body) = request.into_parts();
        let body = body.collect().await.expect("a request's body").to_bytes();
        let query = parts.uri.query().unwrap_or("");
        Some(Call {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: query
                .split('&')
                .filter(|pair| !pair.is_empty())
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .collect(),
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
            reply,
        })
    }
}

/// A request that waits for its response. Dropping it breaks the connection.
pub struct Call {
    pub method: String,
    pub path: String,
    /// As sent: percent-encoding is not decoded.
    pub query: BTreeMap<String, String>,
    /// The body if it is JSON, else Null.
    pub body: Value,
    reply: mock::SendResponse<Reply>,
}

impl Call {
    /// `GET /api/v1/pods`, without the query.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// A query parameter, empty if it was not sent.
    pub fn param(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// Responds with a JSON body.
    pub fn json(self, code: u16, body: &Value) {
        self.bytes(code, &[], body.to_string());
    }

    /// Responds with a `Status`, as the API server does.
    pub fn status(self, code: u16, reason: &str, message: &str) {
        self.json(code, &status(code, reason, message));
    }

    /// Responds with any body and headers.
    pub fn bytes(self, code: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) {
        let body = Full::new(body.into()).map_err(|never| match never {}).boxed_unsync();
        self.reply.send_response(response(code, headers, body));
    }

    /// Responds with 200 and leaves the body open, as a watch does.
    pub fn stream(self) -> Stream {
        self.stream_with(200)
    }

    /// Responds with this code and leaves the body open.
    pub fn stream_with(self, code: u16) -> Stream {
        let (lines, body) = mpsc::unbounded::<Result<_, io::Error>>();
        self.reply.send_response(response(code, &[], StreamBody::new(body).boxed_unsync()));
        Stream(lines)
    }

    /// Refuses the connection.
    pub fn refuse(self) {
        self.reply.send_error(io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused"));
    }
}

/// The open body of a response. Dropping it ends the body, as the API server does when a watch times out.
pub struct Stream(mpsc::UnboundedSender<Result<http_body::Frame<Bytes>, io::Error>>);

impl Stream {
    /// Sends one event of a watch.
    pub fn event(&self, kind: &str, object: &Value) {
        self.raw(format!("{}\n", json!({ "type": kind, "object": object })));
    }

    /// Sends any bytes. Does nothing if the client has closed the connection.
    pub fn raw(&self, bytes: impl Into<Bytes>) {
        let _ = self.0.unbounded_send(Ok(http_body::Frame::data(bytes.into())));
    }

    /// Breaks the connection in the middle of the body.
    pub fn reset(self) {
        let _ = self.0.unbounded_send(Err(io::ErrorKind::ConnectionReset.into()));
    }

    /// Returns whether the client has closed the connection.
    pub fn is_abandoned(&self) -> bool {
        self.0.is_closed()
    }
}

/// Advances the paused clock, and lets all other tasks run until then.
pub async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// A `Status` object that reports a failure.
pub fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "code": code, "reason": reason, "message": message })
}

/// The response to a creation in a namespace that is being deleted.
pub fn terminating() -> Value {
    let mut refusal = status(403, "Forbidden", "because it is being terminated");
    refusal["details"] = json!({ "causes": [{ "reason": "NamespaceTerminating", "message": "" }] });
    refusal
}

fn response(code: u16, headers: &[(&str, &str)], body: UnsyncBoxBody<Bytes, io::Error>) -> Reply {
    let mut response = Response::builder().status(code);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body).expect("a valid response")
}
