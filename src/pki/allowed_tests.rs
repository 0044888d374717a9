use proptest::prelude::*;
use serde_json::json;

use super::{super::validate::validate, *};

fn list(text: &str) -> AllowedNames {
    let (names, warnings) = AllowedNames::parse(text);
    assert_eq!(warnings, []);
    names
}

fn request(spec: serde_json::Value) -> Request {
    validate(&spec).unwrap()
}

fn names<'a>(list: &'a AllowedNames, namespace: &'a str) -> Vec<&'a str> {
    list.in_namespace(namespace).collect()
}

#[test]
fn a_list_is_one_name_per_line_and_comments() {
    let list = list("# the first\napp1\n\n  app2 \t# the second\n#app3\nteam/app4#x\n");
    assert_eq!(names(&list, "team"), ["app1", "app2", "app4"]);
    assert_eq!(names(&list, "elsewhere"), ["app1", "app2"]);
}

#[test]
fn what_an_editor_adds_does_not_matter() {
    assert_eq!(list("\u{feff}app1\r\napp2\r\n"), list("app1\napp2"));
    assert_eq!(list("app1"), list("app1\n\n\n"));
}

#[test]
fn a_line_that_is_no_name_is_skipped_and_told_with_its_number() {
    let text =
        format!("app1\n*.x\r\n# *.y\napp2\nTEAM/app\n/app\nteam/\na/b/c\napp 3\n{}\n\u{fffd}\n", "x".repeat(300));
    let (names, warnings) = AllowedNames::parse(&text);
    assert_eq!(names, list("app1\napp2"));
    let lines: Vec<_> = warnings.iter().map(|w| w.line).collect();
    assert_eq!(lines, [2, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!(warnings[0].to_string(), r#"line 2: "*.x" is no name and is skipped: expected name or namespace/name"#);
    assert!(warnings.iter().all(|w| w.to_string().len() < 200));
}

#[test]
fn doubles_collapse_and_the_order_stays() {
    let list = list("b\na\nb\nns/a\nns/c\nns/c");
    assert_eq!(list.len(), 4);
    assert_eq!(names(&list, "ns"), ["b", "a", "c"]);
}

#[test]
fn whatever_a_spec_can_ask_for_can_be_on_the_list() {
    for spec in super::super::specs::right() {
        let request = request(spec);
        let all = [&request.service_name, &request.common_name].into_iter().chain(&request.dns_names);
        let list = list(&all.map(String::as_str).collect::<Vec<_>>().join("\n"));
        assert_eq!(list.refused(&request, "ns"), None);
    }
}

#[test]
fn a_name_of_one_namespace_holds_in_no_other() {
    let (list, app) = (list("team/app1"), request(json!({ "serviceName": "app1" })));
    assert_eq!(list.refused(&app, "team"), None);
    assert_eq!(list.refused(&app, "other").unwrap().name, "app1");
}

#[test]
fn the_fields_are_asked_in_the_order_of_the_spec() {
    let spec = json!({ "serviceName": "s", "commonName": "c", "dnsNames": ["d1", "d2"] });
    let request = request(spec);
    for (allowed, refused) in [
        ("", Some(("ServiceName", "s"))),
        ("c\nd1\nd2", Some(("ServiceName", "s"))),
        ("s\nd1\nd2", Some(("commonName", "c"))),
        ("s\nc\nd2", Some(("dnsName", "d1"))),
        ("s\nc\nd1", Some(("dnsName", "d2"))),
        ("s\nc\nd1\nd2", None),
    ] {
        let got = list(allowed).refused(&request, "ns").map(|r| (r.field, r.name));
        assert_eq!(got, refused, "{allowed:?}");
    }
}

#[test]
fn the_message_has_the_originals_words() {
    let (list, pki) = (AllowedNames::sample(), Key::new("app1", "app1-pki"));
    let request = request(json!({ "serviceName": "appp1" }));
    let refused = list.refused(&request, "app1").unwrap();
    assert_eq!(
        list.refusal(&refused, &pki),
        "ServiceName: appp1 in pki: app1-pki is not found in allowedNames: [app1 app2]"
    );
    assert_eq!(
        AllowedNames::default().refusal(&Refused { field: "dnsName", name: "d" }, &pki),
        "dnsName: d in pki: app1-pki is not found in allowedNames: []"
    );
}

#[test]
fn the_message_does_not_tell_what_other_namespaces_may_have() {
    let list = list("secret-team/merger.example.com\napp1\nmine/app2");
    let refused = Refused { field: "ServiceName", name: "x" };
    assert!(list.refusal(&refused, &Key::new("mine", "p")).ends_with(": [app1 app2]"));
    assert!(list.refusal(&refused, &Key::new("other", "p")).ends_with(": [app1]"));
}

#[test]
fn a_message_is_never_longer_than_an_event_may_be() {
    let many: Vec<_> = (0..10_000).map(|i| format!("a-rather-long-name-{i}")).collect();
    let message = list(&many.join("\n")).refusal(&Refused { field: "ServiceName", name: "x" }, &Key::new("n", "p"));
    assert_eq!(message.len(), 1024);
    assert!(message.contains("[a-rather-long-name-0 a-rather-long-name-1 "));
}

proptest! {
    #[test]
    fn no_text_at_all_makes_it_panic_and_every_line_is_counted(text in "([a-z*/# \r]{0,6}\n){0,8}|\\PC{0,40}") {
        let (names, warnings) = AllowedNames::parse(&text);
        prop_assert!(names.len() + warnings.len() <= text.lines().count());
        prop_assert!(names.entries.iter().all(|e| names.lookup.contains(e)) && names.entries.len() == names.lookup.len());
    }
}
