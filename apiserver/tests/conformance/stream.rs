//! A watch, line by line.

use http::Request;
use http_body_util::BodyExt;
use kube::{Client, client::Body};
use serde_json::Value;

use crate::{
    objects::Is,
    servers::{DEADLINE, RUNTIME},
};

/// An open watch. Dropping it hangs up.
pub struct Watch {
    pub code: u16,
    pub content_type: String,
    body: Body,
    /// What has arrived and is not yet a line.
    buffer: Vec<u8>,
}

impl Watch {
    /// Waits for the answer's head, not for any event.
    pub fn open(client: &Client, request: Request<Body>) -> Watch {
        let what = request.uri().to_string();
        let response = within(&what, client.send(request)).unwrap_or_else(|e| panic!("{what}: {e}"));
        let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        Watch {
            code: response.status().as_u16(),
            content_type: content_type.unwrap_or_default().to_owned(),
            body: response.into_body(),
            buffer: Vec::new(),
        }
    }

    /// The next event, or None at the proper end of the stream.
    pub fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).expect("a line is an event"));
            }
            match within("the next event", self.body.frame()) {
                Some(frame) => {
                    let data = frame.expect("the stream goes on").into_data().unwrap_or_default();
                    self.buffer.extend_from_slice(&data);
                }
                None => {
                    assert!(self.buffer.is_empty(), "the end came within a line");
                    return None;
                }
            }
        }
    }

    /// The next event must be of this type. Returns the object.
    #[track_caller]
    pub fn expect(&mut self, kind: &str) -> Value {
        let event = self.next().unwrap_or_else(|| panic!("expected {kind}, seen the end of the watch"));
        assert_eq!(event["type"], kind, "{event}");
        event["object"].clone()
    }

    /// The same for whoever has asked for bookmarks. The real server may send one at any moment: within a second of the
    /// closing one of the initial events, for example, if something was written meanwhile.
    #[track_caller]
    pub fn expect_past_bookmarks(&mut self, kind: &str) -> Value {
        let event = std::iter::from_fn(|| self.next()).find(|event| event["type"] != "BOOKMARK");
        let event = event.unwrap_or_else(|| panic!("expected {kind}, seen the end of the watch"));
        assert_eq!(event["type"], kind, "{event}");
        event["object"].clone()
    }

    /// So many next events: `TYPE name`. Of a bookmark, its type alone.
    pub fn names(&mut self, count: usize) -> Vec<String> {
        (0..count).map_while(|_| self.next()).map(|event| summary(&event)).collect()
    }

    /// Everything until the stream ends: `TYPE name`.
    pub fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.next()).map(|event| summary(&event)).collect()
    }

    /// The stream must have ended.
    #[track_caller]
    pub fn ends(&mut self) {
        let next = self.next();
        assert!(next.is_none(), "expected the end of the watch, seen {next:?}");
    }
}

fn summary(event: &Value) -> String {
    let text = event["type"].as_str().unwrap_or_default();
    format!("{text} {}", event["object"].name()).trim_end().to_owned()
}

fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let outcome = RUNTIME.block_on(async { tokio::time::timeout(*DEADLINE, future).await });
    outcome.unwrap_or_else(|_| panic!("{what}: nothing within {:?}", *DEADLINE))
}
