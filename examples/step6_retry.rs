//! Step 6, retry: the library's worker calls a reconciler, and decides about forget, retry and giving up.
//!
//! A failure is retried after 5 ms, 10 ms, 20 ms and so on. Still wrong: a deleted ConfigMap is missing
//! until a pod changes, because ConfigMaps are not watched; so is one whose retries have run out. And Ctrl-C ends a write in
//! the middle.
#![forbid(unsafe_code)]

use std::{collections::BTreeMap, error::Error, io, sync::Arc, time::Duration};

use daemon::{
    Telemetry,
    log::{self, LogArgs},
};
use demo_controller::{
    informer::{Change, Informer, Key, Store},
    pods::Pod,
    request::{Failure, with_timeout},
    worker::{Action, ReconcileError, Reconciler, WorkerPool},
    workqueue::WorkQueue,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, api::PostParams};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// The name of the ConfigMap.
const NAME: &str = "pod-states";

/// The name of each pod, and its state.
type States = BTreeMap<String, String>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    log::start_on(&LogArgs::default(), false, io::stderr)?;
    let (client, telemetry, stop) = (Client::try_default().await?, Telemetry::default(), CancellationToken::new());
    let (path, watch_idle) = ("/api/v1/pods".to_owned(), Duration::from_secs(150));
    let pods = Informer::<Pod>::new(client.clone(), "pods", path, watch_idle, &telemetry);
    let queue = WorkQueue::new(NAME, &telemetry);
    // Two workers, and at most 12 retries of a key, which take about 20 s.
    let mut workers = WorkerPool::new(2, 12, &telemetry, &stop);
    let reconciler = Arc::new(PodStates { client, pods: pods.store() });
    workers.spawn(&queue, reconciler, pods.wait_until_synced());
    // The key of the ConfigMap that the change belongs to.
    let on_change = move |change: Change<Pod>| queue.add(Key::new(change.key().namespace(), NAME));
    pods.run(stop, on_change).await;
    Ok(())
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
