//! For the tests: the simulated cluster on the embedded API server, in one process and under paused time.

use std::{collections::BTreeSet, pin::pin};

use apiserver::{ApiServer, Rule, Settings};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    ResourceExt,
    api::{Api, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
};
use serde_json::{Value, json};

use super::*;

pub struct Stage {
    pub server: ApiServer,
    pub client: Client,
    pub stop: CancellationToken,
    pub cluster: tokio::task::JoinHandle<()>,
}

impl Stage {
    pub async fn new() -> Stage {
        Stage::with([]).await
    }

    /// With faults from the very beginning: those of a watch happen to watches that are opened from then on.
    pub async fn with(faults: impl IntoIterator<Item = Rule>) -> Stage {
        let server = ApiServer::new(Settings::default());
        for rule in faults {
            server.fault(rule);
        }
        let client = Client::new(server.clone(), "default");
        let stop = CancellationToken::new();
        let cluster = tokio::spawn(run(client.clone(), 1.0, stop.clone()));
        let stage = Stage { server, client, stop, cluster };
        let namespace = serde_json::from_value(json!({ "metadata": { "name": "ns" } })).unwrap();
        Api::<Namespace>::all(stage.client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
        stage
    }

    pub fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), "ns")
    }

    pub fn sets(&self) -> Api<ReplicaSet> {
        Api::namespaced(self.client.clone(), "ns")
    }

    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), "ns")
    }

    pub async fn deploy(&self, deployment: &Deployment) {
        self.deployments().create(&PostParams::default(), deployment).await.unwrap();
    }

    pub async fn patch(&self, name: &str, patch: Value) {
        self.deployments().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    pub async fn secret(&self, name: &str) {
        let secret = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
        Api::<Secret>::namespaced(self.client.clone(), "ns").create(&PostParams::default(), &secret).await.unwrap();
    }

    pub async fn list_pods(&self) -> Vec<Pod> {
        self.pods().list(&ListParams::default()).await.unwrap().items
    }

    /// Waits until the pods are like this, for a minute at most.
    pub async fn until(&self, what: &str, holds: impl Fn(&[Pod]) -> bool) -> Vec<Pod> {
        for _ in 0..600 {
            let pods = self.list_pods().await;
            if holds(&pods) {
                return pods;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let pods = self.list_pods().await;
        panic!("not within a minute: {what}; {}", serde_json::to_string_pretty(&pods).unwrap());
    }

    pub async fn until_ready(&self, n: usize) -> Vec<Pod> {
        self.until(&format!("{n} ready pods and no other"), |pods| {
            pods.len() == n && pods.iter().all(replica_sets::is_ready)
        })
        .await
    }

    /// The most pods that were there at a time, those not counted that were on their way out. From the server's log,
    /// so nothing is missed.
    pub async fn most_at_a_time(&self) -> usize {
        let changes = self.pods().watch(&WatchParams::default().timeout(1), "1").await.unwrap();
        let mut there = BTreeSet::new();
        let mut most = 0;
        let mut changes = pin!(changes);
        while let Some(change) = changes.next().await {
            match change.unwrap() {
                WatchEvent::Added(pod) | WatchEvent::Modified(pod) if pod.metadata.deletion_timestamp.is_none() => {
                    there.insert(pod.name_any());
                }
                WatchEvent::Modified(pod) | WatchEvent::Deleted(pod) => {
                    there.remove(&pod.name_any());
                }
                _ => {}
            }
            most = most.max(there.len());
        }
        most
    }

    /// Ends the simulation, and sees that it does end.
    pub async fn end(self) {
        self.stop.cancel();
        timeout(Duration::from_secs(5), self.cluster).await.expect("it ends").unwrap();
    }
}

pub fn app(name: &str, replicas: i32) -> Deployment {
    serde_json::from_value(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": name, "namespace": "ns" },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": {
                    "terminationGracePeriodSeconds": 30,
                    "containers": [{ "name": "app", "image": "busybox:1.37" }],
                },
            },
        },
    }))
    .unwrap()
}

pub fn mounting(name: &str, secret: &str) -> Deployment {
    let mut deployment = serde_json::to_value(app(name, 1)).unwrap();
    deployment["spec"]["template"]["spec"]["volumes"] = json!([{ "name": "pki", "secret": { "secretName": secret } }]);
    serde_json::from_value(deployment).unwrap()
}

pub fn names(pods: &[Pod]) -> BTreeSet<String> {
    pods.iter().map(ResourceExt::name_any).collect()
}
