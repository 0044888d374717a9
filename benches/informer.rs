//! The two expensive parts of an informer: decoding objects, and updating the cache.
//!
//! The pods are copies of one from a real API server (`pod.json`: two containers, an init container, three volumes,
//! managed fields), each with its own name, UID and resourceVersion.

use std::{hint::black_box, sync::Arc, time::Duration};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use daemon::Telemetry;
use demo_controller::{
    informer::{Informer, Store, json, protobuf},
    pods::Pod,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const PAGE: usize = 500;
const CACHED: usize = 10_000;

/// A pod as the API server sends it.
fn full_pod(i: usize, version: usize) -> Value {
    let mut pod: Value = serde_json::from_str(include_str!("pod.json")).expect("pod.json");
    pod["metadata"]["name"] = format!("storefront-7c9d8b6f5-{i:06}").into();
    pod["metadata"]["uid"] = format!("1b4e28ba-2fa1-11d2-883f-{i:012}").into();
    pod["metadata"]["resourceVersion"] = version.to_string().into();
    pod
}

fn encode_page(items: &[Value]) -> Vec<u8> {
    json!({ "kind": "PodList", "apiVersion": "v1", "metadata": { "resourceVersion": "1" }, "items": items })
        .to_string()
        .into_bytes()
}

/// A page in protobuf. The texts have the same length in each copy of the pod, so they can be replaced in its bytes.
fn protobuf_page(pods: usize) -> Bytes {
    let pod = include_bytes!("pod.pb");
    let mut list = b"\x0a\x03\x12\x011".to_vec();
    for i in 0..pods {
        let mut pod = pod.to_vec();
        let at = pod.windows(6).position(|text| text == b"000000").expect("the name ends with 000000");
        pod[at..at + 6].copy_from_slice(format!("{i:06}").as_bytes());
        append_field(2, &pod, &mut list);
    }
    let mut page = b"k8s\0".to_vec();
    append_field(2, &list, &mut page);
    page.into()
}

fn append_field(number: u8, content: &[u8], message: &mut Vec<u8>) {
    message.push(number << 3 | 2);
    prost::encoding::encode_varint(content.len() as u64, message);
    message.extend_from_slice(content);
}

/// The same pod as the cache stores it, decoded from a shorter text to save time.
fn cached_pod(i: usize, version: usize) -> Pod {
    let text = format!(
        r#"{{"metadata":{{"name":"storefront-7c9d8b6f5-{i:06}","namespace":"web","uid":"1b4e28ba-2fa1-11d2-883f-{i:012}",
        "resourceVersion":"{version}"}},"spec":{{"nodeName":"node-17","volumes":[{{"secret":{{"secretName":"storefront-tls"}}}}],
        "containers":[{{"env":[{{"valueFrom":{{"secretKeyRef":{{"name":"storefront-db"}}}}}}]}}]}},"status":{{"phase":"Running"}}}}"#
    );
    serde_json::from_str(&text).expect("a pod")
}

fn decode(c: &mut Criterion) {
    let bytes = encode_page(&(0..PAGE).map(|i| full_pod(i, i)).collect::<Vec<_>>());
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("a page of 500 pods, slim, JSON", |b| {
        b.iter(|| json::decode_page::<Pod>(black_box(&bytes)).expect("a page"));
    });
    // Fewer bytes, so compare the times.
    let protobuf = protobuf_page(PAGE);
    group.bench_function("a page of 500 pods, slim, protobuf", |b| {
        b.iter(|| protobuf::decode_page::<Pod>(black_box(protobuf.clone())).expect("a page"));
    });
    // For comparison: the cost of whole pods, for a cache of full objects.
    group.bench_function("a page of 500 pods, whole (k8s-openapi), JSON", |b| {
        b.iter(|| {
            serde_json::from_slice::<k8s_openapi::List<k8s_openapi::api::core::v1::Pod>>(black_box(&bytes))
                .expect("a page")
        });
    });
    group.finish();
}

fn cache(c: &mut Criterion) {
    let mut group = c.benchmark_group("store");
    // Creating 10,000 pods for each iteration takes longer than the iteration.
    group.sample_size(20).measurement_time(Duration::from_secs(3));
    group.bench_function("replace, 10,000 new pods", |b| {
        b.iter_batched(
            || (Store::new(), (0..CACHED).map(|i| cached_pod(i, i)).collect::<Vec<_>>()),
            |(store, list)| (store.replace(list, &[]), store),
            BatchSize::PerIteration,
        );
    });
    let full = Store::new();
    full.replace((0..CACHED).map(|i| cached_pod(i, i)).collect(), &[]);
    group.bench_function("replace, 10,000 pods of which none changed", |b| {
        b.iter_batched(
            || (0..CACHED).map(|i| cached_pod(i, i)).collect::<Vec<_>>(),
            |list| full.replace(list, &[]),
            BatchSize::PerIteration,
        );
    });
    let full = Arc::new(full);
    let mut version = CACHED;
    group.bench_function("apply, one pod in a new version among 10,000", |b| {
        b.iter_batched(
            || {
                version += 1;
                cached_pod(version % CACHED, version)
            },
            |pod| full.apply(pod),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

/// From the bytes of the watch to the event handler, and for comparison the decoder alone.
fn watch(c: &mut Criterion) {
    const EVENTS: usize = 10_000;
    let lines: String =
        (0..EVENTS).map(|i| format!("{}\n", json!({ "type": "ADDED", "object": full_pod(i, i + 2) }))).collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut group = c.benchmark_group("watch");
    group.throughput(Throughput::Elements(EVENTS as u64)).sample_size(10);
    group.bench_function("10,000 events in one chunk, to the handler", |b| {
        b.to_async(&runtime).iter(|| async {
            let (client, mut server) = testkit::api_server();
            let path = "/api/v1/pods".to_owned();
            let informer = Informer::<Pod>::new(client, "pods", path, Duration::from_secs(150), &Telemetry::default());
            let (sender, mut changes) = tokio::sync::mpsc::unbounded_channel();
            let stop = CancellationToken::new();
            let running = tokio::spawn(informer.run(stop.clone(), move |change| drop(sender.send(change))));
            server.next().await.bytes(200, &[], encode_page(&[]));
            let stream = server.next().await.stream();
            stream.raw(lines.clone());
            for _ in 0..EVENTS {
                black_box(changes.recv().await);
            }
            stop.cancel();
            running.await.expect("no panic");
        });
    });
    group.bench_function("the same 10,000 objects, decoded alone", |b| {
        #[derive(serde::Deserialize)]
        struct WatchEvent<'a> {
            #[serde(borrow)]
            object: &'a serde_json::value::RawValue,
        }
        b.iter(|| {
            for line in lines.lines() {
                let event: WatchEvent = serde_json::from_str(line).expect("an event");
                black_box(serde_json::from_str::<Pod>(event.object.get()).expect("a pod"));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, decode, cache, watch);
criterion_main!(benches);
