//! A scripted API server: the test answers each request.
//!
//! It is a tower service below `kube::Client`. Everything above the socket is the real code, and without a socket tokio's
//! clock can be paused.

use std::{collections::BTreeMap, io, time::Duration};

use bytes::Bytes;
use futures::channel::mpsc;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use tower_test::mock;

type Reply = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// A client and its server.
pub fn api_server() -> (Client, Server) {
    let (service, handle) = mock::pair::<Request<Body>, Reply>();
    (Client::new(service, "default"), Server(handle))
}

/// The server's side of every connection.
pub struct Server(mock::Handle<Request<Body>, Reply>);

impl Server {
    /// The next request that the client makes.
    ///
    /// # Panics
    /// There is none for an hour, usually of paused time.
    pub async fn next(&mut self) -> Call {
        self.next_within(Duration::from_secs(3600)).await.expect("a request within an hour")
    }

    /// The next request, or None if there is none for this long.
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

/// A request without an answer yet. Dropping it breaks the connection.
pub struct Call {
    pub method: String,
    pub path: String,
    /// As on the wire: percent-encoding is left alone.
    pub query: BTreeMap<String, String>,
    /// The body where it is JSON, else Null.
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

    /// Answers with a JSON body.
    pub fn json(self, code: u16, body: &Value) {
        self.bytes(code, &[], body.to_string());
    }

    /// Answers with a `Status`, as the API server does.
    pub fn status(self, code: u16, reason: &str, message: &str) {
        self.json(code, &status(code, reason, message));
    }

    /// Answers with any body and headers.
    pub fn bytes(self, code: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) {
        let body = Full::new(body.into()).map_err(|never| match never {}).boxed_unsync();
        self.reply.send_response(response(code, headers, body));
    }

    /// Answers 200 and leaves the body open, as a watch does.
    pub fn stream(self) -> Stream {
        self.stream_with(200)
    }

    /// Answers with this code and leaves the body open.
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

/// The open body of an answer. Dropping it ends the body, as the server does at its time-out.
pub struct Stream(mpsc::UnboundedSender<Result<http_body::Frame<Bytes>, io::Error>>);

impl Stream {
    /// One line of a watch.
    pub fn event(&self, kind: &str, object: &Value) {
        self.raw(format!("{}\n", json!({ "type": kind, "object": object })));
    }

    /// Any bytes. Ignored when the client has gone away.
    pub fn raw(&self, bytes: impl Into<Bytes>) {
        let _ = self.0.unbounded_send(Ok(http_body::Frame::data(bytes.into())));
    }

    /// Breaks the connection in the middle of the body.
    pub fn reset(self) {
        let _ = self.0.unbounded_send(Err(io::ErrorKind::ConnectionReset.into()));
    }

    /// Whether the client has dropped its end.
    pub fn is_abandoned(&self) -> bool {
        self.0.is_closed()
    }
}

/// Lets this much of the paused clock's time pass. The clock moves only when all tasks wait for it.
pub async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// A `Status` of a failure.
pub fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "code": code, "reason": reason, "message": message })
}

/// The answer to a creation in a namespace that is being deleted.
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
