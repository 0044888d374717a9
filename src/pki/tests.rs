//! The CRD and the cached Pki.

use serde_json::{Value, json};

use super::*;
use crate::informer::Object;

const MANIFEST: &str = include_str!("../../demo-controller.yaml");

#[test]
fn manifest_has_an_exact_copy_of_the_crd() {
    let found = format!("\n{MANIFEST}").contains(&format!("\n---\n{CRD}---\n"));
    assert!(found, "copy src/pki/crd.yaml into demo-controller.yaml");
}

#[test]
fn crd_defines_the_group_and_names_of_the_code() {
    let (group, version) = API_VERSION.split_once('/').unwrap();
    for line in [
        format!("name: {PLURAL}.{group}"),
        format!("group: {group}"),
        format!("- name: {version}"),
        format!("names: {{kind: {KIND}, listKind: {KIND}List, plural: {PLURAL}, singular: pki}}"),
        format!("maxItems: {}", validate::MAX_DNS_NAMES),
    ] {
        assert!(CRD.lines().any(|l| l.trim() == line), "{line}");
    }
    assert_eq!(GROUP_PATH, format!("/apis/{API_VERSION}"));
}

#[test]
fn pki_keeps_any_spec_and_status_undecoded() {
    let decode = |spec: &Value, status: &Value| {
        let metadata = json!({ "name": "app1-pki", "namespace": "app1", "uid": "u1", "resourceVersion": "7",
            "generation": 3, "deletionTimestamp": "2024-01-01T00:00:00Z", "labels": { "a": "b" } });
        let wire = json!({ "apiVersion": "box.com/v1", "metadata": metadata, "spec": spec, "status": status });
        serde_json::from_str::<Pki>(&wire.to_string()).unwrap()
    };
    for value in [json!(null), json!(7), json!("text"), json!([1]), json!({ "serviceName": { "a": 1 } })] {
        let pki = decode(&value, &value);
        assert_eq!((&pki.spec, &pki.status), (&value, &value));
        assert_eq!((pki.key().as_str(), pki.uid(), pki.resource_version()), ("app1/app1-pki", "u1", "7"));
        assert_eq!((pki.generation, pki.is_deleting), (3, true));
    }
}
