use serde_json::json;

use super::*;
use crate::pods::{Pod, encode_pod};

/// An object or a list in its envelope.
fn enveloped(raw: &[u8]) -> Bytes {
    let raw = Bytes::copy_from_slice(raw);
    // Field 1 is the type, which is not used.
    let envelope = [&b"k8s\0\x0a\x02\x0a\x00\x12"[..], &encode_length(raw.len()), &raw].concat();
    envelope.into()
}

fn encode_length(length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(length as u64, &mut bytes);
    bytes
}

fn pod(name: &str, phase: &str) -> Bytes {
    let metadata = json!({ "name": name, "namespace": "app1", "uid": "u", "resourceVersion": "7" });
    encode_pod(&json!({ "metadata": metadata, "status": { "phase": phase } }))
}

fn page(items: Vec<Bytes>, next: &str) -> Result<Page<Pod>, Failure> {
    let metadata = Some(ListMeta { resource_version: "9".into(), next: next.into() });
    decode_page(enveloped(&List { metadata, items }.encode_to_vec()))
}

fn event(kind: &str, object: Bytes) -> Result<WatchEvent<Pod>, Failure> {
    let object = Some(RawExtension { raw: enveloped(&object) });
    decode_frame(Frame { r#type: kind.into(), object }.encode_to_vec().into())
}

#[test]
fn page_has_its_objects_version_and_token() {
    let page = page(vec![pod("web", "Running"), pod("db", "")], "abc").unwrap();
    let names: Vec<_> = page.items.iter().map(|pod| pod.key().as_str()).collect();
    assert_eq!((names, &*page.resource_version, page.next.as_deref()), (vec!["app1/web", "app1/db"], "9", Some("abc")));
    let empty = self::page(vec![], "").unwrap();
    assert!(empty.items.is_empty() && empty.next.is_none());
}

#[test]
fn object_that_does_not_decode_costs_only_itself() {
    let page = page(vec![pod("web", "Running"), pod("bad", "Frozen"), Bytes::from_static(b"\xff")], "").unwrap();
    let bad: Vec<_> = page.undecodable.iter().map(|it| it.key.as_ref().map(Key::as_str)).collect();
    assert_eq!((page.items.len(), bad), (1, vec![Some("app1/bad"), None]));
    let Ok(WatchEvent::Undecodable(object, version)) = event("ADDED", pod("bad", "Frozen")) else {
        panic!("undecodable")
    };
    assert_eq!((object.key.unwrap().as_str(), &*version), ("app1/bad", "7"));
    assert!(object.why.contains("Frozen"), "{}", object.why);
}

#[test]
fn frame_is_an_event() {
    assert!(
        matches!(event("MODIFIED", pod("web", "Running")), Ok(WatchEvent::Applied(pod)) if pod.key().name() == "web")
    );
    let deleted = event("DELETED", pod("web", "Frozen"));
    assert!(matches!(deleted, Ok(WatchEvent::Deleted(key, version)) if key.as_str() == "app1/web" && version == "7"));
    assert!(matches!(event("BOOKMARK", pod("", "")), Ok(WatchEvent::Bookmark(version)) if version == "7"));
    assert!(event("DELETED", pod("", "")).is_err() && event("MOVED", pod("web", "")).is_err());
}

#[test]
fn error_frame_has_its_status() {
    // reason, details with retryAfterSeconds, code
    let status = b"\x1a\x03too\x22\x07Expired\x2a\x02\x28\x05\x30\x9a\x03";
    let Ok(WatchEvent::Error(failure)) = event("ERROR", Bytes::from_static(status)) else { panic!("an error") };
    assert!(failure.is_expired(), "{failure}");
    assert_eq!(
        (failure.to_string().as_str(), failure.retry_after().map(|it| it.as_secs())),
        ("410 Expired: too", Some(5))
    );
}

#[test]
fn other_bytes_are_malformed() {
    for bytes in [&b""[..], b"k8s\0", b"k8s\0\xff", b"{\"kind\":\"PodList\"}"] {
        let page = decode_page::<Pod>(Bytes::copy_from_slice(bytes));
        assert!(bytes == b"k8s\0" || matches!(page, Err(Failure::Malformed(_))), "{bytes:?}: {page:?}");
    }
    assert!(decode_frame::<Pod>(Bytes::from_static(b"\xff")).is_err());
}
