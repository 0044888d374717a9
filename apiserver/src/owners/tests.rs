use serde_json::json;

use super::*;

fn pod(owners: &[&str]) -> Value {
    json!({ "metadata": { "ownerReferences": owners.iter().map(|uid| json!({ "uid": uid })).collect::<Vec<_>>() } })
}

fn names(owners: &Owners, uid: &str) -> Vec<String> {
    owners.dependents(uid).map(|(_, key)| key.name.clone()).collect()
}

#[test]
fn dependents_are_found_by_the_uid_of_any_of_their_owners() {
    let (mut owners, pods) = (Owners::default(), GroupResource::new("", "pods"));
    owners.change(&pods, &Key::new("ns", "b"), None, Some(&pod(&["1", "2"])));
    owners.change(&pods, &Key::new("ns", "a"), None, Some(&pod(&["1"])));
    assert_eq!(names(&owners, "1"), ["a", "b"]);
    assert_eq!(names(&owners, "2"), ["b"]);
    assert!(names(&owners, "3").is_empty());
}

#[test]
fn who_loses_an_owner_or_goes_is_no_dependent_any_more_and_leaves_nothing_behind() {
    let (mut owners, pods, key) = (Owners::default(), GroupResource::new("", "pods"), Key::new("ns", "a"));
    owners.change(&pods, &key, None, Some(&pod(&["1", "2"])));
    owners.change(&pods, &key, Some(&pod(&["1", "2"])), Some(&pod(&["2"])));
    assert!(names(&owners, "1").is_empty());
    owners.change(&pods, &key, Some(&pod(&["2"])), None);
    assert!(owners.dependents.is_empty());
}
