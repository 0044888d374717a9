use serde_json::{Value, json};

use super::*;
use crate::watch::{EventType, fixture};

async fn read(mut bytes: &[u8]) -> Result<(String, Level), NoAnswer> {
    answer(&mut bytes).await
}

async fn nonsense(bytes: &[u8]) -> String {
    match read(bytes).await {
        Err(NoAnswer::Nonsense(why)) => why,
        other => panic!("{} is answered with {other:?}", String::from_utf8_lossy(bytes)),
    }
}

#[test]
fn a_line_is_the_event_with_the_object_as_it_came_and_the_config() {
    let object = r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"},"spec":{"π":1.50,"b":[]}}"#;
    let config = Config::from([("region".into(), "\"eu\"".into()), ("a".into(), "1".into())]);
    let line = line(&fixture::of(EventType::Modified, object), &config).unwrap();
    let expected = format!(
        "{{\"event\":{{\"type\":\"MODIFIED\",\"object\":{object}}},\"config\":{{\"a\":\"1\",\"region\":\"\\\"eu\\\"\"}}}}\n"
    );
    assert_eq!(String::from_utf8(line).unwrap(), expected);
}

#[test]
fn an_item_of_a_list_is_told_what_it_is() {
    for object in [r#"{"metadata":{"name":"a"}}"#, "{\n  \"metadata\": {\"name\": \"a\"}\n}"] {
        let line = line(&fixture::of(EventType::Added, object), &Config::new()).unwrap();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let line: Value = serde_json::from_slice(&line).unwrap();
        let object = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" } });
        assert_eq!(line, json!({ "event": { "type": "ADDED", "object": object }, "config": {} }));
    }
}

#[tokio::test]
async fn an_answer_is_a_message_and_a_level_whatever_else_there_is() {
    let fine = |message: &str, level| Ok((message.to_owned(), level));
    assert_eq!(read(b"{\"message\":\"\",\"level\":\"INFO\"}\n").await, fine("", Level::Info));
    assert_eq!(
        read(b" {\"level\": \"warning\", \"message\": \"a\\nb\", \"took\": [1]} \r\n").await,
        fine("a\nb", Level::Warn)
    );
    let (mut longest, level) = (b"{\"level\":\"debug\",\"message\":\"".to_vec(), Level::Debug);
    longest.resize(LONGEST_ANSWER - 2, b'x');
    longest.extend_from_slice(b"\"}\n");
    assert_eq!(longest.len(), LONGEST_ANSWER + 1);
    assert_eq!(read(&longest).await.unwrap().1, level);
}

#[tokio::test]
async fn one_answer_is_read_and_not_a_byte_of_the_next() {
    let mut two = &b"{\"message\":\"1\",\"level\":\"INFO\"}\n{\"message\":\"2\",\"level\":\"INFO\"}\n"[..];
    assert_eq!(answer(&mut two).await.unwrap().0, "1");
    assert_eq!(answer(&mut two).await.unwrap().0, "2");
    assert_eq!(answer(&mut two).await, Err(NoAnswer::Gone));
}

#[tokio::test]
async fn nonsense_is_told_with_what_is_wrong_about_it() {
    assert_eq!(nonsense(b"\n").await, "\"\" (no JSON object)");
    assert_eq!(nonsense(b"done\n").await, "done (no JSON object)");
    assert_eq!(nonsense(b"[\"done\",\"INFO\"]\n").await, "\"[\\\"done\\\",\\\"INFO\\\"]\" (no JSON object)");
    assert!(nonsense(b"{\"message\":\"a\",\n").await.contains("EOF while parsing"));
    assert!(nonsense(b"{\"message\":\"a\",\"level\":\"INFO\"} and more\n").await.contains("trailing characters"));
    assert!(nonsense(b"{\"level\":\"INFO\"}\n").await.contains("missing field `message`"));
    assert!(nonsense(b"{\"message\":\"a\"}\n").await.contains("missing field `level`"));
    assert!(nonsense(b"{\"message\":null,\"level\":\"INFO\"}\n").await.contains("expected a string"));
    assert!(nonsense(b"{\"message\":\"a\",\"level\":\"LOUD\"}\n").await.contains("level LOUD: expected TRACE, DEBUG"));
    assert!(nonsense(b"{\"message\":\"\xff\",\"level\":\"INFO\"}\n").await.contains("invalid unicode"));
    let long = nonsense(&[b'x'; LONGEST_ANSWER + 9]).await;
    assert!(long.starts_with("a line of more than 65536 bytes, xxx") && long.len() < 300, "{long}");
}

#[tokio::test]
async fn half_a_line_is_no_answer() {
    assert_eq!(read(b"").await, Err(NoAnswer::Gone));
    assert_eq!(read(b"{\"message\":\"a\",\"level\":\"INFO\"}").await, Err(NoAnswer::Gone));
}
