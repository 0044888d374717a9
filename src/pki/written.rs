//! Reading one's own writes.
//!
//! The cache hears of our write of a status when the watch tells of it: a moment later as a rule, half a minute later
//! when the watch is down. Until then it shows what was before, and who compares with that draws the wrong conclusion:
//! it says "Issued" already, so nothing is written, although the last thing *written* was "NameNotAllowed".
//!
//! So what the API server answered to a write is kept until the cache shows something else than what it replaced. Every
//! write carries the version that it is based on, so there is nothing in between that could be missed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Pki;
use crate::informer::{Key, Object};

/// So many writes in a row that the cache has not heard of are kept apart. More would take a watch that is down for
/// long and a status that flips all the time; then the oldest is forgotten, and at worst one write is refused with a
/// 409.
const LONGEST_ROW: usize = 16;

/// What was written and may not be in the cache yet. Entries go at the next look after the cache has caught up.
#[derive(Default)]
pub struct Written(Mutex<HashMap<Key, Row>>);

struct Row {
    /// The versions that our writes have replaced. While the cache shows one of them, it is behind.
    replaced: Vec<Box<str>>,
    /// What the API server answered to the last of them.
    last: Arc<Pki>,
}

impl Written {
    /// The Pki as it is now, as far as we can know: from the cache, or newer by our own writes.
    pub fn freshest(&self, cached: Arc<Pki>) -> Arc<Pki> {
        let mut rows = self.lock();
        let Some(row) = rows.get(cached.key()) else { return cached };
        if row.replaced.iter().any(|version| **version == *cached.resource_version()) {
            return row.last.clone();
        }
        rows.remove(cached.key());
        cached
    }

    /// `before` was replaced by `after`.
    pub fn wrote(&self, before: &Pki, after: Pki) {
        let mut rows = self.lock();
        let mut replaced = match rows.remove(before.key()) {
            Some(row) if row.last.resource_version() == before.resource_version() => row.replaced,
            _ => Vec::new(),
        };
        if replaced.len() == LONGEST_ROW {
            replaced.remove(0);
        }
        replaced.push(before.resource_version().into());
        rows.insert(before.key().clone(), Row { replaced, last: Arc::new(after) });
    }

    /// The Pki is gone.
    pub fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Row>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pki(version: &str) -> Pki {
        let wire = json!({ "metadata": { "name": "a", "namespace": "ns", "uid": "u", "resourceVersion": version } });
        serde_json::from_str(&wire.to_string()).unwrap()
    }

    fn seen(written: &Written, cached: &str) -> String {
        written.freshest(Arc::new(pki(cached))).resource_version().to_owned()
    }

    #[test]
    fn a_cache_that_is_behind_our_write_is_looked_past() {
        let written = Written::default();
        written.wrote(&pki("7"), pki("8"));
        assert_eq!(seen(&written, "7"), "8");
        written.wrote(&pki("8"), pki("9"));
        assert_eq!(seen(&written, "7"), "9");
        assert_eq!(seen(&written, "8"), "9", "it has heard of the first write, not of the second");
    }

    #[test]
    fn a_cache_that_has_caught_up_is_believed_and_the_write_forgotten() {
        for cached in ["8", "12"] {
            let written = Written::default();
            written.wrote(&pki("7"), pki("8"));
            assert_eq!(seen(&written, cached), cached);
            assert!(written.lock().is_empty());
        }
    }

    #[test]
    fn a_long_row_of_writes_is_bounded() {
        let written = Written::default();
        (0..100).for_each(|i| written.wrote(&pki(&i.to_string()), pki(&(i + 1).to_string())));
        assert_eq!(written.lock().values().map(|row| row.replaced.len()).sum::<usize>(), LONGEST_ROW);
        assert_eq!(seen(&written, "99"), "100");
    }
}
