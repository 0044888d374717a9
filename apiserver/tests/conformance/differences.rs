//! What the embedded server knowingly does in another way. The README tells it; cases assert it; the two lists are one.

use std::{collections::BTreeSet, sync::Mutex};

/// The ids that cases have asserted.
static SEEN: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());

/// A case asserts this difference.
pub fn seen(id: &'static str) {
    SEEN.lock().unwrap().insert(id);
}

/// Each difference that was asserted is listed, and, once `all` cases have run, each that is listed was asserted.
pub fn all_are_listed(all: bool) -> Result<(), String> {
    let seen = SEEN.lock().unwrap();
    let readme = include_str!("../../README.md");
    // `* [id] what and why`, as in the section on differences.
    let items = readme.lines().filter_map(|line| line.strip_prefix("* `[")?.split_once("]`"));
    let listed: BTreeSet<&str> = items.map(|(id, _)| id).collect();
    let unlisted: Vec<_> = seen.difference(&listed).collect();
    let unproven: Vec<_> = listed.difference(&seen).collect();
    if !unlisted.is_empty() {
        return Err(format!("asserted, but not in apiserver/README.md: {unlisted:?}"));
    }
    if all && !unproven.is_empty() {
        return Err(format!("in apiserver/README.md, but no case asserts it: {unproven:?}"));
    }
    Ok(())
}
