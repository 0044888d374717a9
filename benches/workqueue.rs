//! The cost of each operation of the work queue on one thread, without contention.
//!
//! Metrics are always on, so add, get and done each read the clock once.

use std::{hint::black_box, time::Duration};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use daemon::Telemetry;
use demo_controller::{informer::Key, workqueue::WorkQueue};
use futures::FutureExt;

const KEYS: u64 = 1000;

fn create_keys() -> Vec<Key> {
    (0..KEYS).map(|n| Key::new("apps", &format!("app-{n}"))).collect()
}

fn queue() -> WorkQueue<Key> {
    WorkQueue::new("bench", &Telemetry::default())
}

fn workqueue(c: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _inside = runtime.enter(); // the queue spawns a task
    let keys = create_keys();
    let mut group = c.benchmark_group("workqueue");

    let cycled = queue();
    let mut next = keys.iter().cycle();
    group.bench_function("add, get, done", |b| {
        b.iter(|| {
            cycled.add(next.next().expect("a key").clone());
            black_box(cycled.get().now_or_never()); // dropping the claim calls done
        })
    });

    let full = queue();
    keys.iter().for_each(|key| full.add(key.clone()));
    group.bench_function("add, deduplicated", |b| b.iter(|| full.add(next.next().expect("a key").clone())));

    // These operations need keys that the queue does not have yet, so each new queue gets a thousand of them.
    group.throughput(Throughput::Elements(KEYS));
    group.bench_function("add_after, 1000 keys", |b| {
        b.iter_batched_ref(
            queue,
            |queue| {
                for (n, key) in keys.iter().enumerate() {
                    // Not in order, and at least five minutes away, so no key is due during the benchmark.
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
