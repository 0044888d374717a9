//! Connects the modules: two informers, two queues, two reconcilers. Read it from top to bottom.
//!
//! ```text
//!  Pod informer --> Pod cache --> on_pod --------------------> Pod queue --> workers: PodReconciler
//!                                    | a new pod mounts its Secret
//!                                    v
//!  Pki informer --> Pki cache --> on_pki --------------------> Pki queue --> workers: PkiReconciler (read both caches)
//! ```

use std::{sync::Arc, time::Duration};

use daemon::{Telemetry, shutdown::Unfinished};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{
    events::{self, Recorder},
    explain,
    informer::{Change, Informer, Key, Object, Resync, Store, collection_path},
    pki::{self, Pki, PkiReconciler},
    pods::{Pod, PodReconciler},
    worker::WorkerPool,
    workqueue::WorkQueue,
};

/// The settings of the controller.
#[derive(Clone, Debug)]
pub struct Config {
    /// One namespace, or None for all.
    pub namespace: Option<String>,
    /// Concurrent workers per queue, at least 1.
    pub workers: usize,
    /// Retries before a failing key is dropped until its next change or resync.
    pub max_retries: u32,
    /// Time between two resyncs of an object; None: never.
    pub resync: Option<Duration>,
    /// How long a watch may be silent before it is opened again.
    pub watch_idle: Duration,
    /// How long a reconcile in progress may take after the stop.
    pub shutdown_grace: Duration,
    /// The settings of the certificate controller.
    pub pki: pki::Config,
}

/// Runs the controller until `stop`, then finishes the keys in progress.
///
/// # Errors
/// The grace period ended first; the error names the unfinished keys.
pub async fn run(
    client: Client,
    config: Config,
    telemetry: &Telemetry,
    stop: CancellationToken,
) -> Result<(), Unfinished> {
    // 1. An informer per resource: a cache, and the reflector that keeps it up to date.
    let namespace = config.namespace.as_deref();
    let pod_path = collection_path("/api/v1", namespace, "pods");
    let pki_path = collection_path(pki::GROUP_PATH, namespace, pki::PLURAL);
    let pods = Informer::<Pod>::new(client.clone(), "pods", pod_path, config.watch_idle, telemetry);
    let pkis = Informer::<Pki>::new(client.clone(), pki::PLURAL, pki_path, config.watch_idle, telemetry);

    // 2. A queue of keys per reconciler.
    let pod_queue = WorkQueue::new("pod", telemetry);
    let pki_queue = WorkQueue::new("pki", telemetry);

    // 3. The reconcilers. A worker calls them with a key, and they read the caches.
    let (recorder, event_writer) = Recorder::new(client.clone(), "controlplane", config.pki.dry_run, telemetry);
    let lifecycle = Arc::new(PodReconciler::new(pods.store()));
    let waiting_pods = {
        let pods = pods.store();
        Arc::new(move |secret: &Key| find_waiting_pods(&pods, secret))
    };
    let certificates =
        Arc::new(PkiReconciler::new(client, pkis.store(), waiting_pods, recorder.clone(), &config.pki, telemetry));

    // 4. The workers of each queue. They start when the caches that their reconciler reads are synced.
    let mut workers = WorkerPool::new(config.workers, config.max_retries, telemetry, &stop);
    workers.spawn(&pod_queue, lifecycle.clone(), pods.wait_until_synced());
    let (pods_synced, pkis_synced) = (pods.wait_until_synced(), pkis.wait_until_synced());
    workers.spawn(&pki_queue, certificates.clone(), async move {
        pods_synced.await;
        pkis_synced.await;
    });

    // 5. The writer of events, and the tasks that enqueue keys: event handlers, the list of allowed names, the resync. They
    //    end when `tasks` is dropped.
    let mut tasks = JoinSet::new();
    tasks.spawn(event_writer);
    let every_pki = {
        let (pkis, queue) = (pkis.store(), pki_queue.clone());
        move || pkis.keys().into_iter().for_each(|key| queue.add(key))
    };
    tasks.spawn(async move { certificates.follow_allowed_names(every_pki).await });
    if let Some(every) = config.resync {
        tasks.spawn(resync(every, pods.store(), pod_queue.clone()));
        tasks.spawn(resync(every, pkis.store(), pki_queue.clone()));
    }
    let pod_handler = on_pod(pod_queue, lifecycle, pki_queue.clone(), pkis.store());
    tasks.spawn(pods.run(stop.clone(), pod_handler));
    tasks.spawn(pkis.run(stop.clone(), on_pki(pki_queue)));

    // 6. Run until the stop, then finish the keys in progress, within the grace period. Events are best effort.
    workers.wait_until_stopped(&mut tasks).await;
    let deadline = Instant::now() + config.shutdown_grace;
    let result = workers.drain(config.shutdown_grace).await;
    if timeout_at(deadline, recorder.flush()).await.is_err() {
        tracing::warn!(events = recorder.pending(), "events were not written before the end of the grace period");
    }
    result
}

/// Handles a change of a Pki: enqueues its key.
fn on_pki(queue: WorkQueue<Key>) -> impl Fn(Change<Pki>) {
    move |change| {
        if needs_reconcile(&change) {
            explain!(Change, pki = %change.key(), "the Pki is new, deleted, or its spec changed: its key is enqueued");
            queue.add(change.key().clone());
        }
    }
}

/// Returns whether a change of a Pki needs a reconcile. A write of its status does not.
///
/// The status is our own write. If it caused a reconcile, each reconcile could cause the next one. The generation changes
/// with the spec only. (controller-runtime: `GenerationChangedPredicate`.)
fn needs_reconcile(change: &Change<Pki>) -> bool {
    match change {
        Change::Added { .. } | Change::Deleted(_) => true,
        Change::Updated { old, new } => {
            change.is_replacement() || old.generation != new.generation || old.is_deleting != new.is_deleting
        }
    }
}

/// Handles a change of a pod: enqueues its key, and the keys of the Pkis whose Secrets a new pod mounts.
///
/// One object's change enqueues another object's key, because the reconcile of that Pki has something to do for the new pod:
/// to record why the Secret is missing, or to repair the Secret. (controller-runtime: `EnqueueRequestsFromMapFunc`.)
fn on_pod(
    queue: WorkQueue<Key>,
    lifecycle: Arc<PodReconciler>,
    pki_queue: WorkQueue<Key>,
    pkis: Arc<Store<Pki>>,
) -> impl Fn(Change<Pod>) {
    move |change| {
        if let Change::Added { new, is_in_initial_list: true } = &change {
            lifecycle.mark_baseline(new.clone());
        }
        // A Pki and its Secret have the same name, so the key of the Secret is the key of the Pki.
        let secrets = added_pod(&change).map_or(&[][..], |pod| &pod.secrets);
        secrets.iter().filter(|secret| pkis.get(secret).is_some()).for_each(|secret| pki_queue.add(secret.clone()));
        explain!(Change, pod = %change.key(), "the pod changed in the cache: its key is enqueued");
        queue.add(change.key().clone());
    }
}

/// Returns the pod of this change, if it is new or replaces an earlier pod of its name.
fn added_pod(change: &Change<Pod>) -> Option<&Pod> {
    match change {
        Change::Added { new, .. } => Some(new),
        Change::Updated { new, .. } if change.is_replacement() => Some(new),
        _ => None,
    }
}

/// Returns the pods that mount this Secret and can still start. The index finds them without reading every pod.
fn find_waiting_pods(pods: &Store<Pod>, secret: &Key) -> Vec<ObjectReference> {
    let pods = pods.by_index(secret).into_iter().filter(|pod| !pod.state.is_over());
    pods.map(|pod| events::object_ref("v1", "Pod", &*pod)).collect()
}

async fn resync<T: Object>(every: Duration, store: Arc<Store<T>>, queue: WorkQueue<Key>) {
    Resync { every }.run(&store, |key| queue.add(key)).await;
}

#[cfg(test)]
mod tests;
