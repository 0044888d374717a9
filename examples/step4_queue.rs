//! Step 4, queue: the event handler only sends a key, and two workers write.
//!
//! A key, not the change: the worker reads the store, so it always writes the latest state. A slow write delays only its own
//! namespace. Still wrong: ten changes are ten keys in the channel, and ten reconciles; and both workers may write the
//! same ConfigMap at once, so that one of them fails with a conflict (409), and its change is lost.
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
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, api::PostParams};
use tokio::sync::{
    Mutex,
    mpsc::{UnboundedReceiver, unbounded_channel},
};
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
    let (sender, receiver) = unbounded_channel();
    let receiver = Arc::new(Mutex::new(receiver));
    for _ in 0..2 {
        tokio::spawn(work(client.clone(), pods.store(), receiver.clone()));
    }
    // The key of the ConfigMap that the change belongs to. The workers live as long as the program, so no send fails.
    let on_change = move |change: Change<Pod>| {
        let _ = sender.send(Key::new(change.key().namespace(), NAME));
    };
    pods.run(CancellationToken::new(), on_change).await;
    Ok(())
}

async fn work(client: Client, store: Arc<Store<Pod>>, keys: Arc<Mutex<UnboundedReceiver<Key>>>) {
    loop {
        let key = keys.lock().await.recv().await;
        let Some(key) = key else { return };
        let namespace = key.namespace();
        if let Err(error) = write(&client, namespace, states(&store, namespace)).await {
            warn!(namespace, %error, "write failed, the change is lost");
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
