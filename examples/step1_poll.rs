//! Step 1, poll: once per second, list everything, compare, and write the difference.
//!
//! All seven steps do the same job: the ConfigMap `pod-states` of each namespace has one entry per pod, its state.
//!
//! This program forgets everything after each pass, so no failure can mislead it. Still wrong: it lists every pod
//! once per second, even if nothing has changed; and one slow write delays every namespace.
#![forbid(unsafe_code)]

use std::{collections::BTreeMap, error::Error, io, time::Duration};

use daemon::log::{self, LogArgs};
use demo_controller::{
    informer::{ListRequest, ListWatch, Object},
    pods::Pod,
    request::{Failure, with_timeout},
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, PostParams},
};
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
    loop {
        if let Err(error) = poll(&client).await {
            warn!(%error, "poll failed");
        }
        sleep(Duration::from_secs(1)).await;
    }
}

async fn poll(client: &Client) -> Result<(), Failure> {
    // 1. The desired state: an entry per pod.
    let mut desired: BTreeMap<String, States> = BTreeMap::new();
    for pod in list_pods(client).await? {
        let states = desired.entry(pod.key().namespace().to_owned()).or_default();
        states.insert(pod.key().name().to_owned(), pod.state.as_str().to_owned());
    }
    // 2. The current state: the ConfigMaps. A namespace may have one, and no pod any more.
    let of_this_name = ListParams::default().fields(&format!("metadata.name={NAME}"));
    let current = with_timeout(Api::<ConfigMap>::all(client.clone()).list(&of_this_name)).await?;
    for map in current {
        desired.entry(map.namespace().unwrap_or_default()).or_default();
    }
    // 3. Compare, and write the difference.
    for (namespace, states) in desired {
        if let Err(error) = write(client, &namespace, states).await {
            warn!(namespace, %error, "write failed");
        }
    }
    Ok(())
}

/// Lists all pods, page by page.
async fn list_pods(client: &Client) -> Result<Vec<Pod>, Failure> {
    let list_watch = ListWatch::<Pod>::new(client.clone(), "/api/v1/pods");
    let (mut pods, mut request) = (Vec::new(), ListRequest::First);
    loop {
        let page = list_watch.list(&request).await?;
        pods.extend(page.items);
        match page.next {
            Some(token) => request = ListRequest::Continue(token),
            None => return Ok(pods),
        }
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
