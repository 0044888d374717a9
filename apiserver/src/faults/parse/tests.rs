use super::{super::Fault, *};

#[test]
fn readme_table_lists_every_fault_in_valid_json() {
    let rows = include_str!("../../../README.md").lines().skip_while(|line| !line.starts_with("| fault |")).skip(2);
    let faults = rows.map_while(|row| row.strip_prefix("| ")?.split(" | ").next());
    // A cell may list several faults.
    let written: Vec<&str> = faults.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    for fault in &written {
        parse(format!("{{\"fault\":{fault}}}").as_bytes(), &Catalog::built_in()).expect(fault);
    }
    // serde lists all variants: "unknown variant `Nonsense`, expected one of `Delay`, `TooManyRequests`, …".
    let all = serde_json::from_str::<Fault>("\"Nonsense\"").unwrap_err().to_string();
    assert_eq!(written.len(), all.split(", `").count(), "{written:?} {all}");
}

#[test]
fn error_for_an_invalid_rule_names_accepted_values() {
    for (body, message) in [
        (r#"{"fault":"ResetAfter","verbs":"get"}"#, "unknown field `verbs`, expected one of `fault`, `user`"),
        (r#"{"fault":"Nonsense"}"#, "unknown variant `Nonsense`, expected one of `Delay`"),
        (r#"{"fault":{"WatchEnd":{"afer":1}}}"#, "unknown field `afer`, expected `after`"),
        (r#"{"fault":{"Delay":{"duration":"soon"}}}"#, r#""soon" is not a duration such as 2s, 500ms or 1m 30s"#),
        (r#"{"verb":"get"}"#, "missing field `fault`"),
        (r#"{"fault":"ResetAfter","nth":0}"#, "nth: expected 1 or more, found 0"),
        (r#"{"fault":"ResetAfter","probability":1.5}"#, "probability: expected 0 to 1, found 1.5"),
        (r#"{"fault":{"StaleRead":{"lag":1}},"verb":"watch"}"#, r#"verb "watch": this fault hits only get, list"#),
        (
            r#"{"fault":"ResetAfter","resource":"pod"}"#,
            r#"resource "pod" is not served; expected one of namespaces, pods"#,
        ),
        ("nonsense", "expected a rule such as"),
        ("[[]]", "expected a rule such as"),
    ] {
        let status = parse(body.as_bytes(), &Catalog::built_in()).unwrap_err();
        assert!(status.code == 400 && status.message.contains(message), "{body}: {}", status.message);
    }
}
