use serde_json::json;

use super::*;

fn request(spec: Value) -> Result<CertificateRequest, String> {
    CertificateRequest::new(&spec, "ns", "cluster.local")
}

#[test]
fn absent_fields_get_their_defaults() {
    let nulls =
        json!({ "serviceName": "app1", "commonName": null, "dnsNames": null, "duration": null, "renewBefore": null });
    let defaults = request(json!({ "serviceName": "app1" })).unwrap();
    assert_eq!(request(nulls).unwrap(), defaults, "null counts as absent");
    assert_eq!(defaults.common_name, "app1");
    assert_eq!(defaults.names, ["app1", "app1.ns", "app1.ns.svc", "app1.ns.svc.cluster.local"]);
    assert_eq!((defaults.duration, defaults.renew_before), (2160 * HOUR, 720 * HOUR));
    let short = request(json!({ "serviceName": "app1", "duration": "1h" })).unwrap();
    assert_eq!(short.renew_before, 20 * MINUTE, "a third of a short duration");
}

#[test]
fn every_field_is_read() {
    let spec = json!({ "serviceName": "s", "commonName": "C.x-1", "dnsNames": ["z", "b.example.com"],
        "duration": "1h30m", "renewBefore": "5m" });
    let request = CertificateRequest::new(&spec, "ns", "example.org").unwrap();
    assert_eq!((&*request.service_name, &*request.common_name), ("s", "C.x-1"));
    assert_eq!(request.dns_names, ["z", "b.example.com"]);
    assert_eq!(request.names, ["s", "s.ns", "s.ns.svc", "s.ns.svc.example.org", "z", "b.example.com"]);
    assert_eq!((request.duration, request.renew_before), (90 * MINUTE, 5 * MINUTE));
}

#[test]
fn limits_are_inclusive() {
    let long = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "a".repeat(61));
    for (field, value) in [
        ("serviceName", json!("a".repeat(63))),
        ("commonName", json!("c".repeat(64))),
        ("dnsNames", json!([long, "10.0.0.1a"])),
        ("dnsNames", json!(vec!["a"; 32])),
        ("duration", json!("1h")),
        ("duration", json!("8760h0m0s")),
        ("renewBefore", json!("5m")),
        ("renewBefore", json!("2159h59m59s")),
    ] {
        let mut spec = json!({ "serviceName": "app1" });
        spec[field] = value;
        assert_eq!(request(spec.clone()).err(), None, "{spec}");
    }
}

#[test]
fn error_has_the_field_the_value_and_the_accepted_values() {
    for (field, values) in [
        (
            "serviceName",
            json!([null, 7, {}, "", "A", "app_1", "-a", "a-", "a.b", " a", "a\n", "ä", "*", "a".repeat(64)]),
        ),
        ("commonName", json!([true, "", "app 1", "*.example.com", "a\n", "ä", "c".repeat(65)])),
        (
            "dnsNames",
            json!([
                "app1",
                [7],
                [null],
                [""],
                ["."],
                ["a..b"],
                ["a."],
                ["A"],
                ["*.a"],
                ["-a.b"],
                ["10.0.0.1"],
                ["7"],
                ["a".repeat(64)],
                [vec!["a".repeat(62); 5].join(".")],
                vec!["a"; 33]
            ]),
        ),
        ("duration", json!([3600, "", "0", "h", "1d", "-2h", "2H", "59m59s", "8760h1s", "999999999999999999999h"])),
        ("renewBefore", json!([3600, "", "1d", "-1s", "2160h", "9999h"])),
    ] {
        for value in values.as_array().unwrap() {
            let mut spec = json!({ "serviceName": "app1" });
            spec[field] = value.clone();
            let why = request(spec).unwrap_err();
            assert!(why.starts_with(&format!("spec.{field}")) && why.contains("expected "), "{value}: {why}");
        }
    }
    assert_eq!(
        request(json!({ "serviceName": "App_1" })).unwrap_err(),
        r#"spec.serviceName: "App_1": expected a DNS label: 1 to 63 of a-z, 0-9 and -, with no - at either end"#
    );
    assert_eq!(
        request(json!({ "serviceName": 7 })).unwrap_err(),
        "spec.serviceName: invalid type: integer `7`, expected a string"
    );
    let long = request(json!({ "serviceName": format!("a\n\u{202e}{}", "ü".repeat(100_000)) })).unwrap_err();
    assert!(long.starts_with(r#"spec.serviceName: "a\n\u{202e}üüü"#) && long.len() < 400, "one short line: {long}");
}
