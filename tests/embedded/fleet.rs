//! Twenty Pkis, fifty pods that mount their Secrets, and a check of the state that the controller has to reach.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testkit::{
    Cluster,
    objects::{self, key},
    wait::expect,
};
use x509_parser::{certificate::X509Certificate, pem::parse_x509_pem, prelude::FromDer};

pub const PKIS: &str = "/apis/box.com/v1/pkis";
pub const PODS: &str = "/api/v1/pods";
pub const SECRETS: &str = "/api/v1/secrets";
pub const EVENTS: &str = "/api/v1/events";

/// The reason of the Events about a typo.
const TYPO_REASON: &str = "pki ServiceName error";

pub const PKI_COUNT: usize = 20;
pub const POD_COUNT: usize = 50;

/// The namespace of the n-th Pki. Each has five Pkis.
fn namespace(n: usize) -> String {
    format!("team{}", n / 5)
}

/// The n-th Pki. Every fourth has a typo.
pub fn pki(n: usize) -> Value {
    let service = if n % 4 == 3 { "appp1" } else { "app1" };
    objects::pki(&namespace(n), &format!("pki{n}"), json!({ "serviceName": service }))
}

/// The n-th pod. It mounts the Secret of the n-th Pki, modulo their number.
pub fn pod(n: usize) -> Value {
    let pki = n % PKI_COUNT;
    objects::pod_mounting(&namespace(pki), &format!("pod{n}"), &format!("pki{pki}"))
}

/// Creates the namespaces, Pkis and pods.
pub async fn create(cluster: &Cluster) {
    for n in 0..PKI_COUNT / 5 {
        cluster.create_namespace(&namespace(n * 5)).await;
    }
    for n in 0..PKI_COUNT {
        cluster.create(&pki(n)).await;
    }
    for n in 0..POD_COUNT {
        cluster.create(&pod(n)).await;
    }
}

/// Corrects a typo, changes another one, deletes and creates Pkis, replaces pods.
pub async fn change(cluster: &Cluster) {
    cluster.patch(&pki(3), json!({ "spec": { "serviceName": "app2" } })).await;
    cluster.patch(&pki(7), json!({ "spec": { "serviceName": "apppp1" } })).await;
    cluster.patch(&pki(1), json!({ "spec": { "commonName": "app2" } })).await;
    cluster.delete(&pki(0)).await;
    cluster.delete(&pki(2)).await;
    cluster.create(&pki(0)).await;
    for n in [0, 11, 20, 31] {
        cluster.delete(&pod(n)).await;
        cluster.create(&pod(n)).await;
    }
    for n in 40..45 {
        cluster.delete(&pod(n)).await;
    }
    for n in 60..65 {
        cluster.create(&pod(n)).await;
    }
}

/// Checks the state of the fleet, and returns the first difference.
///
/// Each Pki with an allowed name has its own certificate and reports it in its status. Each other Pki has one Event with
/// the reason, and so has each pod that mounts its Secret.
pub async fn check(cluster: &Cluster) -> Result<(), String> {
    let (pkis, pods) = (cluster.list(PKIS).await, cluster.list(PODS).await);
    let (secrets, events) = (cluster.list(SECRETS).await, cluster.list(EVENTS).await);
    for (name, pki) in &pkis {
        let service = pki["spec"]["serviceName"].as_str().unwrap_or_default();
        let (status, secret) = (&pki["status"], secrets.get(name));
        let ready = &status["conditions"][0];
        expect(
            status["observedGeneration"] == pki["metadata"]["generation"],
            format_args!("{name}: outdated: {status}"),
        )?;
        if ["app1", "app2"].contains(&service) {
            let secret = secret.ok_or_else(|| format!("{name}: no Secret"))?;
            let owner = &secret["metadata"]["ownerReferences"][0]["uid"];
            expect(*owner == pki["metadata"]["uid"], format_args!("{name}: the Secret of another owner"))?;
            expect(ready["status"] == "True", format_args!("{name}: {ready}"))?;
            let reported = status["serialNumber"].as_str().map(normalize);
            let actual = serial(secret);
            let matches = reported == actual && actual.is_some();
            expect(matches, format_args!("{name}: status {reported:?}, Secret {actual:?}"))?;
        } else {
            // A Secret from before the typo is kept.
            let owner = secret.map(|secret| &secret["metadata"]["ownerReferences"][0]["uid"]);
            expect(
                owner.is_none_or(|owner| *owner == pki["metadata"]["uid"]),
                format_args!("{name}: the Secret of another owner"),
            )?;
            expect(ready["reason"] == "NameNotAllowed", format_args!("{name}: {ready}"))?;
            check_event(&events, "Pki", pki, service)?;
            let mounts = |pod: &&Value| {
                let volume = &pod["spec"]["volumes"][0]["secret"]["secretName"];
                pod["metadata"]["namespace"] == pki["metadata"]["namespace"] && *volume == pki["metadata"]["name"]
            };
            for pod in pods.values().filter(mounts) {
                check_event(&events, "Pod", pod, service)?;
            }
        }
    }
    let orphan = secrets.keys().find(|name| name.starts_with("team") && !pkis.contains_key(*name));
    expect(orphan.is_none(), format_args!("{orphan:?}: a Secret without a Pki"))
}

/// Panics if a Pki that never had an allowed name has a Secret.
pub async fn check_no_secrets_for_typos(cluster: &Cluster) {
    let secrets = cluster.list(SECRETS).await;
    for n in (7..PKI_COUNT).step_by(4) {
        let name = key(&pki(n));
        assert!(!secrets.contains_key(&name), "{name}: a Secret for a name that is not allowed");
    }
}

/// Checks that exactly one Event is about this object and this typo.
fn check_event(events: &BTreeMap<String, Value>, kind: &str, about: &Value, service: &str) -> Result<(), String> {
    let typo = format!("ServiceName: {service} ");
    let matching = events.values().filter(|event| {
        let object = &event["involvedObject"];
        event["reason"] == TYPO_REASON
            && object["kind"] == kind
            && object["uid"] == about["metadata"]["uid"]
            && event["message"].as_str().is_some_and(|message| message.starts_with(&typo))
    });
    let count = matching.count();
    expect(count == 1, format_args!("{kind} {}: {count} Events about {service}", key(about)))
}

/// The `count` of each Event about a typo.
pub async fn event_counts(cluster: &Cluster) -> Vec<i64> {
    let events = cluster.list(EVENTS).await;
    let refusals = events.values().filter(|event| event["reason"] == TYPO_REASON);
    refusals.map(|event| event["count"].as_i64().unwrap_or(1)).collect()
}

/// The serial number of the certificate in a Secret.
fn serial(secret: &Value) -> Option<String> {
    let (_, pem) = parse_x509_pem(&objects::secret_data(secret, "tls.crt")).ok()?;
    let (_, certificate) = X509Certificate::from_der(&pem.contents).ok()?;
    Some(normalize(&certificate.raw_serial_as_string()))
}

/// Normalizes hexadecimal digits.
fn normalize(serial: &str) -> String {
    serial.replace(':', "").trim_start_matches('0').to_lowercase()
}
