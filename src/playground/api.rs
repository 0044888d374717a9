//! What kubectl does, in small: the story's hands.
//!
//! Like kubectl, it knows no resource by itself. What a kind's collection is called, and whether it has namespaces, it
//! asks the server (discovery).

use kube::Client;
use serde_json::Value;

use crate::request::{Failure, bounded};

/// As the administrator.
#[derive(Clone)]
pub struct Api(pub Client);

/// As kubectl asks for what it prints.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

impl Api {
    /// An object, a list, anything.
    ///
    /// # Errors
    /// As all of these: what the server said.
    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.send("GET", path, "application/json", None).await
    }

    /// A collection as a table.
    pub async fn table(&self, path: &str) -> Result<Value, Failure> {
        self.send("GET", path, TABLE, None).await
    }

    /// Creates: an object, a token.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send("POST", path, "application/json", Some(("application/json", body))).await
    }

    /// Changes (`--type merge`).
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send("PATCH", path, "application/json", Some(("application/merge-patch+json", body))).await
    }

    /// `kubectl create -f`: creates an object wherever it belongs. Returns what kubectl says of it: `pki.box.com/app1-pki`.
    pub async fn create(&self, object: &Value) -> Result<String, Failure> {
        let (api_version, kind) = (word(&object["apiVersion"]), word(&object["kind"]));
        let (group_path, group) = match api_version.split_once('/') {
            Some((group, _)) => (format!("/apis/{api_version}"), group),
            None => (format!("/api/{api_version}"), ""),
        };
        let served = self.get(&group_path).await?;
        let resource =
            items(&served["resources"]).iter().find(|r| r["kind"] == kind && !word(&r["name"]).contains('/'));
        let resource = resource.ok_or_else(|| Failure::Malformed(format!("{group_path} does not list {kind}")))?;
        let plural = word(&resource["name"]);
        let path = match object["metadata"]["namespace"].as_str().filter(|_| resource["namespaced"] == true) {
            Some(namespace) => format!("{group_path}/namespaces/{namespace}/{plural}"),
            None => format!("{group_path}/{plural}"),
        };
        let created = self.post(&path, object).await?;
        let dot = if group.is_empty() { "" } else { "." };
        Ok(format!("{}{dot}{group}/{}", kind.to_lowercase(), word(&created["metadata"]["name"])))
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        accept: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<Value, Failure> {
        let mut request = http::Request::builder().method(method).uri(path).header(http::header::ACCEPT, accept);
        let mut bytes = Vec::new();
        if let Some((content_type, body)) = body {
            request = request.header(http::header::CONTENT_TYPE, content_type);
            bytes = body.to_string().into_bytes();
        }
        let request = request.body(bytes).map_err(|e| Failure::Malformed(e.to_string()))?;
        bounded(self.0.request::<Value>(request)).await
    }
}

/// The elements of an array; of anything else none.
pub fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

/// A text; of anything else an empty one.
pub fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The objects of a YAML file.
///
/// # Errors
/// The file is no YAML: a mistake in the source, as the files are compiled in.
pub fn documents(yaml: &str) -> Result<Vec<Value>, String> {
    serde_saphyr::from_multiple(yaml).map_err(|e| e.to_string())
}
