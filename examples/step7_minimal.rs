//! Step 7, minimal: resync, and a shutdown in two phases. The smallest complete controller.
//!
//! Every key is enqueued again once per interval, so each wrong ConfigMap is repaired, even if no event reported it. Ctrl-C
//! stops the watch and the workers first, then waits for the writes in progress.
//!
//! `src/controller.rs` is the next size: two resources, status, events, metrics.
#![forbid(unsafe_code)]

use std::{collections::BTreeMap, error::Error, io, sync::Arc, time::Duration};

use daemon::{
    Telemetry,
    log::{self, LogArgs},
    shutdown,
};
use demo_controller::{
    informer::{Change, Informer, Key, Resync, Store},
    pods::Pod,
    request::{Failure, with_timeout},
    worker::{Action, ReconcileError, Reconciler, WorkerPool},
    workqueue::WorkQueue,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, PostParams},
};
use tokio::task::JoinSet;
use tracing::{info, warn};

/// The name of the ConfigMap.
const NAME: &str = "pod-states";

/// The name of each pod, and its state.
type States = BTreeMap<String, String>;

/// The time between two resyncs of a key. The real controller's default is ten minutes.
const RESYNC: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Cancelled by the first SIGINT or SIGTERM. The second one ends the process.
    let stop = shutdown::setup_signal_handler(|| ())?;
    log::start_on(&LogArgs::default(), false, io::stderr)?;
    let (client, telemetry) = (Client::try_default().await?, Telemetry::default());

    // 1. The cache.
    let (path, watch_idle) = ("/api/v1/pods".to_owned(), Duration::from_secs(150));
    let pods = Informer::<Pod>::new(client.clone(), "pods", path, watch_idle, &telemetry);
    let store = pods.store();
    // 2. The queue.
    let queue = WorkQueue::new(NAME, &telemetry);
    // 3. The workers: two, with at most 12 retries of a key. They wait until the cache is complete.
    let mut workers = WorkerPool::new(2, 12, &telemetry, &stop);
    let reconciler = Arc::new(PodStates { client: client.clone(), pods: store.clone() });
    workers.spawn(&queue, reconciler, pods.wait_until_synced());
    // 4. What enqueues keys: the ConfigMaps of an earlier run (their last pod may be deleted), each change, and the resync.
    let enqueue = move |namespace: &str| queue.add(Key::new(namespace, NAME));
    let of_this_name = ListParams::default().fields(&format!("metadata.name={NAME}"));
    for map in with_timeout(Api::<ConfigMap>::all(client).list(&of_this_name)).await? {
        enqueue(&map.namespace().unwrap_or_default());
    }
    let (on_change, mut tasks) = (enqueue.clone(), JoinSet::new());
    tasks.spawn(pods.run(stop.clone(), move |change: Change<Pod>| on_change(change.key().namespace())));
    tasks.spawn(async move { Resync { every: RESYNC }.run(&store, |key| enqueue(key.namespace())).await });

    // 5. Phase one of the shutdown: the reflector ends, and the workers take no key. Phase two: the writes in progress end.
    workers.wait_until_stopped(&mut tasks).await;
    Ok(workers.drain(Duration::from_secs(20)).await?)
}

struct PodStates {
    client: Client,
    pods: Arc<Store<Pod>>,
}

impl Reconciler<Key> for PodStates {
    async fn reconcile(&self, key: &Key) -> Result<Action, ReconcileError> {
        let namespace = key.namespace();
        match write(&self.client, namespace, states(&self.pods, namespace)).await {
            Ok(()) => Ok(Action::AwaitChange),
            // Permanent: the namespace is being deleted, or the ConfigMap is immutable. A retry has the same result.
            Err(failure) if matches!(failure.code(), Some(403 | 404 | 422)) => {
                warn!(namespace, error = %failure, "write not possible");
                Err(ReconcileError::Permanent { why: failure.to_string(), requeue_after: None })
            }
            // Transient, or unavailable.
            Err(failure) => Err(failure.into()),
        }
    }
}

/// Returns the desired state of a namespace, from the store.
fn states(store: &Store<Pod>, namespace: &str) -> States {
    let keys = store.keys().into_iter().filter(|key| key.namespace() == namespace);
    let pods = keys.filter_map(|key| Some((key.name().to_owned(), store.get(&key)?)));
    pods.map(|(name, pod)| (name, pod.state.as_str().to_owned())).collect()
}

/// Writes the ConfigMap if it differs. The write carries the version that was read, so it never overwrites a newer one.
async fn write(client: &Client, namespace: &str, states: States) -> Result<(), Failure> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let found = with_timeout(api.get_opt(NAME)).await?;
    let is_new = found.is_none();
    let mut map = found.unwrap_or_default();
    if !is_new && map.data.clone().unwrap_or_default() == states {
        return Ok(());
    }
    map.metadata.name = Some(NAME.to_owned());
    map.data = Some(states.clone());
    let params = PostParams::default();
    if is_new {
        with_timeout(api.create(&params, &map)).await?;
    } else {
        with_timeout(api.replace(NAME, &params, &map)).await?;
    }
    info!(namespace, ?states, "written");
    Ok(())
}
