//! What an operator does before the controller can run.

use serde_json::{Value, json};

use super::{
    api::{Api, word},
    pace::Broken,
    page::Page,
};

/// Everything that a cluster needs to run the controller.
pub const MANIFEST: &str = include_str!("../../demo-controller.yaml");

/// Nobody stays to play for longer.
const TOKEN_SECONDS: u64 = 30 * 24 * 3600;

/// What the ConfigMap gives to the controller in a cluster, as a file.
pub fn allowed_names(objects: &[Value]) -> &str {
    let config = objects.iter().find(|object| object["kind"] == "ConfigMap");
    config.map_or("", |config| word(&config["data"]["allowed-names"]))
}

/// `kubectl create -f demo-controller.yaml`. Returns the controller's token.
pub async fn install(api: &Api, objects: &[Value], page: &mut Page) -> Result<String, Broken> {
    let mut kinds = Vec::new();
    for object in objects.iter().filter(|object| object["kind"] != "Deployment") {
        let (kind, name) = (word(&object["kind"]), word(&object["metadata"]["name"]));
        api.create(object).await.map_err(Broken::refused(format!("create {kind} {name}")))?;
        kinds.push(kind);
    }
    page.text(&format!(
        "demo-controller.yaml is installed ({}), but for its Deployment: its part is played by this process, with the \
         token of the ServiceAccount, and with no more rights than that has.",
        kinds.join(", ")
    ));
    let path = "/api/v1/namespaces/controlplane/serviceaccounts/demo-controller/token";
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": { "expirationSeconds": TOKEN_SECONDS },
    });
    let answer = api.post(path, &request).await.map_err(Broken::refused("kubectl create token demo-controller"))?;
    Ok(word(&answer["status"]["token"]).to_owned())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            api::{documents, items},
            story,
        },
        *,
    };

    #[test]
    fn the_manifest_is_all_that_is_needed() {
        let objects = documents(MANIFEST).unwrap();
        assert_eq!(objects.iter().filter(|object| object["kind"] == "Deployment").count(), 1);
        let names = allowed_names(&objects);
        assert!(names.lines().any(|line| line == "app1") && names.lines().any(|line| line == "app2"), "{names}");
        for yaml in [story::APP1, story::APP2] {
            let kinds: Vec<Value> = documents(yaml).unwrap().iter().map(|object| object["kind"].clone()).collect();
            assert_eq!(kinds, ["Namespace", "Pki", "Deployment"]);
        }
        assert!(!items(&objects[1]["spec"]["versions"]).is_empty(), "lists are lists");
    }
}
