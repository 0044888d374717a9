//! One line out, one line back.
//!
//! ```text
//! {"event":{"type":"ADDED","object":{"apiVersion":"v1","kind":"Pod","metadata":{…}}},"config":{"region":"eu"}}
//! {"message":"web-1 is there","level":"INFO"}
//! ```

use std::{io, time::Duration};

use serde::Deserialize;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

use crate::{
    text::quoted,
    watch::{Config, Event, Level},
};

/// The longest answer, in bytes, its line end not counted. It is a message for the log.
pub const LONGEST_ANSWER: usize = 64 * 1024;

/// The line for an event, its line end included.
///
/// The object's text is copied as it is; making a tree of it first would cost many times as much. The config is
/// written anew each time: it is a few short words beside an object.
pub fn line(event: &Event, config: &Config) -> serde_json::Result<Vec<u8>> {
    let object = event.object.json();
    let mut line = Vec::with_capacity(object.len() + 512);
    line.extend_from_slice(b"{\"event\":{\"type\":\"");
    line.extend_from_slice(event.r#type.as_str().as_bytes());
    line.extend_from_slice(b"\",\"object\":");
    // A list does not repeat at each item what all of them are. Whoever reads the line wants to know it all the same.
    match object.strip_prefix('{').filter(|_| !event.object.is_typed()) {
        Some(rest) => {
            line.extend_from_slice(b"{\"apiVersion\":");
            serde_json::to_writer(&mut line, &event.resource.api_version)?;
            line.extend_from_slice(b",\"kind\":");
            serde_json::to_writer(&mut line, event.kind())?;
            // There is more: an object without metadata is not let into the cache.
            line.push(b',');
            line.extend_from_slice(rest.as_bytes());
        }
        None => line.extend_from_slice(object.as_bytes()),
    }
    line.extend_from_slice(b"},\"config\":");
    serde_json::to_writer(&mut line, config)?;
    line.extend_from_slice(b"}\n");
    Ok(line)
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// Nobody is left who could give one.
    #[error("the child left without an answer")]
    Gone,
    /// It took longer than this.
    #[error("the child was silent for {0:?}")]
    Late(Duration),
    /// There is a line, but.
    #[error("the child answered nonsense: {0}; expected {{\"message\":TEXT,\"level\":LEVEL}}")]
    Nonsense(String),
}

/// Reads one answer.
///
/// Cancellation: loses what was read so far.
pub async fn answer(from: &mut (impl AsyncBufRead + Unpin)) -> Result<(String, Level), NoAnswer> {
    let mut line = Vec::new();
    let limit = LONGEST_ANSWER as u64 + 1;
    from.take(limit).read_until(b'\n', &mut line).await.map_err(|_: io::Error| NoAnswer::Gone)?;
    if line.pop_if(|last| *last == b'\n').is_none() {
        let long = line.len() > LONGEST_ANSWER;
        let why = format!("a line of more than {LONGEST_ANSWER} bytes, {}", shown(&line));
        return Err(if long { NoAnswer::Nonsense(why) } else { NoAnswer::Gone });
    }
    understand(&line).map_err(|why| NoAnswer::Nonsense(format!("{} ({why})", shown(&line))))
}

/// The start of it.
fn shown(line: &[u8]) -> String {
    quoted(&String::from_utf8_lossy(line))
}

fn understand(line: &[u8]) -> Result<(String, Level), String> {
    /// What else there is in it is the child's own business.
    #[derive(Deserialize)]
    struct Answer {
        message: String,
        level: String,
    }
    // serde would take a list for the fields in order.
    if !line.trim_ascii_start().starts_with(b"{") {
        return Err("no JSON object".to_owned());
    }
    let Answer { message, level } = serde_json::from_slice(line).map_err(|e| e.to_string())?;
    let known = level.parse().map_err(|_| format!("level {}: expected {}", quoted(&level), Level::ACCEPTED))?;
    Ok((message, known))
}

#[cfg(test)]
#[path = "protocol_tests.rs"]
mod tests;
