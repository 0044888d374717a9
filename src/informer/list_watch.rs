//! The two requests of an informer, list and watch. `json.rs` and `protobuf.rs` decode their responses.
//!
//! The [machine](super::machine) decides which request comes next, and when.

use std::{
    marker::PhantomData,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use daemon::error_chain;
use http::{Response, header};
use http_body_util::BodyExt;
use kube::{Client, client::Body};

use super::{Key, Object, json, protobuf};
use crate::request::{self, Failure};

/// Objects in a page of a list, as in client-go and kubectl.
pub const PAGE_SIZE: u32 = 500;

/// The longest event of a watch. An API server accepts objects of about 3 MiB.
const LONGEST_LINE: usize = 32 << 20;

/// The largest page that is read. A larger one is requested again with fewer objects, so that large objects do not need
/// more memory than a small pod has.
const LARGEST_PAGE: usize = 32 << 20;

/// Lists and watches one collection, or the part of it that the selectors choose.
pub struct ListWatch<T> {
    client: Client,
    /// `/api/v1/pods`, `/apis/box.com/v1/namespaces/app1/pkis`.
    path: String,
    /// For every query: `labelSelector=…&fieldSelector=…`, or empty.
    selectors: String,
    /// Objects in a page: fewer than [`PAGE_SIZE`] if the present list has large objects.
    page_size: AtomicU32,
    decodes: PhantomData<fn() -> T>,
}

/// Which page of a list to request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListRequest {
    /// The first page, of the latest state: the query has no `resourceVersion`.
    ///
    /// client-go first sends `resourceVersion=0` (any version). After a restart that may return an older state than the
    /// previous process has seen.
    First,
    /// The next page of the same consistent snapshot.
    Continue(String),
}

impl ListRequest {
    fn query(&self, selectors: &str, page_size: u32) -> String {
        let mut query = form_urlencoded::Serializer::new(selectors.to_owned());
        query.append_pair("limit", &page_size.to_string());
        if let ListRequest::Continue(token) = self {
            query.append_pair("continue", token);
        }
        query.finish()
    }
}

/// The response to a [`ListRequest`].
#[derive(Debug)]
pub struct Page<T> {
    /// The objects that could be decoded.
    pub items: Vec<T>,
    /// The objects that could not be decoded.
    pub undecodable: Vec<Undecodable>,
    /// The version of the snapshot. A watch from here sends each later change.
    ///
    /// It is not the version of the newest object. In a quiet collection that one may be days old and compacted, and a watch
    /// from there fails (410). And an empty list has no object.
    pub resource_version: String,
    /// The `continue` token of the next page; None: this is the last page.
    pub next: Option<String>,
}

/// An object that exists but does not decode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecodable {
    /// None for an object without a name.
    pub key: Option<Key>,
    /// serde's error.
    pub why: String,
}

/// One line of a watch.
#[derive(Debug)]
pub enum WatchEvent<T> {
    /// `ADDED` or `MODIFIED`. After a reconnect only the cache can distinguish them.
    Applied(T),
    /// `DELETED`, with the version. The cache has the object, so only its name is decoded.
    Deleted(Key, String),
    /// `BOOKMARK`: there is no other change up to this version.
    Bookmark(String),
    /// An object that cannot be decoded, and its version.
    Undecodable(Undecodable, String),
    /// `ERROR`: a Status inside a stream that began with 200.
    Error(Failure),
}

impl<T: Object> ListWatch<T> {
    /// Creates a ListWatch of the collection at `path`.
    pub fn new(client: Client, path: impl Into<String>) -> Self {
        let page_size = AtomicU32::new(PAGE_SIZE);
        ListWatch { client, path: path.into(), selectors: String::new(), page_size, decodes: PhantomData }
    }

    /// Restricts them to the objects that the selectors choose. An object that no longer matches is `DELETED` for this watch.
    pub fn selecting(mut self, labels: Option<&str>, fields: Option<&str>) -> Self {
        let given = [("labelSelector", labels), ("fieldSelector", fields)];
        let given = given.into_iter().filter_map(|(name, selector)| Some((name, selector?)));
        self.selectors = form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish();
        self
    }

    /// Requests a page, with fewer objects if it is too large. (A continue token is valid for any page size.)
    ///
    /// Cancellation: dropping the future abandons the request and loses nothing.
    ///
    /// # Errors
    /// Any [`Failure`]; [`Failure::Timeout`] after [`request::PAGE_TIMEOUT`].
    pub async fn list(&self, list: &ListRequest) -> Result<Page<T>, Failure> {
        if *list == ListRequest::First {
            self.page_size.store(PAGE_SIZE, Ordering::Relaxed);
        }
        loop {
            let size = self.page_size.load(Ordering::Relaxed);
            let answer = self.get(&list.query(&self.selectors, size)).await?;
            let encoding = Encoding::of(&answer);
            match request::read_body(answer.into_body(), LARGEST_PAGE, request::PAGE_TIMEOUT).await? {
                Some(bytes) => return encoding.decode_page(bytes),
                None if size > 1 => self.page_size.store((size / 4).max(1), Ordering::Relaxed),
                None => return Err(Failure::Malformed(format!("a page of more than {LARGEST_PAGE} bytes"))),
            }
        }
    }

    /// Opens a watch of the changes after `resource_version`. The server ends it after `time_limit` (whole seconds).
    ///
    /// # Errors
    /// Any [`Failure`]. [`Watch::next`] returns later ones.
    pub async fn watch(&self, resource_version: &str, time_limit: Duration) -> Result<Watch<T>, Failure> {
        let query = form_urlencoded::Serializer::new(self.selectors.clone())
            .append_pair("watch", "true")
            .append_pair("allowWatchBookmarks", "true")
            .append_pair("resourceVersion", resource_version)
            .append_pair("timeoutSeconds", &time_limit.as_secs().to_string())
            .finish();
        let answer = self.get(&query).await?;
        let encoding = Encoding::of(&answer);
        Ok(Watch { body: answer.into_body(), encoding, buffer: BytesMut::new(), scanned: 0, decodes: PhantomData })
    }

    async fn get(&self, query: &str) -> Result<Response<Body>, Failure> {
        let accept = if T::PROTOBUF.is_some() { protobuf::ACCEPT } else { request::JSON };
        request::get(&self.client, &format!("{}?{query}", self.path), accept).await
    }
}

/// The encoding of a response. The server chooses it: protobuf for built-in types, JSON for custom resources.
#[derive(Clone, Copy)]
enum Encoding {
    Json,
    Protobuf,
}

impl Encoding {
    fn of(answer: &Response<Body>) -> Self {
        let content_type = answer.headers().get(header::CONTENT_TYPE).map_or(&[][..], |value| value.as_bytes());
        if content_type.starts_with(request::PROTOBUF.as_bytes()) { Encoding::Protobuf } else { Encoding::Json }
    }

    fn decode_page<T: Object>(self, bytes: Bytes) -> Result<Page<T>, Failure> {
        match self {
            Encoding::Json => json::decode_page(&bytes),
            Encoding::Protobuf => protobuf::decode_page(bytes),
        }
    }

    /// Takes a complete event from the buffer, if there is one. `scanned`: see [`Watch`].
    fn take_event(self, buffer: &mut BytesMut, scanned: &mut usize) -> Option<Bytes> {
        let (before, event, after) = match self {
            // A line ends with a line end.
            Encoding::Json => (0, *scanned + memchr::memchr(b'\n', &buffer[*scanned..])?, 1),
            // A frame begins with its length.
            Encoding::Protobuf => (4, u32::from_be_bytes(*buffer.first_chunk()?) as usize, 0),
        };
        if buffer.len() < before + event + after {
            return None;
        }
        buffer.advance(before);
        let bytes = buffer.split_to(event).freeze();
        buffer.advance(after);
        *scanned = 0;
        Some(bytes)
    }

    fn decode_event<T: Object>(self, event: Bytes) -> Result<WatchEvent<T>, Failure> {
        match self {
            Encoding::Json => json::decode_line(&event),
            Encoding::Protobuf => protobuf::decode_frame(event),
        }
    }
}

/// An open watch: one event per change, as a line of JSON or a frame of protobuf. Dropping it closes the connection.
pub struct Watch<T> {
    body: Body,
    encoding: Encoding,
    /// Bytes that have arrived but are not returned yet.
    buffer: BytesMut,
    /// The length of the part of `buffer` that has no line end, so that each chunk is searched once.
    scanned: usize,
    decodes: PhantomData<fn() -> T>,
}

impl<T: Object> Watch<T> {
    /// Waits for the next line. None: the server closed the watch, as it does after the time limit.
    ///
    /// It has no deadline. Cancel-safe: bytes that have arrived stay in the buffer.
    ///
    /// # Errors
    /// The connection broke, or a line is not a watch event. The watch is of no use after that.
    pub async fn next(&mut self) -> Option<Result<WatchEvent<T>, Failure>> {
        loop {
            if let Some(event) = self.encoding.take_event(&mut self.buffer, &mut self.scanned) {
                if event.trim_ascii().is_empty() {
                    continue;
                }
                return Some(self.encoding.decode_event(event));
            }
            self.scanned = self.buffer.len();
            if self.scanned > LONGEST_LINE {
                return Some(Err(Failure::Malformed(format!("an event of more than {LONGEST_LINE} bytes"))));
            }
            match self.body.frame().await? {
                Err(e) => return Some(Err(Failure::Connection(error_chain(&e)))),
                Ok(frame) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
            }
        }
        // If the body ends in the middle of a line, that part is dropped with the buffer. The next watch starts at the last
        // complete version, so the server sends the line again.
    }
}
