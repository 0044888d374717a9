use super::*;
use crate::request::Verb;

fn target(namespace: &str) -> Target {
    let text = |text: &str| text.to_owned();
    Target {
        verb: Verb::List,
        group: String::new(),
        version: text("v1"),
        namespace: text(namespace),
        plural: text("pods"),
        name: String::new(),
        subresource: String::new(),
    }
}

fn list(query: &str) -> Result<List> {
    List::parse(&target("x"), &Query::parse(query))
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_read() {
    for (query, code, message) in [
        ("limit=abc", 400, "strconv.ParseInt: parsing \"abc\": invalid syntax"),
        ("limit=", 400, "strconv.ParseInt: parsing \"\": invalid syntax"),
        ("timeoutSeconds=99999999999999999999", 400, "value out of range"),
        ("resourceVersion=-1", 400, "invalid resource version: resourceVersion: Invalid value: \"-1\""),
        ("resourceVersion=99999999999999999999", 400, "value out of range"),
        ("resourceVersionMatch=Exact", 422, "forbidden unless resourceVersion is provided"),
        ("resourceVersionMatch=Exact&resourceVersion=0", 422, "forbidden for resourceVersion \"0\""),
        ("resourceVersionMatch=Foo&resourceVersion=5", 422, "Unsupported value: \"Foo\""),
        ("sendInitialEvents=false", 422, "sendInitialEvents is forbidden for list"),
        ("continue=abc", 400, "invalid continue token: continue key is not valid"),
        ("continue=abc&resourceVersionMatch=Exact&resourceVersion=1", 422, "forbidden when continue is provided"),
    ] {
        let refused = list(query).unwrap_err();
        assert_eq!(refused.code, code, "{query}: {refused}");
        assert!(refused.message.contains(message), "{query}: {refused}");
    }
    let token = ContinueToken { revision: Some(7), after: Key::new("x", "a") }.text(&target("x"));
    let refused = list(&format!("continue={token}&resourceVersion=5")).unwrap_err();
    assert_eq!(refused.message, "specifying resource version is not allowed when using continue");
}

#[test]
fn a_token_says_where_to_go_on_and_at_which_revision() {
    for (namespace, revision) in [("x", Some(7)), ("", Some(7)), ("x", None)] {
        let token = ContinueToken { revision, after: Key::new("x", "a.b") };
        assert_eq!(ContinueToken::parse(&token.text(&target(namespace)), &target(namespace)).unwrap(), token);
    }
    let elsewhere = ContinueToken { revision: Some(7), after: Key::new("x", "a") }.text(&target(""));
    assert!(ContinueToken::parse(&elsewhere, &target("y")).is_err(), "a token does not lead out of a namespace");
}

#[test]
fn a_watch_without_a_version_asks_for_the_initial_events() {
    let watch = |query| Watch::parse(&Query::parse(query)).unwrap();
    assert!(watch("").initial_events && watch("resourceVersion=0").initial_events);
    assert!(!watch("resourceVersion=5").initial_events);
    assert_eq!(watch("resourceVersion=5").since, Some(5));
    assert!(!watch("sendInitialEvents=false&resourceVersionMatch=NotOlderThan").initial_events);
    assert_eq!(watch("timeoutSeconds=0").seconds, None, "0 is none");
    for query in [
        "sendInitialEvents=true",
        "resourceVersion=5&resourceVersionMatch=NotOlderThan",
        "sendInitialEvents=true&resourceVersionMatch=Exact",
        "continue=abc",
    ] {
        assert_eq!(Watch::parse(&Query::parse(query)).unwrap_err().code, 422, "{query}");
    }
    assert_eq!(Watch::parse(&Query::parse("resourceVersion=abc")).unwrap_err().code, 500, "as the real one");
}
