//! What an event costs: how fast `simple` says what happened, and how fast a child of `exec` can be asked.
//!
//! The objects are pods as a list brings them, copies of one that a real API server served (`pod.json`). `exec` is
//! measured with two children that do nothing but answer. `awk` reads a block at a time, so that what is measured is
//! us. `sh` is what many plugins are written in; its `read` reads a byte at a time.

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use demo_controller::watch::{Config, Event, EventType, Plugin, Resource, Simple, exec};
use serde_json::Value;
use tokio::{runtime::Runtime, time::Instant};
use tokio_util::sync::CancellationToken;

/// `mawk` would answer when its buffers are full, and never if it were not for the flush.
const AWK: &str = r#"awk '{ print "{\"message\":\"fine\",\"level\":\"INFO\"}"; fflush() }'"#;
const SH: &str = r#"sh -c 'while read -r line; do echo "{\"message\":\"fine\",\"level\":\"INFO\"}"; done'"#;

fn events(n: usize) -> Vec<Event> {
    let resource = Arc::new(Resource {
        api_version: "v1".into(),
        kind: "Pod".into(),
        name: "pods".into(),
        path: "/api/v1/pods".into(),
        namespaced: true,
    });
    let mut pod: Value = serde_json::from_str(include_str!("pod.json")).expect("pod.json");
    let mut event = |i| {
        pod["metadata"]["name"] = format!("storefront-7c9d8b6f5-{i:06}").into();
        let object = Arc::new(serde_json::from_str(&pod.to_string()).expect("a pod"));
        Event { r#type: EventType::Added, object, resource: resource.clone() }
    };
    (0..n).map(&mut event).collect()
}

/// Each event, one after the other.
async fn hand<P: Plugin>(events: &[Event], plugin: &P, config: &Config) {
    for event in events {
        black_box(plugin.handle_event(event, config).await).expect("an answer");
    }
}

fn watch(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = c.benchmark_group("watch");
    group.sample_size(10).measurement_time(Duration::from_secs(5));

    let (all, config) = (events(10_000), Config::new());
    group.throughput(Throughput::Elements(all.len() as u64));
    group.bench_function("simple, 10,000 pods", |b| {
        b.iter(|| runtime.block_on(hand(&all, &Simple, &config)));
    });

    let some = &all[..1000];
    group.throughput(Throughput::Elements(some.len() as u64));
    for (child, command) in [("awk", AWK), ("sh", SH)] {
        let config = Config::from([("command".into(), command.into())]);
        let settings = exec::Settings::read(&config).expect("a command");
        let plugin = exec::Exec::new(settings, Vec::new(), CancellationToken::new());
        group.bench_function(format!("exec, 1,000 pods, the child is {child}"), |b| {
            b.iter(|| runtime.block_on(hand(some, &plugin, &config)));
        });
        runtime.block_on(plugin.end(Instant::now() + Duration::from_secs(5)));
    }
    group.finish();
}

criterion_group!(benches, watch);
criterion_main!(benches);
