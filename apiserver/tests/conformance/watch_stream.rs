//! The events of an open watch.

use http::Request;
use http_body_util::BodyExt;
use kube::{Client, client::Body};
use serde_json::Value;

use crate::{
    objects::ObjectExt,
    server::{DEADLINE, RUNTIME},
};

/// An open watch. Dropping it closes the connection.
pub struct WatchStream {
    pub code: u16,
    pub content_type: String,
    body: Body,
    /// The start of the next line.
    buffer: Vec<u8>,
}

impl WatchStream {
    /// Waits for the response's head, not for an event.
    pub fn open(client: &Client, request: Request<Body>) -> WatchStream {
        let uri = request.uri().to_string();
        let response = within_deadline(&uri, client.send(request)).unwrap_or_else(|e| panic!("{uri}: {e}"));
        let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        WatchStream {
            code: response.status().as_u16(),
            content_type: content_type.unwrap_or_default().to_owned(),
            body: response.into_body(),
            buffer: Vec::new(),
        }
    }

    /// The next event, or None when the stream has ended without an error.
    pub fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).expect("an event"));
            }
            match within_deadline("the next event", self.body.frame()) {
                Some(frame) => {
                    let data = frame.expect("a frame").into_data().unwrap_or_default();
                    self.buffer.extend_from_slice(&data);
                }
                None => {
                    assert!(self.buffer.is_empty(), "the stream ended in the middle of a line");
                    return None;
                }
            }
        }
    }

    /// Asserts the type of the next event, and returns its object.
    #[track_caller]
    pub fn expect(&mut self, kind: &str) -> Value {
        let event = self.next().unwrap_or_else(|| panic!("expected {kind}, but the watch ended"));
        assert_eq!(event["type"], kind, "{event}");
        event["object"].clone()
    }

    /// [`WatchStream::expect`] for a watch with bookmarks: the real server may send one at any time.
    #[track_caller]
    pub fn expect_after_bookmarks(&mut self, kind: &str) -> Value {
        let event = std::iter::from_fn(|| self.next()).find(|event| event["type"] != "BOOKMARK");
        let event = event.unwrap_or_else(|| panic!("expected {kind}, but the watch ended"));
        assert_eq!(event["type"], kind, "{event}");
        event["object"].clone()
    }

    /// The next `count` events as `TYPE name`; a bookmark has no name.
    pub fn names(&mut self, count: usize) -> Vec<String> {
        (0..count).map_while(|_| self.next()).map(|event| summarize(&event)).collect()
    }

    /// All events until the stream ends, as `TYPE name`.
    pub fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.next()).map(|event| summarize(&event)).collect()
    }

    /// Asserts that the stream ends without another event.
    #[track_caller]
    pub fn expect_end(&mut self) {
        let next = self.next();
        assert!(next.is_none(), "expected the end of the watch, got {next:?}");
    }
}

fn summarize(event: &Value) -> String {
    let text = event["type"].as_str().unwrap_or_default();
    format!("{text} {}", event["object"].name()).trim_end().to_owned()
}

fn within_deadline<T>(what: &str, future: impl Future<Output = T>) -> T {
    let outcome = RUNTIME.block_on(async { tokio::time::timeout(*DEADLINE, future).await });
    outcome.unwrap_or_else(|_| panic!("{what}: nothing within {:?}", *DEADLINE))
}
