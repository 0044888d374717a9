//! The story: two applications request a certificate, and one of them has a typo in the name.
//!
//! Each step sends the requests of a kubectl command, waits until the API server has the result, and prints both. Only words
//! that kubectl itself adds, such as "patched", are in this file.

use std::time::Duration;

use daemon::Error;
use demo_controller::request::{Failure, with_timeout};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams},
    core::GroupVersionKind,
};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{install::parse_documents, kubectl, screen::Screen, story_failed, table};

/// The application with the typo.
const APP1: &str = include_str!("../../examples/app1.yaml");
/// The application without it.
const APP2: &str = include_str!("../../examples/app2.yaml");

/// The reason of the controller's event for a name that is not allowed.
const EVENT_REASON: &str = "pki ServiceName error";

/// The longest wait for a result.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The pause before each step, on a terminal: time to read.
const PAUSE: Duration = Duration::from_millis(1500);

pub struct Story<'a> {
    /// Has the rights of the learner: those of an administrator.
    pub client: &'a Client,
    pub screen: &'a Screen,
}

impl Story<'_> {
    /// Runs the story, until both applications run.
    ///
    /// # Errors
    /// A request failed, or its result did not appear in time.
    pub async fn run(&self) -> Result<(), Error> {
        self.begin_step("1. app2 requests a certificate, and its pod starts").await;
        self.create("examples/app2.yaml", APP2).await?;
        self.screen
            .print(
                "\
The Pki requests a certificate for the name app2, which is on the list of
allowed names. The pod of the Deployment mounts the Secret app2-pki, into which
the controller writes the certificate.",
            )
            .await;
        self.wait_for_pods("app2", "Running").await?;
        self.get("kubectl get pods -n app2", "/api/v1/namespaces/app2/pods").await?;
        self.wait_for_pki("app2", "Issued").await?;

        self.begin_step("2. app1 requests a certificate, and its pod waits").await;
        self.create("examples/app1.yaml", APP1).await?;
        self.wait_for_pods("app1", "ContainerCreating").await?;
        self.get("kubectl get pods --all-namespaces", "/api/v1/pods").await?;
        self.screen
            .print(
                "\
ContainerCreating: the Secret that the pod mounts does not exist. The reason is
in the log of the controller, which the owner of app1 may not be able to read.",
            )
            .await;

        self.begin_step("3. An event on the pod shows the reason").await;
        let events = retry_until(&format!("the pod of app1 has an event \"{EVENT_REASON}\""), async || {
            let pods: Api<Pod> = Api::namespaced(self.client.clone(), "app1");
            let pods = with_timeout(pods.list(&ListParams::default())).await?.items;
            let events = kubectl::list_events(self.client, pods.first().unwrap_or(&Pod::default())).await?;
            let found = events.iter().any(|event| event.reason.as_deref() == Some(EVENT_REASON));
            Ok(if found { Ok(events) } else { Err(format!("{} other events", events.len())) })
        })
        .await?;
        let output = format!("...\n{}", kubectl::describe_events(&events, Timestamp::now()));
        self.print_command("kubectl describe pod -n app1", &output).await;
        self.screen
            .print(
                "\
The event from the kubelet names the missing Secret. The event from controlplane
is the controller's: it names the wrong value and the allowed names. The status
of the Pki has the same message, and this reason:",
            )
            .await;
        self.wait_for_pki("app1", "NameNotAllowed").await?;

        self.begin_step("4. The owner of app1 corrects the name, and the pod starts").await;
        let command = "kubectl patch pki app1-pki -n app1 --type merge -p 'spec: {serviceName: app1}'";
        let pki = ApiResource::from_gvk(&GroupVersionKind::gvk("box.com", "v1", "Pki"));
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), "app1", &pki);
        let patch = Patch::Merge(json!({ "spec": { "serviceName": "app1" } }));
        self.screen.hold_log().await;
        let patched = with_timeout(api.patch("app1-pki", &PatchParams::default(), &patch)).await;
        let name = patched.map_err(story_failed(command))?.name_any();
        self.print_command(command, &format!("pki.box.com/{name} patched")).await;
        self.wait_for_pki("app1", "Issued").await?;
        self.wait_for_pods("app1", "Running").await?;
        self.get("kubectl get pods --all-namespaces", "/api/v1/pods").await?;
        self.screen
            .print(
                "\
Nothing was restarted. The change of the Pki led to a reconcile, which created
the Secret, and the kubelet started the waiting pod.",
            )
            .await;
        Ok(())
    }

    async fn begin_step(&self, text: &str) {
        if self.screen.is_terminal() {
            sleep(PAUSE).await;
        }
        self.screen.print(&format!("# {text}")).await;
    }

    async fn print_command(&self, command: &str, output: &str) {
        self.screen.print(&format!("$ {command}\n{output}")).await;
    }

    async fn create(&self, file: &str, yaml: &str) -> Result<(), Error> {
        let command = format!("kubectl create -f {file}");
        let mut output = String::new();
        self.screen.hold_log().await;
        for object in parse_documents(yaml)? {
            output += &kubectl::create(self.client, &object).await.map_err(story_failed(&command))?;
        }
        self.print_command(&command, &output).await;
        Ok(())
    }

    async fn get(&self, command: &str, path: &str) -> Result<(), Error> {
        let table = kubectl::get(self.client, path).await.map_err(story_failed(command))?;
        self.print_command(command, &table::render(&table, command.contains("--all-namespaces"))).await;
        Ok(())
    }

    /// Waits until every pod of the namespace has this status, as kubectl prints it.
    async fn wait_for_pods(&self, namespace: &str, status: &str) -> Result<(), Error> {
        self.wait_for_cells(&format!("/api/v1/namespaces/{namespace}/pods"), "Status", status).await
    }

    /// Waits until the Pki of the namespace has this reason, then prints it.
    async fn wait_for_pki(&self, namespace: &str, reason: &str) -> Result<(), Error> {
        let path = format!("/apis/box.com/v1/namespaces/{namespace}/pkis");
        self.wait_for_cells(&path, "Reason", reason).await?;
        self.get(&format!("kubectl get pki -n {namespace}"), &path).await
    }

    async fn wait_for_cells(&self, path: &str, column: &str, wanted: &str) -> Result<(), Error> {
        retry_until(&format!("{column} is {wanted} in {path}"), async || {
            let cells = table::read_column(&kubectl::get(self.client, path).await?, column);
            let all = !cells.is_empty() && cells.iter().all(|cell| cell == wanted);
            Ok(if all { Ok(()) } else { Err(cells.join(", ")) })
        })
        .await
    }
}

/// Repeats `attempt` until it returns a value. Its inner error is the result so far, for the error after the timeout.
pub async fn retry_until<T>(
    condition: &str,
    attempt: impl AsyncFn() -> Result<Result<T, String>, Failure>,
) -> Result<T, Error> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let last = match attempt().await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(found)) => found,
            Err(failure) => failure.to_string(),
        };
        if Instant::now() > deadline {
            return Err(story_failed(condition)(format!("not within {TIMEOUT:?}; last result: {last}")));
        }
        sleep(Duration::from_millis(50)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn timeout_names_the_condition_and_the_last_result() {
        let attempt = async || Ok(Err::<(), _>("Pending".to_owned()));
        let error = retry_until("the pod runs", attempt).await.unwrap_err();
        assert_eq!(error.to_string(), "the story failed: the pod runs: not within 30s; last result: Pending");
    }
}
