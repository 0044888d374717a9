use serde_json::json;

use super::*;

fn form(text: &str) -> String {
    text.parse::<Quantity>().map_or_else(str::to_owned, |quantity| quantity.to_string())
}

#[test]
fn each_quantity_has_one_form() {
    for (text, expected) in [
        ("1", "1"),
        ("1000m", "1"),
        ("0.5", "500m"),
        (".5", "500m"),
        ("1.", "1"),
        ("1500m", "1500m"),
        ("1.5", "1500m"),
        ("1024Mi", "1Gi"),
        ("1536Mi", "1536Mi"),
        ("1.5Gi", "1536Mi"),
        ("512", "512"),
        ("1000Ki", "1000Ki"),
        ("0.5Ki", "512"),
        ("1024", "1024"),
        ("1000", "1k"),
        ("1000k", "1M"),
        ("0", "0"),
        ("0Gi", "0"),
        ("-1000m", "-1"),
        ("+2", "2"),
        ("1e3", "1e3"),
        ("1E3", "1e3"),
        ("1500e-3", "1500e-3"),
        ("100e1", "1e3"),
        ("1n", "1n"),
        ("0.1n", "1n"),
        ("12E", "12E"),
    ] {
        assert_eq!(form(text), expected, "{text}");
        assert_eq!(form(expected), expected, "{text}");
    }
}

#[test]
fn what_is_no_quantity_is_an_error_and_no_panic() {
    for text in ["", "x", "-", ".", "1.2.3", "Ki"] {
        assert_eq!(form(text), WRONG, "{text}");
    }
    for text in ["1x", "1ki", "1 Gi", "1e", "1e999", "1\u{e9}", &"9".repeat(40), "999999999999999999999999999999E"] {
        assert!(text.parse::<Quantity>().is_err(), "{text}");
    }
}

#[test]
fn amounts_of_resources_are_rounded_up_to_a_milli() {
    let mut pod = json!({
        "labels": { "limits": "x" },
        "containers": [{ "resources": { "limits": { "cpu": "100u" }, "requests": { "memory": "1024Mi" } } }],
        "volumes": [{ "emptyDir": { "sizeLimit": "1024Ki" } }],
    });
    assert_eq!(canonicalize(&mut pod), Ok(()));
    let resources = json!({ "limits": { "cpu": "1m" }, "requests": { "memory": "1Gi" } });
    assert_eq!(pod["containers"][0]["resources"], resources);
    assert_eq!(pod["volumes"][0]["emptyDir"]["sizeLimit"], "1Mi");
    assert_eq!(canonicalize(&mut json!({ "overhead": { "cpu": "x" } })), Err(WRONG));
}
