use daemon::Telemetry;
use tokio::time::advance;

use super::*;

#[tokio::test(start_paused = true)]
async fn metrics_have_the_names_of_client_go() {
    let telemetry = Telemetry::default();
    let queue = WorkQueue::new("pods", &telemetry);
    [1, 1, 2, 3].into_iter().for_each(|key| queue.add(key));
    advance(2 * SECOND).await;
    let claims = [get_now(&queue), get_now(&queue)];
    queue.add(1);
    queue.add_rate_limited(4);
    advance(3 * SECOND).await; // also enqueues 4
    let scrape = || telemetry.encode().unwrap();
    let text = scrape();
    for line in [
        "workqueue_adds_total{name=\"pods\"} 5",
        "workqueue_retries_total{name=\"pods\"} 1",
        "workqueue_depth{name=\"pods\"} 3.0",
        "workqueue_queue_duration_seconds_sum{name=\"pods\"} 4.0",
        "workqueue_queue_duration_seconds_bucket{le=\"10.0\",name=\"pods\"} 2",
        "workqueue_work_duration_seconds_count{name=\"pods\"} 0",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    let value = |text: &str, name: &str| -> f64 {
        let line = text.lines().find(|line| line.starts_with(name)).expect(name);
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(value(&text, "workqueue_unfinished_work_seconds{"), 6.0);
    assert_eq!(value(&text, "workqueue_longest_running_processor_seconds{"), 3.0);
    drop(claims);
    assert_eq!(value(&scrape(), "workqueue_work_duration_seconds_sum{"), 6.0);
    assert_eq!(value(&scrape(), "workqueue_unfinished_work_seconds{"), 0.0);
    drop(queue);
    assert!(!scrape().contains("workqueue_depth{"));
}
