//! Bodies of responses: complete bytes, or the stream of a watch.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{StreamExt, future::BoxFuture, stream::BoxStream};
use http_body::{Frame, SizeHint};

/// The connection was closed without a response, or in the middle of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reset;

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection reset by the API server")
    }
}

impl std::error::Error for Reset {}

/// The body of a response.
pub enum Body {
    /// In pieces, so that a list shares its objects' bytes with the store instead of copying them.
    Pieces(VecDeque<Bytes>),
    /// Polled only while the client reads, so nothing is buffered for a slow client.
    Stream(BoxStream<'static, Result<Bytes, Reset>>),
}

impl Body {
    /// Ends a stream when `stop` is ready; pieces are sent to the end.
    pub fn take_until(self, stop: BoxFuture<'static, ()>) -> Body {
        match self {
            Body::Stream(stream) => Body::Stream(stream.then(yield_before_reset).take_until(stop).boxed()),
            pieces => pieces,
        }
    }
}

/// Pitfall: hyper flushes only when the body returns Pending. Without this yield, a reset would drop the lines before it.
async fn yield_before_reset(part: Result<Bytes, Reset>) -> Result<Bytes, Reset> {
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
