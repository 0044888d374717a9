//! The cost of an event: with `simple`, and with two children of `exec` that do nothing but answer.
//!
//! `awk` reads a block at a time, `sh` a byte at a time; many plugins are written in it. The objects are copies of a pod that a real
//! API server served.

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use event_controller::{
    plugin::{ChildGroup, Config, Environment, Event, EventType, Exec, Plugin, Settings, Simple},
    resource::Resource,
};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

const EVENTS: usize = 1000;

/// mawk reads a block without the option, and writes one without the flush. (Other kinds of awk ignore the option.)
const AWK: &str = r#"awk -W interactive '{ print "{\"message\":\"fine\",\"level\":\"INFO\"}"; fflush() }'"#;
const SH: &str = r#"sh -c 'while read -r line; do echo "{\"message\":\"fine\",\"level\":\"INFO\"}"; done'"#;

fn events() -> Vec<Event> {
    let resource = Arc::new(Resource {
        api_version: "v1".into(),
        kind: "Pod".into(),
        name: "pods".into(),
        path: "/api/v1/pods".into(),
        namespaced: true,
    });
    let object = Arc::new(serde_json::from_str(include_str!("../../benches/pod.json")).expect("a pod"));
    vec![Event { r#type: EventType::Added, object, resource }; EVENTS]
}

async fn handle<P: Plugin>(events: &[Event], plugin: &P) {
    for event in events {
        black_box(plugin.handle_event(event, &Config::new()).await).expect("an answer");
    }
}

fn plugins(c: &mut Criterion) {
    let (runtime, events) = (Runtime::new().expect("a runtime"), events());
    let mut group = c.benchmark_group("handle_event");
    group.sample_size(10).measurement_time(Duration::from_secs(5)).throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("simple", |b| b.iter(|| runtime.block_on(handle(&events, &Simple))));
    for (name, command) in [("awk", AWK), ("sh", SH)] {
        let settings = Settings::read(&Config::from([("command".into(), command.into())])).expect("a command");
        let plugin = Exec::new(settings, Environment::new(), ChildGroup::default(), CancellationToken::new());
        group.bench_function(format!("exec, the child is {name}"), |b| {
            b.iter(|| runtime.block_on(handle(&events, &plugin)));
        });
    }
    group.finish();
}

criterion_group!(benches, plugins);
criterion_main!(benches);
