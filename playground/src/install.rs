//! Installs demo-controller.yaml, as an operator does.

use daemon::Error;
use demo_controller::request::with_timeout;
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{Api, Client, api::PostParams};
use serde_json::Value;

use crate::{kubectl, story_failed};

const MANIFEST: &str = include_str!("../../demo-controller.yaml");

/// Returns the objects of demo-controller.yaml, except the Deployment: the controller runs in this process.
pub fn read_manifest() -> Result<Vec<Value>, Error> {
    let mut objects = parse_documents(MANIFEST)?;
    objects.retain(|object| object["kind"] != "Deployment");
    Ok(objects)
}

/// Parses a YAML file that is compiled in.
pub fn parse_documents(yaml: &str) -> Result<Vec<Value>, Error> {
    serde_saphyr::from_multiple(yaml).map_err(|e| Error::Failed(e.to_string()))
}

/// Returns the file that the ConfigMap mounts into the controller's pod.
pub fn find_allowed_names(objects: &[Value]) -> &str {
    let config = objects.iter().find(|object| object["kind"] == "ConfigMap");
    config.and_then(|config| config["data"]["allowed-names"].as_str()).unwrap_or_default()
}

/// Creates the objects and returns the token of the controller's ServiceAccount.
pub async fn install(client: &Client, objects: &[Value]) -> Result<String, Error> {
    for object in objects {
        kubectl::create(client, object).await.map_err(story_failed("kubectl create -f demo-controller.yaml"))?;
    }
    let api: Api<ServiceAccount> = Api::namespaced(client.clone(), "controlplane");
    let thirty_days = Some(30 * 24 * 3600);
    let spec = TokenRequestSpec { expiration_seconds: thirty_days, ..TokenRequestSpec::default() };
    let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
    let token = with_timeout(api.create_token_request("demo-controller", &PostParams::default(), &request)).await;
    let token = token.map_err(story_failed("kubectl create token demo-controller"))?;
    Ok(token.status.and_then(|status| status.token).unwrap_or_default())
}
