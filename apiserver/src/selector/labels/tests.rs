use serde_json::json;

use super::*;

fn matches(selector: &str) -> bool {
    let object = json!({ "metadata": { "labels": { "app": "web", "in": "notin", "size": "7", "empty": "" } } });
    Labels::parse(selector).expect("is a selector").matches(&object)
}

/// What the real server says of nonsense.
fn refusal(selector: &str) -> String {
    let status = Labels::parse(selector).expect_err("is nonsense");
    assert_eq!((status.code, status.reason), (400, "BadRequest"));
    status.message
}

#[test]
fn every_operator_of_the_grammar_works() {
    for selector in [
        "",
        "app",
        "!gone",
        "app=web",
        "app==web",
        "app!=db",
        "gone!=db",
        "app in (web,db)",
        "app notin (db)",
        "gone notin (web)",
        "size>6",
        "size<8",
        "empty=",
        "empty in ()",
        "empty in (a,)",
        " app = web , size , !gone ",
        "in in (notin)",
        "in=notin",
    ] {
        assert!(matches(selector), "{selector}");
    }
    for selector in [
        "gone",
        "!app",
        "app=db",
        "app!=web",
        "gone=x",
        "app in (db)",
        "gone in ()",
        "app notin (web,db)",
        "size>7",
        "size<7",
        "app>1",
        "gone>1",
        "app,gone",
    ] {
        assert!(!matches(selector), "{selector}");
    }
    let bare = json!({ "metadata": {} });
    assert!(Labels::parse("!a,b!=c").expect("is a selector").matches(&bare));
    assert!(!Labels::parse("a").expect("is a selector").matches(&bare));
}

#[test]
fn nonsense_is_refused_in_the_real_words() {
    let operators = "expected: in, notin, =, ==, !=, gt, lt";
    for (selector, message) in [
        ("a b", format!("unable to parse requirement: found 'b', {operators}")),
        ("x!", format!("unable to parse requirement: found '!', {operators}")),
        ("=", "found '=', expected: !, identifier, or 'end of string'".into()),
        ("(", "found '(', expected: !, identifier, or 'end of string'".into()),
        ("a,", "found '', expected: identifier after ','".into()),
        ("a,,b", "found ',', expected: identifier after ','".into()),
        ("a=b=c", "found '=', expected: ',' or 'end of string'".into()),
        ("!a=b", "found '=', expected: ',' or 'end of string'".into()),
        ("!", "unable to parse requirement: found '', expected: identifier".into()),
        ("a in", "unable to parse requirement: found '' expected: '('".into()),
        ("a in (x", "unable to parse requirement: found '', expected: ',' or ')'".into()),
        ("a in (x,", "unable to parse requirement: found '', expected: ',', or identifier".into()),
        ("a in (=)", "unable to parse requirement: found '=', expected: ',', ')' or identifier".into()),
        ("a=(", "unable to parse requirement: found '(', expected: identifier".into()),
        (
            "a>x",
            "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer"
                .into(),
        ),
    ] {
        assert_eq!(refusal(selector), message, "{selector}");
    }
    assert!(refusal("-x").starts_with(r#"unable to parse requirement: <nil>: Invalid value: "-x": name part must"#));
    assert!(
        refusal("a=-b").starts_with(r#"unable to parse requirement: values[0][a]: Invalid value: "-b": a valid label"#)
    );
    assert!(refusal("a in (\u{e9})").contains("a valid label must be"));
}
