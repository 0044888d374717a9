//! The two requests of an informer, list and watch, and the decoding of their responses.
//!
//! The [machine](super::machine) decides which request comes next, and when.

use std::{
    borrow::Cow,
    marker::PhantomData,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use daemon::error_chain;
use http::Response;
use http_body_util::BodyExt;
use kube::{Client, client::Body, core::Status};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Key, Object};
use crate::request::{self, Failure};

/// Objects in a page of a list, as in client-go and kubectl.
pub const PAGE_SIZE: u32 = 500;

/// The longest line of a watch. An API server accepts objects of about 3 MiB.
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
            let body = self.get(&list.query(&self.selectors, size)).await?.into_body();
            match request::read_body(body, LARGEST_PAGE, request::PAGE_TIMEOUT).await? {
                Some(bytes) => return decode_page(&bytes),
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
        Ok(Watch { body: answer.into_body(), buffer: BytesMut::new(), scanned: 0, decodes: PhantomData })
    }

    async fn get(&self, query: &str) -> Result<Response<Body>, Failure> {
        request::get(&self.client, &format!("{}?{query}", self.path)).await
    }
}

/// An open watch: one line of JSON per change. Dropping it closes the connection.
pub struct Watch<T> {
    body: Body,
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
            if let Some(end) = self.buffer[self.scanned..].iter().position(|b| *b == b'\n') {
                let line = self.buffer.split_to(self.scanned + end);
                self.buffer.advance(1);
                self.scanned = 0;
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return Some(decode_line(&line));
            }
            self.scanned = self.buffer.len();
            if self.scanned > LONGEST_LINE {
                return Some(Err(Failure::Malformed(format!("a line of more than {LONGEST_LINE} bytes"))));
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

#[derive(Deserialize)]
struct WirePage<I> {
    metadata: ListMeta,
    /// Go writes an empty list as null.
    items: Option<Vec<I>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMeta {
    resource_version: String,
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

/// Decodes a page in one pass. If that fails, decodes each item alone, to find the wrong ones.
///
/// # Errors
/// [`Failure::Malformed`]: not a list.
pub fn decode_page<T: Object>(bytes: &[u8]) -> Result<Page<T>, Failure> {
    let page = |metadata: ListMeta, items, undecodable| Page {
        items,
        undecodable,
        resource_version: metadata.resource_version,
        next: metadata.next.filter(|token| !token.is_empty()),
    };
    if let Ok(whole) = serde_json::from_slice::<WirePage<T>>(bytes) {
        return Ok(page(whole.metadata, whole.items.unwrap_or_default(), Vec::new()));
    }
    let parts: WirePage<&RawValue> = decode(bytes)?;
    let raws = parts.items.unwrap_or_default();
    let (mut items, mut undecodable) = (Vec::with_capacity(raws.len()), Vec::new());
    for raw in raws {
        match serde_json::from_str(raw.get()) {
            Ok(item) => items.push(item),
            Err(e) => undecodable.push(undecodable_object(raw, &e).0),
        }
    }
    Ok(page(parts.metadata, items, undecodable))
}

#[derive(Deserialize)]
struct WireEvent<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

fn decode_line<T: Object>(line: &[u8]) -> Result<WatchEvent<T>, Failure> {
    let WireEvent { r#type, object } = decode(line)?;
    let raw = object.get().as_bytes();
    match &*r#type {
        "ADDED" | "MODIFIED" => match serde_json::from_slice(raw) {
            Ok(object) => Ok(WatchEvent::Applied(object)),
            Err(e) => {
                let (object, version) = undecodable_object(object, &e);
                Ok(WatchEvent::Undecodable(object, version))
            }
        },
        "DELETED" => match decode::<PartialObject>(raw)? {
            PartialObject { metadata } if metadata.name.is_empty() => {
                Err(Failure::Malformed("a deletion without a name".into()))
            }
            PartialObject { metadata } => Ok(WatchEvent::Deleted(metadata.key(), metadata.resource_version)),
        },
        "BOOKMARK" => {
            decode::<PartialObject>(raw).map(|bookmark| WatchEvent::Bookmark(bookmark.metadata.resource_version))
        }
        "ERROR" => decode::<Status>(raw).map(|status| WatchEvent::Error(Failure::from_status(status, None))),
        other => Err(Failure::Malformed(format!("a watch event of the unknown type {other:?}"))),
    }
}

/// Returns the key, if any, and the version of an object that does not decode.
fn undecodable_object(raw: &RawValue, error: &serde_json::Error) -> (Undecodable, String) {
    let PartialObject { metadata } = decode(raw.get().as_bytes()).unwrap_or_default();
    let key = (!metadata.name.is_empty()).then(|| metadata.key());
    (Undecodable { key, why: error.to_string() }, metadata.resource_version)
}

#[derive(Default, Deserialize)]
struct PartialObject {
    metadata: PartialMetadata,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PartialMetadata {
    name: String,
    namespace: String,
    resource_version: String,
}

impl PartialMetadata {
    fn key(&self) -> Key {
        Key::new(&self.namespace, &self.name)
    }
}

fn decode<'de, D: Deserialize<'de>>(bytes: &'de [u8]) -> Result<D, Failure> {
    serde_json::from_slice(bytes).map_err(|e| Failure::Malformed(e.to_string()))
}
