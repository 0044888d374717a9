use super::*;

fn pod(name: &str, version: &str) -> Pod {
    Pod { name: name.into(), version: version.into() }
}

#[test]
fn first_list_adds_everything() {
    let mut store = Store::default();
    let changes = store.replace(vec![pod("web", "1"), pod("db", "2")]);
    assert!(store.0.len() == 2, "The list has two pods, the store has {}.", store.0.len());
    let added = changes == [Change::Added("web".into()), Change::Added("db".into())];
    assert!(added, "Each pod of the first list is Added, in the order of the list, but the changes are {changes:?}.");
}

#[test]
fn missing_object_is_deleted() {
    let mut store = Store::default();
    store.replace(vec![pod("web", "1"), pod("job", "2")]);
    let changes = store.replace(vec![pod("web", "3"), pod("db", "4")]);
    assert!(!store.0.contains_key("job"), "The pod job is not in the new list, but still in the store.");
    let first = changes.first() == Some(&Change::Deleted("job".into()));
    assert!(
        first,
        "The deletion of job comes first, because no watch will ever report it, but the changes are {changes:?}."
    );
    let rest = changes[1..] == [Change::Updated("web".into()), Change::Added("db".into())];
    assert!(rest, "After the deletion: web is Updated, db is Added, but the changes are {changes:?}.");
}

#[test]
fn same_version_is_no_change() {
    let mut store = Store::default();
    store.replace(vec![pod("web", "1")]);
    let changes = store.replace(vec![pod("web", "1")]);
    assert!(
        changes.is_empty(),
        "The version of web is the same, so nothing has changed, but the changes are {changes:?}."
    );
}
