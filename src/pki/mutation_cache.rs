//! Our own writes, until the cache shows them (client-go: `cache.MutationCache`).

use std::sync::Arc;

use super::Pki;
use crate::informer::{Object, PerKey};

/// Maximum number of writes in a row that the cache does not show yet. After more, a write may fail with 409.
const MAX_REPLACED: usize = 16;

/// The cache lags behind our own writes of the status. Until it shows the last one, this cache returns the API server's
/// response to that write. Otherwise a new status would be compared with an outdated one.
pub type MutationCache = PerKey<Written>;

/// The last write to a Pki.
pub struct Written {
    /// The versions that our writes replaced. A cache that shows one of them is outdated. (Each write is based on a version, so
    /// there is no other write between two of them.)
    replaced: Vec<Box<str>>,
    latest: Arc<Pki>,
}

impl MutationCache {
    /// Returns the newest known state of a Pki: `cached`, or our last write.
    pub fn latest(&self, cached: Arc<Pki>) -> Arc<Pki> {
        self.update(cached.key(), |written| {
            written.take_if(|written| !written.replaced.iter().any(|version| **version == *cached.resource_version()));
            written.as_ref().map_or_else(|| cached.clone(), |written| written.latest.clone())
        })
    }

    /// Records that our write replaced `before` by `after`.
    pub fn record_write(&self, before: &Pki, after: Pki) {
        self.update(before.key(), |written| {
            let last = written.take().filter(|last| last.latest.resource_version() == before.resource_version());
            let mut replaced = last.map_or_else(Vec::new, |last| last.replaced);
            replaced.push(before.resource_version().into());
            replaced.drain(..replaced.len().saturating_sub(MAX_REPLACED));
            *written = Some(Written { replaced, latest: Arc::new(after) });
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pki(version: &str) -> Pki {
        let metadata =
            json!({ "name": "a", "namespace": "ns", "uid": "u", "resourceVersion": version, "generation": 1 });
        serde_json::from_value(json!({ "metadata": metadata })).unwrap()
    }

    fn latest(written: &MutationCache, cached: &str) -> String {
        written.latest(Arc::new(pki(cached))).resource_version().to_owned()
    }

    #[test]
    fn old_cached_version_is_replaced_by_the_last_write() {
        let written = MutationCache::default();
        written.record_write(&pki("7"), pki("8"));
        assert_eq!(latest(&written, "7"), "8");
        written.record_write(&pki("8"), pki("9"));
        assert_eq!(latest(&written, "7"), "9");
        assert_eq!(latest(&written, "8"), "9", "the cache shows only the first write");
        (9..100).for_each(|i| written.record_write(&pki(&i.to_string()), pki(&(i + 1).to_string())));
        assert_eq!((latest(&written, "99"), latest(&written, "9")), ("100".into(), "9".into()), "bounded");
    }

    #[test]
    fn cached_version_after_the_write_ends_the_replacement() {
        for cached in ["8", "12"] {
            let written = MutationCache::default();
            written.record_write(&pki("7"), pki("8"));
            assert_eq!(latest(&written, cached), cached);
            assert!(written.is_empty());
        }
    }
}
