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
use kube::{Api, Client, Resource, api::PostParams};

use super::objects::{Whole, now, verdict};
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
        let hash = hash(&spec.template);
        let name = format!("{}-{hash}", deployment.key().name());
        let plan = plan(spec, &name, &sets);

        // 2. The difference. Each write changes a ReplicaSet, and that change brings this key again.
        let api: Api<ReplicaSet> = Api::namespaced(self.client.clone(), deployment.key().namespace());
        let newest = sets.last().map_or(0, |set| revision(set));
        let current = sets.iter().find(|set| set.key().name() == name);
        if current.is_none() {
            let set = replica_set(deployment, spec, &name, &hash, plan[&name], newest + 1);
            bounded(api.create(&PostParams::default(), &set)).await?;
            self.tell(deployment, &name, 0, plan[&name]);
        }
        for set in &sets {
            let (is, should) = (replicas(set), plan[set.key().name()]);
            // An older template is the current one again (`kubectl rollout undo`): then it is the newest.
            let again = set.key().name() == name && revision(set) < newest;
            if is == should && !again {
                continue;
            }
            // Never modify an object of the cache. (In Go this line is a DeepCopy that is easily forgotten.)
            let mut scaled = ReplicaSet::clone(set);
            scaled.spec.get_or_insert_default().replicas = Some(should);
            if again {
                let annotations = scaled.metadata.annotations.get_or_insert_default();
                annotations.insert(REVISION.into(), (newest + 1).to_string());
            }
            bounded(api.replace(set.key().name(), &PostParams::default(), &scaled)).await?;
            self.tell(deployment, set.key().name(), is, should);
        }

        // 3. The status: what the cache knows of the ReplicaSets. What was written just now is in the next one.
        let status = status(deployment, spec, &name, &sets);
        if deployment.status.as_ref() != Some(&status) {
            let api: Api<Deployment> = Api::namespaced(self.client.clone(), deployment.key().namespace());
            let mut changed = Deployment::clone(deployment);
            changed.status = Some(status);
            bounded(api.replace_status(deployment.key().name(), &PostParams::default(), &changed)).await?;
        }
        Ok(Outcome::Settled)
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

/// How many pods each ReplicaSet should have now, the `current` one included. Called again with each pod that becomes
/// ready, it leads from the old template to the new one step by step:
///
/// * RollingUpdate: no more pods than a quarter above what is wanted; and an old one goes only when a new one is
///   ready, so there are never fewer ready pods than before (a new template that never becomes ready stops here).
/// * Recreate: the old ones go first, then the new ones come.
fn plan(spec: &DeploymentSpec, current: &str, sets: &[Arc<Whole<ReplicaSet>>]) -> BTreeMap<String, i32> {
    let want = spec.replicas.unwrap_or(1);
    let (new, old): (Vec<_>, Vec<_>) = sets.iter().partition(|set| set.key().name() == current);
    let (is, ready) = new.first().map_or((0, 0), |set| (replicas(set), ready(set)));
    let old_pods: i32 = old.iter().map(|set| replicas(set)).sum();
    let recreate = spec.strategy.as_ref().is_some_and(|strategy| strategy.type_.as_deref() == Some("Recreate"));
    let (should, mut spare) = if recreate {
        let still_there: i32 = old.iter().filter_map(|set| set.status.as_ref()).map(|status| status.replicas).sum();
        (if still_there == 0 { want } else { is.min(want) }, old_pods)
    } else {
        let room = want + (want + 3) / 4 - old_pods;
        (want.min(room.max(is)), (old_pods + ready.min(is) - want).clamp(0, old_pods))
    };
    let mut plan = BTreeMap::from([(current.to_owned(), should)]);
    for set in old {
        let fewer = spare.min(replicas(set));
        spare -= fewer;
        plan.insert(set.key().name().into(), replicas(set) - fewer);
    }
    plan
}

fn replicas(set: &ReplicaSet) -> i32 {
    set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
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
            owner_references: deployment.controller_owner_ref(&()).map(|owner| vec![owner]),
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

fn status(
    deployment: &Deployment,
    spec: &DeploymentSpec,
    current: &str,
    sets: &[Arc<Whole<ReplicaSet>>],
) -> DeploymentStatus {
    let want = spec.replicas.unwrap_or(1);
    let sum = |count: fn(&ReplicaSet) -> i32| sets.iter().map(|set| count(set)).sum::<i32>();
    let pods = |set: &ReplicaSet| set.status.as_ref().map_or(0, |status| status.replicas);
    let updated = sets.iter().filter(|set| set.key().name() == current).map(|set| pods(set)).sum();
    let (replicas, ready, missing) = (sum(pods), sum(ready), sum(self::replicas) - sum(ready));
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
