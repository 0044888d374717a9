//! What a person calls a resource, and where the server has it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use demo_controller::watch::{
    Resource, Wanted,
    discovery::{Waiting, find, wait},
};
use kube::Client;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::world::{CONTROLLER, World};

/// A resource of its own kind in any group: `things`, with the short name `th`.
fn definition(group: &str, scope: &str, versions: &[(&str, bool)]) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .enumerate()
        .map(|(n, (name, served))| {
            let schema =
                json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
            json!({ "name": name, "served": served, "storage": n == 0, "schema": schema })
        })
        .collect();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("things.{group}") },
        "spec": {
            "group": group,
            "scope": scope,
            "names": { "plural": "things", "singular": "thing", "kind": "Thing", "shortNames": ["th"] },
            "versions": versions,
        },
    })
}

fn wanted(resource: &str) -> Wanted {
    Wanted::parse(Some(resource), None, None, None).expect("a name")
}

async fn ask(client: &Client, resource: &str) -> Result<Resource, String> {
    find(client, &wanted(resource), Some("a")).await.map_err(|reason| reason.to_string())
}

/// The server tells all names of everything that it serves, and each of them finds it.
#[tokio::test(start_paused = true)]
async fn everything_that_is_served_is_found_by_each_of_its_names() {
    let world = World::new(1).await;
    let client = world.client().await;
    let mut documents = vec!["/api/v1".to_owned()];
    let groups = world.get("/apis").await;
    let versions = groups["groups"].as_array().expect("groups").iter().map(|group| &group["preferredVersion"]);
    documents.extend(versions.map(|version| format!("/apis/{}", version["groupVersion"].as_str().expect("a version"))));
    let mut found = BTreeMap::new();
    for path in documents {
        let document = world.get(&path).await;
        for resource in document["resources"].as_array().expect("resources") {
            let list = |field: &str| resource[field].as_array().cloned().unwrap_or_default();
            let plural = resource["name"].as_str().expect("a name");
            if plural.contains('/') || !list("verbs").contains(&json!("watch")) {
                continue;
            }
            let names = ["name", "singularName", "kind"].map(|field| resource[field].clone());
            for name in names.iter().chain(&list("shortNames")) {
                let name = name.as_str().expect("a name");
                let resource = ask(&client, name).await.unwrap_or_else(|reason| panic!("{name}: {reason}"));
                let namespace = if resource.namespaced { "/namespaces/a" } else { "" };
                assert_eq!(resource.path, format!("{path}{namespace}/{plural}"), "{name}");
                assert_eq!(ask(&client, &resource.name).await.as_ref(), Ok(&resource), "{name}");
                found.insert(resource.path.clone(), resource.kind.clone());
            }
        }
    }
    assert_eq!(found["/apis/apps/v1/namespaces/a/deployments"], "Deployment");
    assert_eq!(found["/api/v1/namespaces"], "Namespace");
    assert_eq!(found["/apis/box.com/v1/namespaces/a/pkis"], "Pki");
    world.end().await;
}

/// With the rights of demo-controller.yaml, which do not hold for things: to know where they are is nobody's secret.
#[tokio::test(start_paused = true)]
async fn a_crd_that_is_installed_later_is_waited_for() {
    let world = World::new(1).await;
    let client = world.client().await;
    let (waiting, stop) = (Arc::new(Waiting::default()), CancellationToken::new());
    let search = tokio::spawn({
        let (waiting, stop) = (waiting.clone(), stop.clone());
        async move { wait(&client, &wanted("th"), Some("a"), &waiting, &stop).await }
    });
    tokio::time::sleep(Duration::from_secs(600)).await;
    let reason = waiting.check().unwrap_err();
    assert!(reason.contains("the API server serves no th (is its CRD installed?)"), "{reason}");
    let (installed, asked) = (Instant::now(), world.requests().values().sum::<usize>());
    assert!(asked < 600, "{asked} requests in ten minutes");
    world.create(&definition("example.com", "Namespaced", &[("v1", true)])).await;
    let resource = search.await.expect("no panic").expect("found");
    assert_eq!(resource.path, "/apis/example.com/v1/namespaces/a/things");
    assert!(installed.elapsed() <= Duration::from_secs(31), "{:?}", installed.elapsed());
    assert_eq!(waiting.check(), Ok(()));
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_custom_resource_is_found_by_every_name_in_every_form() {
    let world = World::new(1).await;
    let client = world.client().await;
    let versions = [("v1", true), ("v2alpha1", true), ("v1beta1", false)];
    world.create(&definition("example.com", "Cluster", &versions)).await;
    for name in ["things", "thing", "Thing", "th", "TH", "things.example.com", "th.v1.example.com"] {
        let resource = ask(&client, name).await.unwrap_or_else(|reason| panic!("{name}: {reason}"));
        assert_eq!((&*resource.path, resource.namespaced), ("/apis/example.com/v1/things", false), "{name}");
        assert_eq!((&*resource.name, &*resource.kind), ("things.example.com", "Thing"), "{name}");
    }
    let alpha = ask(&client, "Thing.v2alpha1.example.com").await.expect("served");
    assert_eq!((&*alpha.path, &*alpha.api_version), ("/apis/example.com/v2alpha1/things", "example.com/v2alpha1"));
    let reason = ask(&client, "things.v1beta1.example.com").await.unwrap_err();
    assert!(reason.ends_with("it has things.example.com in example.com/v1, example.com/v2alpha1"), "{reason}");
    let reason = ask(&client, "thigns").await.unwrap_err();
    assert!(reason.ends_with("names like that: things.example.com"), "{reason}");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_name_in_two_groups_is_ambiguous_until_one_of_them_goes() {
    let world = World::new(1).await;
    let client = world.client().await;
    let (ours, theirs) =
        (definition("a.example", "Namespaced", &[("v1", true)]), definition("b.example", "Cluster", &[("v1", true)]));
    world.create(&ours).await;
    world.create(&theirs).await;
    for name in ["things", "thing", "th"] {
        let reason = ask(&client, name).await.unwrap_err();
        assert_eq!(reason, format!("{name} is ambiguous: expected one of things.a.example, things.b.example"));
    }
    assert_eq!(ask(&client, "th.b.example").await.expect("unambiguous").path, "/apis/b.example/v1/things");
    world.delete(&theirs).await;
    assert_eq!(ask(&client, "th").await.expect("the other").path, "/apis/a.example/v1/namespaces/a/things");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_a_resource_to_watch_says_so() {
    let world = World::new(1).await;
    let client = world.client().await;
    let reason = ask(&client, "selfsubjectreviews").await.unwrap_err();
    assert!(reason.contains("cannot be listed and watched: the API server offers create"), "{reason}");
    let requests = world.server.requests();
    assert!(requests.iter().any(|entry| entry.user == CONTROLLER), "it was the ServiceAccount that asked");
    world.end().await;
}
