//! Writes queued events to the API server.
//!
//! POST creates the Event; if it exists (409), GET reads it and PATCH increments its `count`. The PATCH carries the
//! resourceVersion that was read, so a change in between is a conflict, and the next attempt reads again.

use std::{iter::successors, sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::{sync::mpsc, time::sleep};
use tracing::debug;

use super::{Inner, event, metrics};
use crate::{
    informer::Key,
    request::{Failure, with_timeout},
};

/// Concurrent writes, so that one slow response does not block the other events.
const CONCURRENT_WRITES: usize = 4;

/// Retries of an event. They take about three minutes.
const MAX_RETRIES: usize = 11;

/// Delay before the first retry; doubled for each further one, up to the maximum.
const FIRST_DELAY: Duration = Duration::from_millis(500);
const MAX_DELAY: Duration = Duration::from_secs(30);

impl Inner {
    /// Writes the queued events, forever.
    pub async fn run_writer(self: Arc<Self>, mut queue: mpsc::Receiver<Event>) {
        let events = stream::poll_fn(|context| queue.poll_recv(context));
        events.for_each_concurrent(CONCURRENT_WRITES, |event| self.write(event)).await;
    }

    /// Writes an event, or drops it after the last retry.
    async fn write(&self, event: Event) {
        let key = event::event_key(&event);
        let api = Api::namespaced(self.client.clone(), key.namespace());
        let mut delays = successors(Some(FIRST_DELAY), |delay| Some((*delay * 2).min(MAX_DELAY))).take(MAX_RETRIES);
        let answer = loop {
            match (self.create_or_increment(&api, &key, &event).await, delays.next()) {
                (Err(failure), Some(delay)) if !is_final(&failure) => {
                    debug!(event = %key, error = %failure, retry_in = ?delay, "event not sent");
                    sleep(delay).await;
                }
                (answer, _) => break answer,
            }
        };
        match answer {
            Ok(_) => {
                debug!(event = %key, "event sent");
                self.metrics.count(metrics::SENT);
            }
            // 404: the namespace does not exist. Its Events are deleted with it, so a warning would not help.
            Err(failure) if failure.code() == Some(404) || failure.is_namespace_terminating() => {
                debug!(event = %key, error = %failure, "event dropped: its namespace is being deleted");
                self.metrics.count(metrics::NAMESPACE_DELETED);
            }
            Err(failure) => self.drop_event(&event, metrics::FAILED, &failure.to_string()),
        }
        self.pending.send_modify(|pending| *pending -= 1);
    }

    /// Creates the Event, or increments the count of the existing one.
    async fn create_or_increment(&self, api: &Api<Event>, key: &Key, event: &Event) -> Result<Event, Failure> {
        let params = PostParams { dry_run: self.dry_run, ..PostParams::default() };
        match with_timeout(api.create(&params, event)).await {
            Err(failure) if failure.code() == Some(409) => {}
            answer => return answer,
        }
        match self.increment(api, key, event).await {
            // It expired before the GET or the PATCH.
            Err(failure) if failure.code() == Some(404) => with_timeout(api.create(&params, event)).await,
            answer => answer,
        }
    }

    async fn increment(&self, api: &Api<Event>, key: &Key, event: &Event) -> Result<Event, Failure> {
        let current = with_timeout(api.get(key.name())).await?;
        let patch = json!({
            "metadata": { "resourceVersion": current.metadata.resource_version },
            "count": current.count.unwrap_or(1).saturating_add(1),
            "lastTimestamp": event.last_timestamp,
        });
        let params = PatchParams { dry_run: self.dry_run, ..PatchParams::default() };
        with_timeout(api.patch(key.name(), &params, &Patch::Merge(patch))).await
    }
}

/// Returns whether a retry would fail, too: after a 4xx, except 401, 409 and 429.
fn is_final(failure: &Failure) -> bool {
    matches!(failure.code(), Some(400..=499)) && !failure.is_unavailable()
}
