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

#[test]
fn a_token_says_where_to_go_on_and_at_which_revision() {
    for (namespace, revision) in [("x", Some(7)), ("", Some(7)), ("x", None)] {
        let token = ContinueToken { revision, after: Key::new("x", "a.b") };
        assert_eq!(ContinueToken::parse(&token.text(&target(namespace)), &target(namespace)).unwrap(), token);
    }
    let elsewhere = ContinueToken { revision: Some(7), after: Key::new("x", "a") }.text(&target(""));
    assert!(ContinueToken::parse(&elsewhere, &target("y")).is_err(), "a token does not lead out of a namespace");
}
