//! The pages of the process, as a collector of metrics finds them.

use serde_json::json;

use crate::{
    controller::{Controller, Setup},
    stage::Stage,
    wait::{eventually, expect},
};

/// The names of DESIGN's list. Histograms have three samples each; one of them will do.
const METRICS: &str = "workqueue_depth workqueue_adds_total workqueue_retries_total workqueue_queue_duration_seconds_count \
    workqueue_work_duration_seconds_count workqueue_unfinished_work_seconds workqueue_longest_running_processor_seconds \
    reflector_lists_total reflector_watches_total reflector_watch_errors_total reflector_items \
    reflector_last_event_timestamp_seconds reconcile_total pki_certificate_not_after_timestamp_seconds events_total";

pub fn every_metric_has_its_name(stage: &mut Stage) {
    let controller = Controller::ready(stage, Setup::default());
    stage.namespace("metrics");
    stage.create_pki("metrics", "good", json!({ "serviceName": "app1" }));
    stage.create_pki("metrics", "bad", json!({ "serviceName": "x" }));
    stage.wait_pki("metrics", "good", "Issued");
    stage.wait_event("metrics", "Pki", "bad", "pki ServiceName error", 1);
    stage.servers.kill();
    eventually("all metrics are there", || {
        let page = controller.metrics()?;
        let names = page.names();
        let missing: Vec<&str> = METRICS.split_whitespace().filter(|name| !names.contains(name)).collect();
        expect(missing.is_empty(), format!("{missing:?} of\n{}", page.0))
    });
    let page = controller.metrics().unwrap();
    assert!(page.0.ends_with("# EOF\n"), "OpenMetrics");
    assert!(page.sum("workqueue_adds_total", &[("name", "pki")]) >= 2.0);
    assert!(page.sum("reflector_items", &[("resource", "pkis")]) >= 2.0);
    assert!(page.sum("reconcile_total", &[("queue", "pki")]) >= 2.0);
    assert!(page.sum("events_total", &[("result", "sent")]) >= 2.0);
    stage.servers.start();
}
