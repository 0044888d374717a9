//! A step program of `examples/`, as a child process, in a cluster whose pods change.

use std::{path::Path, process::Stdio, time::Duration};

use daemon::Error;
use demo_controller::request::{Failure, with_timeout};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Pod},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use serde_json::json;
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{install::parse_documents, kubectl, screen::Screen, story::retry_until, story_failed, table};

/// The Deployment whose pods change.
const SHOP: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web}]}
";

/// The time between two changes.
const PAUSE: Duration = Duration::from_secs(5);

/// How long the program may take to end after Ctrl-C, which it receives, too.
const GRACE: Duration = Duration::from_secs(10);

pub struct Step<'a> {
    pub program: &'a Path,
    pub kubeconfig: &'a Path,
    /// Has the rights of the learner: those of an administrator.
    pub client: &'a Client,
    pub screen: &'a Screen,
}

impl Step<'_> {
    /// Runs the program and the changes, until `stop`; or one round of changes, if `once`.
    ///
    /// # Errors
    /// The program cannot be started, or ends before `stop`. A request failed.
    pub async fn run(&self, once: bool, stop: &CancellationToken) -> Result<(), Error> {
        let mut child = self.start()?;
        tokio::select! {
            result = self.change_pods(once) => result,
            // The API server must still run while the program finishes its write.
            () = stop.cancelled() => {
                let _ = timeout(GRACE, child.wait()).await;
                Ok(())
            }
            status = child.wait() => {
                let status = status.map_or_else(|e| e.to_string(), |status| status.to_string());
                Err(Error::Failed(format!("{} has ended: {status}", self.program.display())))
            }
        }
    }

    /// Its log goes directly to stderr.
    fn start(&self) -> Result<Child, Error> {
        let mut command = Command::new(self.program);
        let command = command.env("KUBECONFIG", self.kubeconfig).stdin(Stdio::null()).kill_on_drop(true);
        command.spawn().map_err(|e| Error::Usage(format!("--step {}: {e}: expected a program", self.program.display())))
    }

    async fn change_pods(&self, once: bool) -> Result<(), Error> {
        let (deployments, pods) = (self.api::<Deployment>(), self.api::<Pod>());
        self.begin("kubectl create deployment web -n shop --image web --replicas 2").await;
        for object in parse_documents(SHOP)? {
            kubectl::create(self.client, &object).await.map_err(story_failed("kubectl create"))?;
        }
        self.show(2).await?;
        loop {
            for replicas in [3, 1, 2] {
                self.begin(&format!("kubectl scale deployment web -n shop --replicas {replicas}")).await;
                let patch = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
                let patched = with_timeout(deployments.patch("web", &PatchParams::default(), &patch)).await;
                patched.map_err(story_failed("scale"))?;
                self.show(replicas).await?;
            }
            let names = self.list_pods().await.map_err(story_failed("list pods"))?;
            // The learner may have deleted it.
            if let Some(name) = names.first() {
                self.begin(&format!("kubectl delete pod -n shop {name}")).await;
                with_timeout(pods.delete(name, &DeleteParams::default())).await.map_err(story_failed("delete"))?;
                self.show(2).await?;
            }
            if once {
                return Ok(());
            }
        }
    }

    async fn begin(&self, command: &str) {
        sleep(PAUSE).await;
        self.screen.print(&format!("$ {command}")).await;
    }

    async fn list_pods(&self) -> Result<Vec<String>, Failure> {
        let pods = with_timeout(self.api::<Pod>().list(&ListParams::default())).await?;
        Ok(pods.iter().map(ResourceExt::name_any).collect())
    }

    /// Waits until this number of pods runs, and prints the ConfigMap.
    async fn show(&self, replicas: usize) -> Result<(), Error> {
        retry_until(&format!("{replicas} pods run"), async || {
            let pods = kubectl::get(self.client, "/api/v1/namespaces/shop/pods").await?;
            let cells = table::read_column(&pods, "Status");
            let all = cells.len() == replicas && cells.iter().all(|cell| cell == "Running");
            Ok(if all { Ok(()) } else { Err(cells.join(", ")) })
        })
        .await?;
        // Time for the program. What it has not written until then is printed as wrong.
        sleep(PAUSE / 5).await;
        let map = with_timeout(self.api::<ConfigMap>().get_opt("pod-states")).await;
        let map = map.map_err(story_failed("get the ConfigMap"))?.unwrap_or_default().data.unwrap_or_default();
        let is_right = self.list_pods().await.is_ok_and(|pods| pods.iter().eq(map.keys()));
        let entries: String = map.iter().map(|(pod, state)| format!("{pod}: {state}\n")).collect();
        let verdict = if is_right { "right" } else { "WRONG: these are not the pods that exist" };
        self.screen.print(&format!("$ kubectl get configmap pod-states -n shop\n{entries}({verdict})")).await;
        Ok(())
    }

    fn api<T>(&self) -> Api<T>
    where
        T: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType: Default>,
    {
        Api::namespaced(self.client.clone(), "shop")
    }
}
