//! Faults in the body of a response: watches that end or stop, objects that cannot be decoded.
//!
//! They change the finished body, so the code of lists and watches contains no faults.

use bytes::{Buf, Bytes};
use futures::{StreamExt, future, stream, stream::BoxStream};
use http_body_util::BodyExt;
use serde_json::Value;

use super::{Plan, WatchPlan};
use crate::body::{Body, Reset};

impl Plan {
    /// Applies the faults to a body.
    pub async fn corrupt(&self, body: Body) -> Body {
        if self.undecodable.is_none() && self.watch == WatchPlan::default() {
            return body;
        }
        match body {
            Body::Stream(chunks) => {
                let (plan, undecodable) = (self.watch.clone(), self.undecodable.clone());
                let watch = FaultyWatch { chunks, rest: Bytes::new(), sent: 0, plan, undecodable, cut: false };
                let lines = stream::unfold(watch, |mut watch| async move { Some((watch.next().await?, watch)) });
                Body::Stream(lines.boxed())
            }
            whole => {
                let bytes = whole.collect().await.map(|whole| whole.to_bytes()).unwrap_or_default();
                match &self.undecodable {
                    Some(name) => corrupt_body(&bytes, name).into(),
                    None => bytes.into(),
                }
            }
        }
    }
}

/// A watch with faults.
struct FaultyWatch {
    chunks: BoxStream<'static, Result<Bytes, Reset>>,
    /// Complete lines that have not been sent yet.
    rest: Bytes,
    sent: u64,
    plan: WatchPlan,
    undecodable: Option<String>,
    /// Half a line has been sent; the reset follows.
    cut: bool,
}

impl FaultyWatch {
    async fn next(&mut self) -> Option<Result<Bytes, Reset>> {
        let due = |after: Option<u64>| after.is_some_and(|lines| self.sent >= lines);
        if self.cut || due(self.plan.cut_after) {
            return Some(Err(Reset));
        }
        if due(self.plan.end_after) {
            return None;
        }
        if due(self.plan.silent_after) {
            future::pending::<()>().await;
        }
        let in_line = due(self.plan.cut_in_line_after);
        let line = match self.next_line().await? {
            Ok(line) => line,
            Err(reset) => return Some(Err(reset)),
        };
        if in_line {
            self.cut = true;
            return Some(Ok(line.slice(..line.len() / 2)));
        }
        self.sent += 1;
        Some(Ok(match &self.undecodable {
            Some(name) => corrupt_line(&line, name),
            None => line,
        }))
    }

    async fn next_line(&mut self) -> Option<Result<Bytes, Reset>> {
        while !self.rest.has_remaining() {
            match self.chunks.next().await? {
                Ok(chunk) => self.rest = chunk,
                Err(reset) => return Some(Err(reset)),
            }
        }
        let end = self.rest.iter().position(|byte| *byte == b'\n').map_or(self.rest.len(), |at| at + 1);
        Some(Ok(self.rest.split_to(end)))
    }
}

/// Corrupts the object or the list in a body.
fn corrupt_body(bytes: &Bytes, name: &str) -> Bytes {
    let Ok(mut value) = serde_json::from_slice::<Value>(bytes) else {
        return bytes.clone();
    };
    match value.get_mut("items").and_then(Value::as_array_mut) {
        Some(items) => items.iter_mut().for_each(|item| corrupt_object(item, name)),
        None => corrupt_object(&mut value, name),
    }
    value.to_string().into()
}

/// Corrupts the object of a watch event, except in bookmarks and errors.
fn corrupt_line(line: &Bytes, name: &str) -> Bytes {
    match serde_json::from_slice::<Value>(line) {
        Ok(mut event) if !matches!(event["type"].as_str(), Some("BOOKMARK" | "ERROR")) => {
            corrupt_object(&mut event["object"], name);
            format!("{event}\n").into()
        }
        _ => line.clone(),
    }
}

/// Makes an object undecodable. It keeps its name, so a client can report which object is invalid.
fn corrupt_object(object: &mut Value, name: &str) {
    let found = object["metadata"]["name"].as_str();
    if object["kind"] == "Status" || found.is_none() || !(name.is_empty() || found == Some(name)) {
        return;
    }
    object["metadata"]["labels"] = "undecodable".into();
    object["spec"] = "undecodable".into();
}

#[cfg(test)]
mod tests;
