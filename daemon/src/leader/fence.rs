//! The fence: blocks writes while this process does not lead.
//!
//! A Lease alone does not prevent two writers. A process that was stopped (SIGSTOP, swapping, migration of a virtual
//! machine) continues where it was: perhaps with a write, half a minute after another process became the leader. So the
//! fence compares the clock with the deadline of the last renewal **each time the request is polled, with no await in
//! between.** A request that waits for a connection is checked again before it is sent.
//!
//! Bytes that the connection has accepted may arrive late. That is safe: a late write names an old version, or creates an
//! object that exists; both get 409. The same holds after a suspend of the machine, which stops the monotonic clock.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll};

use http::{Method, Request};
use kube::{Client, client::Body};
use parking_lot::Mutex;
use tokio::time::Instant;
use tower::{BoxError, service_fn};

/// The fence blocked the request. The object is not at fault: retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotSent(pub &'static str);

/// Open while this process may write. Closed at first; clones share the state.
#[derive(Clone, Debug, Default)]
pub(super) struct Fence(Arc<Mutex<Option<Instant>>>);

impl Fence {
    pub fn open_until(&self, deadline: Instant) {
        *self.0.lock() = Some(deadline);
    }

    pub fn close(&self) {
        *self.0.lock() = None;
    }

    pub fn is_open(&self) -> bool {
        self.0.lock().is_some_and(|deadline| Instant::now() < deadline)
    }

    /// Returns a client that blocks writes while the fence is closed. A dry run is a write, too.
    pub fn guard(&self, client: &Client) -> Client {
        let (fence, inner) = (self.clone(), client.clone());
        let guarded = service_fn(move |request: Request<Body>| {
            let (fence, inner) = (fence.clone(), inner.clone());
            async move {
                let writes = !matches!(*request.method(), Method::GET | Method::HEAD);
                let mut sending = pin!(inner.send(request));
                poll_fn(|cx| {
                    if writes && !fence.is_open() {
                        // The request is dropped with the future, and never sent.
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
mod tests {
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        time::Duration,
    };

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::{Api, api::PostParams};
    use testkit::{api_server, pass};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn request(method: Method) -> Request<Body> {
        Request::builder().method(method).uri("/api/v1/pods").body(Body::empty()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn writes_pass_only_an_open_fence() {
        let (client, mut server) = api_server();
        let fence = Fence::default();
        let guarded = fence.guard(&client);
        tokio::spawn(async move {
            loop {
                server.next().await.json(200, &serde_json::json!({}));
            }
        });
        let writes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        for method in &writes {
            assert!(guarded.send(request(method.clone())).await.is_err(), "{method}");
        }
        assert!(guarded.send(request(Method::GET)).await.is_ok());
        fence.open_until(Instant::now() + SECOND);
        for method in &writes {
            assert!(guarded.send(request(method.clone())).await.is_ok(), "{method}");
        }
        pass(SECOND).await;
        assert!(guarded.send(request(Method::POST)).await.is_err(), "the deadline itself is too late");
        fence.open_until(Instant::now() + SECOND);
        fence.close();
        assert!(guarded.send(request(Method::POST)).await.is_err());
        assert!(client.send(request(Method::POST)).await.is_ok(), "the other client has no fence");
    }

    /// Callers recognize [`NotSent`] by its type, through all layers of a kube client.
    #[tokio::test(start_paused = true)]
    async fn blocked_write_fails_with_not_sent() {
        let (client, _server) = api_server();
        let api: Api<ConfigMap> = Api::namespaced(Fence::default().guard(&client), "ns");
        let (params, map) = (PostParams::default(), ConfigMap::default());
        let response = tokio::time::timeout(SECOND, api.create(&params, &map)).await.expect("not sent");
        let Err(kube::Error::Service(error)) = response else { panic!("{response:?}") };
        assert_eq!(error.downcast_ref(), Some(&NotSent("this process does not lead")));
    }

    #[tokio::test(start_paused = true)]
    async fn write_that_waits_for_a_connection_is_checked_again() {
        for (open, passes) in [(10, true), (5, false)] {
            let (sent, fence) = (Arc::new(AtomicBool::new(false)), Fence::default());
            let seen = sent.clone();
            let slow = service_fn(move |_: Request<Body>| {
                let sent = sent.clone();
                async move {
                    tokio::time::sleep(SECOND * 9).await;
                    sent.store(true, Ordering::Relaxed);
                    Ok::<_, BoxError>(http::Response::new(Body::empty()))
                }
            });
            let guarded = fence.guard(&Client::new(slow, "default"));
            fence.open_until(Instant::now() + SECOND * open);
            assert_eq!(guarded.send(request(Method::PATCH)).await.is_ok(), passes);
            assert_eq!(seen.load(Ordering::Relaxed), passes, "open for {open} s");
        }
    }
}
