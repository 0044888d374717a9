//! The story that the project comes from, live: two applications, and a typo in one of them.
//!
//! Each step prints a command, does the same, waits until the API server shows the result, and prints that. No output is
//! written beforehand, except what kubectl itself adds, such as "patched".

use std::time::Duration;

use daemon::Error;
use demo_controller::request::{Failure, with_time_limit};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams},
    core::GroupVersionKind,
};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{broke_off, install::documents, kubectl, screen::Screen, table};

/// An application with a typo.
pub const APP1: &str = include_str!("../../examples/app1.yaml");
/// An application without.
pub const APP2: &str = include_str!("../../examples/app2.yaml");

/// The reason of the event that the story is about.
const REASON: &str = "pki ServiceName error";

/// The story waits this long for each result.
const LIMIT: Duration = Duration::from_secs(30);

/// Time to read a step, at a terminal.
const PAUSE: Duration = Duration::from_millis(1500);

/// The story, from the first application to the moment when both run.
pub struct Story<'a> {
    /// The learner's access to the API server.
    pub client: &'a Client,
    /// Where the story is printed.
    pub screen: &'a Screen,
}

impl Story<'_> {
    /// Plays the story.
    ///
    /// # Errors
    /// A request failed, or its result did not appear.
    pub async fn tell(&self) -> Result<(), Error> {
        self.heading("1. app2 requests a certificate, and starts").await;
        self.create("examples/app2.yaml", APP2).await?;
        self.screen
            .print(
                "\
A namespace, a Pki and a Deployment. The Pki requests a certificate for the name
app2, which is on the list of allowed names. The pod mounts the Secret that the
certificate will be in.",
            )
            .await;
        self.pods("app2", "Running").await?;
        self.get("kubectl get pods -n app2", "/api/v1/namespaces/app2/pods").await?;
        self.pki("app2", "Issued").await?;

        self.heading("2. app1 does the same, and waits").await;
        self.create("examples/app1.yaml", APP1).await?;
        self.pods("app1", "ContainerCreating").await?;
        self.get("kubectl get pods --all-namespaces", "/api/v1/pods").await?;
        self.screen
            .print(
                "\
ContainerCreating: the Secret that the pod mounts does not exist. Every cluster
shows that much. Only the controller knows why it does not exist.",
            )
            .await;

        self.heading("3. The owner of app1 describes the pod, and reads why").await;
        let events = retry_until(&format!("an event \"{REASON}\" on the pod of app1"), async || {
            let pods: Api<Pod> = Api::namespaced(self.client.clone(), "app1");
            let pods = with_time_limit(pods.list(&ListParams::default())).await?.items;
            let events = kubectl::events(self.client, pods.first().unwrap_or(&Pod::default())).await?;
            let is_there = events.iter().any(|event| event.reason.as_deref() == Some(REASON));
            Ok(if is_there { Ok(events) } else { Err(format!("{} other events", events.len())) })
        })
        .await?;
        let output = format!("...\n{}", kubectl::describe(&events, Timestamp::now()));
        self.command("kubectl describe pod -n app1", &output).await;
        self.screen
            .print(
                "\
The kubelet knows only what is missing. The line from controlplane is from the
controller: what is wrong, and what is allowed. It is not in a log that the owner
cannot read, but on the pod that waits. The Pki has the same message:",
            )
            .await;
        self.pki("app1", "NameNotAllowed").await?;

        self.heading("4. appp1 has one p too many: the owner corrects it").await;
        let command = "kubectl patch pki app1-pki -n app1 --type merge -p 'spec: {serviceName: app1}'";
        let pki = ApiResource::from_gvk(&GroupVersionKind::gvk("box.com", "v1", "Pki"));
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), "app1", &pki);
        let patch = Patch::Merge(json!({ "spec": { "serviceName": "app1" } }));
        self.screen.hold().await;
        let patched = with_time_limit(api.patch("app1-pki", &PatchParams::default(), &patch)).await;
        let name = patched.map_err(broke_off(command))?.name_any();
        self.command(command, &format!("pki.box.com/{name} patched")).await;

        self.heading("5. app1 starts").await;
        self.pki("app1", "Issued").await?;
        self.pods("app1", "Running").await?;
        self.get("kubectl get pods --all-namespaces", "/api/v1/pods").await?;
        self.screen
            .print(
                "\
Nothing was restarted. The pod waited, the controller saw the change of the Pki
and issued the certificate, and the kubelet found the Secret.",
            )
            .await;
        Ok(())
    }

    /// Begins the next step, after some time to read the one before.
    async fn heading(&self, text: &str) {
        if self.screen.is_terminal() {
            sleep(PAUSE).await;
        }
        self.screen.print(&format!("# {text}")).await;
    }

    async fn command(&self, command: &str, output: &str) {
        self.screen.print(&format!("$ {command}\n{output}")).await;
    }

    async fn create(&self, file: &str, yaml: &str) -> Result<(), Error> {
        let command = format!("kubectl create -f {file}");
        let mut output = String::new();
        self.screen.hold().await;
        for object in documents(yaml)? {
            output += &kubectl::create(self.client, &object).await.map_err(broke_off(&command))?;
        }
        self.command(&command, &output).await;
        Ok(())
    }

    async fn get(&self, command: &str, path: &str) -> Result<(), Error> {
        let answer = kubectl::get(self.client, path).await.map_err(broke_off(command))?;
        self.command(command, &table::print(&answer, command.contains("--all-namespaces"))).await;
        Ok(())
    }

    /// Waits until every pod of the namespace has this status, as kubectl prints it.
    async fn pods(&self, namespace: &str, status: &str) -> Result<(), Error> {
        self.column(&format!("/api/v1/namespaces/{namespace}/pods"), "Status", status).await
    }

    /// Waits until the Pki of the namespace has this reason, and prints it.
    async fn pki(&self, namespace: &str, reason: &str) -> Result<(), Error> {
        let path = format!("/apis/box.com/v1/namespaces/{namespace}/pkis");
        self.column(&path, "Reason", reason).await?;
        self.get(&format!("kubectl get pki -n {namespace}"), &path).await
    }

    async fn column(&self, path: &str, column: &str, wanted: &str) -> Result<(), Error> {
        retry_until(&format!("{column} {wanted} in {path}"), async || {
            let cells = table::cells(&kubectl::get(self.client, path).await?, column);
            let all = !cells.is_empty() && cells.iter().all(|cell| cell == wanted);
            Ok(if all { Ok(()) } else { Err(cells.join(", ")) })
        })
        .await
    }
}

/// Repeats an attempt until it returns a value. An attempt that fails returns what it saw instead.
pub async fn retry_until<T>(
    what: &str,
    attempt: impl AsyncFn() -> Result<Result<T, String>, Failure>,
) -> Result<T, Error> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let seen = match attempt().await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(seen)) => seen,
            Err(failure) => failure.to_string(),
        };
        if Instant::now() > deadline {
            return Err(broke_off(what)(format!("not within {LIMIT:?}; last seen: {seen}")));
        }
        sleep(Duration::from_millis(50)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn missing_result_is_named_with_what_was_seen_instead() {
        let attempt = async || Ok(Err::<(), _>("Pending".to_owned()));
        let error = retry_until("a pod that runs", attempt).await.unwrap_err();
        assert_eq!(error.to_string(), "the story broke off: a pod that runs: not within 30s; last seen: Pending");
    }
}
