//! Cost of an event: with `simple`, and with two children of `exec` that only respond.
//!
//! `awk` reads in blocks, `sh` byte by byte; many plugins are shell scripts. The objects are copies of a pod from a
//! real API server.

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use daemon::child::ChildGroup;
use event_controller::{
    plugin::{Config, Environment, Event, EventType, Exec, ExecSettings, Plugin, Simple},
    resource::Resource,
};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

const EVENTS: usize = 1000;

/// The option and the flush keep mawk from buffering. (Other awks ignore the option.)
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
        black_box(plugin.handle_event(event, &Config::new()).await).expect("a response");
    }
}

fn plugins(c: &mut Criterion) {
    let (runtime, events) = (Runtime::new().expect("a runtime"), events());
    let mut group = c.benchmark_group("handle_event");
    group.sample_size(10).measurement_time(Duration::from_secs(5)).throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("simple", |b| b.iter(|| runtime.block_on(handle(&events, &Simple))));
    for (name, command) in [("awk", AWK), ("sh", SH)] {
        let settings = ExecSettings::parse(&Config::from([("command".into(), command.into())])).expect("a command");
        let plugin = Exec::new(settings, Environment::new(), ChildGroup::default(), CancellationToken::new());
        group.bench_function(format!("exec, the child is {name}"), |b| {
            b.iter(|| runtime.block_on(handle(&events, &plugin)));
        });
    }
    group.finish();
}

criterion_group!(benches, plugins);
criterion_main!(benches);
