//! What an event costs: how fast `simple` says what happened, how fast a child of `exec` can be asked, and how fast the
//! whole of `demo-controller watch` is, from its first request to the last line of its log.
//!
//! The objects are copies of a pod that a real API server served (`pod.json`). `exec` is measured with two children
//! that do nothing but answer. `awk` reads a block at a time, so that what is measured is us. `sh` is what many plugins
//! are written in; its `read` reads a byte at a time.
//!
//! The whole runs on the embedded API server in the same process, without a socket between them, and shares its cores.
//! It lists pods and logs a line for each, as text; the lines are made and counted, and go nowhere.

use std::{
    hint::black_box,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use apiserver::{ApiServer, Settings};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use demo_controller::{
    cli::{self, PluginChoice},
    watch::{Config, Event, EventType, Plugin, Resource, Simple, Wanted, exec},
    watcher,
};
use http::{Request, header::CONTENT_TYPE};
use kube::{Client, client::Body};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tower::Service;

const MANY: usize = 10_000;
const SOME: usize = 1000;

/// Without the option `mawk` waits until it has read a block, and without the flush until it has written one. (Other
/// kinds of awk do not know the option and go on.)
const AWK: &str = r#"awk -W interactive '{ print "{\"message\":\"fine\",\"level\":\"INFO\"}"; fflush() }'"#;
const SH: &str = r#"sh -c 'while read -r line; do echo "{\"message\":\"fine\",\"level\":\"INFO\"}"; done'"#;

fn pods(n: usize) -> impl Iterator<Item = Value> {
    let mut pod: Value = serde_json::from_str(include_str!("pod.json")).expect("pod.json");
    pod["metadata"]["namespace"] = "default".into();
    (0..n).map(move |i| {
        pod["metadata"]["name"] = format!("storefront-7c9d8b6f5-{i:06}").into();
        pod.clone()
    })
}

/// As a list brings them.
fn events(n: usize) -> Vec<Event> {
    let resource = Arc::new(Resource {
        api_version: "v1".into(),
        kind: "Pod".into(),
        name: "pods".into(),
        path: "/api/v1/pods".into(),
        namespaced: true,
    });
    let event = |pod: Value| {
        let object = Arc::new(serde_json::from_str(&pod.to_string()).expect("a pod"));
        Event { r#type: EventType::Added, object, resource: resource.clone() }
    };
    pods(n).map(event).collect()
}

/// Each event, one after the other.
async fn hand<P: Plugin>(events: &[Event], plugin: &P, config: &Config) {
    for event in events {
        black_box(plugin.handle_event(event, config).await).expect("an answer");
    }
}

fn child(command: &str) -> exec::Settings {
    exec::Settings::read(&Config::from([("command".into(), command.into())])).expect("a command")
}

fn plugins(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = c.benchmark_group("handle_event");
    group.sample_size(10).measurement_time(Duration::from_secs(5));

    let (all, config) = (events(MANY), Config::new());
    group.throughput(Throughput::Elements(MANY as u64));
    group.bench_function("simple, 10,000 pods", |b| {
        b.iter(|| runtime.block_on(hand(&all, &Simple, &config)));
    });

    let some = &all[..SOME];
    group.throughput(Throughput::Elements(SOME as u64));
    for (name, command) in [("awk", AWK), ("sh", SH)] {
        let plugin = exec::Exec::new(child(command), exec::Environment::new(), CancellationToken::new());
        group.bench_function(format!("exec, 1,000 pods, the child is {name}"), |b| {
            b.iter(|| runtime.block_on(hand(some, &plugin, &config)));
        });
        runtime.block_on(plugin.end(tokio::time::Instant::now() + Duration::from_secs(5)));
    }
    group.finish();
}

/// Where the log goes: the lines about events are counted.
#[derive(Clone, Copy)]
struct Count;

static COUNT: AtomicUsize = AtomicUsize::new(0);

impl io::Write for Count {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if line.windows(5).any(|word| word == b"ADDED") {
            COUNT.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A cluster with so many pods.
async fn cluster(n: usize) -> ApiServer {
    let mut server = ApiServer::new(Settings::default());
    for mut pod in pods(n) {
        (pod["apiVersion"], pod["kind"], pod["status"]) = ("v1".into(), "Pod".into(), Value::Null);
        for field in ["uid", "resourceVersion", "managedFields", "ownerReferences"] {
            pod["metadata"].as_object_mut().expect("metadata").remove(field);
        }
        let request = Request::post("/api/v1/namespaces/default/pods").header(CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(pod.to_string().into_bytes())).expect("a request");
        let answer = server.call(request).await.expect("an answer");
        assert_eq!(answer.status(), 201);
    }
    server
}

/// Watches until there is a line for each of the pods.
async fn until_all_are_told(server: &ApiServer, n: usize, plugin: PluginChoice) -> Duration {
    let wanted = Wanted::parse(Some("pods"), None, None, None).expect("a name");
    let settings = cli::Watch { plugin, ..cli::Watch::of(wanted) };
    let (client, stop) = (Client::new(server.clone(), "default"), CancellationToken::new());
    COUNT.store(0, Ordering::Relaxed);
    let start = Instant::now();
    let watching = tokio::spawn(watcher::run(client, settings, None, stop.clone()));
    while COUNT.load(Ordering::Relaxed) < n {
        assert!(start.elapsed() < Duration::from_secs(60), "{COUNT:?} of {n} within a minute");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = start.elapsed();
    stop.cancel();
    watching.await.expect("no panic").expect("it finishes in time");
    took
}

fn whole(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    tracing_subscriber::fmt().with_ansi(false).with_writer(|| Count).init();
    let mut group = c.benchmark_group("watch");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    for (name, n, plugin) in [
        ("simple, 10,000 pods", MANY, PluginChoice::Simple),
        ("exec, 1,000 pods", SOME, PluginChoice::Exec { child: child(AWK), environment: exec::Environment::new() }),
    ] {
        let server = runtime.block_on(cluster(n));
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(name, |b| {
            let once = || runtime.block_on(until_all_are_told(&server, n, plugin.clone()));
            b.iter_custom(|rounds| (0..rounds).map(|_| once()).sum());
        });
    }
    group.finish();
}

criterion_group!(benches, plugins, whole);
criterion_main!(benches);
