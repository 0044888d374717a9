//! Known differences of the embedded server: those in the README are those that cases assert.

use std::{collections::BTreeSet, sync::Mutex};

/// The ids that cases have asserted.
static ASSERTED: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());

/// Records that a case has asserted this difference.
pub fn record(id: &'static str) {
    ASSERTED.lock().unwrap().insert(id);
}

/// Checks that the README lists each asserted difference and, if all cases have passed, no other.
pub fn check_readme(all_passed: bool) -> Result<(), String> {
    let asserted = ASSERTED.lock().unwrap();
    let readme = include_str!("../../README.md");
    // Each line of the list begins with "* `[id]`".
    let items = readme.lines().filter_map(|line| line.strip_prefix("* `[")?.split_once("]`"));
    let listed: BTreeSet<&str> = items.map(|(id, _)| id).collect();
    let unlisted: Vec<_> = asserted.difference(&listed).collect();
    let unasserted: Vec<_> = listed.difference(&asserted).collect();
    if !unlisted.is_empty() {
        return Err(format!("asserted, but not in apiserver/README.md: {unlisted:?}"));
    }
    if all_passed && !unasserted.is_empty() {
        return Err(format!("in apiserver/README.md, but no case asserts it: {unasserted:?}"));
    }
    Ok(())
}
