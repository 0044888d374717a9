use serde_json::json;

use super::*;

fn config_map(version: &str, entries: usize) -> ConfigMap {
    let data: BTreeMap<_, _> = (0..entries).map(|n| (format!("key{n}"), "")).collect();
    let metadata = json!({ "namespace": "shop", "name": "web", "uid": "u", "resourceVersion": version });
    serde_json::from_value(json!({ "metadata": metadata, "data": data })).unwrap()
}

fn start() -> (Totals, Key) {
    (Totals { config_maps: Arc::new(Store::new()), totals: Mutex::default() }, Key::new("shop", "web"))
}

impl Totals {
    fn total(&self) -> Option<usize> {
        self.totals.lock().unwrap().get(&Key::new("shop", "web")).copied()
    }
}

#[tokio::test]
async fn total_follows_the_config_map() {
    let (totals, key) = start();
    totals.config_maps.apply(config_map("1", 2));
    for _ in 0..2 {
        let ok = matches!(totals.reconcile(&key).await, Ok(Action::AwaitChange));
        assert!(ok, "The ConfigMap has two entries, so the reconcile should succeed and await a change.");
        assert!(totals.total() == Some(2), "The ConfigMap has two entries, but its total is {:?}.", totals.total());
    }
    totals.config_maps.apply(config_map("2", 3));
    let _ = totals.reconcile(&key).await;
    assert!(totals.total() == Some(3), "The ConfigMap has three entries now, but its total is {:?}.", totals.total());
}

#[tokio::test]
async fn deleted_config_map_has_no_total() {
    let (totals, key) = start();
    totals.config_maps.apply(config_map("1", 2));
    let _ = totals.reconcile(&key).await;
    totals.config_maps.delete(&key);
    let ok = totals.reconcile(&key).await.is_ok();
    assert!(
        ok && totals.total().is_none(),
        "The ConfigMap is deleted, which is no error, and its total should be removed."
    );
}

#[tokio::test]
async fn too_many_entries_are_a_permanent_error() {
    let (totals, key) = start();
    totals.config_maps.apply(config_map("1", 2));
    let _ = totals.reconcile(&key).await;
    totals.config_maps.apply(config_map("2", LIMIT + 1));
    let permanent = matches!(totals.reconcile(&key).await, Err(ReconcileError::Permanent { .. }));
    assert!(permanent, "Four entries are too many, and a retry does not help, so the error should be permanent.");
    assert!(
        totals.total().is_none(),
        "The ConfigMap has too many entries now, but still has the total of its last version."
    );
}
