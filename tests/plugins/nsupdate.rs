//! `nsupdate.py`: what it tells nsupdate, and what tenants cannot make it say.

mod state;

use std::{fs, process::Command};

use serde_json::{Value, json};

use testkit::Folder;

use crate::{Plugin, event, file, have, route};

/// A directory of one test; in it an `nsupdate` that notes what it is told, or fails while there is a file `down`.
struct Dns(Folder);

impl Dns {
    fn new() -> Self {
        let script = "cd \"$0/..\" 2>/dev/null || cd \"${0%/*}\"; test ! -e down || { echo REFUSED >&2; exit 2; }; cat >> told; echo \"$*\" >> arguments";
        Dns(Folder::new("dns").with(&[("nsupdate.sh", script)]))
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }

    fn config(&self) -> Value {
        json!({
            "zone": "apps.example.com",
            "target": "192.0.2.10",
            "nsupdate": format!("sh {}", self.path("nsupdate.sh")),
            "state": self.path("state"),
        })
    }

    /// What nsupdate was told since the last time.
    fn told(&self) -> String {
        let told = fs::read_to_string(self.path("told")).unwrap_or_default();
        let _ = fs::remove_file(self.path("told"));
        told
    }
}

fn plugin() -> Plugin {
    Plugin::start(Command::new("python3").arg(file("examples/plugins/nsupdate.py")))
}

/// A Route `shop/NAME` for this host.
fn named(name: &str, host: &str) -> Value {
    let mut route = route();
    route["metadata"]["name"] = json!(name);
    route["spec"]["host"] = json!(host);
    route
}

/// The commands for these names, with these records each.
fn commands(names: &[(&str, &[&str])]) -> String {
    let mut text = "zone apps.example.com.\n".to_owned();
    for (name, records) in names {
        for kind in ["A", "AAAA", "CNAME"] {
            text += &format!("update delete {name}. {kind}\n");
        }
        for record in *records {
            text += &format!("update add {name}. 300 {record}\n");
        }
    }
    text + "send\n"
}

const TARGET: &[&str] = &["A 192.0.2.10"];

#[test]
fn a_record_follows_the_host_name_and_goes_with_its_object() {
    if !have(&["python3"]) {
        return;
    }
    let (dns, mut plugin) = (Dns::new(), plugin());
    let config = dns.config();

    let answer = plugin.ask(&event("ADDED", &named("web", "Web.apps.example.com.")), &config);
    assert_eq!(answer, ("ADDED Route shop/web: web.apps.example.com A 192.0.2.10".into(), "INFO".into()));
    assert_eq!(dns.told(), commands(&[("web.apps.example.com", TARGET)]));

    let answer = plugin.ask(&event("MODIFIED", &named("web", "web.apps.example.com")), &config);
    assert_eq!(answer, ("MODIFIED Route shop/web: nothing to do".into(), "DEBUG".into()));
    assert_eq!(dns.told(), "");

    let answer = plugin.ask(&event("MODIFIED", &named("web", "www.apps.example.com")), &config);
    assert_eq!(answer.0, "MODIFIED Route shop/web: www.apps.example.com A 192.0.2.10; web.apps.example.com removed");
    assert_eq!(dns.told(), commands(&[("www.apps.example.com", TARGET), ("web.apps.example.com", &[])]));

    plugin.ask(&event("DELETED", &named("web", "www.apps.example.com")), &config);
    assert_eq!(dns.told(), commands(&[("www.apps.example.com", &[])]));

    // Told of an end without a beginning, as after a restart.
    plugin.ask(&event("DELETED", &named("old", "old.apps.example.com")), &config);
    assert_eq!(dns.told(), commands(&[("old.apps.example.com", &[])]));
}

#[test]
fn no_host_name_becomes_anything_but_a_host_name_below_the_zone() {
    if !have(&["python3"]) {
        return;
    }
    let (dns, mut plugin) = (Dns::new(), plugin());
    let mut config = dns.config();
    config["reserved"] = json!("ns1 www, mail");
    let long = format!("{}.apps.example.com", "a".repeat(64));
    let longer = format!("{}apps.example.com", "a.".repeat(130));
    for host in [
        "x.apps.example.com\nserver 203.0.113.6",
        "x.apps.example.com\nsend\nupdate delete apps.example.com. SOA",
        "x.apps.example.com 300 A 203.0.113.6",
        "x.apps.example.com\r",
        "x.apps.example.com\n",
        "\u{212a}.apps.example.com", // The Kelvin sign, a "k" in lower case.
        "x;.apps.example.com",
        "x\\.apps.example.com",
        "*.apps.example.com",
        "-x.apps.example.com",
        "x..apps.example.com",
        "x.apps.example.com..",
        ".apps.example.com",
        ".",
        " ",
        &long,
        &longer,
        "apps.example.com",
        "evil-apps.example.com",
        "x.example.com",
        "x.apps.example.com.evil.org",
        "NS1.apps.example.com",
        "mail.apps.example.com.",
    ] {
        let (message, level) = plugin.ask(&event("ADDED", &named("evil", host)), &config);
        assert!(level == "WARN" && message.contains("refused: "), "{host:?}: {level} {message}");
        assert!(message.len() < 400 && message.is_ascii(), "{message}");
        assert_eq!(dns.told(), "", "{host:?}");
    }
    // The shape of an object is up to whoever defines its kind.
    for spec in
        [json!(null), json!([]), json!({"host": 7}), json!({"host": {}, "rules": {}}), json!({"rules": [7, {}]})]
    {
        let thing = json!({"kind": "Thing", "metadata": {"name": "odd"}, "spec": spec, "status": "x"});
        let answer = plugin.ask(&event("ADDED", &thing), &config);
        assert_eq!(answer, ("ADDED Thing odd: nothing to do".into(), "DEBUG".into()));
    }
    // Nor an address, where the object brings its own.
    for address in
        ["fe80::1%x\nserver 203.0.113.6", "192.0.2.1\nsend", "192.0.2.1 ", "lb.example.net\nsend", "", "\u{0661}.2.3.4"]
    {
        let mut own = config.clone();
        own["target"] = json!("");
        own["state"] = json!(dns.path("own"));
        let mut thing = named("evil", "x.apps.example.com");
        thing["status"] = json!({"loadBalancer": {"ingress": [{"ip": address}, {"hostname": address}, {"ip": 7}]}});
        self::plugin().ask(&event("ADDED", &thing), &own);
        assert_eq!(dns.told(), commands(&[("x.apps.example.com", &[])]), "{address:?}");
    }
    // Of an end there is nothing to refuse.
    let answer = plugin.ask(&event("DELETED", &named("evil", "x y")), &config);
    assert_eq!(answer, ("DELETED Route shop/evil: nothing to do".into(), "DEBUG".into()));
    // The good one among them gets its record.
    let rules = json!([{"host": "a.apps.example.com"}, {"host": "x y"}, {}, {"host": "a.apps.example.com"}]);
    let ingress = json!({"kind": "Ingress", "metadata": {"name": "i"}, "spec": {"rules": rules}});
    assert_eq!(plugin.ask(&event("ADDED", &ingress), &config).1, "WARN");
    assert_eq!(dns.told(), commands(&[("a.apps.example.com", TARGET)]));
}

#[test]
fn the_oldest_owns_a_name_and_the_next_gets_it() {
    if !have(&["python3"]) {
        return;
    }
    let (dns, mut plugin) = (Dns::new(), plugin());
    let mut config = dns.config();
    config["target"] = json!("");
    let service = |name: &str, year: &str, address: Value| {
        json!({
            "kind": "Service",
            "metadata": {"namespace": "shop", "name": name, "creationTimestamp": format!("{year}-01-01T00:00:00Z"),
                "annotations": {"external-dns.alpha.kubernetes.io/hostname": "db.apps.example.com"}},
            "spec": {"type": "LoadBalancer"},
            "status": {"loadBalancer": {"ingress": [address]}},
        })
    };
    let young = service("a-young", "2025", json!({"ip": "192.0.2.2"}));
    let old = service("b-old", "2024", json!({"hostname": "lb-1.example.net"}));
    let waiting = service("waiting", "2023", json!({}));
    let db = "db.apps.example.com";

    plugin.ask(&event("ADDED", &young), &config);
    assert_eq!(dns.told(), commands(&[(db, &["A 192.0.2.2"])]));
    plugin.ask(&event("ADDED", &old), &config);
    assert_eq!(dns.told(), commands(&[(db, &["CNAME lb-1.example.net."])]));
    plugin.ask(&event("ADDED", &waiting), &config);
    assert_eq!(dns.told(), commands(&[(db, &["CNAME lb-1.example.net."])]));
    let (message, level) = plugin.ask(&event("MODIFIED", &young), &config);
    assert_eq!(level, "WARN");
    assert!(message.ends_with("refused: db.apps.example.com belongs to shop/b-old, which is older"), "{message}");
    assert_eq!(dns.told(), "");

    plugin.ask(&event("DELETED", &old), &config);
    assert_eq!(dns.told(), commands(&[(db, &["A 192.0.2.2"])]));
    plugin.ask(&event("DELETED", &young), &config);
    assert_eq!(dns.told(), commands(&[(db, &[])]));

    // One without a load balancer of its own says nothing about the load balancer's name.
    let mut internal = service("internal", "2022", json!({"ip": "192.0.2.9"}));
    internal["spec"]["type"] = json!("ClusterIP");
    plugin.ask(&event("ADDED", &internal), &config);
    assert_eq!(dns.told(), "");
}

/// Each message at most 64 KiB, names not compressed, and the answer, too. An update that fails is everybody's restart.
#[test]
fn no_object_is_too_large_for_an_update() {
    if !have(&["python3"]) {
        return;
    }
    let (dns, mut plugin) = (Dns::new(), plugin());
    let mut config = dns.config();
    let addresses: Vec<String> = (0..100).map(|i| format!("2001:db8:1111:2222:3333:4444:5555:{i:04x}")).collect();
    config["target"] = json!(addresses.join(" "));
    for round in ["a", "b"] {
        let label = round.repeat(63);
        let host = |i: usize| format!("{i:044}.{label}.{label}.{label}.apps.example.com");
        assert_eq!(host(0).len(), 253);
        let rules: Vec<Value> = (0..101).map(|i| json!({"host": host(i)})).collect();
        let ingress =
            json!({"kind": "Ingress", "metadata": {"namespace": "shop", "name": "i"}, "spec": {"rules": rules}});
        let (message, level) = plugin.ask(&event("MODIFIED", &ingress), &config);
        assert!(level == "WARN" && message.len() < 16 << 10, "{}", message.len());
        assert!(message.contains("; … and 95 more; ") || message.contains("; … and 195 more; "), "{message}");
        assert!(message.contains("is one more than 100"), "{message}");

        let told = dns.told();
        for message in told.split_inclusive("send\n") {
            // Name, type, class, TTL and length; and the longest data there is.
            let size = |line: &str| if line.starts_with("update") { 255 + 10 + 16 } else { 1024 };
            assert!(message.lines().map(size).sum::<usize>() < 64 << 10, "{message}");
        }
        assert_eq!(told.matches("update add").count(), 100 * 16);
    }
}

#[test]
fn server_key_and_ttl_are_passed_on_and_the_original_s_names_for_them_work() {
    if !have(&["python3"]) {
        return;
    }
    let dns = Dns::new();
    let mut config = dns.config();
    config["target"] = json!("");
    config["application_router_ip"] = json!("2001:DB8::0:1, 192.0.2.10");
    config["dns_server"] = json!("192.0.2.53");
    config["dns_key_file"] = json!("/etc/dns/a key");
    config["ttl"] = json!("60");
    config["out"] = json!(dns.path("out"));
    plugin().ask(&event("ADDED", &route()), &config);
    let told = dns.told();
    assert!(told.starts_with("server 192.0.2.53\nzone apps.example.com.\n"), "{told}");
    assert!(told.contains("\nupdate add web.apps.example.com. 60 AAAA 2001:db8::1\n"), "{told}");
    assert!(told.contains("\nupdate add web.apps.example.com. 60 A 192.0.2.10\nsend\n"), "{told}");
    assert_eq!(fs::read_to_string(dns.path("arguments")).unwrap(), "-k /etc/dns/a key\n");
    assert_eq!(fs::read_to_string(dns.path("out")).unwrap(), told);
}

#[test]
fn without_nsupdate_the_log_shows_what_it_would_be_told() {
    if !have(&["python3"]) {
        return;
    }
    let mut plugin = plugin();
    // No `state` either: whatever is forgotten, it is no more than the log.
    plugin.ask(&event("ADDED", &route()), &json!({"zone": "apps.example.com", "target": "192.0.2.10"}));
    assert_eq!(plugin.end().1, commands(&[("web.apps.example.com", TARGET)]));
}

#[test]
fn wrong_settings_are_told_in_one_line() {
    if !have(&["python3"]) {
        return;
    }
    let dns = Dns::new();
    let state = dns.path("state");
    for (config, why) in [
        (json!({}), "zone is missing in [plugin_exec]"),
        (json!({"zone": "a b"}), "\"a b\" is no host name"),
        (json!({"zone": "example.com", "target": "a_b"}), "\"a_b\" is no host name"),
        (json!({"zone": "example.com", "ttl": "5m"}), "ttl=5m: use seconds, as a whole number from 1"),
        (json!({"zone": "example.com", "server": "a\nsend"}), "server=\"a\\nsend\": use a host name or an address"),
        (json!({"zone": "example.com", "nsupdate": "/nowhere/nsupdate", "state": state}), "/nowhere/nsupdate"),
        (json!({"zone": "example.com", "nsupdate": "'nsupdate"}), "use yes, no or a command"),
        (json!({"zone": "example.com", "nsupdate": "yes"}), "state is missing in [plugin_exec]"),
        (json!({"zone": "example.com", "out": "/nowhere/out"}), "state is missing in [plugin_exec]"),
        (json!({"zone": "example.com", "out": "/nowhere/out", "state": state}), "/nowhere/out"),
        (json!({"zone": "example.com", "state": "/nowhere/state"}), "/nowhere/state"),
    ] {
        let (code, stderr) = plugin().dies_of(&event("ADDED", &route()), &config);
        assert_eq!(code, Some(1));
        assert!(stderr.starts_with("nsupdate.py: ") && stderr.lines().count() == 1, "one line: {stderr}");
        assert!(stderr.contains(why), "{why}: {stderr}");
    }
}
