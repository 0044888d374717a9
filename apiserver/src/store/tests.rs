use serde_json::json;

use super::*;

fn pods() -> GroupResource {
    GroupResource::new("", "pods")
}

fn store_with_capacity(changes: usize) -> Store {
    Store::new(LogLimits { changes, bytes: usize::MAX })
}

fn names(snapshot: &Snapshot) -> Vec<String> {
    snapshot.range(Bound::Unbounded).map(|(key, _)| format!("{}/{}", key.namespace, key.name)).collect()
}

fn put(store: &mut Store, namespace: &str, name: &str, data: u32) -> u64 {
    let value = json!({ "metadata": { "name": name, "namespace": namespace }, "data": data });
    store.put(&pods(), Key::new(namespace, name), value);
    store.revision()
}

#[test]
fn log_returns_every_change_since_a_revision() {
    let mut store = store_with_capacity(10);
    let known = put(&mut store, "a", "x", 1);
    put(&mut store, "a", "y", 1);
    store.remove(&pods(), &Key::new("a", "x"));

    let since: Vec<u64> = store.since(known).unwrap().map(|change| change.revision).collect();
    assert_eq!(since, [known + 1, known + 2]);
    assert_eq!(store.since(known + 2).unwrap().count(), 0);
    assert_eq!(store.since(known + 200).unwrap().count(), 0, "a future revision is not an error");
}

#[test]
fn log_limits_the_size_of_old_versions() {
    let mut store = Store::new(LogLimits { changes: 1000, bytes: 10_000 });
    let large = |i: u32| json!({ "metadata": {}, "data": "x".repeat(3_000), "i": i });
    let key = Key::new("a", "x");
    let mut revisions = Vec::new();
    let mut versions = Vec::new();
    for i in 0..10 {
        versions.push(store.put(&pods(), key.clone(), large(i)));
        revisions.push(store.revision());
    }
    assert_eq!(store.since(store.oldest()).unwrap().count(), 3, "three old versions; the latest one does not count");
    // The JSON of a version is a little longer than counted; removing the change subtracts the counted size.
    assert!(versions.iter().all(|version| version.json().len() > 3_000));
    store.remove(&pods(), &key);
    assert_eq!(store.since(store.oldest()).unwrap().count(), 2, "a deletion keeps two versions");

    for i in 0..20 {
        put(&mut store, "a", "y", i);
    }
    assert!(store.since(revisions[9]).is_ok(), "small changes do not compact the log");
    let huge = json!({ "metadata": {}, "data": "x".repeat(20_000) });
    store.put(&pods(), key.clone(), huge);
    store.remove(&pods(), &key);
    assert_eq!(store.since(store.oldest()).unwrap().count(), 0, "too large for the log");
    assert_eq!(store.size, 0);
}

#[test]
fn full_log_drops_and_reports_old_revisions() {
    let mut store = store_with_capacity(3);
    let revisions: Vec<u64> = (0..10).map(|i| put(&mut store, "a", "x", i)).collect();

    assert_eq!(store.oldest(), revisions[6]);
    assert_eq!(store.since(revisions[6]).unwrap().count(), 3);
    assert_eq!(store.since(revisions[5]).err(), Some(Compacted { oldest: revisions[6] }));

    store.compact();
    assert_eq!(store.since(revisions[8]).err(), Some(Compacted { oldest: revisions[9] }));
    assert_eq!(store.since(revisions[9]).unwrap().count(), 0, "the latest revision is always available");
}

#[test]
fn collection_is_readable_at_any_revision_in_the_log() {
    let mut store = store_with_capacity(10);
    put(&mut store, "a", "b", 1);
    let then = put(&mut store, "a", "d", 1);
    put(&mut store, "a", "a", 1);
    put(&mut store, "a", "d", 2);
    put(&mut store, "a", "d", 3);
    store.remove(&pods(), &Key::new("a", "b"));
    put(&mut store, "a", "c", 1);

    let snapshot = store.at(&pods(), then).unwrap();
    assert_eq!(names(&snapshot), ["a/b", "a/d"]);
    let data: Vec<_> = snapshot.range(Bound::Unbounded).map(|(_, object)| object.value()["data"].clone()).collect();
    assert_eq!(data, [1, 1]);
    let key = Key::new("a", "b");
    assert_eq!(snapshot.range(Bound::Excluded(&key)).count(), 1);
    assert_eq!(names(&store.at(&pods(), store.revision()).unwrap()), ["a/a", "a/c", "a/d"]);
    assert!(store.at(&GroupResource::new("", "nothing"), then).unwrap().range(Bound::Unbounded).next().is_none());
}
