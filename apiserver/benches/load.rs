//! 10,000 pods created, listed, and watched by 50 watchers, over HTTP on loopback; and a watcher that does not read.
//!
//! A plain program that prints figures: each step runs once, is long enough to measure, and prepares the next one. Server
//! and clients share one process, so the figures for time and memory include both.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use apiserver::{ApiServer, Settings};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

const PODS: usize = 10_000;
const WATCHERS: usize = 50;
const WRITERS: usize = 8;
const PATH: &str = "/api/v1/namespaces/default/pods";

#[tokio::main]
async fn main() {
    // `cargo test --benches` only checks that it runs.
    let (pods, watchers) = if std::env::args().any(|arg| arg == "--bench") { (PODS, WATCHERS) } else { (200, 5) };
    let template = load_template();
    println!("{pods} pods of {} bytes each, {watchers} watchers", pod_json(&template, 0).len());
    let memory = resident();

    let server = TestServer::start(Settings::default()).await;
    let watching = server.watch(watchers, pods, "resourceVersion=0").await;
    let start = Instant::now();
    server.create(pods, &template).await;
    let created = start.elapsed();
    let delivered = watching.finish(start).await;
    print_rate("created, by 8 clients, with all watchers watching", pods, created);
    print_rate("delivered, until the last event at the last watcher", pods * watchers, delivered);
    println!("  the last event arrived {:.0?} after the last create", delivered.saturating_sub(created));
    println!("  memory {} MB, server and clients; {} MB before", resident(), memory);

    let mut client = server.connect().await;
    let start = Instant::now();
    let list = client.get(PATH).await;
    println!("listed at once: {:.0?}, {} MB", start.elapsed(), list.len() >> 20);
    drop(list);
    let start = Instant::now();
    let (mut pages, mut next) = (0, String::new());
    loop {
        let page: Value =
            serde_json::from_slice(&client.get(&format!("{PATH}?limit=500&continue={next}")).await).unwrap();
        pages += 1;
        match page["metadata"]["continue"].as_str() {
            Some(token) => next = token.to_owned(),
            None => break,
        }
    }
    println!("listed in {pages} pages, decoding included: {:.0?}", start.elapsed());

    let start = Instant::now();
    let query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let delivered = server.watch(watchers, pods, query).await.finish(start).await;
    print_rate("initial events, to all watchers at once", pods * watchers, delivered);
    println!("  memory {} MB; at most {} MB so far", resident(), peak_resident());
    drop(server);

    let server = TestServer::start(Settings { log_capacity: pods / 10, ..Settings::default() }).await;
    let mut slow = server.connect().await.open(&format!("{PATH}?watch=true&resourceVersion=0")).await;
    server.create(pods, &template).await;
    let (mut events, mut last) = (0, Vec::new());
    while events < pods
        && let Some(Ok(frame)) = slow.frame().await
    {
        let bytes = frame.into_data().unwrap_or_default();
        events += bytes.iter().filter(|byte| **byte == b'\n').count();
        last.extend_from_slice(&bytes);
        let kept = last.len().saturating_sub(400);
        last.drain(..kept);
    }
    let cut_off = String::from_utf8_lossy(&last).contains(r#""code":410"#);
    println!("a watcher that did not read, and a log of {}: {events} lines, then 410: {cut_off}", pods / 10);
    // The connection's buffers hold a few hundred pods, so a short run does not reach the limit.
    assert!(cut_off || pods < PODS, "the server buffers for a watcher that does not read: {events} lines of {pods}");
    assert!(cut_off || events == pods, "the watch ended early without an ERROR event");
}

fn print_rate(what: &str, count: usize, time: Duration) {
    println!("{what}: {count} in {time:.2?}, {:.0}/s", count as f64 / time.as_secs_f64());
}

/// A pod of a real API server, without the fields that the server sets.
fn load_template() -> Value {
    let mut pod: Value = serde_json::from_str(include_str!("../../benches/pod.json")).unwrap();
    let name = pod["metadata"]["name"].take();
    let labels = pod["metadata"]["labels"].take();
    pod["metadata"] = serde_json::json!({ "name": name, "labels": labels });
    (pod["apiVersion"], pod["kind"], pod["status"]) = ("v1".into(), "Pod".into(), Value::Null);
    pod
}

fn pod_json(template: &Value, i: usize) -> String {
    let mut pod = template.clone();
    pod["metadata"]["name"] = format!("storefront-7c9d8b6f5-{i:06}").into();
    pod.to_string()
}

struct TestServer {
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TestServer {
    async fn start(settings: Settings) -> TestServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(ApiServer::new(settings).serve(listener, std::future::pending()));
        TestServer { address, task }
    }

    async fn connect(&self) -> Client {
        let socket = TcpStream::connect(self.address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await.unwrap();
        tokio::spawn(connection);
        Client { sender }
    }

    async fn create(&self, pods: usize, template: &Value) {
        let next = Arc::new(AtomicUsize::new(0));
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            let (mut client, next, template) = (self.connect().await, next.clone(), template.clone());
            writers.spawn(async move {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    if i >= pods {
                        return;
                    }
                    let response = client.send("POST", PATH, pod_json(&template, i)).await;
                    assert_eq!(response.status(), 201);
                    response.into_body().collect().await.unwrap();
                }
            });
        }
        while let Some(done) = writers.join_next().await {
            done.unwrap();
        }
    }

    /// Opens watches that each wait for this many pods.
    async fn watch(&self, watchers: usize, pods: usize, query: &str) -> Watchers {
        let mut tasks = JoinSet::new();
        for _ in 0..watchers {
            let mut body = self.connect().await.open(&format!("{PATH}?watch=true&{query}")).await;
            tasks.spawn(async move {
                let mut lines = 0;
                while lines < pods {
                    let frame = body.frame().await.expect("more to come").expect("a frame");
                    lines += frame.into_data().unwrap_or_default().iter().filter(|byte| **byte == b'\n').count();
                }
            });
        }
        Watchers(tasks)
    }
}

struct Watchers(JoinSet<()>);

impl Watchers {
    /// The time from `start` until the last watcher has all its pods.
    async fn finish(mut self, start: Instant) -> Duration {
        while let Some(done) = self.0.join_next().await {
            done.unwrap();
        }
        start.elapsed()
    }
}

struct Client {
    sender: http1::SendRequest<Full<Bytes>>,
}

impl Client {
    async fn send(&mut self, method: &str, uri: &str, body: String) -> Response<Incoming> {
        self.sender.ready().await.unwrap();
        let request = Request::builder().method(method).uri(uri).header("host", "localhost").body(Full::from(body));
        self.sender.send_request(request.unwrap()).await.unwrap()
    }

    async fn get(&mut self, uri: &str) -> Bytes {
        let response = self.send("GET", uri, String::new()).await;
        assert_eq!(response.status(), 200);
        response.into_body().collect().await.unwrap().to_bytes()
    }

    /// Opens a watch, which uses up the connection.
    async fn open(mut self, uri: &str) -> Incoming {
        let response = self.send("GET", uri, String::new()).await;
        assert_eq!(response.status(), 200);
        response.into_body()
    }
}

/// Resident memory in MB; 0 if the system does not report it.
fn resident() -> u64 {
    read_status("VmRSS:")
}

fn peak_resident() -> u64 {
    read_status("VmHWM:")
}

fn read_status(line: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kb = text.lines().find_map(|found| found.strip_prefix(line)).unwrap_or_default();
    kb.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) >> 10
}
