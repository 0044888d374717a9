//! The kubectl commands of the story: the same requests, and the same output.

use demo_controller::request::{Failure, with_timeout};
use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Event, Pod},
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, ListParams, PostParams},
    core::GroupVersionKind,
    discovery,
};
use serde_json::Value;

use crate::table::align;

/// The `Accept` header of `kubectl get`: the server returns a table.
const ACCEPT_TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// `kubectl create -f` for one object. Returns the output.
pub async fn create(client: &Client, object: &Value) -> Result<String, Failure> {
    let object: DynamicObject =
        serde_json::from_value(object.clone()).map_err(|e| Failure::Malformed(e.to_string()))?;
    let kind = GroupVersionKind::try_from(object.types.clone().unwrap_or_default())
        .map_err(|e| Failure::Malformed(e.to_string()))?;
    let (resource, capabilities) = with_timeout(discovery::pinned_kind(client, &kind)).await?;
    let api = Api::<DynamicObject>::dynamic(client.clone(), &resource, &capabilities.scope)
        .constrain(&object.namespace().unwrap_or_default());
    with_timeout(api.create(&PostParams::default(), &object)).await?;
    let dot = if kind.group.is_empty() { "" } else { "." };
    Ok(format!("{}{dot}{}/{} created\n", kind.kind.to_lowercase(), kind.group, object.name_any()))
}

/// `kubectl get`: returns the list at `path` as a table.
pub async fn get(client: &Client, path: &str) -> Result<Value, Failure> {
    let request = http::Request::get(path).header(http::header::ACCEPT, ACCEPT_TABLE).body(Vec::new());
    with_timeout(client.request(request.map_err(|e| Failure::Malformed(e.to_string()))?)).await
}

/// Returns the events of a pod, the latest last.
pub async fn list_events(client: &Client, pod: &Pod) -> Result<Vec<Event>, Failure> {
    let (name, uid) = (pod.name_any(), pod.uid().unwrap_or_default());
    let of_pod = ListParams::default().fields(&format!("involvedObject.name={name},involvedObject.uid={uid}"));
    let api: Api<Event> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    let mut events = with_timeout(api.list(&of_pod)).await?.items;
    events.sort_by_key(|event| event.last_timestamp.clone());
    Ok(events)
}

/// Formats events as `kubectl describe` does.
pub fn describe_events(events: &[Event], now: Timestamp) -> String {
    let heading = ["Type", "Reason", "Age", "From", "Message"];
    let dashes = heading.map(|title| "-".repeat(title.len().max(4)));
    let mut rows = vec![heading.map(str::to_owned).to_vec(), dashes.to_vec()];
    for event in events {
        let source = event.source.clone().and_then(|source| source.component);
        let row = [&event.type_, &event.reason, &Some(format_age(event, now)), &source, &event.message];
        rows.push(row.map(|cell| cell.clone().unwrap_or_default()).to_vec());
    }
    let lines: String = align(&rows, 2).lines().map(|line| format!("  {line}\n")).collect();
    format!("Events:\n{lines}")
}

/// `4s`, or `4s (x2 over 9s)`. kubectl prints minutes from two minutes on; the story is shorter.
fn format_age(event: &Event, now: Timestamp) -> String {
    let since = |time: &Option<Time>| match time {
        Some(time) => format!("{}s", now.duration_since(time.0).as_secs().max(0)),
        None => "<unknown>".to_owned(),
    };
    let last = since(&event.last_timestamp);
    match event.count {
        Some(count @ 2..) => format!("{last} (x{count} over {})", since(&event.first_timestamp)),
        _ => last,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_have_the_format_of_kubectl_describe() {
        let event = |reason: &str, second: u8, count: u8| -> Event {
            let event = json!({
                "metadata": {}, "involvedObject": {}, "type": "Warning", "reason": reason, "message": "appp1", "count": count,
                "source": { "component": "controlplane" },
                "firstTimestamp": "2026-11-21T12:00:00Z", "lastTimestamp": format!("2026-11-21T12:00:{second:02}Z"),
            });
            serde_json::from_value(event).unwrap()
        };
        let events = [event("FailedMount", 3, 1), event("pki ServiceName error", 9, 2)];
        let expected = "Events:
  Type     Reason                 Age               From          Message
  ----     ------                 ----              ----          -------
  Warning  FailedMount            7s                controlplane  appp1
  Warning  pki ServiceName error  1s (x2 over 10s)  controlplane  appp1
";
        assert_eq!(describe_events(&events, "2026-11-21T12:00:10.5Z".parse().unwrap()), expected);
    }
}
