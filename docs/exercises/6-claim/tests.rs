use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use daemon::Telemetry;
use tokio::time::sleep;

use super::*;

#[tokio::test(start_paused = true)]
async fn two_workers_never_have_one_key() {
    let queue = WorkQueue::new("pods", &Telemetry::default());
    let (now, most, total) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for _ in 0..2 {
        let (now, most, total) = (now.clone(), most.clone(), total.clone());
        tokio::spawn(work(queue.clone(), move |_| {
            let (now, most, total) = (now.clone(), most.clone(), total.clone());
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                sleep(Duration::from_secs(10)).await;
                now.fetch_sub(1, Ordering::Relaxed);
                total.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    queue.add(Key::new("shop", "web"));
    sleep(Duration::from_secs(1)).await;
    queue.add(Key::new("shop", "web"));
    sleep(Duration::from_secs(100)).await;
    let most = most.load(Ordering::Relaxed);
    assert!(
        most == 1,
        "{most} workers had the key shop/web at the same time: the claim ends before the reconcile does."
    );
    let total = total.load(Ordering::Relaxed);
    assert!(
        total == 2,
        "The key changed during its reconcile, so it should be reconciled twice, but was {total} times."
    );
}
