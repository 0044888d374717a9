//! The simulated Deployment controller: one ReplicaSet for each version of the pod template, and how many pods each of
//! them should have.
//!
//! It makes no pods: that is what [`replica_sets`](super::replica_sets) does. Each of the two looks at what the other
//! writes, in its own cache, and neither waits for the other: so controllers work together, by the state of objects
//! alone.
//!
//! # How it never makes a second ReplicaSet
//!
//! Every controller meets this problem: right after a write the cache does not show it yet. Whoever looks again in that
//! moment (and something always brings the key) misses what he has just made, and makes another. Here the answer is in
//! the name: it follows from the template, so a second POST is refused (409 AlreadyExists), and the next look finds
//! what the first has made. Scaling is safe by the version: the PUT carries the resourceVersion of the ReplicaSet that
//! was looked at, and an old one is refused.
//!
//! # What the real one does better
//!
//! It recognizes a ReplicaSet by comparing templates, not by the name, so that a new release of it may compute another
//! hash; and it heeds `maxSurge` and `maxUnavailable` (here always a quarter more, and none fewer), `paused`,
//! `minReadySeconds`, `progressDeadlineSeconds` and `revisionHistoryLimit`.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentCondition, DeploymentSpec, DeploymentStatus, ReplicaSet, ReplicaSetSpec},
        core::v1::PodTemplateSpec,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, Client, api::PostParams};

use super::objects::{Whole, now, owned_by, verdict};
use crate::{
    events::{Kind, Recorder},
    informer::{Key, Object, Store},
    request::{Failure, bounded},
    worker::{Error, Outcome, Reconciler},
};

/// Tells the pods of one template from those of another.
const HASH: &str = "pod-template-hash";

/// Numbers the templates in the order of their use, for `kubectl rollout history` and `undo`.
pub const REVISION: &str = "deployment.kubernetes.io/revision";

/// As the cache has it.
type Set = Arc<Whole<ReplicaSet>>;

/// The job, as the worker sees it.
pub struct Deployments {
    /// For the writes.
    pub client: Client,
    /// What is wanted.
    pub deployments: Arc<Store<Whole<Deployment>>>,
    /// What there is, found by the UID of its owner.
    pub sets: Arc<Store<Whole<ReplicaSet>>>,
    /// Says what was scaled.
    pub recorder: Recorder,
}

impl Reconciler<Key> for Deployments {
    async fn reconcile(&self, key: &Key) -> Result<Outcome, Error> {
        // Gone, or about to go: its ReplicaSets and their pods go by garbage collection.
        let Some(deployment) = self.deployments.get(key).filter(|it| !it.is_deleting()) else {
            return Ok(Outcome::Settled);
        };
        verdict(self.look(&deployment).await)
    }

    async fn gave_up(&self, _key: &Key, _why: &str) -> Result<Outcome, Error> {
        Ok(Outcome::Settled)
    }
}

impl Deployments {
    async fn look(&self, deployment: &Whole<Deployment>) -> Result<Outcome, Failure> {
        // 1. What there is, and what should be.
        let Some(spec) = &deployment.spec else { return Ok(Outcome::Settled) };
        let owned = self.sets.indexed(&Key::new("", deployment.uid()));
        let mut sets: Vec<_> = owned.iter().filter_map(|key| self.sets.get(key)).collect();
        sets.sort_by_key(|set| revision(set)); // the oldest first
        let newest = sets.last().map_or(0, |set| revision(set));
        let hash = hash(&spec.template);
        let name = format!("{}-{hash}", deployment.key().name());
        let (current, old): (Vec<_>, Vec<_>) = sets.iter().cloned().partition(|set| set.key().name() == name);
        let current = current.first();
        let plan = plan(spec, current, &old);

        // 2. The difference. Each write changes a ReplicaSet, and that change brings this key again.
        match current {
            None => {
                let set = replica_set(deployment, spec, &name, &hash, plan.current, newest + 1);
                // 409: the cache does not show it yet, or one of an earlier Deployment of this name is still there.
                bounded(self.api(deployment).create(&PostParams::default(), &set)).await?;
                self.tell(deployment, &name, 0, plan.current);
            }
            // A template of earlier is the current one again (`kubectl rollout undo`): so now it is the newest.
            Some(set) => {
                let revision = Some(newest + 1).filter(|_| revision(set) < newest);
                self.scale(deployment, set, plan.current, revision).await?;
            }
        }
        for (set, replicas) in old.iter().zip(plan.old) {
            self.scale(deployment, set, replicas, None).await?;
        }

        // 3. The status: what the cache knows of the ReplicaSets. What was written just now is in the next one.
        let status = status(deployment, spec, &name, &sets);
        if deployment.status.as_ref() != Some(&status) {
            let api: Api<Deployment> = Api::namespaced(self.client.clone(), deployment.key().namespace());
            let changed = Deployment { status: Some(status), ..Deployment::clone(deployment) };
            bounded(api.replace_status(deployment.key().name(), &PostParams::default(), &changed)).await?;
        }
        Ok(Outcome::Settled)
    }

    /// Gives a ReplicaSet another number of pods, and another revision if there is one.
    async fn scale(
        &self,
        deployment: &Whole<Deployment>,
        set: &Whole<ReplicaSet>,
        replicas: i32,
        revision: Option<u64>,
    ) -> Result<(), Failure> {
        let before = self::replicas(set);
        if before == replicas && revision.is_none() {
            return Ok(());
        }
        // Never modify an object of the cache. (In Go this line is a DeepCopy that is easily forgotten.)
        let mut changed = ReplicaSet::clone(set);
        changed.spec.get_or_insert_default().replicas = Some(replicas);
        if let Some(revision) = revision {
            let annotations = changed.metadata.annotations.get_or_insert_default();
            annotations.insert(REVISION.into(), revision.to_string());
        }
        bounded(self.api(deployment).replace(set.key().name(), &PostParams::default(), &changed)).await?;
        self.tell(deployment, set.key().name(), before, replicas);
        Ok(())
    }

    fn api(&self, deployment: &Whole<Deployment>) -> Api<ReplicaSet> {
        Api::namespaced(self.client.clone(), deployment.key().namespace())
    }

    fn tell(&self, deployment: &Whole<Deployment>, set: &str, from: i32, to: i32) {
        if from == to {
            return;
        }
        let way = if from < to { "up" } else { "down" };
        let message = format!("Scaled {way} replica set {set} from {from} to {to}");
        self.recorder.record(&deployment.reference(), Kind::Normal, "ScalingReplicaSet", &message);
    }
}

/// How many pods each ReplicaSet should have now.
struct Plan {
    current: i32,
    /// In the order in which they were given.
    old: Vec<i32>,
}

/// Called again with each pod that becomes ready or goes, it leads from the old template to the new one, step by step:
///
/// * RollingUpdate: no more pods than a quarter above what is wanted; and an old one goes only for a new one that is
///   ready, so there are never fewer ready ones than before. (A template that never becomes ready stops here, and the
///   old pods go on.)
/// * Recreate: the old ones go first, then the new ones come.
fn plan(spec: &DeploymentSpec, current: Option<&Set>, old: &[Set]) -> Plan {
    // In i64, so that no sum of the users' numbers overflows.
    let want = i64::from(spec.replicas.unwrap_or(1));
    let (new, new_ready) = current.map_or((0, 0), |set| (replicas(set).into(), ready(set).into()));
    let old_pods: i64 = old.iter().map(|set| i64::from(replicas(set))).sum();
    let recreate = spec.strategy.as_ref().is_some_and(|strategy| strategy.type_.as_deref() == Some("Recreate"));
    let (current, mut spare) = if recreate {
        let still_there: i64 = old.iter().map(|set| i64::from(pods(set))).sum();
        (if old_pods + still_there == 0 { want } else { want.min(new) }, old_pods)
    } else {
        let room = want + (want + 3) / 4 - old_pods;
        (want.min(room.max(new)), old_pods + new_ready.min(new) - want)
    };
    let fewer = |set: &Set| {
        let goes = spare.clamp(0, replicas(set).into());
        spare -= goes;
        i64::from(replicas(set)) - goes
    };
    let count = |n: i64| i32::try_from(n).unwrap_or(i32::MAX);
    Plan { current: count(current), old: old.iter().map(fewer).map(count).collect() }
}

fn replicas(set: &ReplicaSet) -> i32 {
    set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

fn pods(set: &ReplicaSet) -> i32 {
    set.status.as_ref().map_or(0, |status| status.replicas)
}

fn ready(set: &ReplicaSet) -> i32 {
    set.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0)
}

fn revision(set: &ReplicaSet) -> u64 {
    let revision = set.metadata.annotations.as_ref().and_then(|annotations| annotations.get(REVISION));
    revision.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The ReplicaSet of a template. The hash is in the selector, or it would take the pods of its predecessor for its own.
fn replica_set(
    deployment: &Whole<Deployment>,
    spec: &DeploymentSpec,
    name: &str,
    hash: &str,
    replicas: i32,
    revision: u64,
) -> ReplicaSet {
    let mut template = spec.template.clone();
    let labels = template.metadata.get_or_insert_default().labels.get_or_insert_default();
    labels.insert(HASH.into(), hash.into());
    let labels = labels.clone();
    let mut selector = spec.selector.clone();
    selector.match_labels.get_or_insert_default().insert(HASH.into(), hash.into());
    ReplicaSet {
        metadata: ObjectMeta {
            name: Some(name.into()),
            namespace: Some(deployment.key().namespace().into()),
            labels: Some(labels),
            annotations: Some(BTreeMap::from([(REVISION.into(), revision.to_string())])),
            owner_references: owned_by(deployment),
            ..ObjectMeta::default()
        },
        spec: Some(ReplicaSetSpec {
            replicas: Some(replicas),
            selector,
            template: Some(template),
            ..ReplicaSetSpec::default()
        }),
        status: None,
    }
}

/// FNV-1a of the template's JSON, spelled in letters that make no words.
fn hash(template: &PodTemplateSpec) -> String {
    let json = serde_json::to_vec(template).unwrap_or_default();
    let hash = json.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    let letters = b"bcdfghjklmnpqrstvwxz2456789";
    hash.to_string().bytes().map(|digit| char::from(letters[usize::from(digit) % letters.len()])).collect()
}

fn status(deployment: &Deployment, spec: &DeploymentSpec, current: &str, sets: &[Set]) -> DeploymentStatus {
    let want = spec.replicas.unwrap_or(1);
    let sum = |count: fn(&ReplicaSet) -> i32| sets.iter().map(|set| count(set)).fold(0, i32::saturating_add);
    let updated = sets.iter().find(|set| set.key().name() == current).map_or(0, |set| pods(set));
    let (replicas, ready) = (sum(pods), sum(ready));
    let missing = sum(self::replicas).saturating_sub(ready);
    let complete = updated == want && replicas == want && ready == want;

    let before = deployment.status.as_ref();
    let condition = |kind, status: bool, reason, message: String| {
        let before = before.and_then(|before| before.conditions.iter().flatten().find(|it| it.type_ == kind));
        condition(before, kind, status, reason, message)
    };
    let available = match ready >= want {
        true => ("MinimumReplicasAvailable", "Deployment has minimum availability."),
        false => ("MinimumReplicasUnavailable", "Deployment does not have minimum availability."),
    };
    let progress = match complete {
        true => ("NewReplicaSetAvailable", format!("ReplicaSet \"{current}\" has successfully progressed.")),
        false => ("ReplicaSetUpdated", format!("ReplicaSet \"{current}\" is progressing.")),
    };
    let some = |count: i32| (count > 0).then_some(count);
    DeploymentStatus {
        observed_generation: deployment.metadata.generation,
        replicas: some(replicas),
        updated_replicas: some(updated),
        ready_replicas: some(ready),
        available_replicas: some(ready),
        unavailable_replicas: some(missing),
        conditions: Some(vec![
            condition("Available", ready >= want, available.0, available.1.into()),
            condition("Progressing", true, progress.0, progress.1),
        ]),
        ..before.cloned().unwrap_or_default()
    }
}

/// The times move only when something changes. Pitfall: a status that is new each time that it is computed is written,
/// which is a change, which is a look, which computes it: for ever.
fn condition(
    before: Option<&DeploymentCondition>,
    kind: &str,
    status: bool,
    reason: &str,
    message: String,
) -> DeploymentCondition {
    let status = if status { "True" } else { "False" };
    let now = now();
    let transition = before.filter(|it| it.status == status).and_then(|it| it.last_transition_time.clone());
    let same =
        before.filter(|it| it.reason.as_deref() == Some(reason) && it.message.as_deref() == Some(message.as_str()));
    DeploymentCondition {
        type_: kind.into(),
        status: status.into(),
        last_update_time: Some(same.and_then(|it| it.last_update_time.clone()).unwrap_or_else(|| now.clone())),
        last_transition_time: Some(transition.unwrap_or(now)),
        reason: Some(reason.into()),
        message: Some(message),
    }
}

#[cfg(test)]
#[path = "deployments_tests.rs"]
mod tests;
