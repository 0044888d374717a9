//! The simulated ReplicaSet controller: as many pods as the ReplicaSet says.
//!
//! # How it never makes two pods for one
//!
//! Right after a POST the cache does not show the new pod yet. The look that comes next, whatever brings it, counts one
//! too few. There are several ways out:
//!
//! * **Names that follow from the state**, so that a second POST is refused: that is how
//!   [`deployments`](super::deployments) does it, and StatefulSets do. But the pod that replaces `web-x2v9q` must not
//!   be called `web-x2v9q` again: the old one is still there, terminating.
//! * **Expectations**: remember how many pods were made, and look away until the cache has shown as many. So does the
//!   real one. It needs a time-out for what never shows (made and deleted between two lists), and it does not help
//!   against an answer that got lost: the pod exists, nobody counted it.
//! * **Ask**: before pods are made or deleted, the API server itself is asked which there are. That costs a list for
//!   each difference, needs no memory, and finds the pod whose answer got lost. A real cluster with thousands of pods
//!   could not afford it, this one can.
//!
//! So the cache says *whether* there is something to do, and the API server *what*. The queue does its part: no two
//! workers have one ReplicaSet at the same time, and nobody else makes pods for it.
//!
//! What remains are a read from a replica of the API server that lags, and a POST that is still on its way when it is
//! given up. Then there is a pod too many, its ADDED brings the key, and the next look deletes it: level-triggered code
//! need not be right at once, it has to be right in the end.

use std::{cmp::Reverse, sync::Arc};

use k8s_openapi::{
    api::{
        apps::v1::{ReplicaSet, ReplicaSetSpec, ReplicaSetStatus},
        core::v1::Pod,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, PostParams, Preconditions},
};

use super::objects::{Whole, owned_by, owner_uid, verdict};
use crate::{
    events::{Kind, Recorder},
    informer::{Key, Object, Store},
    request::{Failure, bounded},
    worker::{Error, Outcome, Reconciler},
};

/// So many pods are made or deleted in one look. Their changes bring the next one.
const BURST: usize = 100;

/// The job, as the worker sees it.
pub struct ReplicaSets {
    /// For the writes.
    pub client: Client,
    /// What is wanted.
    pub sets: Arc<Store<Whole<ReplicaSet>>>,
    /// What there is, found by the UID of its owner.
    pub pods: Arc<Store<Whole<Pod>>>,
    /// Says which pods were made and deleted.
    pub recorder: Recorder,
}

impl Reconciler<Key> for ReplicaSets {
    async fn reconcile(&self, key: &Key) -> Result<Outcome, Error> {
        // Gone, or about to go: its pods go by garbage collection.
        let Some(set) = self.sets.get(key).filter(|it| !it.is_deleting()) else { return Ok(Outcome::Settled) };
        verdict(self.look(&set).await)
    }

    /// As a rule the API server does not accept the pod. The next change of the template brings a new ReplicaSet.
    async fn gave_up(&self, key: &Key, why: &str) -> Result<Outcome, Error> {
        if let Some(set) = self.sets.get(key) {
            self.recorder.record(&set.reference(), Kind::Warning, "FailedCreate", &format!("Error creating: {why}"));
        }
        Ok(Outcome::Settled)
    }
}

impl ReplicaSets {
    async fn look(&self, set: &Whole<ReplicaSet>) -> Result<Outcome, Failure> {
        // 1. What there is, as far as the cache knows, and what should be.
        let Some(spec) = &set.spec else { return Ok(Outcome::Settled) };
        let owned = self.pods.indexed(&Key::new("", set.uid()));
        let pods: Vec<_> = owned.iter().filter_map(|key| self.pods.get(key)).filter(|pod| is_active(pod)).collect();
        let want = usize::try_from(spec.replicas.unwrap_or(1)).unwrap_or(0);

        // 2. The difference. Only now is the API server asked.
        if pods.len() != want {
            self.even_out(set, spec, want).await?;
        }

        // 3. The status: what the cache knows. What was made just now is in the next one.
        let status = status(set, &pods);
        if set.status.as_ref() != Some(&status) {
            let api: Api<ReplicaSet> = Api::namespaced(self.client.clone(), set.key().namespace());
            let mut changed = ReplicaSet::clone(set);
            changed.status = Some(status);
            bounded(api.replace_status(set.key().name(), &PostParams::default(), &changed)).await?;
        }
        Ok(Outcome::Settled)
    }

    /// Makes what is missing, deletes what is too much, by what the API server says of this moment.
    async fn even_out(&self, set: &Whole<ReplicaSet>, spec: &ReplicaSetSpec, want: usize) -> Result<(), Failure> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), set.key().namespace());
        let labels = spec.selector.match_labels.iter().flatten().map(|(name, value)| format!("{name}={value}"));
        let labels = labels.collect::<Vec<_>>().join(",");
        let mut pods = bounded(api.list(&ListParams::default().labels(&labels))).await?.items;
        pods.retain(|pod| is_active(pod) && owner_uid(&pod.metadata) == Some(set.uid()));

        for _ in 0..want.saturating_sub(pods.len()).min(BURST) {
            let made = bounded(api.create(&PostParams::default(), &pod(set, spec))).await?;
            let message = format!("Created pod: {}", made.name_any());
            self.recorder.record(&set.reference(), Kind::Normal, "SuccessfulCreate", &message);
        }
        let surplus = pods.len().saturating_sub(want).min(BURST);
        pods.sort_by_key(|pod| (is_ready(pod), Reverse(pod.creation_timestamp())));
        for pod in &pods[..surplus] {
            // This very pod, not another one that has its name by now.
            let preconditions = Some(Preconditions { uid: pod.uid(), ..Preconditions::default() });
            let params = DeleteParams { preconditions, ..DeleteParams::default() };
            match bounded(api.delete(&pod.name_any(), &params)).await {
                Err(failure) if failure.code() != Some(404) => return Err(failure),
                _ => {}
            }
            let message = format!("Deleted pod: {}", pod.name_any());
            self.recorder.record(&set.reference(), Kind::Normal, "SuccessfulDelete", &message);
        }
        Ok(())
    }
}

/// A pod that counts: one that is on its way out is replaced at once, not only when it is gone.
fn is_active(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    pod.metadata.deletion_timestamp.is_none() && !matches!(phase, Some("Succeeded" | "Failed"))
}

pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// The API server appends five letters to the name.
fn pod(set: &Whole<ReplicaSet>, spec: &ReplicaSetSpec) -> Pod {
    let template = spec.template.clone().unwrap_or_default();
    Pod {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", set.key().name())),
            namespace: Some(set.key().namespace().into()),
            owner_references: owned_by(set),
            ..template.metadata.unwrap_or_default()
        },
        spec: template.spec,
        status: None,
    }
}

fn status(set: &ReplicaSet, pods: &[Arc<Whole<Pod>>]) -> ReplicaSetStatus {
    let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    let some = |n: usize| (n > 0).then(|| count(n));
    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
    ReplicaSetStatus {
        replicas: count(pods.len()),
        fully_labeled_replicas: some(pods.len()),
        ready_replicas: some(ready),
        available_replicas: some(ready),
        observed_generation: set.metadata.generation,
        ..set.status.clone().unwrap_or_default()
    }
}
