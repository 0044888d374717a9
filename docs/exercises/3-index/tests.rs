use super::*;

fn is(pods: &Pods, secret: &str, wanted: &[&str]) -> bool {
    pods.mounting(secret).iter().map(String::as_str).eq(wanted.iter().copied())
}

#[test]
fn pods_are_found_by_their_secrets() {
    let mut pods = Pods::default();
    pods.put("web", &["tls", "db"]);
    pods.put("job", &["db"]);
    assert!(
        is(&pods, "db", &["job", "web"]),
        "Secret db is mounted by job and web, but found are {:?}.",
        pods.mounting("db")
    );
    assert!(is(&pods, "tls", &["web"]), "Secret tls is mounted by web, but found are {:?}.", pods.mounting("tls"));
}

#[test]
fn update_removes_the_old_entries() {
    let mut pods = Pods::default();
    pods.put("web", &["a"]);
    pods.put("web", &["b"]);
    assert!(is(&pods, "b", &["web"]), "The pod web mounts b now, but the index does not know it.");
    assert!(is(&pods, "a", &[]), "The pod web does not mount a any more, but is still found there.");
}

#[test]
fn removed_pod_leaves_no_entry() {
    let mut pods = Pods::default();
    pods.put("web", &["a"]);
    pods.remove("web");
    assert!(is(&pods, "a", &[]), "The pod web is removed, but is still found by its Secret.");
    assert!(
        pods.index.is_empty(),
        "No pod is left, but the index has {} entry: it would grow forever.",
        pods.index.len()
    );
}
