use std::collections::HashSet;

use super::*;
use crate::request::Verb;

fn refused(body: &str) -> String {
    let status = parse(body.as_bytes(), &Catalog::built_in()).unwrap_err();
    assert_eq!(status.code, 400);
    status.message
}

#[test]
fn every_fault_is_understood_as_it_is_written_and_named_to_whoever_names_another() {
    let mut kinds = HashSet::new();
    let unknown = refused(r#"{"fault":"Nonsense"}"#);
    for fault in FAULTS {
        let rules = parse(format!("{{\"fault\":{fault}}}").as_bytes(), &Catalog::built_in()).expect(fault);
        assert_eq!(serde_json::to_string(&rules[0].fault).unwrap(), *fault);
        kinds.insert(std::mem::discriminant(&rules[0].fault));
        assert!(unknown.contains(fault), "{fault}");
    }
    // serde's own list of what there is: "unknown variant `Nonsense`, expected one of `Delay`, `TooManyRequests`, …".
    let all = serde_json::from_str::<Fault>("\"Nonsense\"").unwrap_err().to_string();
    assert_eq!(kinds.len(), all.split(", `").count(), "{all}");
}

#[test]
fn the_table_of_the_readme_has_them_all() {
    let rows = include_str!("../../../README.md").lines().skip_while(|line| !line.starts_with("| fault |")).skip(2);
    let faults = rows.map_while(|row| row.strip_prefix("| ")?.split(" | ").next());
    // A cell may name several.
    let written: Vec<&str> = faults.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let kind = |fault: &&str| std::mem::discriminant(&serde_json::from_str::<Fault>(fault).expect(fault));
    let kinds = |faults: &[&str]| faults.iter().map(kind).collect::<Vec<_>>();
    assert_eq!(kinds(&written), kinds(FAULTS), "{written:?}");
}

#[test]
fn a_rule_reads_as_it_was_written() {
    let rule = Rule::new(Fault::Undecodable { name: Some("a".into()) })
        .user("bob")
        .verb(Verb::Watch)
        .resource("pods")
        .subresource("status")
        .namespace("x")
        .name("a")
        .nth(2)
        .times(3)
        .probability(0.25);
    let text = serde_json::to_string(&rule).unwrap();
    assert_eq!(parse(text.as_bytes(), &Catalog::built_in()), Ok(vec![rule]));
}

#[test]
fn what_is_wrong_is_named_with_what_is_accepted() {
    for (body, words) in [
        (r#"{"fault":"ResetAfter","verbs":"get"}"#, r#"unknown field "verbs", did you mean "verb"?; expected fault, "#),
        (r#"{"fault":"ResetAfter","xyzxyz":1}"#, r#"unknown field "xyzxyz"; expected fault, user, verb"#),
        (r#"{"fault":"resetAftr"}"#, r#"unknown fault "resetAftr", did you mean "ResetAfter"?; expected one of"#),
        (r#"{"fault":"Nonsense"}"#, r#"unknown fault "Nonsense"; expected one of"#),
        (r#"{"fault":{"WatchEnd":{"afer":1}}}"#, r#"fault WatchEnd: unknown field `afer`"#),
        (r#"{"fault":{"WatchEnd":{"afer":1}}}"#, r#"expected {"WatchEnd":{"after":3}}"#),
        (r#"{"fault":"WatchEnd"}"#, r#"expected {"WatchEnd":{"after":3}}"#),
        (r#"{"fault":{"WatchEnd":{"after":-1}}}"#, "fault WatchEnd: invalid value"),
        (r#"{"fault":{"Delay":{"duration":"soon"}}}"#, r#""soon" is no duration such as 2s, 500ms or 1m 30s"#),
        (r#"{"fault":{"Delay":{"duration":"-1s"}}}"#, r#""-1s" is no duration"#),
        (r#"{"fault":7}"#, "fault: expected one of"),
        (r#"{"verb":"get"}"#, "a rule needs a fault; expected one of"),
        (r#"{"fault":"ResetAfter","verb":"head"}"#, "unknown variant `head`, expected one of `get`"),
        (r#"{"fault":"ResetAfter","nth":0}"#, "nth: expected 1 or more, found 0"),
        (r#"{"fault":"ResetAfter","probability":1.5}"#, "probability: expected 0 to 1, found 1.5"),
        ("nonsense", "expected a rule as JSON, such as"),
        ("", "expected a rule as JSON, such as"),
        ("7", "expected a rule, such as"),
        ("[[]]", "expected a rule, such as"),
    ] {
        let message = refused(body);
        assert!(message.contains(words), "{body}: {message}");
    }
    refused(&format!("{{\"fault\":\"{}\"}}", "ResetAfter".repeat(10_000)));
    refused(&"[".repeat(100_000));
}
