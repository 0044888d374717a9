//! Wires the rooms of `run` together, on one page: two caches, two queues, two jobs.
//!
//! ```text
//!  Pki reflector --> Pki store --> changed? ----------------> Pki queue --> workers: Certificates
//!                                     a new pod mounts its Secret ^            | reads both stores
//!  Pod reflector --> Pod store --> changed? ----------------------+            v
//!                                           +---------------> Pod queue --> workers: Lifecycle
//! ```

use std::{sync::Arc, time::Duration};

use kube::Client;
use prometheus_client::registry::Registry;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    cli,
    events::{self, ObjectRef, Recorder},
    explain,
    explain::Step,
    informer::{self, Change, Health, Key, ListWatch, Object, Reflector, Resync, Store},
    pki::{self, Allowed, CaSecret, Certificates, Pki, Told},
    pods::{Lifecycle, Pod},
    process::{
        serve::{self, Check, Pages},
        shutdown::{Grace, Unfinished},
    },
    worker::{self, Policy, Reconciler},
    workqueue::{self, WorkQueue},
};

/// Runs the controller until `stop`, then finishes what is in progress.
///
/// # Errors
/// When the grace ran out before that was done; the keys are named.
pub async fn run(
    client: Client,
    settings: cli::Run,
    listener: Option<TcpListener>,
    stop: CancellationToken,
) -> Result<(), Unfinished> {
    // What is counted: each room counts its own.
    let mut registry = Registry::default();
    let (informers, queues, workers) =
        (informer::Metrics::default(), workqueue::Metrics::default(), worker::Metrics::default());
    let (events, certificates) = (events::Metrics::default(), pki::Metrics::default());
    informers.register(&mut registry);
    queues.register(&mut registry);
    workers.register(&mut registry);
    events.register(&mut registry);
    certificates.register(&mut registry);

    // What we know, and what there is to do.
    let pkis = Arc::new(Store::new(|_: &Pki| &[]));
    let pods = Arc::new(Store::new(|pod: &Pod| &pod.secrets));
    let (pkis_health, pods_health) = (Arc::new(Health::default()), Arc::new(Health::default()));
    let pki_queue = WorkQueue::new("pki", &queues);
    let pod_queue = WorkQueue::new("pod", &queues);

    // Who does it.
    let component = events::Settings { component: "controlplane".into(), dry_run: settings.dry_run };
    let (recorder, writer) = Recorder::new(client.clone(), component, events, &queues, &workers);
    let allowed = Arc::new(Allowed::load(settings.allowed_names.as_deref()));
    let lifecycle = Arc::new(Lifecycle::new(pods.clone()));
    let (ca_namespace, ca_name) = &settings.ca_secret;
    let certificates = Arc::new(Certificates {
        client: client.clone(),
        store: pkis.clone(),
        allowed: allowed.clone(),
        ca: CaSecret::new(client.clone(), Key::new(ca_namespace, ca_name), settings.dry_run),
        mounts: {
            let pods = pods.clone();
            Arc::new(move |secret| waiting_pods(&pods, secret))
        },
        recorder: recorder.clone(),
        told: Told::default(),
        remind: settings.remind,
        dry_run: settings.dry_run,
        metrics: certificates,
    });

    // Everything below runs by itself. A task ends at `stop` or when the set is dropped, and a panic in one is ours.
    let mut tasks = JoinSet::new();
    let ended = CancellationToken::new();
    if let Some(listener) = listener {
        let pages = Pages {
            ready: vec![check("pkis", &pkis_health), check("pods", &pods_health)],
            metrics: Arc::new(registry),
            ..Pages::default()
        };
        // Health is served to the very end: the shutdown is a part of the life that a probe looks at.
        tasks.spawn(serve::run(listener, pages, ended.clone()));
    }
    tasks.spawn(writer);

    // From the API server into the caches, and from each change to a key in a queue.
    let namespace = settings.namespace.as_deref();
    let reflect = Reflect { client, informers, watch_idle: settings.watch_idle };
    tasks.spawn(reflect.reflector("pkis", path(pki::GROUP_PATH, namespace, pki::PLURAL), &pkis, &pkis_health).run(stop.clone(), {
        let queue = pki_queue.clone();
        move |change| {
            if concerns(&change) {
                explain!(Step::Change, pki = %change.key(), "a change of what the Pki asks for: its key goes on the queue");
                queue.add(change.key().clone());
            }
        }
    }));
    tasks.spawn(reflect.reflector("pods", path("/api/v1", namespace, "pods"), &pods, &pods_health).run(
        stop.clone(),
        {
            let (pod_queue, pki_queue) = (pod_queue.clone(), pki_queue.clone());
            let (pkis, lifecycle) = (pkis.clone(), lifecycle.clone());
            move |change| {
                if let Change::Added { new, initial: true } = &change {
                    lifecycle.baseline(new.clone());
                }
                // A pod that waits for a certificate is news for the Pki. Once: at its later changes the Pki has nothing to do.
                if let Some(pod) = newcomer(&change) {
                    pod.secrets
                        .iter()
                        .filter(|secret| pkis.get(secret).is_some())
                        .for_each(|secret| pki_queue.add(secret.clone()));
                }
                explain!(Step::Change, pod = %change.key(), "a change in the cache: the pod's key goes on the queue");
                pod_queue.add(change.key().clone());
            }
        },
    ));

    // No worker before the caches that its job reads are full: it would take everything that it does not find for deleted.
    let crew = Crew { policy: Policy { max_retries: settings.max_retries }, metrics: workers, stop: stop.clone() };
    let mut work = JoinSet::new();
    for _ in 0..settings.workers {
        work.spawn(crew.member(&pki_queue, &certificates, &[&pkis_health, &pods_health]));
        work.spawn(crew.member(&pod_queue, &lifecycle, &[&pods_health]));
    }
    // What brings keys besides the API server: the clock, and the list of allowed names.
    if let Some(every) = settings.resync {
        tasks.spawn(resync(every, pkis.clone(), pki_queue.clone()));
        tasks.spawn(resync(every, pods.clone(), pod_queue.clone()));
    }
    tasks.spawn({
        let (pkis, queue) = (pkis.clone(), pki_queue.clone());
        async move { allowed.follow(|| pkis.keys().into_iter().for_each(|key| queue.add(key))).await }
    });

    tokio::select! {
        () = stop.cancelled() => {}
        () = watch_over(&mut tasks) => {}
    }
    explain!(Step::Repeat, "shutdown: nothing new is taken from the queues, what is in progress is finished");
    let drain = async {
        tokio::join!(pki_queue.shut_down_with_drain(), pod_queue.shut_down_with_drain());
        while work.join_next().await.is_some() {}
        recorder.flush().await;
    };
    let unfinished = || {
        let keys = pki_queue.processing().into_iter().chain(pod_queue.processing()).map(|key| key.to_string());
        let events = Some(recorder.pending()).filter(|n| *n > 0).map(|n| format!("{n} events that are not sent"));
        keys.chain(events).collect()
    };
    let done = Grace(settings.shutdown_grace).wait(drain, unfinished).await;
    ended.cancel();
    done
}

/// What all reflectors have in common.
struct Reflect {
    client: Client,
    informers: informer::Metrics,
    watch_idle: Duration,
}

impl Reflect {
    fn reflector<T: Object>(
        &self,
        resource: &'static str,
        path: String,
        store: &Arc<Store<T>>,
        health: &Arc<Health>,
    ) -> Reflector<T> {
        Reflector {
            resource,
            list_watch: ListWatch::new(self.client.clone(), path),
            store: store.clone(),
            health: health.clone(),
            watch_idle: self.watch_idle,
            metrics: self.informers.clone(),
        }
    }
}

fn path(group: &str, namespace: Option<&str>, plural: &str) -> String {
    namespace
        .map_or_else(|| format!("{group}/{plural}"), |namespace| format!("{group}/namespaces/{namespace}/{plural}"))
}

fn check(name: &str, health: &Arc<Health>) -> Check {
    let health = health.clone();
    Check::new(name, move || health.check())
}

/// Whether a change of a Pki is anything to act on. Our own write of its status is not: a reconcile that writes, sees its
/// write as a change, and reconciles again is a loop, and for a key that was given up it would be an endless retry.
fn concerns(change: &Change<Pki>) -> bool {
    match change {
        Change::Added { .. } | Change::Deleted(_) => true,
        Change::Updated { old, new } => {
            change.is_replacement() || old.generation != new.generation || old.deleting != new.deleting
        }
    }
}

/// The pod of this change, if it is one that we did not know.
fn newcomer(change: &Change<Pod>) -> Option<&Pod> {
    match change {
        Change::Added { new, .. } => Some(new),
        Change::Updated { new, .. } if change.is_replacement() => Some(new),
        _ => None,
    }
}

/// The pods that mount this Secret and could still start.
fn waiting_pods(pods: &Store<Pod>, secret: &Key) -> Vec<ObjectRef> {
    let pods = pods.indexed(secret).into_iter().filter_map(|key| pods.get(&key));
    pods.filter(|pod| !pod.state.is_over())
        .map(|pod| ObjectRef {
            api_version: "v1".into(),
            kind: "Pod".into(),
            namespace: pod.key().namespace().into(),
            name: pod.key().name().into(),
            uid: pod.uid().into(),
            resource_version: Some(pod.resource_version().into()),
        })
        .collect()
}

/// What all workers have in common.
struct Crew {
    policy: Policy,
    metrics: worker::Metrics,
    stop: CancellationToken,
}

impl Crew {
    /// A worker that begins as soon as the caches are synced.
    fn member<R: Reconciler<Key>>(
        &self,
        queue: &WorkQueue<Key>,
        job: &Arc<R>,
        caches: &[&Arc<Health>],
    ) -> impl Future<Output = ()> + Send + use<R> {
        let caches: Vec<_> = caches.iter().map(|health| Arc::clone(health)).collect();
        let (queue, job, stop) = (queue.clone(), job.clone(), self.stop.clone());
        let (policy, metrics) = (self.policy, self.metrics.clone());
        async move {
            for cache in &caches {
                tokio::select! {
                    () = cache.synced() => {}
                    () = stop.cancelled() => return,
                }
            }
            worker::run(queue, job, policy, metrics, stop).await;
        }
    }
}

async fn resync<T: Object>(every: Duration, store: Arc<Store<T>>, queue: WorkQueue<Key>) {
    Resync { every }.run(&store, |key| queue.add(key)).await;
}

/// Waits for a task that ends although nobody asked it to. Only a panic does that, and a controller that goes on with half
/// of its tasks looks healthy and is not: so it becomes everybody's panic.
async fn watch_over(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
    std::future::pending().await
}
