//! Step 3, reflector: the library's informer lists, watches and lists again, and keeps a store of all pods.
//!
//! After a 410 the reflector lists again, and compares the list with its store: so it also finds the pods that were deleted
//! in between. Still wrong: the event handler writes, and the watch waits for it. A slow write stops the whole
//! program, and a failed one loses the change.
#![forbid(unsafe_code)]

use std::{collections::BTreeMap, error::Error, io, time::Duration};

use daemon::{
    Telemetry,
    log::{self, LogArgs},
};
use demo_controller::{
    informer::{Change, Informer, Store},
    pods::Pod,
    request::{Failure, with_timeout},
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, api::PostParams};
use tokio::{runtime::Handle, task::block_in_place};
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
    let store = pods.store();
    // The event handler gets each change of the store. It is a function that returns before the next event is read.
    let on_change = move |change: Change<Pod>| {
        let namespace = change.key().namespace();
        let written = write(&client, namespace, states(&store, namespace));
        if let Err(error) = block_in_place(|| Handle::current().block_on(written)) {
            warn!(namespace, %error, "write failed, the change is lost");
        }
    };
    pods.run(CancellationToken::new(), on_change).await;
    Ok(())
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
