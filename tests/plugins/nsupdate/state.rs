//! What `nsupdate.py` remembers over a restart, and that its file stays small.

use std::fs;

use serde_json::{Value, json};

use super::{Dns, TARGET, commands, named, plugin};
use crate::{event, have};

/// An answer would mean that the event is done with.
#[test]
fn an_update_that_fails_is_retried_and_nothing_is_forgotten() {
    if !have(&["python3"]) {
        return;
    }
    let dns = Dns::new();
    let config = dns.config();
    let mut first = plugin();
    first.ask(&event("ADDED", &named("web", "web.apps.example.com")), &config);
    dns.told();

    fs::write(dns.path("down"), "").unwrap();
    let changed = event("MODIFIED", &named("web", "www.apps.example.com"));
    let (code, stderr) = first.dies_of(&changed, &config);
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains("REFUSED\n") && stderr.contains("nsupdate.py: nsupdate ended with 2; what it was told: zone")
    );

    fs::remove_file(dns.path("down")).unwrap();
    // What was being written when the process died is of no use.
    let journal = fs::read_to_string(dns.path("state")).unwrap();
    fs::write(dns.path("state"), journal + "[\"shop/we").unwrap();
    plugin().ask(&changed, &config);
    assert_eq!(dns.told(), commands(&[("www.apps.example.com", TARGET), ("web.apps.example.com", &[])]));
    assert_eq!(fs::read_to_string(dns.path("state")).unwrap().lines().count(), 2);
}

/// A Route `shop/NAME` of this age that wants `web.apps.example.com` for this address.
fn aged(name: &str, year: &str, address: &str) -> Value {
    let mut route = named(name, "web.apps.example.com");
    route["metadata"]["creationTimestamp"] = json!(format!("{year}-01-01T00:00:00Z"));
    route["status"] = json!({"loadBalancer": {"ingress": [{"ip": address}]}});
    route
}

/// Any failed update is a restart, and only the object of that event is told again.
#[test]
fn a_restart_does_not_give_the_names_of_the_oldest_to_anyone() {
    if !have(&["python3"]) {
        return;
    }
    let dns = Dns::new();
    let mut config = dns.config();
    config["target"] = json!("");
    let (old, young) = (aged("old", "2024", "192.0.2.1"), aged("young", "2025", "192.0.2.2"));
    let mut first = plugin();
    for object in [&old, &young] {
        first.ask(&event("ADDED", object), &config);
    }
    dns.told();
    fs::write(dns.path("down"), "").unwrap();
    first.dies_of(&event("ADDED", &young), &config);
    fs::remove_file(dns.path("down")).unwrap();

    let mut second = plugin();
    let answer = second.ask(&event("MODIFIED", &young), &config);
    assert!(answer.0.ends_with("web.apps.example.com belongs to shop/old, which is older"), "{answer:?}");
    second.ask(&event("DELETED", &young), &config);
    assert_eq!(dns.told(), "");
}

#[test]
fn the_claim_of_an_object_that_went_unseen_ends_as_the_header_says() {
    if !have(&["python3"]) {
        return;
    }
    let dns = Dns::new();
    let mut config = dns.config();
    config["target"] = json!("");
    let claim = event("ADDED", &aged("young", "2025", "192.0.2.2"));
    plugin().ask(&event("ADDED", &aged("gone", "2024", "192.0.2.1")), &config);
    let (message, _) = plugin().ask(&claim, &config);
    assert!(message.ends_with("refused: web.apps.example.com belongs to shop/gone, which is older"), "{message}");

    let state = fs::read_to_string(dns.path("state")).unwrap();
    let left: Vec<&str> = state.lines().filter(|line| !line.starts_with("[\"shop/gone\"")).collect();
    assert_eq!(left.len(), 1, "{state}");
    fs::write(dns.path("state"), left[0].to_owned() + "\n").unwrap();
    let answer = plugin().ask(&claim, &config);
    assert_eq!(answer, ("ADDED Route shop/young: web.apps.example.com A 192.0.2.2".into(), "INFO".into()));
}

#[test]
fn the_state_file_does_not_grow_with_the_number_of_changes() {
    if !have(&["python3"]) {
        return;
    }
    let dns = Dns::new();
    let (mut config, mut first) = (dns.config(), plugin());
    // A process for each change would take long.
    config["nsupdate"] = json!("no");
    config["out"] = json!(dns.path("told"));
    first.ask(&event("ADDED", &named("other", "other.apps.example.com")), &config);
    for i in 0..1100 {
        first.ask(&event("MODIFIED", &named("web", &format!("web-{}.apps.example.com", i % 2))), &config);
    }
    assert!(fs::read_to_string(dns.path("state")).unwrap().lines().count() < 200);
    dns.told();

    let mut second = plugin();
    second.ask(&event("MODIFIED", &named("web", "web.apps.example.com")), &config);
    assert_eq!(dns.told(), commands(&[("web.apps.example.com", TARGET), ("web-1.apps.example.com", &[])]));
    second.ask(&event("MODIFIED", &named("other", "other.apps.example.com")), &config);
    assert_eq!(dns.told(), "");
}
