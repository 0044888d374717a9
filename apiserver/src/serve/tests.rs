use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::{ApiServer, Fault, Rule, Settings};

const SOON: Duration = Duration::from_secs(10);

struct Served {
    server: ApiServer,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

async fn served() -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, server) = (listener.local_addr().unwrap(), ApiServer::new(Settings::default()));
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(server.clone().serve(listener, async { drop(stopped.await) }));
    Served { server, address, stop, task }
}

/// Sends a GET, and returns the connection.
async fn get(address: SocketAddr, uri: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(format!("GET {uri} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await.unwrap();
    socket
}

async fn read_until(socket: &mut TcpStream, text: &str) -> String {
    let mut read = String::new();
    let mut bytes = [0; 4096];
    while !read.contains(text) {
        let size = timeout(SOON, socket.read(&mut bytes)).await.expect("in time").unwrap();
        assert!(size > 0, "the end, and no {text:?} in {read}");
        read.push_str(&String::from_utf8_lossy(&bytes[..size]));
    }
    read
}

async fn read_all(socket: &mut TcpStream) -> String {
    let mut read = Vec::new();
    // A reset is an end as well.
    let _ = timeout(SOON, socket.read_to_end(&mut read)).await.expect("in time");
    String::from_utf8_lossy(&read).into_owned()
}

/// How long it takes to stop. Meanwhile the clock stands still, unless everything waits for it: then it jumps.
async fn seconds_to_stop(stop: oneshot::Sender<()>, task: JoinHandle<()>) -> u64 {
    tokio::time::pause();
    let start = Instant::now();
    stop.send(()).unwrap();
    task.await.unwrap();
    let seconds = start.elapsed().as_secs();
    tokio::time::resume();
    seconds
}

#[tokio::test]
async fn stopping_ends_watches_properly_and_waits_for_nobody_who_is_idle() {
    let Served { address, stop, task, .. } = served().await;
    let mut idle = get(address, "/healthz").await;
    read_until(&mut idle, "ok").await;
    let mut watch = get(address, "/api/v1/namespaces?watch=true").await;
    read_until(&mut watch, "kube-system").await;

    assert_eq!(seconds_to_stop(stop, task).await, 0);
    assert!(read_all(&mut watch).await.ends_with("0\r\n\r\n"), "the last chunk, not a cut");
    assert_eq!(read_all(&mut idle).await, "");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
}

#[tokio::test]
async fn a_cut_comes_after_the_lines_before_it() {
    let Served { server, address, stop: _stop, task: _task } = served().await;
    for (fault, lines) in [(Fault::WatchCut { after: 2 }, 2), (Fault::WatchCutInLine { after: 2 }, 2)] {
        server.clear_faults();
        server.fault(Rule::new(fault.clone()));
        let read = read_all(&mut get(address, "/api/v1/namespaces?watch=true").await).await;
        assert_eq!(read.matches("}\n").count(), lines, "{read}");
        let begun = matches!(fault, Fault::WatchCutInLine { .. });
        assert_eq!(read.matches(r#"{"type":"ADDED""#).count(), lines + usize::from(begun), "{read}");
        assert!(!read.ends_with("0\r\n\r\n"), "no proper end");
    }
}

#[tokio::test]
async fn stopping_does_not_wait_for_ever() {
    let Served { server, address, stop, task } = served().await;
    server.fault(Rule::new(Fault::Delay { duration: Duration::from_secs(3600) }).resource("pods"));
    server.fault(Rule::new(Fault::WatchSilent { after: 0 }).resource("namespaces"));
    let mut delayed = get(address, "/api/v1/pods").await;
    let mut silent = get(address, "/api/v1/namespaces?watch=true").await;
    read_until(&mut silent, "200 OK").await;

    assert_eq!(seconds_to_stop(stop, task).await, 2);
    assert_eq!(read_all(&mut delayed).await, "");
}

#[tokio::test]
async fn a_web_page_cannot_use_it() {
    let served = served().await;
    for (headers, code) in [
        ("Host: 127.0.0.1", "200"),
        ("Host: localhost:8001", "200"),
        ("Host: [::1]:8001", "200"),
        ("Host: evil.example:8001", "403"),
        ("Host: 127.0.0.1\r\nOrigin: https://evil.example", "403"),
        ("Host: 127.0.0.1\r\nOrigin: null", "403"),
    ] {
        let mut socket = TcpStream::connect(served.address).await.unwrap();
        socket.write_all(format!("GET /healthz HTTP/1.1\r\n{headers}\r\n\r\n").as_bytes()).await.unwrap();
        let answer = read_until(&mut socket, "\r\n").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{headers}: {answer}");
    }
}
