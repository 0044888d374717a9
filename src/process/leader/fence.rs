//! The fence: a write leaves this process only while it leads.
//!
//! A Lease alone does not keep two processes from writing at the same time. One that is stopped (SIGSTOP, a machine
//! that swaps, a virtual machine that moves) notices nothing, and when it goes on, it goes on with what it was doing:
//! perhaps with a write, half a minute after someone else took over. So the question "do I lead?" is asked by the one
//! that can still hold the write back, at the last moment: **each time before the request makes a step, with no await
//! in between, the monotonic clock is compared with the deadline of the last renewal.** Waiting for a connection is such
//! a step, so a request that waited for one is asked again.
//!
//! What remains: bytes that have been handed to the connection arrive, however late, and cannot be recalled. That is
//! harmless, because a write says what it is based on. A late one meets another version (a status, a Secret, the count
//! of an Event: 409) or an object that exists by now (a POST: 409), and a Secret that comes after its Pki is gone is
//! collected. (One for a name that was taken off the list meanwhile is stored, as it would have been a moment before.) And the clock stands still while a whole machine is suspended; what such a machine still sends is met by
//! the same versions.
//!
//! Business code knows nothing of it. It gets a client, and a write that is held back fails as one without a connection
//! does ([`NotSent`]): nothing is known about the object, try again.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
};

use http::{Method, Request};
use kube::{Client, client::Body};
use tokio::time::Instant;
use tower::{BoxError, service_fn};

use crate::request::NotSent;

/// Whether this process may write. A clone is the same fence. Closed at first.
#[derive(Clone, Debug, Default)]
pub struct Fence(Arc<Mutex<Option<Instant>>>);

impl Fence {
    /// Lets writes out until then.
    pub fn open_until(&self, deadline: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(deadline);
    }

    /// Lets no more writes out.
    pub fn close(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether a write may leave at this moment.
    pub fn is_open(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|deadline| Instant::now() < deadline)
    }

    /// A client for writers, on the same connections. What changes nothing (GET) passes; a dry run is a write like any
    /// other, so that it shows what a real run would do.
    pub fn guard(&self, client: &Client) -> Client {
        let (fence, inner) = (self.clone(), client.clone());
        let guarded = service_fn(move |request: Request<Body>| {
            let (fence, inner) = (fence.clone(), inner.clone());
            async move {
                let writes = !matches!(*request.method(), Method::GET | Method::HEAD);
                let mut sending = pin!(inner.send(request));
                poll_fn(|cx| {
                    if writes && !fence.is_open() {
                        // Dropped with the future: what is not on the wire yet never will be.
                        return Poll::Ready(Err(BoxError::from(NotSent("this process does not lead"))));
                    }
                    sending.as_mut().poll(cx).map_err(BoxError::from)
                })
                .await
            }
        });
        Client::new(guarded, client.default_namespace()).with_valid_until(*client.valid_until())
    }
}

#[cfg(test)]
#[path = "fence_tests.rs"]
mod tests;
