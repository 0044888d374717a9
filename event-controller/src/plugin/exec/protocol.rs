//! The protocol: one line to the child, one line in response.
//!
//! ```text
//! {"event":{"type":"ADDED","object":{"apiVersion":"v1","kind":"Pod","metadata":{…}}},"config":{"region":"eu"}}
//! {"message":"web-1 exists","level":"INFO"}
//! ```

use serde::Deserialize;

use crate::plugin::{Config, Event, Level};

/// Formats the line for an event, with its line end. The object's JSON is copied, not parsed.
pub fn format_request(event: &Event, config: &Config) -> serde_json::Result<String> {
    let mut object = event.object.json().to_owned();
    if !event.object.has_kind() {
        // An item of a list. It has at least metadata, so a comma may follow.
        let (api_version, kind) = (&event.resource.api_version, &event.resource.kind);
        let rest = object.strip_prefix('{').unwrap_or_default();
        object = format!(r#"{{"apiVersion":"{api_version}","kind":"{kind}",{rest}"#);
    }
    let (r#type, config) = (event.r#type.as_str(), serde_json::to_string(config)?);
    Ok(format!("{{\"event\":{{\"type\":\"{type}\",\"object\":{object}}},\"config\":{config}}}\n"))
}

/// Parses the line of a response, without its line end.
///
/// # Errors
/// The start of the line, the problem and the accepted form.
pub fn parse_response(line: &[u8]) -> Result<(String, Level), String> {
    #[derive(Deserialize)]
    struct Response {
        message: String,
        level: String,
    }
    let parse = || {
        // serde would also accept an array with the fields in order.
        if !line.trim_ascii_start().starts_with(b"{") {
            return Err("not an object".to_owned());
        }
        let response: Response = serde_json::from_slice(line).map_err(|e| e.to_string())?;
        Ok((response.message, response.level.parse()?))
    };
    parse().map_err(|why| {
        let start: String = String::from_utf8_lossy(line).chars().take(100).collect();
        format!("{start:?} ({why}), expected {{\"message\":TEXT,\"level\":LEVEL}}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::{
        EventType,
        tests::{event, event_of},
    };

    #[test]
    fn request_has_the_unchanged_object_and_the_config() {
        let object = r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"},"spec":{"π":1.50,"b":[]}}"#;
        let config = Config::from([("region".into(), "\"eu\"".into())]);
        let expected = format!(
            "{{\"event\":{{\"type\":\"MODIFIED\",\"object\":{object}}},\"config\":{{\"region\":\"\\\"eu\\\"\"}}}}\n"
        );
        assert_eq!(format_request(&event_of(EventType::Modified, object), &config).unwrap(), expected);
    }

    #[test]
    fn request_adds_the_kind_to_an_item_of_a_list() {
        let line = format_request(&event(EventType::Added, "a"), &Config::new()).unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let object = &line["event"]["object"];
        assert_eq!(
            (&object["apiVersion"], &object["kind"], &object["metadata"]["name"]),
            (&"v1".into(), &"Pod".into(), &"a".into())
        );
    }

    #[test]
    fn response_is_a_message_and_a_level() {
        let valid = br#" {"level": "warning", "message": "a\nb", "took": [1]} "#;
        assert_eq!(parse_response(valid), Ok(("a\nb".to_owned(), Level::Warn)));
        for (line, why) in [
            (&b""[..], "not an object"),
            (b"done", "\"done\" (not an object), expected"),
            (br#"["done","INFO"]"#, "not an object"),
            (br#"{"message":"a","level":"INFO"} more"#, "trailing characters"),
            (br#"{"message":"a"}"#, "missing field `level`"),
            (br#"{"message":"a","level":"LOUD"}"#, "level \"LOUD\": expected TRACE"),
            (b"{\"message\":\"\xff\",\"level\":\"INFO\"}", "invalid unicode"),
        ] {
            let error = parse_response(line).unwrap_err();
            assert!(error.contains(why) && error.len() < 400, "{error}");
        }
    }
}
