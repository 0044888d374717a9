use http::{HeaderMap, Method};

use super::*;

/// An entry for this request, as the administrator's.
fn entry(method: Method, uri: &str, body: &str) -> Entry {
    let request = Request::new(method, uri, HeaderMap::new(), body.to_owned().into());
    let target = Target::parse(&request).unwrap();
    Entry::of("system:admin".into(), request, target, 200)
}

#[test]
fn an_entry_says_who_asked_for_what() {
    let uri = "/api/v1/namespaces/x/pods/a/status?dryRun=All";
    let expected = Entry {
        user: "system:admin".into(),
        verb: "patch".into(),
        resource: "pods/status".into(),
        namespace: "x".into(),
        name: "a".into(),
        uri: uri.into(),
        code: 200,
    };
    assert_eq!(entry(Method::PATCH, uri, ""), expected);
    let created = entry(Method::POST, "/api/v1/namespaces/x/pods", r#"{"metadata":{"name":"b"}}"#);
    assert_eq!((&*created.verb, &*created.name), ("create", "b"));
    let version = Entry { verb: "get".into(), uri: "/version".into(), ..Entry::default() };
    let found = entry(Method::GET, "/version", "");
    assert_eq!(found, Entry { user: "system:admin".into(), code: 200, ..version });
}

#[test]
fn what_is_too_long_is_cut_between_characters() {
    let long = format!("/api/v1/pods?labelSelector={}", "a".repeat(10_000));
    assert_eq!(entry(Method::GET, &long, "").uri, long[..LONGEST_URI]);
    let odd = format!("/{}", "é".repeat(2_000));
    assert_eq!(entry(Method::GET, &odd, "").uri.len(), LONGEST_URI - 1, "half a character is none");
    let body = format!(r#"{{"metadata":{{"name":"{}"}}}}"#, "n".repeat(10_000));
    assert_eq!(entry(Method::POST, "/api/v1/namespaces/x/pods", &body).name.len(), LONGEST_NAME);
}

#[test]
fn the_oldest_entry_makes_room_for_the_newest() {
    let mut journal = Journal::default();
    for n in 0..Journal::CAPACITY + 5 {
        journal.push(Entry { uri: n.to_string(), ..Entry::default() });
    }
    let kept: Vec<usize> = journal.entries().map(|entry| entry.uri.parse().unwrap()).collect();
    assert_eq!((kept.len(), kept[0]), (Journal::CAPACITY, 5));
    assert!(kept.is_sorted(), "oldest first");
}
