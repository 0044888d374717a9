//! The requests that bring one event to the server.
//!
//! | | done | 404 | 409 |
//! | --- | --- | --- | --- |
//! | create: POST | written | no such namespace | it exists: read |
//! | read: GET | raise | it has just expired: create | |
//! | raise: PATCH | written | it has expired: create, the count goes on | someone else raised it: read |
//!
//! An Event that this process knows is raised at once, any other is created first: most events are new. Every PATCH
//! carries the version of what was read, so that a count is only ever raised, even when two controllers write it.

use k8s_openapi::{api::core::v1::Event, apimachinery::pkg::apis::meta::v1::Time};
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;

use super::{Inner, known::Seen, note::Note, pending::Batch};
use crate::{
    informer::Key,
    request::{Failure, bounded},
};

/// How often one attempt reads an Event that others change as well. Then it is left to the next attempt.
const READS: u32 = 3;

enum Step {
    /// With what is known of an Event that has expired.
    Create(Option<Seen>),
    Read,
    Raise(Seen),
}

/// One attempt to write a batch.
pub(super) struct Attempt<'a> {
    pub inner: &'a Inner,
    pub key: &'a Key,
    pub note: &'a Note,
    pub batch: &'a Batch,
}

impl Attempt<'_> {
    /// Writes the batch and returns the Event as it is now. Safe to repeat, as every attempt is.
    pub async fn run(&self, known: Option<Seen>) -> Result<Seen, Failure> {
        let mut step = known.map_or(Step::Create(None), Step::Raise);
        let mut reads = 0;
        loop {
            step = match step {
                Step::Create(expired) => match self.create(expired).await {
                    Err(failure) if failure.code() == Some(409) && reads < READS => Step::Read,
                    answer => return answer,
                },
                Step::Read => {
                    reads += 1;
                    match self.read().await {
                        Err(failure) if failure.code() == Some(404) => Step::Create(None),
                        Ok(seen) if self.is_written(&seen) => return Ok(seen),
                        Ok(seen) => Step::Raise(seen),
                        Err(failure) => return Err(failure),
                    }
                }
                Step::Raise(seen) => match self.raise(&seen).await {
                    Err(failure) if failure.code() == Some(404) => Step::Create(Some(seen)),
                    Err(failure) if failure.code() == Some(409) && reads < READS => Step::Read,
                    answer => return answer,
                },
            };
        }
    }

    async fn create(&self, expired: Option<Seen>) -> Result<Seen, Failure> {
        let (before, first) = expired.map_or((0, None), |seen| (seen.count, seen.first));
        let count = self.count_after(before);
        let first = first.unwrap_or(self.batch.first);
        let event = self.note.event(&self.inner.settings.component, self.key.name(), count, first, self.batch.last);
        let params = PostParams { dry_run: self.inner.settings.dry_run, ..PostParams::default() };
        bounded(self.api().create(&params, &event)).await.map(Seen::from)
    }

    async fn read(&self) -> Result<Seen, Failure> {
        bounded(self.api().get(self.key.name())).await.map(Seen::from)
    }

    async fn raise(&self, seen: &Seen) -> Result<Seen, Failure> {
        let patch = json!({
            "metadata": { "resourceVersion": seen.version },
            "count": self.count_after(seen.count),
            "lastTimestamp": Time(self.batch.last),
        });
        let params = PatchParams { dry_run: self.inner.settings.dry_run, ..PatchParams::default() };
        bounded(self.api().patch(self.key.name(), &params, &Patch::Merge(patch))).await.map(Seen::from)
    }

    fn api(&self) -> Api<Event> {
        Api::namespaced(self.inner.client.clone(), self.key.namespace())
    }

    /// The count to write. It is noted before the request is made: afterwards may be too late.
    fn count_after(&self, before: i32) -> i32 {
        let count = before.saturating_add(self.batch.count);
        self.inner.state().pending.aim_at(self.key, count);
        count
    }

    /// Whether an earlier attempt at this very batch was carried out and only its answer got lost. Without this
    /// question a time-out would count twice.
    fn is_written(&self, seen: &Seen) -> bool {
        self.batch.aim == Some(seen.count) && seen.last == Some(self.batch.last)
    }
}
