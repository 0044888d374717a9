//! What an operator does before the controller can run.

use daemon::Error;
use demo_controller::request::with_time_limit;
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{Api, Client, api::PostParams};
use serde_json::Value;

use crate::{broke_off, kubectl};

const MANIFEST: &str = include_str!("../../demo-controller.yaml");

/// The objects of demo-controller.yaml, except the Deployment, whose place this process takes.
pub fn manifest() -> Result<Vec<Value>, Error> {
    let mut objects = documents(MANIFEST)?;
    objects.retain(|object| object["kind"] != "Deployment");
    Ok(objects)
}

/// The objects of a YAML file that is compiled in.
pub fn documents(yaml: &str) -> Result<Vec<Value>, Error> {
    serde_saphyr::from_multiple(yaml).map_err(|e| Error::Failed(e.to_string()))
}

/// What the ConfigMap mounts into the controller's pod, as the text of a file.
pub fn allowed_names(objects: &[Value]) -> &str {
    let config = objects.iter().find(|object| object["kind"] == "ConfigMap");
    config.and_then(|config| config["data"]["allowed-names"].as_str()).unwrap_or_default()
}

/// Creates the objects and returns the token of the controller's ServiceAccount.
pub async fn install(client: &Client, objects: &[Value]) -> Result<String, Error> {
    for object in objects {
        kubectl::create(client, object).await.map_err(broke_off("kubectl create -f demo-controller.yaml"))?;
    }
    let api: Api<ServiceAccount> = Api::namespaced(client.clone(), "controlplane");
    let thirty_days = Some(30 * 24 * 3600);
    let spec = TokenRequestSpec { expiration_seconds: thirty_days, ..TokenRequestSpec::default() };
    let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
    let token = with_time_limit(api.create_token_request("demo-controller", &PostParams::default(), &request)).await;
    let token = token.map_err(broke_off("kubectl create token demo-controller"))?;
    Ok(token.status.and_then(|status| status.token).unwrap_or_default())
}
