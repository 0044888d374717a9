//! The body of an answer: bytes that are there already, or a watch that goes on.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{StreamExt, future::BoxFuture, stream::BoxStream};
use http_body::{Frame, SizeHint};

/// The connection was closed without an answer, or in the middle of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reset;

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection reset by the API server")
    }
}

impl std::error::Error for Reset {}

/// See the module.
pub enum Body {
    /// In pieces, so that a list of ten thousand objects shares their bytes with the store instead of copying them.
    Pieces(VecDeque<Bytes>),
    /// Polled only while the client takes what it is given: a client that does not read makes nothing pile up here.
    Stream(BoxStream<'static, Result<Bytes, Reset>>),
}

impl Body {
    /// As it goes over a connection: a stream ends when `stop` does; pieces are sent to the end.
    pub fn until(self, stop: BoxFuture<'static, ()>) -> Body {
        match self {
            Body::Stream(stream) => Body::Stream(stream.then(flushed).take_until(stop).boxed()),
            pieces => pieces,
        }
    }
}

/// Pitfall: hyper sends what it has been given only when the body has nothing more for now. A reset that follows at once
/// would take the lines before it along.
async fn flushed(part: Result<Bytes, Reset>) -> Result<Bytes, Reset> {
    if part.is_err() {
        tokio::task::yield_now().await;
    }
    part
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Body::Pieces(VecDeque::from([bytes]))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Reset;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Reset>>> {
        match &mut *self {
            Body::Pieces(pieces) => Poll::Ready(pieces.pop_front().map(|bytes| Ok(Frame::data(bytes)))),
            Body::Stream(stream) => stream.as_mut().poll_next(cx).map_ok(Frame::data),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Body::Pieces(pieces) if pieces.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Pieces(pieces) => SizeHint::with_exact(pieces.iter().map(|bytes| bytes.len() as u64).sum()),
            Body::Stream(_) => SizeHint::default(),
        }
    }
}
