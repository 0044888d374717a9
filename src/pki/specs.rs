//! Specs that have to be accepted, and specs that have to be refused: by [`validate`](super::validate) and by the
//! schema and the rules of `crd.yaml` alike. Data and nothing of this crate, so that a test against a real API server
//! can include this file as well.

use serde_json::{Value, json};

/// Specs that are fine.
pub fn right() -> Vec<Value> {
    let label = "a".repeat(63);
    let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
    let many: Vec<_> = (0..32).map(|i| format!("n{i}.example.com")).collect();
    vec![
        json!({ "serviceName": "app1" }),
        json!({ "serviceName": "a" }),
        json!({ "serviceName": "0" }),
        json!({ "serviceName": label }),
        json!({ "serviceName": "app1", "commonName": "App1.Example-Co.com" }),
        json!({ "serviceName": "app1", "commonName": "c".repeat(64) }),
        json!({ "serviceName": "app1", "dnsNames": [] }),
        json!({ "serviceName": "app1", "dnsNames": ["app1", "app1.example.com", "4.example", "10.0.0.1a"] }),
        json!({ "serviceName": "app1", "dnsNames": ["twice", "twice"] }),
        json!({ "serviceName": "app1", "dnsNames": [longest] }),
        json!({ "serviceName": "app1", "dnsNames": many }),
        json!({ "serviceName": "app1", "duration": "1h" }),
        json!({ "serviceName": "app1", "duration": "60m" }),
        json!({ "serviceName": "app1", "duration": "3600s" }),
        json!({ "serviceName": "app1", "duration": "8760h" }),
        json!({ "serviceName": "app1", "duration": "8760h0m0s" }),
        json!({ "serviceName": "app1", "duration": "0h525600m" }),
        json!({ "serviceName": "app1", "duration": "31536000s" }),
        json!({ "serviceName": "app1", "duration": "1h30m", "renewBefore": "1h29m59s" }),
        json!({ "serviceName": "app1", "duration": "1h", "renewBefore": "1s" }),
        json!({ "serviceName": "app1", "renewBefore": "2159h" }),
        json!({ "serviceName": "app1", "duration": "2160h", "renewBefore": "720h" }),
    ]
}

/// Specs that are wrong, and the field that has to be named.
pub fn wrong() -> Vec<(&'static str, Value)> {
    let long = "a".repeat(64);
    let too_long = format!("{}.com", vec!["a".repeat(62); 4].join("."));
    let many: Vec<_> = (0..33).map(|i| format!("n{i}.example.com")).collect();
    let mut wrong = vec![
        ("serviceName", json!({})),
        ("serviceName", json!({ "commonName": "app1" })),
        ("serviceName", json!({ "serviceName": 7 })),
        ("serviceName", json!({ "serviceName": ["app1"] })),
        ("serviceName", json!({ "serviceName": { "name": "app1" } })),
        ("serviceName", json!({ "serviceName": "" })),
        ("serviceName", json!({ "serviceName": long })),
        ("commonName", json!({ "serviceName": "app1", "commonName": "" })),
        ("commonName", json!({ "serviceName": "app1", "commonName": true })),
        ("commonName", json!({ "serviceName": "app1", "commonName": "c".repeat(65) })),
        ("commonName", json!({ "serviceName": "app1", "commonName": "app 1" })),
        ("commonName", json!({ "serviceName": "app1", "commonName": "*.example.com" })),
        ("commonName", json!({ "serviceName": "app1", "commonName": "app1\n" })),
        ("commonName", json!({ "serviceName": "app1", "commonName": "äpp1" })),
        ("dnsNames", json!({ "serviceName": "app1", "dnsNames": "app1" })),
        ("dnsNames", json!({ "serviceName": "app1", "dnsNames": { "a": "b" } })),
        ("dnsNames", json!({ "serviceName": "app1", "dnsNames": ["app1", 7] })),
        ("dnsNames", json!({ "serviceName": "app1", "dnsNames": [null] })),
        ("dnsNames", json!({ "serviceName": "app1", "dnsNames": [too_long] })),
        ("dnsNames", json!({ "serviceName": "app1", "dnsNames": many })),
        ("duration", json!({ "serviceName": "app1", "duration": 3600 })),
        ("duration", json!({ "serviceName": "app1", "duration": "59m59s" })),
        ("duration", json!({ "serviceName": "app1", "duration": "8760h1s" })),
        ("duration", json!({ "serviceName": "app1", "duration": "0s" })),
        // A renewBefore that fits does not excuse it.
        ("duration", json!({ "serviceName": "app1", "duration": "30m", "renewBefore": "10m" })),
        ("renewBefore", json!({ "serviceName": "app1", "renewBefore": 3600 })),
        ("renewBefore", json!({ "serviceName": "app1", "renewBefore": "0h" })),
        ("renewBefore", json!({ "serviceName": "app1", "renewBefore": "2160h" })),
        ("renewBefore", json!({ "serviceName": "app1", "duration": "1h", "renewBefore": "1h" })),
        ("renewBefore", json!({ "serviceName": "app1", "duration": "1h", "renewBefore": "720h" })),
    ];
    for name in ["App1", "app_1", "-app1", "app1-", "app1.example", "app 1", " app1", "app1\n", "äpp1", "*"] {
        wrong.push(("serviceName", json!({ "serviceName": name })));
    }
    for name in [
        "",
        ".",
        "a..b",
        ".a",
        "a.",
        "App1",
        "a_b.com",
        "*.example.com",
        "-a.com",
        "a-.com",
        "10.0.0.1",
        "7",
        "a b",
        "a\n",
    ] {
        wrong.push(("dnsNames", json!({ "serviceName": "app1", "dnsNames": [name] })));
    }
    wrong.push(("dnsNames", json!({ "serviceName": "app1", "dnsNames": [format!("{long}.com")] })));
    // Much of this is fine in Go.
    for text in [
        "",
        "0",
        "1",
        "90 m",
        "1d",
        "1.5h",
        "-2h",
        "+2h",
        "2H",
        "1m1h",
        "1h1h",
        "7200000ms",
        "h",
        "2h ",
        "２h",
        "9999999h",
        "999999999999999999h",
        "999999999999999999999h",
    ] {
        wrong.push(("duration", json!({ "serviceName": "app1", "duration": text })));
        wrong.push(("renewBefore", json!({ "serviceName": "app1", "renewBefore": text })));
    }
    wrong
}
