//! The worker with a fake reconciler.

use daemon::Telemetry;
use parking_lot::{Mutex, MutexGuard};
use testkit::Log;
use tokio::{
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep, timeout},
};

use super::*;
use crate::informer::Key;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

type Result = std::result::Result<Action, ReconcileError>;

/// Each attempt takes `duration` and returns the `result` for its number, from 1.
struct FakeReconciler<K> {
    duration: Duration,
    result: Box<dyn Fn(usize) -> Result + Send + Sync>,
    /// The key and the start of each attempt.
    attempts: Mutex<Vec<(K, Duration)>>,
    /// The key and the reason of each call of `on_retries_exhausted`.
    exhausted: Mutex<Vec<(K, String)>>,
    start: Instant,
}

impl<K> FakeReconciler<K> {
    fn new(duration: Duration, result: impl Fn(usize) -> Result + Send + Sync + 'static) -> Arc<Self> {
        let (attempts, exhausted) = (Mutex::default(), Mutex::default());
        Arc::new(FakeReconciler { duration, result: Box::new(result), attempts, exhausted, start: Instant::now() })
    }
}

impl<K: QueueKey> Reconciler<K> for FakeReconciler<K> {
    async fn reconcile(&self, key: &K) -> Result {
        let attempt = {
            let mut attempts = self.attempts.lock();
            attempts.push((key.clone(), self.start.elapsed()));
            attempts.len()
        };
        sleep(self.duration).await;
        (self.result)(attempt)
    }

    /// The reason selects the result.
    async fn on_retries_exhausted(&self, key: &K, why: &str) -> Result {
        let calls = {
            let mut exhausted = self.exhausted.lock();
            exhausted.push((key.clone(), why.to_owned()));
            exhausted.len()
        };
        match why {
            "panic in the report" => panic!("on purpose"),
            "remind" => Ok(Action::RequeueAfter(1800 * SECOND)),
            "report fails twice" if calls < 3 => Err(ReconcileError::Unavailable("409 Conflict".into())),
            _ => Ok(Action::AwaitChange),
        }
    }
}

/// One worker with its queue.
struct Harness {
    queue: WorkQueue<u32>,
    reconciler: Arc<FakeReconciler<u32>>,
    stop: CancellationToken,
    telemetry: Telemetry,
    worker: JoinHandle<()>,
}

impl Harness {
    fn new(duration: Duration, result: impl Fn(usize) -> Result + Send + Sync + 'static) -> Self {
        let telemetry = Telemetry::default();
        let queue = WorkQueue::new("test", &telemetry);
        let reconciler = FakeReconciler::new(duration, result);
        let stop = CancellationToken::new();
        let worker = Worker {
            queue: queue.clone(),
            reconciler: reconciler.clone(),
            max_retries: 12,
            throttle: Arc::default(),
            metrics: telemetry.metrics(),
        };
        let worker = tokio::spawn(worker.run(stop.clone()));
        Harness { queue, reconciler, stop, telemetry, worker }
    }

    /// Adds key 1 and lets this time pass.
    async fn add_and_wait(&self, time: Duration) {
        self.queue.add(1);
        sleep(time).await;
    }

    fn attempts(&self) -> MutexGuard<'_, Vec<(u32, Duration)>> {
        self.reconciler.attempts.lock()
    }

    fn exhausted(&self) -> Vec<(u32, String)> {
        self.reconciler.exhausted.lock().clone()
    }

    fn count(&self, result: &'static str) -> u64 {
        self.telemetry.metrics::<ReconcileMetrics>().0.get_or_create(&[("queue", "test"), ("result", result)]).get()
    }
}

fn transient(why: &str) -> Result {
    Err(ReconcileError::Transient(why.to_owned()))
}

#[tokio::test(start_paused = true)]
async fn success_forgets_the_failures() {
    let harness =
        Harness::new(Duration::ZERO, |attempt| if attempt < 4 { transient("no") } else { Ok(Action::AwaitChange) });
    harness.add_and_wait(3600 * SECOND).await;
    assert_eq!(harness.attempts().len(), 4);
    assert_eq!(harness.queue.num_requeues(&1), 0);
    assert_eq!((harness.count("retry"), harness.count("success")), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn requeue_after_is_punctual_and_not_a_failure() {
    let harness = Harness::new(Duration::ZERO, |attempt| match attempt {
        1 => transient("no"),
        2 => Ok(Action::RequeueAfter(60 * SECOND)),
        _ => Ok(Action::AwaitChange),
    });
    harness.add_and_wait(3600 * SECOND).await;
    assert_eq!(*harness.attempts(), [(1, Duration::ZERO), (1, 5 * MS), (1, 60_005 * MS)]);
    assert_eq!(harness.queue.num_requeues(&1), 0);
    assert_eq!(harness.count("success"), 2);
}

#[tokio::test(start_paused = true)]
async fn await_change_cancels_delayed_add_and_failures() {
    let harness = Harness::new(Duration::ZERO, |attempt| match attempt {
        1 => Ok(Action::RequeueAfter(60 * SECOND)),
        2 => transient("no"),
        _ => Ok(Action::AwaitChange),
    });
    harness.add_and_wait(SECOND).await;
    harness.add_and_wait(3600 * SECOND).await;
    assert_eq!(harness.attempts().len(), 3);
    assert_eq!(harness.queue.num_requeues(&1), 0);
}

#[tokio::test(start_paused = true)]
async fn delayed_add_survives_a_dropped_key() {
    let harness = Harness::new(Duration::ZERO, |attempt| match attempt {
        1 => Ok(Action::RequeueAfter(3600 * SECOND)),
        2..=14 => transient("no"),
        _ => Ok(Action::AwaitChange),
    });
    harness.add_and_wait(SECOND).await;
    harness.add_and_wait(7200 * SECOND).await;
    assert_eq!(harness.attempts()[14].1, 3600 * SECOND);
    assert_eq!((harness.exhausted().len(), harness.attempts().len()), (1, 15));
}

#[tokio::test(start_paused = true)]
async fn permanent_error_is_not_retried() {
    let harness = Harness::new(Duration::ZERO, |attempt| match attempt {
        1 => transient("no"),
        _ => Err(ReconcileError::Permanent { why: "a typo".into(), requeue_after: None }),
    });
    harness.add_and_wait(3600 * SECOND).await;
    assert_eq!(harness.attempts().len(), 2);
    assert_eq!(harness.queue.num_requeues(&1), 0);
    assert_eq!(harness.exhausted(), []);
    assert_eq!(harness.count("permanent"), 1);
}

#[tokio::test(start_paused = true)]
async fn permanent_error_can_requeue_a_reminder() {
    let requeue_after = Some(60 * SECOND);
    let harness =
        Harness::new(Duration::ZERO, move |_| Err(ReconcileError::Permanent { why: "a typo".into(), requeue_after }));
    harness.add_and_wait(150 * SECOND).await;
    assert_eq!(*harness.attempts(), [(1, Duration::ZERO), (1, 60 * SECOND), (1, 120 * SECOND)]);
}

#[tokio::test(start_paused = true)]
async fn transient_error_is_retried_12_times_then_dropped() {
    let harness = Harness::new(Duration::ZERO, |_| transient("no"));
    harness.add_and_wait(3600 * SECOND).await;
    assert_eq!(harness.attempts().len(), 13);
    assert_eq!(harness.attempts()[12].1, 20_475 * MS);
    assert_eq!(harness.exhausted(), [(1, "no".to_owned())]);
    assert_eq!((harness.count("retry"), harness.count("retries_exhausted")), (12, 1));
}

#[tokio::test(start_paused = true)]
async fn dropped_key_gets_fresh_retries_after_a_change() {
    let harness = Harness::new(Duration::ZERO, |_| transient("no"));
    harness.add_and_wait(3600 * SECOND).await;
    harness.add_and_wait(3600 * SECOND).await;
    assert_eq!(harness.attempts().len(), 26);
    assert_eq!(harness.exhausted().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn dropped_key_can_requeue_a_reminder() {
    let harness = Harness::new(Duration::ZERO, |attempt| match attempt {
        1..=13 => transient("remind"),
        _ => Ok(Action::AwaitChange),
    });
    harness.add_and_wait(3600 * SECOND).await;
    assert_eq!(harness.attempts()[13].1, 1800 * SECOND + 20_475 * MS);
}

#[tokio::test(start_paused = true)]
async fn failed_report_is_repeated_without_12_more_retries() {
    let harness = Harness::new(Duration::ZERO, |_| transient("report fails twice"));
    harness.add_and_wait(3600 * SECOND).await;
    assert_eq!((harness.attempts().len(), harness.exhausted().len()), (13 + 2, 3));
    assert_eq!(harness.queue.num_requeues(&1), 0, "the failures are forgotten");
}

/// A change causes the last attempt while the retry of an earlier failure is still scheduled. After the forget, that retry
/// would start a new series of retries.
#[tokio::test(start_paused = true)]
async fn scheduled_retry_does_not_revive_a_dropped_key() {
    let harness = Harness::new(Duration::ZERO, |_| transient("no"));
    harness.add_and_wait(15 * SECOND).await;
    assert_eq!(harness.attempts().len(), 12);
    harness.add_and_wait(3600 * SECOND).await;
    assert_eq!(harness.attempts().len(), 13);
    assert_eq!(harness.exhausted().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn unavailable_is_retried_forever_at_most_30_s_apart() {
    let harness = Harness::new(Duration::ZERO, |attempt| match attempt {
        1..=500 => Err(ReconcileError::Unavailable("connection refused".into())),
        _ => transient("no"),
    });
    harness.add_and_wait(5 * 3600 * SECOND).await;
    let attempts = harness.attempts().clone();
    for pair in attempts.windows(2) {
        assert!(pair[1].1 - pair[0].1 <= 30 * SECOND, "{pair:?}");
    }
    assert!(attempts[499].1 > 4 * 3600 * SECOND);
    assert_eq!(attempts.len(), 500 + 13, "all 12 retries remain");
    assert_eq!((harness.count("unavailable"), harness.count("retries_exhausted")), (500, 1));
}

#[tokio::test(start_paused = true)]
async fn panic_is_one_failed_attempt_of_one_key() {
    let harness = Harness::new(Duration::ZERO, |attempt| match attempt {
        1 => panic!("on purpose"),
        _ => Ok(Action::AwaitChange),
    });
    harness.queue.add(2);
    harness.add_and_wait(SECOND).await;
    assert_eq!(*harness.attempts(), [(2, Duration::ZERO), (1, Duration::ZERO), (2, 5 * MS)]);
    assert_eq!((harness.count("retry"), harness.count("success")), (1, 2));
    assert!(!harness.worker.is_finished());
}

#[tokio::test(start_paused = true)]
async fn repeated_panic_is_dropped_with_its_text() {
    let harness = Harness::new(Duration::ZERO, |_| panic!("{} purpose", "on"));
    harness.add_and_wait(3600 * SECOND).await;
    assert_eq!(harness.exhausted(), [(1, "panicked: on purpose".to_owned())]);

    let harness = Harness::new(Duration::ZERO, |_| transient("panic in the report"));
    harness.add_and_wait(3600 * SECOND).await;
    assert_eq!((harness.attempts().len(), harness.exhausted().len()), (13, 1));
    assert_eq!(harness.queue.num_requeues(&1), 0);
    assert!(!harness.worker.is_finished());
}

#[tokio::test(start_paused = true)]
async fn stop_finishes_the_current_key_and_takes_no_other() {
    // Repeated, because a `select!` without `biased` chooses at random.
    for _ in 0..20 {
        let harness = Harness::new(10 * SECOND, |_| Ok(Action::AwaitChange));
        harness.queue.add(2);
        harness.add_and_wait(SECOND).await;
        harness.stop.cancel();
        sleep(SECOND).await;
        assert_eq!(harness.queue.processing(), [2]);
        timeout(60 * SECOND, harness.worker).await.expect("the worker ends").unwrap();
        assert_eq!(*harness.reconciler.attempts.lock(), [(2, Duration::ZERO)]);
        assert_eq!((harness.queue.len(), harness.queue.processing().len()), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn idle_worker_ends_with_the_stop_or_the_queue() {
    let stopped = Harness::new(Duration::ZERO, |_| Ok(Action::AwaitChange));
    let ended = Harness::new(Duration::ZERO, |_| Ok(Action::AwaitChange));
    sleep(MS).await;
    stopped.stop.cancel();
    ended.queue.shut_down();
    for worker in [stopped.worker, ended.worker] {
        timeout(MS, worker).await.expect("the worker ends").unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn every_result_has_a_counter_from_the_start() {
    let harness = Harness::new(Duration::ZERO, |_| Ok(Action::AwaitChange));
    sleep(MS).await;
    let text = harness.telemetry.encode().unwrap();
    for result in ["success", "permanent", "retry", "unavailable", "retries_exhausted"] {
        let line = format!("reconcile_total{{queue=\"test\",result=\"{result}\"}} 0");
        assert!(text.contains(&line), "{line} in\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn warning_has_all_fields_and_skips_routine_retries() {
    let log = Log::start(tracing::Level::WARN);
    let harness = Harness::new(Duration::ZERO, |attempt| match attempt {
        1..=3 => transient("500 InternalError: etcd"),
        4..=30 => Err(ReconcileError::Unavailable("connection refused".into())),
        31 => Err(ReconcileError::Permanent { why: "a typo".into(), requeue_after: None }),
        _ => Ok(Action::AwaitChange),
    });
    harness.add_and_wait(3600 * SECOND).await;
    harness.add_and_wait(SECOND).await;
    let lines = log.lines();
    for line in &lines {
        assert_eq!((&line["level"], &line["queue"], &line["key"]), (&"WARN".into(), &"test".into(), &"1".into()));
    }
    let first = &lines[0];
    assert_eq!((first["attempt"].as_u64(), first["suppressed"].as_u64()), (Some(1), None));
    assert_eq!((&first["error"], &first["retry_in"]), (&"500 InternalError: etcd".into(), &"5ms".into()));
    let second = &lines[1];
    assert_eq!((&second["error"], second["suppressed"].as_u64()), (&"connection refused".into(), Some(5)), "{second}");
    let waits: Vec<_> = lines[1..].iter().map(|line| line["retry_in"].as_str().unwrap()).collect();
    assert!(
        waits.iter().all(|wait| wait.ends_with('s') && !wait.ends_with("ms")),
        "no line for a routine retry: {waits:?}"
    );
    assert_eq!(lines.last().unwrap()["retry_in"], "30s", "no line for a success or a permanent error");
}

fn pool(telemetry: &Telemetry, stop: &CancellationToken) -> (WorkerPool, WorkQueue<Key>) {
    (WorkerPool::new(64, 12, telemetry, stop), WorkQueue::new("test", telemetry))
}

#[tokio::test(start_paused = true)]
async fn workers_of_one_queue_share_one_log_throttle() {
    let log = Log::start(tracing::Level::WARN);
    let (telemetry, stop) = (Telemetry::default(), CancellationToken::new());
    let (mut pool, queue) = pool(&telemetry, &stop);
    (0..64).for_each(|i| queue.add(Key::new("ns", &format!("k{i}"))));
    pool.spawn(&queue, FakeReconciler::new(SECOND, |_| transient("no")), std::future::ready(()));
    sleep(SECOND + MS).await;
    assert_eq!(log.lines().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn workers_wait_for_the_sync_and_end_with_the_stop() {
    let (telemetry, stop) = (Telemetry::default(), CancellationToken::new());
    let (mut pool, queue) = pool(&telemetry, &stop);
    let synced = CancellationToken::new();
    pool.spawn(&queue, FakeReconciler::new(SECOND, |_| Ok(Action::AwaitChange)), synced.clone().cancelled_owned());
    queue.add(Key::new("ns", "a"));
    sleep(3600 * SECOND).await;
    assert_eq!(queue.len(), 1, "not synced");
    synced.cancel();
    sleep(MS).await;
    assert_eq!(queue.len(), 0);
    stop.cancel();
    pool.wait_until_stopped(&mut JoinSet::new()).await;
    assert_eq!(pool.drain(20 * SECOND).await, Ok(()));
    assert!(queue.processing().is_empty());
}

#[tokio::test(start_paused = true)]
async fn pool_processes_one_key_per_worker() {
    let telemetry = Telemetry::default();
    let queue = WorkQueue::new("test", &telemetry);
    let mut pool = WorkerPool::new(3, 12, &telemetry, &CancellationToken::new());
    pool.spawn(&queue, FakeReconciler::new(SECOND, |_| Ok(Action::AwaitChange)), ready(()));
    (0..5).for_each(|n| queue.add(Key::new("ns", &n.to_string())));
    sleep(MS).await;
    assert_eq!((queue.processing().len(), queue.len()), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn drain_names_the_keys_that_outlast_the_grace() {
    let (telemetry, stop) = (Telemetry::default(), CancellationToken::new());
    let (mut pool, queue) = pool(&telemetry, &stop);
    pool.spawn(&queue, FakeReconciler::new(SECOND, |_| Ok(Action::AwaitChange)), std::future::ready(()));
    queue.add(Key::new("ns", "a"));
    sleep(MS).await;
    stop.cancel();
    let unfinished = pool.drain(SECOND / 2).await.unwrap_err();
    assert_eq!(unfinished.keys, ["ns/a"]);
}

#[tokio::test(start_paused = true)]
async fn key_stuck_in_a_worker_fails_liveness_until_the_stop() {
    let (telemetry, stop) = (Telemetry::default(), CancellationToken::new());
    let (mut pool, queue) = pool(&telemetry, &stop);
    pool.spawn(&queue, FakeReconciler::new(SECOND, |_| Ok(Action::AwaitChange)), std::future::pending());
    queue.add(Key::new("ns", "a"));
    let _claim = queue.get().await;
    sleep(300 * SECOND).await;
    assert_eq!(telemetry.liveness(), Ok(()));
    sleep(SECOND).await;
    assert!(telemetry.liveness().unwrap_err().contains("queue test: ns/a has been in a worker for 301 s"));
    stop.cancel();
    assert_eq!(telemetry.liveness(), Ok(()));
}

#[tokio::test]
#[should_panic(expected = "on purpose")]
async fn panic_of_a_task_is_propagated() {
    let (telemetry, stop) = (Telemetry::default(), CancellationToken::new());
    let (mut pool, _queue) = pool(&telemetry, &stop);
    let mut tasks = JoinSet::new();
    tasks.spawn(async { panic!("on purpose") });
    pool.wait_until_stopped(&mut tasks).await;
}
