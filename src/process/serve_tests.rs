use std::sync::atomic::{AtomicBool, Ordering};

use prometheus_client::metrics::counter::Counter;
use tokio::time::Instant;

use super::*;

/// Serves these pages on a free port until dropped.
async fn serving(pages: Pages) -> (SocketAddr, tokio_util::sync::DropGuard) {
    let listener = bind((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(run(listener, pages, stop.clone()));
    (address, stop.drop_guard())
}

/// A connection on which this much of a request was sent.
async fn send(address: SocketAddr, request: &str) -> TcpStream {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.writable().await.unwrap();
    assert_eq!(stream.try_write(request.as_bytes()).unwrap(), request.len());
    stream
}

/// Everything that comes until the connection ends, be it by a reset.
async fn read(stream: TcpStream) -> String {
    let mut answer = Vec::new();
    loop {
        stream.readable().await.unwrap();
        let mut part = [0; 4096];
        match stream.try_read(&mut part) {
            Ok(n @ 1..) => answer.extend_from_slice(&part[..n]),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => return String::from_utf8(answer).unwrap(),
        }
    }
}

/// The whole answer to a request without a body.
async fn ask(address: SocketAddr, request: &str) -> String {
    read(send(address, &format!("{request} HTTP/1.1\r\nHost: x\r\n\r\n")).await).await
}

/// The beginning of a request that never ends.
const HALF: &str = "GET /healthz HTTP/1.1\r\nHost:";

#[tokio::test]
async fn ready_once_every_check_passes_and_a_line_each_before() {
    let synced = Arc::new(AtomicBool::new(false));
    let seen = synced.clone();
    let why = "not synced: 403 Forbidden: pkis is forbidden:\nUser \"x\"";
    let pkis = Check::new("pkis", move || if seen.load(Ordering::Relaxed) { Ok(()) } else { Err(why.to_owned()) });
    let pages = Pages { ready: vec![pkis, Check::new("pods", || Ok(()))], ..Pages::default() };
    let (address, _stop) = serving(pages).await;

    let before = ask(address, "GET /readyz").await;
    assert!(before.starts_with("HTTP/1.1 503 "), "{before}");
    assert!(before.ends_with("\r\n\r\npkis: not synced: 403 Forbidden: pkis is forbidden:; User \"x\"\n"), "{before}");
    assert!(ask(address, "GET /healthz").await.ends_with("\r\n\r\nok\n"), "not ready is not dead");

    synced.store(true, Ordering::Relaxed);
    let after = ask(address, "GET /readyz").await;
    assert!(after.starts_with("HTTP/1.1 200 ") && after.ends_with("\r\n\r\nok\n"), "{after}");
}

#[tokio::test]
async fn nothing_registered_is_not_ready() {
    let (address, _stop) = serving(Pages::default()).await;
    assert!(ask(address, "GET /readyz").await.starts_with("HTTP/1.1 503 "));
}

#[tokio::test]
async fn a_process_that_is_stuck_says_where() {
    let pages = Pages { alive: vec![Check::new("queue", || Err("no progress".to_owned()))], ..Pages::default() };
    let (address, _stop) = serving(pages).await;
    let answer = ask(address, "GET /healthz").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("queue: no progress\n"), "{answer}");
}

#[tokio::test]
async fn metrics_are_openmetrics_text() {
    let counter: Counter = Counter::default();
    counter.inc();
    let mut registry = Registry::default();
    registry.register("events", "Events", counter);
    let (address, _stop) = serving(Pages { metrics: Arc::new(registry), ..Pages::default() }).await;
    let answer = ask(address, "GET /metrics").await;
    assert!(
        answer.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"),
        "{answer}"
    );
    assert!(answer.contains("\nevents_total 1\n") && answer.ends_with("# EOF\n"), "{answer}");
}

#[tokio::test]
async fn get_and_head_are_answered_once_per_connection_and_nothing_else() {
    let (address, _stop) = serving(Pages::default()).await;
    let head = ask(address, "HEAD /healthz").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(head.contains("connection: close\r\n"), "{head}");
    assert!(ask(address, "GET /other").await.starts_with("HTTP/1.1 404 "));
    assert!(ask(address, "POST /healthz").await.starts_with("HTTP/1.1 405 "));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_dawdles_is_cut() {
    let (address, _stop) = serving(Pages::default()).await;
    let start = Instant::now();
    let cut = tokio::time::timeout(2 * CONNECTION_LIMIT, read(send(address, HALF).await)).await;
    assert_eq!(cut.as_deref(), Ok(""), "no answer to half a question, but an end");
    assert!(start.elapsed() >= CONNECTION_LIMIT, "not before its time: {:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn so_many_connections_at_once_and_the_next_one_waits() {
    let (address, _stop) = serving(Pages::default()).await;
    let start = Instant::now();
    let mut dawdlers = Vec::new();
    for _ in 0..CONNECTIONS {
        dawdlers.push(send(address, HALF).await);
    }
    assert!(ask(address, "GET /healthz").await.ends_with("ok\n"), "it is served in the end");
    assert!(start.elapsed() >= CONNECTION_LIMIT, "only when a place was free, not after {:?}", start.elapsed());
}

#[tokio::test]
async fn a_port_that_is_taken_is_a_failure_and_no_wrong_input() {
    let first = bind((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    let address = first.local_addr().unwrap();
    let refusal = bind(address).await.unwrap_err();
    assert_eq!(refusal.code, 1);
    assert!(refusal.to_string().starts_with(&format!("--listen {address}: ")), "{refusal}");
}

#[test]
fn an_address_is_an_ip_localhost_or_every_address() {
    for (text, expected) in [
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("[::1]:80", "[::1]:80"),
        ("localhost:0", "127.0.0.1:0"),
        (":8080", "[::]:8080"),
    ] {
        assert_eq!(address(text).map(|a| a.to_string()).as_deref(), Some(expected), "{text}");
    }
    for text in ["", "8080", "127.0.0.1", "127.0.0.1:99999", "example.com:80", "::1:80x", "[::1]", "localhost:"] {
        assert_eq!(address(text), None, "{text}");
    }
}
