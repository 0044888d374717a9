//! The events of a pod, as the end of `kubectl describe pod` shows them.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    api::{items, word},
    table::align,
};

/// Where the server lists the events about an object: by its name and UID, as kubectl does.
pub fn events_of(pod: &Value) -> String {
    let meta = &pod["metadata"];
    let (namespace, name, uid) = (word(&meta["namespace"]), word(&meta["name"]), word(&meta["uid"]));
    let selector = format!("involvedObject.name={name},involvedObject.namespace={namespace},involvedObject.uid={uid}");
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("fieldSelector", &selector).finish();
    format!("/api/v1/namespaces/{namespace}/events?{query}")
}

/// The table, the latest event last.
pub fn events(list: &Value, now: Timestamp) -> String {
    let mut events: Vec<&Value> = items(&list["items"]).iter().collect();
    // RFC 3339 in UTC with whole seconds: texts in the order of time. Sorting keeps the order of what is equal.
    events.sort_by_key(|event| word(&event["lastTimestamp"]));
    let heading = ["Type", "Reason", "Age", "From", "Message"];
    let mut rows = vec![heading.map(str::to_owned).to_vec(), heading.map(|title| "-".repeat(dashes(title))).to_vec()];
    rows.extend(events.into_iter().map(|event| {
        let text = |field: &str| word(&event[field]).to_owned();
        vec![text("type"), text("reason"), age(event, now), from(event), text("message").trim().to_owned()]
    }));
    let table = align(&rows, 2);
    let lines: String = table.lines().map(|line| format!("  {line}\n")).collect();
    format!("Events:\n{lines}")
}

/// kubectl underlines with four dashes, or as many as the title has letters.
fn dashes(title: &str) -> usize {
    title.len().max(4)
}

fn from(event: &Value) -> String {
    let component = word(&event["source"]["component"]);
    if component.is_empty() { word(&event["reportingComponent"]).to_owned() } else { component.to_owned() }
}

/// `4s`, or `4s (x2 over 1m)`.
fn age(event: &Value, now: Timestamp) -> String {
    let since = |field: &str| match word(&event[field]).parse::<Timestamp>() {
        Ok(then) => duration(now.duration_since(then).as_secs()),
        Err(_) => "<unknown>".to_owned(),
    };
    match event["count"].as_i64() {
        Some(count) if count > 1 => {
            format!("{} (x{count} over {})", since("lastTimestamp"), since("firstTimestamp"))
        }
        _ => since("lastTimestamp"),
    }
}

/// As Kubernetes shortens it, up to where a story can go.
fn duration(seconds: i64) -> String {
    match seconds {
        ..0 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 if seconds % 60 != 0 => format!("{}m{}s", seconds / 60, seconds % 60),
        _ => format!("{}m", seconds / 60),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_looks_like_the_end_of_kubectl_describe_pod() {
        let event = |reason: &str, second: u8, count: u8| {
            json!({
                "type": "Warning", "reason": reason, "message": "ServiceName: appp1\n", "count": count,
                "source": { "component": "controlplane" },
                "firstTimestamp": "2026-11-21T12:00:00Z", "lastTimestamp": format!("2026-11-21T12:00:{second:02}Z"),
            })
        };
        let list = json!({ "items": [event("pki ServiceName error", 9, 2), event("FailedMount", 3, 1)] });
        let text = events(&list, "2026-11-21T12:00:10.5Z".parse().unwrap());
        let expected = "Events:
  Type     Reason                 Age               From          Message
  ----     ------                 ----              ----          -------
  Warning  FailedMount            7s                controlplane  ServiceName: appp1
  Warning  pki ServiceName error  1s (x2 over 10s)  controlplane  ServiceName: appp1
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_time_that_is_missing_or_in_the_future_is_no_panic() {
        assert_eq!(age(&json!({}), Timestamp::UNIX_EPOCH), "<unknown>");
        assert_eq!(age(&json!({ "lastTimestamp": "2026-11-21T12:00:00Z" }), Timestamp::UNIX_EPOCH), "0s");
        assert_eq!([119, 120, 125, 665].map(duration), ["119s", "2m", "2m5s", "11m"]);
    }

    #[test]
    fn the_selector_is_kubectls() {
        let pod = json!({ "metadata": { "namespace": "app1", "name": "p", "uid": "u-1" } });
        let expected = "/api/v1/namespaces/app1/events?fieldSelector=involvedObject.name%3Dp%2CinvolvedObject.namespace%3Dapp1%2CinvolvedObject.uid%3Du-1";
        assert_eq!(events_of(&pod), expected);
    }
}
