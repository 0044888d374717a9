//! Step 5, work queue: the library's queue holds each key at most once, and gives it to one worker at a time.
//!
//! Ten changes during a write are one more write. Still wrong: a write that fails is lost. To add the key again at
//! once would be worse: while the API server is down, the worker would send requests as fast as it can.
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
    let client = Client::try_default().await?;
    let (path, watch_idle) = ("/api/v1/pods".to_owned(), Duration::from_secs(150));
    let pods = Informer::<Pod>::new(client.clone(), "pods", path, watch_idle, &Telemetry::default());
    let queue = WorkQueue::new(NAME, &Telemetry::default());
    for _ in 0..2 {
        tokio::spawn(work(client.clone(), pods.store(), queue.clone()));
    }
    // The key of the ConfigMap that the change belongs to.
    let on_change = move |change: Change<Pod>| queue.add(Key::new(change.key().namespace(), NAME));
    pods.run(CancellationToken::new(), on_change).await;
    Ok(())
}

async fn work(client: Client, store: Arc<Store<Pod>>, queue: WorkQueue<Key>) {
    // A claim: until it is dropped, no other worker gets this key.
    while let Some(claim) = queue.get().await {
        let namespace = claim.key().namespace();
        if let Err(error) = write(&client, namespace, states(&store, namespace)).await {
            warn!(namespace, %error, "write failed, the change is lost");
        }
        drop(claim); // done
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
