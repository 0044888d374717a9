//! Step 2, watch: list once, then let the API server send each change.
//!
//! A cluster in which nothing changes costs nothing now. Still wrong: a watch ends after some minutes, and may not
//! be opened again at the same version, because the API server has removed it (410). This program then tries forever, and
//! never learns what it has missed: the entry of a pod that was deleted in between stays.
#![forbid(unsafe_code)]

use std::{collections::BTreeMap, error::Error, io, time::Duration};

use daemon::log::{self, LogArgs};
use demo_controller::{
    informer::{ListRequest, ListWatch, Object, WatchEvent},
    pods::Pod,
    request::{Failure, with_timeout},
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, api::PostParams};
use tokio::time::sleep;
use tracing::{info, warn};

/// The name of the ConfigMap.
const NAME: &str = "pod-states";

/// The name of each pod, and its state.
type States = BTreeMap<String, String>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    log::start_on(&LogArgs::default(), false, io::stderr)?;
    let client = Client::try_default().await?;
    let list_watch = ListWatch::<Pod>::new(client.clone(), "/api/v1/pods");
    // 1. List. (One page: more than 500 pods are a task of step 3.)
    let page = list_watch.list(&ListRequest::First).await?;
    let mut namespaces: BTreeMap<String, States> = BTreeMap::new();
    for pod in page.items {
        insert(&mut namespaces, &pod);
    }
    for (namespace, states) in &namespaces {
        write_or_warn(&client, namespace, states).await;
    }
    // 2. Watch from the version of the list: exactly the changes that the list does not contain.
    let mut version = page.resource_version;
    loop {
        if let Err(error) = watch(&client, &list_watch, &mut namespaces, &mut version).await {
            warn!(%error, version, "watch failed");
            sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Follows one watch to its end, and remembers the version of its last event.
async fn watch(
    client: &Client,
    list_watch: &ListWatch<Pod>,
    namespaces: &mut BTreeMap<String, States>,
    version: &mut String,
) -> Result<(), Failure> {
    let mut watch = list_watch.watch(version, Duration::from_secs(300)).await?;
    while let Some(event) = watch.next().await {
        let namespace = match event? {
            WatchEvent::Applied(pod) => {
                *version = pod.resource_version().to_owned();
                insert(namespaces, &pod);
                pod.key().namespace().to_owned()
            }
            WatchEvent::Deleted(key, deleted_at) => {
                *version = deleted_at;
                namespaces.entry(key.namespace().to_owned()).or_default().remove(key.name());
                key.namespace().to_owned()
            }
            WatchEvent::Bookmark(later) | WatchEvent::Undecodable(_, later) => {
                *version = later;
                continue;
            }
            WatchEvent::Error(failure) => return Err(failure),
        };
        write_or_warn(client, &namespace, &namespaces[&namespace]).await;
    }
    Ok(())
}

fn insert(namespaces: &mut BTreeMap<String, States>, pod: &Pod) {
    let states = namespaces.entry(pod.key().namespace().to_owned()).or_default();
    states.insert(pod.key().name().to_owned(), pod.state.as_str().to_owned());
}

async fn write_or_warn(client: &Client, namespace: &str, states: &States) {
    if let Err(error) = write(client, namespace, states.clone()).await {
        warn!(namespace, %error, "write failed, the change is lost");
    }
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
