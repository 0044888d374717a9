use super::*;
use crate::informer::tests::{TestObject, summary, test_object};

fn store() -> Store<TestObject> {
    Store::new()
}

fn summaries(changes: impl IntoIterator<Item = Change<TestObject>>) -> Vec<String> {
    let mut all: Vec<_> = changes.into_iter().map(|c| summary(&c)).collect();
    all.sort();
    all
}

fn key(name: &str) -> Key {
    Key::new("ns", name)
}

#[test]
fn new_list_reports_deletions_missed_by_the_watch() {
    let store = store();
    store.replace(vec![test_object("a", 1), test_object("b", 2), test_object("c", 3)], &[]);
    let changes = store.replace(vec![test_object("b", 2), test_object("c", 4), test_object("d", 5)], &[]);
    assert!(matches!(changes[0], Change::Deleted(_)), "deletions come first: {changes:?}");
    assert_eq!(summaries(changes), ["+d5", "-a1", "c3>4"]);
    assert_eq!(store.len(), 3);
}

#[test]
fn objects_of_the_first_list_are_marked_initial() {
    let store = store();
    assert_eq!(summaries(store.replace(vec![test_object("a", 1)], &[])), ["*a1"]);
    assert_eq!(summaries(store.apply(test_object("b", 2))), ["+b2"]);
    assert_eq!(
        summaries(store.replace(vec![test_object("a", 1), test_object("b", 2), test_object("c", 3)], &[])),
        ["+c3"]
    );
}

#[test]
fn empty_first_list_counts_as_the_first() {
    let store = store();
    store.replace(vec![], &[]);
    assert_eq!(summaries(store.replace(vec![test_object("a", 1)], &[])), ["+a1"]);
}

#[test]
fn same_version_is_no_change_and_keeps_its_pointer() {
    let store = store();
    store.replace(vec![test_object("a", 1)], &[]);
    let before = store.get(&key("a")).unwrap();
    assert!(store.apply(test_object("a", 1)).is_none());
    assert!(store.replace(vec![test_object("a", 1)], &[]).is_empty());
    assert!(Arc::ptr_eq(&before, &store.get(&key("a")).unwrap()));
}

#[test]
fn replaced_object_is_one_change_with_another_uid() {
    let store = store();
    store.replace(vec![test_object("a", 1).uid("first")], &[]);
    let change = store.apply(test_object("a", 5).uid("second")).unwrap();
    assert!(change.is_replacement());
    assert!(!store.apply(test_object("a", 6).uid("second")).unwrap().is_replacement());
    // An equal version is no proof: after a restore from a backup, versions repeat.
    assert!(store.replace(vec![test_object("a", 6).uid("third")], &[])[0].is_replacement());
}

#[test]
fn undecodable_object_keeps_its_last_good_version() {
    let store = store();
    store.replace(vec![test_object("a", 1).indexed_by(&["s"]), test_object("b", 2)], &[]);
    let changes = store.replace(vec![test_object("b", 2)], &[key("a"), key("never-seen")]);
    assert!(changes.is_empty(), "{changes:?}");
    assert_eq!(store.get(&key("a")).unwrap().version, "1");
    assert_eq!(keys_by_index(&store, &key("s")), [key("a")]);
    assert_eq!(store.len(), 2);
}

#[test]
fn delete_of_an_absent_object_is_no_change() {
    assert!(store().delete(&key("a")).is_none());
}

#[test]
fn index_has_only_the_current_keys_of_an_object() {
    let store = store();
    store.apply(test_object("a", 1).indexed_by(&["s", "t"]));
    store.apply(test_object("b", 2).indexed_by(&["t"]));
    let mut found = keys_by_index(&store, &key("t"));
    found.sort();
    assert_eq!(found, [key("a"), key("b")]);

    store.apply(test_object("a", 3).indexed_by(&["t"]));
    assert!(keys_by_index(&store, &key("s")).is_empty());

    store.delete(&key("b"));
    assert_eq!(keys_by_index(&store, &key("t")), [key("a")]);

    store.replace(vec![test_object("c", 9).indexed_by(&["s"])], &[]);
    assert!(keys_by_index(&store, &key("t")).is_empty());
    assert_eq!(keys_by_index(&store, &key("s")), [key("c")]);
}

#[test]
fn empty_index_entry_is_removed() {
    let store = store();
    store.apply(test_object("a", 1).indexed_by(&["s"]));
    store.delete(&key("a"));
    assert!(store.inner.read().index.is_empty());
}

#[test]
fn reader_never_sees_half_a_list() {
    let store = Arc::new(store());
    let list = |version| (0..50).map(|i| test_object(&format!("t{i}"), version).indexed_by(&["s"])).collect::<Vec<_>>();
    store.replace(list(1), &[]);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            loop {
                let inner = store.inner.read();
                let versions: HashSet<_> = inner.objects.values().map(|t| t.version.clone()).collect();
                assert_eq!(versions.len(), 1, "one version at a time");
                assert_eq!(inner.index[&key("s")].len(), 50, "objects and index are from the same list");
                if versions.contains("200") {
                    return;
                }
            }
        });
        (2..=200).for_each(|version| drop(store.replace(list(version), &[])));
        reader.join().unwrap();
    });
}

fn keys_by_index(store: &Store<TestObject>, indexed_value: &Key) -> Vec<Key> {
    store.by_index(indexed_value).iter().map(|object| object.key.clone()).collect()
}
