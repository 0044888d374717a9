//! What the worker makes of each answer, with a fake reconciler under paused time.

use parking_lot::{Mutex, MutexGuard};
use testkit::Log;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::*;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

type Answer = Result<Outcome, ReconcileError>;

/// Answers as the closure says (it is given the number of the look, from 1) and takes so long for it.
struct Fake {
    answer: Box<dyn Fn(usize) -> Answer + Send + Sync>,
    takes: Duration,
    /// When it began to look at which key.
    looks: Mutex<Vec<(u32, Duration)>>,
    given_up: Mutex<Vec<(u32, String)>>,
    start: Instant,
}

impl Reconciler<u32> for Fake {
    async fn reconcile(&self, key: &u32) -> Answer {
        let look = {
            let mut looks = self.looks.lock();
            looks.push((*key, self.start.elapsed()));
            looks.len()
        };
        sleep(self.takes).await;
        (self.answer)(look)
    }

    /// What it answers follows from why it was given up.
    async fn on_retries_exhausted(&self, key: &u32, why: &str) -> Answer {
        let times = {
            let mut given_up = self.given_up.lock();
            given_up.push((*key, why.to_owned()));
            given_up.len()
        };
        match why {
            "panic in gave_up, too" => panic!("on purpose"),
            "remind me" => Ok(Outcome::RequeueAfter(1800 * SECOND)),
            "tell them at the third time" if times < 3 => Err(ReconcileError::Unavailable("409 Conflict".into())),
            _ => Ok(Outcome::AwaitChange),
        }
    }
}

/// A queue, one worker, and the reconciler that it asks.
struct Bench {
    queue: WorkQueue<u32>,
    fake: Arc<Fake>,
    stop: CancellationToken,
    telemetry: Telemetry,
    worker: JoinHandle<()>,
}

impl Bench {
    fn new(takes: Duration, answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        let telemetry = Telemetry::default();
        let queue = WorkQueue::new("test", &telemetry);
        let fake = Arc::new(Fake {
            answer: Box::new(answer),
            takes,
            looks: Mutex::default(),
            given_up: Mutex::default(),
            start: Instant::now(),
        });
        let stop = CancellationToken::new();
        let worker = Worker {
            queue: queue.clone(),
            reconciler: fake.clone(),
            max_retries: 12,
            throttle: Arc::default(),
            metrics: telemetry.metrics(),
        };
        let worker = tokio::spawn(worker.run(stop.clone()));
        Bench { queue, fake, stop, telemetry, worker }
    }

    /// Adds key 1 and lets so much time pass.
    async fn add_and_wait(&self, time: Duration) {
        self.queue.add(1);
        sleep(time).await;
    }

    fn looks(&self) -> MutexGuard<'_, Vec<(u32, Duration)>> {
        self.fake.looks.lock()
    }

    fn given_up(&self) -> Vec<(u32, String)> {
        self.fake.given_up.lock().clone()
    }

    fn count(&self, result: &'static str) -> u64 {
        self.telemetry.metrics::<ReconcileMetrics>().0.get_or_create(&[("queue", "test"), ("result", result)]).get()
    }
}

fn transient(why: &str) -> Answer {
    Err(ReconcileError::Transient(why.to_owned()))
}

#[tokio::test(start_paused = true)]
async fn success_forgets_the_failures() {
    let bench = Bench::new(Duration::ZERO, |look| if look < 4 { transient("no") } else { Ok(Outcome::AwaitChange) });
    bench.add_and_wait(3600 * SECOND).await;
    assert_eq!(bench.looks().len(), 4);
    assert_eq!(bench.queue.num_requeues(&1), 0);
    assert_eq!((bench.count("retry"), bench.count("success")), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn requeue_after_comes_in_time_and_is_no_failure() {
    let bench = Bench::new(Duration::ZERO, |look| match look {
        1 => transient("no"),
        2 => Ok(Outcome::RequeueAfter(60 * SECOND)),
        _ => Ok(Outcome::AwaitChange),
    });
    bench.add_and_wait(3600 * SECOND).await;
    assert_eq!(*bench.looks(), [(1, Duration::ZERO), (1, 5 * MS), (1, 60_005 * MS)]);
    assert_eq!(bench.queue.num_requeues(&1), 0);
    assert_eq!(bench.count("success"), 2);
}

#[tokio::test(start_paused = true)]
async fn settled_key_has_no_timer_and_no_failure() {
    let bench = Bench::new(Duration::ZERO, |look| match look {
        1 => Ok(Outcome::RequeueAfter(60 * SECOND)),
        2 => transient("no"),
        _ => Ok(Outcome::AwaitChange),
    });
    bench.add_and_wait(SECOND).await;
    bench.add_and_wait(3600 * SECOND).await;
    assert_eq!(bench.looks().len(), 3);
    assert_eq!(bench.queue.num_requeues(&1), 0);
}

#[tokio::test(start_paused = true)]
async fn delayed_add_survives_a_dropped_key() {
    let bench = Bench::new(Duration::ZERO, |look| match look {
        1 => Ok(Outcome::RequeueAfter(3600 * SECOND)),
        2..=14 => transient("no"),
        _ => Ok(Outcome::AwaitChange),
    });
    bench.add_and_wait(SECOND).await;
    bench.add_and_wait(7200 * SECOND).await;
    assert_eq!(bench.looks()[14].1, 3600 * SECOND);
    assert_eq!((bench.given_up().len(), bench.looks().len()), (1, 15));
}

#[tokio::test(start_paused = true)]
async fn permanent_error_is_absorbed() {
    let bench = Bench::new(Duration::ZERO, |look| match look {
        1 => transient("no"),
        _ => Err(ReconcileError::Permanent { why: "a typo".into(), requeue_after: None }),
    });
    bench.add_and_wait(3600 * SECOND).await;
    assert_eq!(bench.looks().len(), 2);
    assert_eq!(bench.queue.num_requeues(&1), 0);
    assert_eq!(bench.given_up(), []);
    assert_eq!(bench.count("permanent"), 1);
}

#[tokio::test(start_paused = true)]
async fn permanent_error_can_requeue_a_reminder() {
    let again = Some(60 * SECOND);
    let bench = Bench::new(Duration::ZERO, move |_| {
        Err(ReconcileError::Permanent { why: "a typo".into(), requeue_after: again })
    });
    bench.add_and_wait(150 * SECOND).await;
    assert_eq!(*bench.looks(), [(1, Duration::ZERO), (1, 60 * SECOND), (1, 120 * SECOND)]);
}

#[tokio::test(start_paused = true)]
async fn transient_error_is_retried_12_times_then_dropped() {
    let bench = Bench::new(Duration::ZERO, |_| transient("no"));
    bench.add_and_wait(3600 * SECOND).await;
    assert_eq!(bench.looks().len(), 13);
    assert_eq!(bench.looks()[12].1, 20_475 * MS);
    assert_eq!(bench.given_up(), [(1, "no".to_owned())]);
    assert_eq!((bench.count("retry"), bench.count("retries_exhausted")), (12, 1));
}

#[tokio::test(start_paused = true)]
async fn dropped_key_gets_fresh_retries_after_a_change() {
    let bench = Bench::new(Duration::ZERO, |_| transient("no"));
    bench.add_and_wait(3600 * SECOND).await;
    bench.add_and_wait(3600 * SECOND).await;
    assert_eq!(bench.looks().len(), 26);
    assert_eq!(bench.given_up().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn dropped_key_can_requeue_a_reminder() {
    let bench = Bench::new(Duration::ZERO, |look| match look {
        1..=13 => transient("remind me"),
        _ => Ok(Outcome::AwaitChange),
    });
    bench.add_and_wait(3600 * SECOND).await;
    assert_eq!(bench.looks()[13].1, 1800 * SECOND + 20_475 * MS);
}

#[tokio::test(start_paused = true)]
async fn failed_report_is_repeated_without_12_more_retries() {
    let bench = Bench::new(Duration::ZERO, |_| transient("tell them at the third time"));
    bench.add_and_wait(3600 * SECOND).await;
    assert_eq!((bench.looks().len(), bench.given_up().len()), (13 + 2, 3));
    assert_eq!(bench.queue.num_requeues(&1), 0, "and then it is forgotten");
}

/// The trap: a change brings the last attempt forward, while the retry of the attempt before it is still on its way. If
/// it were left alone, it would find the failures forgotten, and the whole row would start again.
#[tokio::test(start_paused = true)]
async fn scheduled_retry_does_not_revive_a_dropped_key() {
    let bench = Bench::new(Duration::ZERO, |_| transient("no"));
    bench.add_and_wait(15 * SECOND).await;
    assert_eq!(bench.looks().len(), 12);
    bench.add_and_wait(3600 * SECOND).await;
    assert_eq!(bench.looks().len(), 13);
    assert_eq!(bench.given_up().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn unavailable_is_retried_forever_at_most_30_s_apart() {
    let bench = Bench::new(Duration::ZERO, |look| match look {
        1..=500 => Err(ReconcileError::Unavailable("connection refused".into())),
        _ => transient("no"),
    });
    bench.add_and_wait(5 * 3600 * SECOND).await;
    let looks = bench.looks().clone();
    for pair in looks.windows(2) {
        assert!(pair[1].1 - pair[0].1 <= 30 * SECOND, "{pair:?}");
    }
    assert!(looks[499].1 > 4 * 3600 * SECOND);
    assert_eq!(looks.len(), 500 + 13, "and then all 12 retries are still there");
    assert_eq!((bench.count("unavailable"), bench.count("retries_exhausted")), (500, 1));
}

#[tokio::test(start_paused = true)]
async fn panic_is_one_failed_attempt_of_one_key() {
    let bench = Bench::new(Duration::ZERO, |look| match look {
        1 => panic!("on purpose"),
        _ => Ok(Outcome::AwaitChange),
    });
    bench.queue.add(2);
    bench.add_and_wait(SECOND).await;
    assert_eq!(*bench.looks(), [(2, Duration::ZERO), (1, Duration::ZERO), (2, 5 * MS)]);
    assert_eq!((bench.count("retry"), bench.count("success")), (1, 2));
    assert!(!bench.worker.is_finished());
}

#[tokio::test(start_paused = true)]
async fn repeated_panic_is_dropped_with_its_text() {
    let bench = Bench::new(Duration::ZERO, |_| panic!("{} purpose", "on"));
    bench.add_and_wait(3600 * SECOND).await;
    assert_eq!(bench.given_up(), [(1, "panicked: on purpose".to_owned())]);

    let bench = Bench::new(Duration::ZERO, |_| transient("panic in gave_up, too"));
    bench.add_and_wait(3600 * SECOND).await;
    assert_eq!((bench.looks().len(), bench.given_up().len()), (13, 1));
    assert_eq!(bench.queue.num_requeues(&1), 0);
    assert!(!bench.worker.is_finished());
}

#[tokio::test(start_paused = true)]
async fn key_changed_during_a_reconcile_is_reconciled_again() {
    let bench = Bench::new(10 * SECOND, |_| Ok(Outcome::AwaitChange));
    bench.add_and_wait(SECOND).await;
    bench.add_and_wait(SECOND).await;
    bench.add_and_wait(3600 * SECOND).await;
    assert_eq!(*bench.looks(), [(1, Duration::ZERO), (1, 10 * SECOND)]);
}

#[tokio::test(start_paused = true)]
async fn stop_finishes_the_current_key_and_takes_no_other() {
    // Many times over, since a loop that leaves it to chance whether it looks at the stop or at the queue is right at
    // times.
    for _ in 0..20 {
        let bench = Bench::new(10 * SECOND, |_| Ok(Outcome::AwaitChange));
        bench.queue.add(2);
        bench.add_and_wait(SECOND).await;
        bench.stop.cancel();
        sleep(SECOND).await;
        assert_eq!(bench.queue.processing(), [2]);
        timeout(60 * SECOND, bench.worker).await.expect("the worker ends").unwrap();
        assert_eq!(*bench.fake.looks.lock(), [(2, Duration::ZERO)]);
        assert_eq!((bench.queue.len(), bench.queue.processing().len()), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn idle_worker_ends_with_the_stop_or_the_queue() {
    let stopped = Bench::new(Duration::ZERO, |_| Ok(Outcome::AwaitChange));
    let ended = Bench::new(Duration::ZERO, |_| Ok(Outcome::AwaitChange));
    sleep(MS).await;
    stopped.stop.cancel();
    ended.queue.shut_down();
    for worker in [stopped.worker, ended.worker] {
        timeout(MS, worker).await.expect("the worker ends").unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn every_result_has_a_counter_from_the_start() {
    let bench = Bench::new(Duration::ZERO, |_| Ok(Outcome::AwaitChange));
    sleep(MS).await;
    let text = bench.telemetry.encode().unwrap();
    for result in ["success", "permanent", "retry", "unavailable", "retries_exhausted"] {
        let line = format!("reconcile_total{{queue=\"test\",result=\"{result}\"}} 0");
        assert!(text.contains(&line), "{line} in\n{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn warning_has_all_fields_and_routine_retries_get_none() {
    let log = Log::start(tracing::Level::WARN);
    let bench = Bench::new(Duration::ZERO, |look| match look {
        1..=3 => transient("500 InternalError: etcd"),
        4..=30 => Err(ReconcileError::Unavailable("connection refused".into())),
        31 => Err(ReconcileError::Permanent { why: "a typo".into(), requeue_after: None }),
        _ => Ok(Outcome::AwaitChange),
    });
    bench.add_and_wait(3600 * SECOND).await;
    bench.add_and_wait(SECOND).await;
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
    assert!(waits.iter().all(|wait| wait.ends_with('s') && !wait.ends_with("ms")), "routine gets no line: {waits:?}");
    assert_eq!(lines.last().unwrap()["retry_in"], "30s", "none for a success or a permanent error");
}

/// Reconciles as the closure says.
struct Job<F>(F);

impl<F: Fn() -> Answer + Send + Sync + 'static> Reconciler<Key> for Job<F> {
    async fn reconcile(&self, _key: &Key) -> Answer {
        sleep(SECOND).await;
        (self.0)()
    }

    async fn on_retries_exhausted(&self, _key: &Key, _why: &str) -> Answer {
        Ok(Outcome::AwaitChange)
    }
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
    pool.spawn(&queue, Arc::new(Job(|| transient("no"))), std::future::ready(()));
    sleep(SECOND + MS).await;
    assert_eq!(log.lines().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn workers_wait_for_the_caches_and_end_with_the_stop() {
    let (telemetry, stop) = (Telemetry::default(), CancellationToken::new());
    let (mut pool, queue) = pool(&telemetry, &stop);
    let synced = CancellationToken::new();
    pool.spawn(&queue, Arc::new(Job(|| Ok(Outcome::AwaitChange))), synced.clone().cancelled_owned());
    queue.add(Key::new("ns", "a"));
    sleep(3600 * SECOND).await;
    assert_eq!(queue.len(), 1, "not synced");
    synced.cancel();
    sleep(MS).await;
    assert_eq!(queue.len(), 0);
    stop.cancel();
    pool.until_stopped(&mut JoinSet::new()).await;
    assert_eq!(pool.drain(20 * SECOND).await, Ok(()));
    assert!(queue.processing().is_empty());
}

#[tokio::test(start_paused = true)]
async fn pool_works_on_as_many_keys_as_it_has_workers() {
    let telemetry = Telemetry::default();
    let queue = WorkQueue::new("test", &telemetry);
    let mut pool = WorkerPool::new(3, 12, &telemetry, &CancellationToken::new());
    pool.spawn(&queue, Arc::new(Job(|| Ok(Outcome::AwaitChange))), ready(()));
    (0..5).for_each(|n| queue.add(Key::new("ns", &n.to_string())));
    sleep(MS).await;
    assert_eq!((queue.processing().len(), queue.len()), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn drain_names_the_keys_that_outlast_the_grace() {
    let (telemetry, stop) = (Telemetry::default(), CancellationToken::new());
    let (mut pool, queue) = pool(&telemetry, &stop);
    pool.spawn(&queue, Arc::new(Job(|| Ok(Outcome::AwaitChange))), std::future::ready(()));
    queue.add(Key::new("ns", "a"));
    sleep(MS).await;
    stop.cancel();
    let unfinished = pool.drain(SECOND / 2).await.unwrap_err();
    assert_eq!(unfinished.keys, ["ns/a"]);
}

#[tokio::test(start_paused = true)]
async fn key_that_stays_in_a_worker_fails_liveness_until_the_stop() {
    let (telemetry, stop) = (Telemetry::default(), CancellationToken::new());
    let (mut pool, queue) = pool(&telemetry, &stop);
    pool.spawn(&queue, Arc::new(Job(|| Ok(Outcome::AwaitChange))), std::future::pending());
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
async fn panic_of_a_task_is_raised() {
    let (telemetry, stop) = (Telemetry::default(), CancellationToken::new());
    let (mut pool, _queue) = pool(&telemetry, &stop);
    let mut tasks = JoinSet::new();
    tasks.spawn(async { panic!("on purpose") });
    pool.until_stopped(&mut tasks).await;
}
