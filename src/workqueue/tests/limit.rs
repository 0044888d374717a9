//! The backoff of a key and the bucket of all keys.

use std::time::Duration;

use tokio::time::{Instant, advance};

use super::{
    super::limit::{Bucket, KeyRateLimiter},
    MS,
};

#[test]
fn wait_doubles_from_5_ms_to_1000_s_at_the_19th_failure() {
    let mut failures = KeyRateLimiter::new();
    let waits: Vec<_> = (0..100).map(|_| failures.when("a")).collect();
    assert_eq!(waits[..4], [5 * MS, 10 * MS, 20 * MS, 40 * MS]);
    assert_eq!(waits[17], 655_360 * MS);
    assert!(waits[18..].iter().all(|wait| wait.as_secs() == 1000), "{waits:?}");
}

#[test]
fn failures_are_counted_per_key() {
    let mut failures = KeyRateLimiter::new();
    (0..5).for_each(|_| _ = failures.when("a"));
    assert_eq!(failures.when("b"), 5 * MS);
    assert_eq!((failures.num_requeues(&"a"), failures.num_requeues(&"b"), failures.num_requeues(&"c")), (5, 1, 0));
}

#[test]
fn unavailable_and_counted_failures_back_off_apart() {
    let mut failures = KeyRateLimiter::new();
    (0..50).for_each(|_| _ = failures.when_unavailable("a"));
    assert_eq!(failures.when_unavailable("a"), 30_000 * MS);
    assert_eq!(failures.num_requeues(&"a"), 0);
    assert_eq!(failures.when("a"), 5 * MS);
}

#[test]
fn forgotten_key_starts_again_at_5_ms() {
    let mut failures = KeyRateLimiter::new();
    (0..5).for_each(|_| _ = (failures.when("a"), failures.when_unavailable("a")));
    failures.forget(&"a");
    assert_eq!(failures.num_requeues(&"a"), 0);
    assert_eq!((failures.when("a"), failures.when_unavailable("a")), (5 * MS, 5 * MS));
}

#[tokio::test(start_paused = true)]
async fn bucket_allows_100_at_once_then_one_per_100_ms() {
    let (bucket, start) = (Bucket::new(), Instant::now());
    (0..100).for_each(|_| bucket.take().unwrap());
    assert_eq!(bucket.take(), Err(start + 100 * MS));
    assert_eq!(bucket.take(), Err(start + 100 * MS), "a refusal takes no token");
    advance(99 * MS).await;
    assert!(bucket.take().is_err());
    advance(MS).await;
    assert_eq!(bucket.take(), Ok(()));
    assert_eq!(bucket.take(), Err(start + 200 * MS));
}

#[tokio::test(start_paused = true)]
async fn bucket_is_full_after_10_idle_seconds() {
    let bucket = Bucket::new();
    for idle in [10, 1000] {
        (0..100).for_each(|_| bucket.take().unwrap());
        assert!(bucket.take().is_err());
        advance(Duration::from_secs(idle)).await;
    }
    (0..100).for_each(|_| bucket.take().unwrap());
    assert!(bucket.take().is_err());
}
