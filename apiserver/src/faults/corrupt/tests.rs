use futures::{FutureExt, StreamExt, stream};
use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::{
    body::{Body, Reset},
    faults::{
        Fault, Faults, Rule,
        tests::{PODS, plan_for},
    },
};

/// The lines and the end that a client receives. The watch sends three events and a bookmark in two chunks, then nothing.
fn watch(fault: Fault) -> (Vec<String>, Option<Result<(), Reset>>) {
    let event = |kind: &str, name: &str| {
        format!("{}\n", json!({ "type": kind, "object": { "metadata": { "name": name }, "spec": { "a": 1 } } }))
    };
    let first = event("ADDED", "a") + &event("ADDED", "b");
    let second = event("BOOKMARK", "") + &event("DELETED", "c");
    let chunks = stream::iter([Ok(first.into()), Ok(second.into())]).chain(stream::pending());
    let mut faults = Faults::default();
    faults.add(Rule::new(fault));
    let plan = plan_for(&mut faults, Method::GET, "/api/v1/pods?watch=1");
    let mut body = plan.corrupt(Body::Stream(chunks.boxed())).now_or_never().expect("no waiting");
    let mut text = Vec::new();
    let end = loop {
        match body.frame().now_or_never() {
            Some(Some(Ok(frame))) => text.extend_from_slice(&frame.into_data().expect("data")),
            Some(Some(Err(reset))) => break Some(Err(reset)),
            Some(None) => break Some(Ok(())),
            None => break None,
        }
    };
    (String::from_utf8(text).unwrap().split_inclusive('\n').map(str::to_owned).collect(), end)
}

fn names(lines: &[String]) -> Vec<String> {
    let value = |line: &String| serde_json::from_str::<Value>(line).expect("a whole line");
    lines.iter().map(|line| value(line)["object"]["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn watch_end_fault_ends_the_watch_after_n_lines() {
    let (lines, end) = watch(Fault::WatchEnd { after: 3 });
    assert_eq!((names(&lines), end), (vec!["a".into(), "b".into(), String::new()], Some(Ok(()))));
    assert_eq!(watch(Fault::EmptyWatch), (vec![], Some(Ok(()))));
    let (lines, end) = watch(Fault::WatchEnd { after: 5 });
    assert_eq!((lines.len(), end), (4, None), "the watch has sent only four lines");
}

#[test]
fn watch_cut_fault_resets_between_lines() {
    let (lines, end) = watch(Fault::WatchCut { after: 1 });
    assert_eq!((names(&lines), end), (vec!["a".into()], Some(Err(Reset))));
    assert_eq!(watch(Fault::WatchCut { after: 0 }), (vec![], Some(Err(Reset))));
    let (lines, end) = watch(Fault::WatchCut { after: 4 });
    assert_eq!((lines.len(), end), (4, Some(Err(Reset))), "the reset must not wait for the next line");
}

#[test]
fn watch_cut_in_line_fault_resets_inside_a_line() {
    let (lines, end) = watch(Fault::WatchCutInLine { after: 1 });
    assert_eq!((lines.len(), end), (2, Some(Err(Reset))));
    assert_eq!(names(&lines[..1]), ["a"]);
    assert!(lines[1].starts_with("{\"") && !lines[1].ends_with('\n'), "{}", lines[1]);
}

#[test]
fn undecodable_fault_corrupts_watched_objects() {
    let undecodable = |name: Option<&str>| {
        let (lines, _) = watch(Fault::Undecodable { name: name.map(Into::into) });
        let hit = lines.iter().filter(|line| line.contains("\"spec\":\"undecodable\"")).cloned().collect::<Vec<_>>();
        names(&hit)
    };
    assert_eq!(undecodable(None), ["a", "b", "c"], "a bookmark is not an object");
    assert_eq!(undecodable(Some("b")), ["b"]);
}

#[test]
fn undecodable_fault_corrupts_listed_objects() {
    let corrupted = |body: &Value, name: Option<&str>| -> Value {
        let mut faults = Faults::default();
        faults.add(Rule::new(Fault::Undecodable { name: name.map(Into::into) }));
        let body = Body::from(bytes::Bytes::from(body.to_string()));
        let body = plan_for(&mut faults, Method::GET, PODS).corrupt(body).now_or_never().unwrap();
        let bytes = body.collect().now_or_never().unwrap().unwrap().to_bytes();
        serde_json::from_slice(&bytes).unwrap()
    };
    let object = |name: &str| json!({ "metadata": { "name": name }, "spec": {} });
    let list = json!({ "kind": "PodList", "items": [object("a"), object("b")] });
    let all = corrupted(&list, None);
    assert!(all["items"].as_array().unwrap().iter().all(|item| item["spec"].is_string()));
    let one = corrupted(&list, Some("b"));
    assert!(one["items"][0]["spec"].is_object() && one["items"][1]["spec"].is_string());
    assert_eq!(corrupted(&object("a"), None)["metadata"]["labels"], "undecodable");
    let status = json!({ "kind": "Status", "metadata": {} });
    assert_eq!(corrupted(&status, None), status);
}
