//! The story that the project comes from, live: two applications, and a typo in one of them.
//!
//! Each step prints what a person would type, does what that does, waits until the server shows what it leads to, and
//! prints what the server shows. The tables and descriptions under the commands are the server's; written here is only what
//! kubectl itself adds, such as "patched".

use serde_json::json;

use super::{
    api::{Api, documents, items, word},
    describe,
    hold::Hold,
    pace::{Broken, Pace},
    page::Page,
    table,
};

/// The applications, as the reader of the examples knows them. One has a typo.
pub const APP1: &str = include_str!("../../examples/app1.yaml");
/// The other has none.
pub const APP2: &str = include_str!("../../examples/app2.yaml");

/// The reason of the event that the story is about.
const REASON: &str = "pki ServiceName error";

/// Who tells it, and where.
pub struct Story<'a> {
    /// The learner's hands.
    pub api: &'a Api,
    /// Where it is written.
    pub page: &'a mut Page,
    /// How fast.
    pub pace: Pace,
    /// The controller's log lines, kept back while the story speaks.
    pub log: &'a Hold,
}

impl Story<'_> {
    /// From the first application to the happy end.
    ///
    /// # Errors
    /// What could not be done, or did not happen.
    pub async fn tell(mut self) -> Result<(), Broken> {
        self.app2_comes_up().await?;
        self.app1_waits().await?;
        self.the_event_says_why().await?;
        self.the_typo_is_fixed().await?;
        self.app1_comes_up().await
    }

    async fn app2_comes_up(&mut self) -> Result<(), Broken> {
        self.page.heading("1. app2 asks for a certificate, and comes up");
        self.create("examples/app2.yaml", APP2).await?;
        self.page.text(
            "A namespace, a Pki and a Deployment. The Pki asks for a certificate in the name of app2, which is on the \
             list of allowed names; the pod mounts the Secret that the certificate will be in.",
        );
        self.pace.pause(1.0).await;
        self.pods("app2", "Running").await?;
        self.get("kubectl get pods -n app2", "/api/v1/namespaces/app2/pods", false).await?;
        self.pki("app2", "app2-pki", "Issued").await?;
        self.get("kubectl get pki -n app2", "/apis/box.com/v1/namespaces/app2/pkis", false).await?;
        self.step_ends(1.0).await;
        Ok(())
    }

    async fn app1_waits(&mut self) -> Result<(), Broken> {
        self.page.heading("2. app1 does the same, and waits");
        self.create("examples/app1.yaml", APP1).await?;
        self.pace.pause(1.0).await;
        self.pods("app1", "ContainerCreating").await?;
        self.get("kubectl get pods --all-namespaces", "/api/v1/pods", true).await?;
        self.page.text(
            "ContainerCreating: the Secret that the pod mounts does not exist. That much every cluster would say. Why \
             it does not exist, only the controller knows.",
        );
        self.step_ends(1.0).await;
        Ok(())
    }

    async fn the_event_says_why(&mut self) -> Result<(), Broken> {
        self.page.heading("3. The pod's owner looks at the pod, and reads why");
        let api = self.api;
        let events = self
            .pace
            .until(format!("an event \"{REASON}\" on the pod of app1"), || async move {
                let pods = api.get("/api/v1/namespaces/app1/pods").await?;
                let Some(pod) = items(&pods["items"]).first() else { return Ok(Err("no pod".to_owned())) };
                let events = api.get(&describe::events_of(pod)).await?;
                let told = items(&events["items"]).iter().any(|event| event["reason"] == REASON);
                Ok(if told { Ok(events) } else { Err(format!("{} other events", items(&events["items"]).len())) })
            })
            .await?;
        let text = format!("...\n{}", describe::events(&events, jiff::Timestamp::now()));
        self.page.command("kubectl describe pod -n app1", &text);
        self.page.text(
            "The kubelet can only say what it misses. The line from controlplane is the controller's: what is wrong, and \
             what would be right. Not in a log that she cannot see, but on the pod that waits. The Pki says the same:",
        );
        self.pki("app1", "app1-pki", "NameNotAllowed").await?;
        self.get("kubectl get pki -n app1", "/apis/box.com/v1/namespaces/app1/pkis", false).await?;
        self.step_ends(1.5).await;
        Ok(())
    }

    async fn the_typo_is_fixed(&mut self) -> Result<(), Broken> {
        self.page.heading("4. appp1 has one p too many; she corrects it");
        let command = "kubectl patch pki app1-pki -n app1 --type merge -p 'spec: {serviceName: app1}'";
        let path = "/apis/box.com/v1/namespaces/app1/pkis/app1-pki";
        let patched = self.api.patch(path, &json!({ "spec": { "serviceName": "app1" } })).await;
        let name = word(&patched.map_err(Broken::refused(command))?["metadata"]["name"]).to_owned();
        self.page.command(command, &format!("pki.box.com/{name} patched"));
        self.step_ends(0.5).await;
        Ok(())
    }

    async fn app1_comes_up(&mut self) -> Result<(), Broken> {
        self.page.heading("5. app1 comes up");
        self.pki("app1", "app1-pki", "Issued").await?;
        self.get("kubectl get pki -n app1", "/apis/box.com/v1/namespaces/app1/pkis", false).await?;
        self.pods("app1", "Running").await?;
        self.get("kubectl get pods --all-namespaces", "/api/v1/pods", true).await?;
        self.page.text(
            "Nobody has restarted anything. The pod waited, the controller saw the Pki change, issued the certificate, \
             and the kubelet found the Secret.",
        );
        self.step_ends(0.5).await;
        Ok(())
    }

    /// `kubectl create -f`.
    async fn create(&mut self, file: &str, yaml: &str) -> Result<(), Broken> {
        let command = format!("kubectl create -f {file}");
        let objects = documents(yaml).map_err(|why| Broken::Refused { doing: command.clone(), why })?;
        let mut output = String::new();
        for object in &objects {
            let created = self.api.create(object).await.map_err(Broken::refused(&command))?;
            output.push_str(&format!("{created} created\n"));
        }
        self.page.command(&command, &output);
        Ok(())
    }

    /// `kubectl get`.
    async fn get(&mut self, command: &str, path: &str, namespaces: bool) -> Result<(), Broken> {
        let answer = self.api.table(path).await.map_err(Broken::refused(command))?;
        self.page.command(command, &table::print(&answer, namespaces));
        Ok(())
    }

    /// Waits until there are pods in the namespace and all of them have this status, as kubectl shows it.
    async fn pods(&mut self, namespace: &str, status: &str) -> Result<(), Broken> {
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        self.column(&format!("a pod of {namespace} that is {status}"), &path, "Status", status).await
    }

    /// Waits until the Pki's condition has this reason.
    async fn pki(&mut self, namespace: &str, name: &str, reason: &str) -> Result<(), Broken> {
        let path = format!("/apis/box.com/v1/namespaces/{namespace}/pkis");
        self.column(&format!("the Pki {namespace}/{name} to be {reason}"), &path, "Reason", reason).await
    }

    async fn column(&mut self, what: &str, path: &str, column: &str, wanted: &str) -> Result<(), Broken> {
        let api = self.api;
        let look = || async move {
            let table = api.table(path).await?;
            let cells = table::cells(&table, column);
            let there = !cells.is_empty() && cells.iter().all(|cell| cell == wanted);
            Ok(if there { Ok(()) } else { Err(format!("{column}: {}", cells.join(", "))) })
        };
        self.pace.until(what, look).await
    }

    /// Time to read. Who has asked for every step of the controller gets to see them here.
    async fn step_ends(&mut self, seconds: f64) {
        if self.log.is_chatty() && !self.log.is_empty() {
            self.page.text("The controller's log meanwhile:");
            self.log.release_for_now();
        }
        self.pace.pause(seconds).await;
    }
}
