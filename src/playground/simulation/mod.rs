//! The simulated cluster: what kube-controller-manager, kube-scheduler and a kubelet do for Deployments, in small.
//!
//! ```text
//!  Deployment --> cache --+--> queue --> Deployments --writes--> ReplicaSets, the Deployment's status
//!                  .------'                 | reads
//!  ReplicaSet --> cache --+--> queue --> ReplicaSets --writes--> pods, the ReplicaSet's status
//!                  .------'                 | reads
//!  Pod ---------> cache --+--> queue --> Kubelet ------writes--> bindings, the pod's status; ends pods
//!                  .------'                 | reads
//!  Secret ------> cache --'
//! ```
//!
//! Three controllers made of the crate's own informer, queue and worker, each simpler than the one that this crate is
//! about. Each arrow into a queue is a change that brings a key, its own or that of the object it belongs to. So nobody
//! tells anybody anything: a pod that becomes ready is a change that brings its ReplicaSet, whose new status is a
//! change that brings the Deployment.

mod deployments;
#[cfg(test)]
mod fault_tests;
mod kubelet;
mod needs;
mod objects;
mod pod_status;
#[cfg(test)]
mod pod_tests;
mod replica_sets;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod tests;
mod waits;

pub use kubelet::{CRASHES, NODE, crash};

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::Pod,
};
use kube::Client;
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use self::{
    deployments::Deployments,
    kubelet::{Kubelet, Pace},
    objects::{Kind, Secret, Whole, owner},
    replica_sets::ReplicaSets,
    waits::Waits,
};
use crate::{
    events::{self, Recorder},
    informer::{self, Change, Key, Store},
    wiring::{Cache, Crew, Source, Turn, path, watch_over},
    worker::{self, Policy},
    workqueue::{self, WorkQueue},
};

/// So many keys of a queue are worked on at a time.
const WORKERS: usize = 4;

/// A server sends a bookmark once a minute; a watch that is silent for longer than this is opened again.
const WATCH_IDLE: Duration = Duration::from_secs(90);

/// What is in progress at the end may take so long.
const GRACE: Duration = Duration::from_secs(1);

/// Runs the simulated cluster until `stop`, and a little longer to finish what is in progress. It is `speed` times as fast
/// as a real one: its waits are divided by that.
///
/// The client must be allowed to do what the real components are: it is the administrator's.
pub async fn run(client: Client, speed: f64, stop: CancellationToken) {
    // What we know, and what there is to do.
    let deployments = Cache::<Whole<Deployment>>::new("deployments", Whole::terms);
    let sets = Cache::<Whole<ReplicaSet>>::new("replicasets", Whole::terms);
    let pods = Cache::<Whole<Pod>>::new("pods", Whole::terms);
    let secrets = Cache::<Secret>::new("secrets", |_| &[]);
    let counts = workqueue::Metrics::default();
    let [deployment_queue, set_queue, pod_queue] =
        ["deployments", "replicasets", "kubelet"].map(|name| WorkQueue::new(name, &counts));

    // Who does it.
    let mut tasks = JoinSet::new();
    let mut voice = |component: &str| {
        let settings = events::Settings { component: component.into(), dry_run: false };
        let (recorder, writer) = Recorder::new(
            client.clone(),
            settings,
            events::Metrics::default(),
            &workqueue::Metrics::default(),
            &worker::Metrics::default(),
        );
        tasks.spawn(writer);
        recorder
    };
    let deployment_controller = Arc::new(Deployments {
        client: client.clone(),
        deployments: deployments.store.clone(),
        sets: sets.store.clone(),
        recorder: voice("deployment-controller"),
    });
    let set_controller = Arc::new(ReplicaSets {
        client: client.clone(),
        sets: sets.store.clone(),
        pods: pods.store.clone(),
        recorder: voice("replicaset-controller"),
    });
    let kubelet = Arc::new(Kubelet {
        client: client.clone(),
        pods: pods.store.clone(),
        secrets: secrets.store.clone(),
        pace: Pace::new(speed),
        waits: Waits::default(),
        scheduler: voice("default-scheduler"),
        recorder: voice("kubelet"),
    });

    // What brings keys.
    let source = Source { client, metrics: informer::Metrics::default(), watch_idle: WATCH_IDLE };
    let (apps, core) = ("/apis/apps/v1", "/api/v1");
    tasks.spawn({
        let queue = deployment_queue.clone();
        let reflector = source.reflector(&deployments, &path(apps, None, "deployments"));
        reflector.run(stop.clone(), move |change| queue.add(change.key().clone()))
    });
    tasks.spawn({
        let changed = on_part::<ReplicaSet, Deployment>(set_queue.clone(), deployment_queue.clone());
        source.reflector(&sets, &path(apps, None, "replicasets")).run(stop.clone(), changed)
    });
    tasks.spawn({
        let changed = on_part::<Pod, ReplicaSet>(pod_queue.clone(), set_queue.clone());
        source.reflector(&pods, &path(core, None, "pods")).run(stop.clone(), changed)
    });
    tasks.spawn({
        let changed = on_secret(pod_queue.clone(), pods.store.clone());
        source.reflector(&secrets, &path(core, None, "secrets")).run(stop.clone(), changed)
    });

    // What takes them.
    let crew = Crew {
        policy: Policy { max_retries: 12 },
        metrics: worker::Metrics::default(),
        turn: Turn::ours(),
        stop: stop.clone(),
    };
    let mut work = JoinSet::new();
    for _ in 0..WORKERS {
        work.spawn(crew.member(&deployment_queue, &deployment_controller, [&deployments.health, &sets.health]));
        work.spawn(crew.member(&set_queue, &set_controller, [&sets.health, &pods.health]));
        work.spawn(crew.member(&pod_queue, &kubelet, [&pods.health, &secrets.health]));
    }

    tokio::select! {
        () = stop.cancelled() => {}
        () = watch_over(&mut tasks) => {}
        () = watch_over(&mut work) => {}
    }

    // The end. What does not come to it in time is dropped, and taken up by the next simulation.
    [deployment_queue, set_queue, pod_queue].iter().for_each(WorkQueue::shut_down);
    let _ = timeout(GRACE, async { while work.join_next().await.is_some() {} }).await;
}

/// What a change of an object leads to that may belong to another: a look at both.
fn on_part<K: Kind, O: Kind>(queue: WorkQueue<Key>, owners: WorkQueue<Key>) -> impl Fn(Change<Whole<K>>) {
    move |change| {
        let (Change::Added { new: object, .. } | Change::Updated { new: object, .. } | Change::Deleted(object)) =
            &change;
        if let Some(owner) = owner::<K, O>(object) {
            owners.add(owner);
        }
        queue.add(change.key().clone());
    }
}

/// What a change of a Secret leads to: a look at each pod that may have waited for it. A look at one that has not costs
/// nothing.
fn on_secret(queue: WorkQueue<Key>, pods: Arc<Store<Whole<Pod>>>) -> impl Fn(Change<Secret>) {
    move |change| pods.indexed(change.key()).into_iter().for_each(|pod| queue.add(pod))
}
