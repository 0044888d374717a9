//! The work queue's verbs, one thread, nobody else about: what a step costs when the queue is not the bottleneck.
//!
//! Metrics are on, as they always are here, so an add, a get and a done read the clock once each.

use std::{hint::black_box, time::Duration};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use daemon::Telemetry;
use demo_controller::{informer::Key, workqueue::WorkQueue};
use futures::FutureExt;

const KEYS: u64 = 1000;

fn keys() -> Vec<Key> {
    (0..KEYS).map(|n| Key::new("apps", &format!("app-{n}"))).collect()
}

fn queue() -> WorkQueue<Key> {
    WorkQueue::new("bench", &Telemetry::default())
}

fn workqueue(c: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _inside = runtime.enter(); // the queue starts a task
    let keys = keys();
    let mut group = c.benchmark_group("workqueue");

    let cycled = queue();
    let mut next = keys.iter().cycle();
    group.bench_function("add, get, done", |b| {
        b.iter(|| {
            cycled.add(next.next().expect("without end").clone());
            black_box(cycled.get().now_or_never()); // dropping the claim is done
        })
    });

    let full = queue();
    keys.iter().for_each(|key| full.add(key.clone()));
    group.bench_function("add, deduplicated", |b| b.iter(|| full.add(next.next().expect("without end").clone())));

    // From here on each step has to meet a key that it has not met before, so a thousand steps share one fresh queue.
    group.throughput(Throughput::Elements(KEYS));
    group.bench_function("add_after, 1000 keys", |b| {
        b.iter_batched_ref(
            queue,
            |queue| {
                for (n, key) in keys.iter().enumerate() {
                    // Not in order, as in life; within ten minutes, so none falls due meanwhile.
                    let seconds = 300 + (n as u64 * 7919) % 300;
                    queue.add_after(key.clone(), Duration::from_secs(seconds));
                }
            },
            BatchSize::SmallInput,
        )
    });
    group.bench_function("add_rate_limited and forget, 1000 keys", |b| {
        b.iter_batched_ref(
            queue,
            |queue| {
                for key in &keys {
                    queue.add_rate_limited(key.clone());
                    queue.forget(key);
                }
            },
            BatchSize::SmallInput,
        )
    });
    group.finish();
}

criterion_group!(benches, workqueue);
criterion_main!(benches);
