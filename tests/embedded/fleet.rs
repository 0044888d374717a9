//! Twenty Pkis and fifty pods that mount their Secrets, and the state that they have to reach.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use serde_json::{Value, json};
use testkit::{Cluster, objects::key};
use x509_parser::{certificate::X509Certificate, pem::parse_x509_pem, prelude::FromDer};

/// The collections.
pub const PKIS: &str = "/apis/box.com/v1/pkis";
pub const PODS: &str = "/api/v1/pods";
pub const SECRETS: &str = "/api/v1/secrets";
pub const EVENTS: &str = "/api/v1/events";

/// The reason of the events about a typo.
const REFUSED: &str = "pki ServiceName error";

pub const PKI_COUNT: usize = 20;
pub const POD_COUNT: usize = 50;

/// The namespace of the n-th Pki: five each.
fn namespace(n: usize) -> String {
    format!("team{}", n / 5)
}

/// The n-th Pki. Every fourth has a typo.
pub fn pki(n: usize) -> Value {
    let service = if n % 4 == 3 { "appp1" } else { "app1" };
    json!({
        "apiVersion": "box.com/v1", "kind": "Pki",
        "metadata": { "name": format!("pki{n}"), "namespace": namespace(n) }, "spec": { "serviceName": service },
    })
}

/// The n-th pod. It mounts the Secret of the n-th Pki, modulo their number.
pub fn pod(n: usize) -> Value {
    let pki = n % PKI_COUNT;
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": format!("pod{n}"), "namespace": namespace(pki) },
        "spec": {
            "containers": [{ "name": "web", "image": "web" }],
            "volumes": [{ "name": "certificate", "secret": { "secretName": format!("pki{pki}") } }],
        },
    })
}

/// Creates all of them.
pub async fn create(world: &Cluster) {
    for n in 0..PKI_COUNT / 5 {
        world.namespace(&namespace(n * 5)).await;
    }
    for n in 0..PKI_COUNT {
        world.create(&pki(n)).await;
    }
    for n in 0..POD_COUNT {
        world.create(&pod(n)).await;
    }
}

/// Fixes a typo, makes another one, deletes and creates Pkis, replaces pods.
pub async fn change(world: &Cluster) {
    world.patch(&pki(3), json!({ "spec": { "serviceName": "app2" } })).await;
    world.patch(&pki(7), json!({ "spec": { "serviceName": "apppp1" } })).await;
    world.patch(&pki(1), json!({ "spec": { "commonName": "app2" } })).await;
    world.delete(&pki(0)).await;
    world.delete(&pki(2)).await;
    world.create(&pki(0)).await;
    for n in [0, 11, 20, 31] {
        world.delete(&pod(n)).await;
        world.create(&pod(n)).await;
    }
    for n in 40..45 {
        world.delete(&pod(n)).await;
    }
    for n in 60..65 {
        world.create(&pod(n)).await;
    }
}

/// Each Pki with an allowed name has a certificate of its own and a status about it. Each other Pki has one Event with the
/// reason, and so has each of its pods.
///
/// # Errors
/// The first difference.
pub async fn check(world: &Cluster) -> Result<(), String> {
    let (pkis, pods) = (world.all(PKIS).await, world.all(PODS).await);
    let (secrets, events) = (world.all(SECRETS).await, world.all(EVENTS).await);
    for (name, pki) in &pkis {
        let service = pki["spec"]["serviceName"].as_str().unwrap_or_default();
        let (status, secret) = (&pki["status"], secrets.get(name));
        let ready = &status["conditions"][0];
        ensure(status["observedGeneration"] == pki["metadata"]["generation"], || {
            format!("{name}: outdated: {status}")
        })?;
        if ["app1", "app2"].contains(&service) {
            let secret = secret.ok_or_else(|| format!("{name}: no Secret"))?;
            let owner = &secret["metadata"]["ownerReferences"][0]["uid"];
            ensure(*owner == pki["metadata"]["uid"], || format!("{name}: the Secret of another owner"))?;
            ensure(ready["status"] == "True", || format!("{name}: {ready}"))?;
            let reported = status["serialNumber"].as_str().map(plain);
            let is = serial(secret);
            ensure(reported == is && is.is_some(), || format!("{name}: status {reported:?}, Secret {is:?}"))?;
        } else {
            // One from before the typo stays as it is.
            let owner = secret.map(|secret| &secret["metadata"]["ownerReferences"][0]["uid"]);
            ensure(owner.is_none_or(|owner| *owner == pki["metadata"]["uid"]), || {
                format!("{name}: the Secret of another owner")
            })?;
            ensure(ready["reason"] == "NameNotAllowed", || format!("{name}: {ready}"))?;
            recorded_once(&events, "Pki", pki, service)?;
            let mounts = |pod: &&Value| {
                let volume = &pod["spec"]["volumes"][0]["secret"]["secretName"];
                pod["metadata"]["namespace"] == pki["metadata"]["namespace"] && *volume == pki["metadata"]["name"]
            };
            for pod in pods.values().filter(mounts) {
                recorded_once(&events, "Pod", pod, service)?;
            }
        }
    }
    let orphan = secrets.keys().find(|name| name.starts_with("team") && !pkis.contains_key(*name));
    ensure(orphan.is_none(), || format!("{orphan:?}: a Secret without a Pki"))
}

/// # Panics
/// A Pki that never requested an allowed name has a Secret.
pub async fn check_no_secrets_for_typos(world: &Cluster) {
    let secrets = world.all(SECRETS).await;
    for n in (7..PKI_COUNT).step_by(4) {
        let name = key(&pki(n));
        assert!(!secrets.contains_key(&name), "{name}: a Secret for a name that is not allowed");
    }
}

/// One Event about this object and this typo.
fn recorded_once(events: &BTreeMap<String, Value>, kind: &str, about: &Value, service: &str) -> Result<(), String> {
    let typo = format!("ServiceName: {service} ");
    let recorded = events.values().filter(|event| {
        let object = &event["involvedObject"];
        event["reason"] == REFUSED
            && object["kind"] == kind
            && object["uid"] == about["metadata"]["uid"]
            && event["message"].as_str().is_some_and(|message| message.starts_with(&typo))
    });
    let count = recorded.count();
    ensure(count == 1, || format!("{kind} {}: {count} Events about {service}", key(about)))
}

/// The `count` of each Event about a typo.
pub async fn event_counts(world: &Cluster) -> Vec<i64> {
    let events = world.all(EVENTS).await;
    let refusals = events.values().filter(|event| event["reason"] == REFUSED);
    refusals.map(|event| event["count"].as_i64().unwrap_or(1)).collect()
}

/// The serial number of the certificate in a Secret.
fn serial(secret: &Value) -> Option<String> {
    let bytes: ByteString = serde_json::from_value(secret["data"]["tls.crt"].clone()).ok()?;
    let (_, pem) = parse_x509_pem(&bytes.0).ok()?;
    let (_, certificate) = X509Certificate::from_der(&pem.contents).ok()?;
    Some(plain(&certificate.raw_serial_as_string()))
}

/// Normalizes hexadecimal digits.
fn plain(serial: &str) -> String {
    serial.replace(':', "").trim_start_matches('0').to_lowercase()
}

fn ensure(holds: bool, wrong: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(wrong()) }
}
