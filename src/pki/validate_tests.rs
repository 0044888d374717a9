use proptest::prelude::*;
use serde_json::json;

use super::{
    super::specs::{right, wrong},
    *,
};

fn message(spec: &Value) -> String {
    validate(spec).expect_err("an invalid spec").to_string()
}

#[test]
fn every_spec_that_is_right_is_accepted() {
    for spec in right() {
        assert!(validate(&spec).is_ok(), "{spec}: {:?}", validate(&spec));
    }
}

#[test]
fn every_spec_that_is_wrong_is_refused_with_the_name_of_its_field() {
    for (field, spec) in wrong() {
        let message = message(&spec);
        assert!(message.starts_with(&format!("spec.{field}")), "{spec}: {message}");
        assert!(message.contains("expected "), "{spec}: {message}");
    }
}

#[test]
fn the_message_names_the_field_the_value_and_what_is_accepted() {
    assert_eq!(
        message(&json!({ "serviceName": "App_1" })),
        r#"spec.serviceName: "App_1": expected a DNS label: 1 to 63 of a-z, 0-9 and -, with no - at either end"#
    );
    assert_eq!(
        message(&json!({ "serviceName": "a", "duration": "1h30m", "renewBefore": "2h" })),
        r#"spec.renewBefore: "2h": expected more than 0 and less than the duration, which is 1h30m"#
    );
    assert!(message(&json!({})).starts_with("spec.serviceName: missing: "));
    assert!(message(&json!({ "serviceName": 7 })).starts_with("spec.serviceName: 7: "));
    assert!(
        message(&json!({ "serviceName": "a", "dnsNames": ["b", "*.x"] })).starts_with(r#"spec.dnsNames[1]: "*.x": "#)
    );
    assert!(message(&json!("text")).starts_with(r#"spec: "text": "#));
}

#[test]
fn a_value_is_shown_on_one_line_and_not_at_any_length() {
    let message = message(&json!({ "serviceName": format!("a\nb\u{202e}{}", "ü".repeat(100_000)) }));
    assert!(message.starts_with(r#"spec.serviceName: "a\nb\u{202e}üüü"#), "{message}");
    assert!(message.len() < 400 && !message.contains('\n'), "{message}");
}

#[test]
fn what_is_not_given_is_filled_in() {
    let request = validate(&json!({ "serviceName": "app1" })).unwrap();
    assert_eq!(request.common_name, "app1");
    assert_eq!((request.duration, request.renew_before), (HOUR * 2160, HOUR * 720));
    assert_eq!(request.dns_names, Vec::<String>::new());
}

#[test]
fn a_field_that_is_null_counts_as_absent() {
    let nulls =
        json!({ "serviceName": "a", "commonName": null, "dnsNames": null, "duration": null, "renewBefore": null });
    assert_eq!(validate(&nulls), validate(&json!({ "serviceName": "a" })));
    assert!(message(&Value::Null).starts_with("spec.serviceName: missing"));
}

#[test]
fn renew_before_is_a_third_of_a_short_duration() {
    let request = validate(&json!({ "serviceName": "app1", "duration": "1h" })).unwrap();
    assert_eq!(request.renew_before, Duration::from_secs(1200));
}

#[test]
fn dns_names_keep_their_order_and_lose_their_doubles() {
    let request = validate(&json!({ "serviceName": "a", "dnsNames": ["z", "b", "z", "a"] })).unwrap();
    assert_eq!(request.dns_names, ["z", "b", "a"]);
    assert_eq!(request.names("ns"), ["a", "a.ns", "a.ns.svc", "a.ns.svc.cluster.local", "z", "b"]);
}

#[test]
fn the_longest_names_fit_into_a_certificate() {
    let label = "a".repeat(63);
    let request = validate(&json!({ "serviceName": label })).unwrap();
    assert!(request.names(&label).iter().all(|name| is_dns_name(name)), "all are valid, the longest too");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z0-9.hms-]{0,8}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 16, 4, |inner| {
        let key = prop_oneof![Just("serviceName"), Just("dnsNames"), Just("duration"), Just("renewBefore"), Just("x")];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_at_all_makes_it_panic(spec in any_json()) {
        if let Err(invalid) = validate(&spec) {
            prop_assert!(invalid.to_string().starts_with("spec"));
        }
    }

    #[test]
    fn a_request_holds_only_what_a_certificate_can(
        service in "[a-z0-9-]{1,64}", common in "[A-Za-z0-9. -]{0,66}", names in prop::collection::vec("[a-z0-9.-]{1,70}", 0..4),
        duration in 0..40_000_000_u64, before in 0..40_000_000_u64,
    ) {
        let spec = json!({ "serviceName": service, "commonName": common, "dnsNames": names,
                           "duration": format!("{duration}s"), "renewBefore": format!("{before}s") });
        if let Ok(request) = validate(&spec) {
            prop_assert!(request.names("ns").iter().all(|name| name.len() <= 253 && name.split('.').all(is_label)));
            prop_assert!((1..=64).contains(&request.common_name.len()));
            prop_assert!((MIN_DURATION..=MAX_DURATION).contains(&request.duration));
            prop_assert!(!request.renew_before.is_zero() && request.renew_before < request.duration);
            prop_assert_eq!((request.duration.as_secs(), request.renew_before.as_secs()), (duration, before));
        }
    }

    #[test]
    fn a_duration_is_read_as_it_is_written(seconds in 1..31_536_000_u64) {
        let duration = Duration::from_secs(seconds);
        prop_assert_eq!(parse_duration(&Written(duration).to_string()), Some(duration));
    }
}
