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

/// A server on a socket.
struct Harness {
    server: ApiServer,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

async fn serve() -> Harness {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, server) = (listener.local_addr().unwrap(), ApiServer::new(Settings::default()));
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(server.clone().serve(listener, async { drop(stopped.await) }));
    Harness { server, address, stop, task }
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
        assert!(size > 0, "end of the stream without {text:?}: {read}");
        read.push_str(&String::from_utf8_lossy(&bytes[..size]));
    }
    read
}

async fn read_all(socket: &mut TcpStream) -> String {
    let mut read = Vec::new();
    // A reset also ends the stream.
    let _ = timeout(SOON, socket.read_to_end(&mut read)).await.expect("in time");
    String::from_utf8_lossy(&read).into_owned()
}

/// Stops the server and returns the seconds of paused time that this takes.
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
async fn shutdown_ends_watches_and_closes_idle_connections() {
    let Harness { address, stop, task, .. } = serve().await;
    let mut idle = get(address, "/healthz").await;
    read_until(&mut idle, "ok").await;
    let mut watch = get(address, "/api/v1/namespaces?watch=true").await;
    read_until(&mut watch, "kube-system").await;

    assert_eq!(seconds_to_stop(stop, task).await, 0);
    assert!(read_all(&mut watch).await.ends_with("0\r\n\r\n"), "ends with the last chunk");
    assert_eq!(read_all(&mut idle).await, "");
    assert!(TcpStream::connect(address).await.is_err(), "the listener is closed");
}

#[tokio::test]
async fn watch_cut_keeps_the_lines_before_it() {
    let Harness { server, address, stop: _stop, task: _task } = serve().await;
    for (fault, lines) in [(Fault::WatchCut { after: 2 }, 2), (Fault::WatchCutInLine { after: 2 }, 2)] {
        server.clear_faults();
        server.fault(Rule::new(fault.clone()));
        let read = read_all(&mut get(address, "/api/v1/namespaces?watch=true").await).await;
        assert_eq!(read.matches("}\n").count(), lines, "{read}");
        let is_partial = matches!(fault, Fault::WatchCutInLine { .. });
        assert_eq!(read.matches(r#"{"type":"ADDED""#).count(), lines + usize::from(is_partial), "{read}");
        assert!(!read.ends_with("0\r\n\r\n"), "the watch ended normally");
    }
}

#[tokio::test]
async fn shutdown_is_bounded() {
    let Harness { server, address, stop, task } = serve().await;
    server.fault(Rule::new(Fault::Delay { duration: Duration::from_secs(3600) }).resource("pods"));
    server.fault(Rule::new(Fault::WatchSilent { after: 0 }).resource("namespaces"));
    let mut delayed = get(address, "/api/v1/pods").await;
    let mut silent = get(address, "/api/v1/namespaces?watch=true").await;
    read_until(&mut silent, "200 OK").await;

    assert_eq!(seconds_to_stop(stop, task).await, 2);
    assert_eq!(read_all(&mut delayed).await, "");
}

#[tokio::test]
async fn web_page_is_rejected() {
    let harness = serve().await;
    for (headers, code) in [
        ("Host: 127.0.0.1", "200"),
        ("Host: localhost:8001", "200"),
        ("Host: [::1]:8001", "200"),
        ("Host: evil.example:8001", "403"),
        ("Host: 127.0.0.1\r\nOrigin: https://evil.example", "403"),
        ("Host: 127.0.0.1\r\nOrigin: null", "403"),
    ] {
        let mut socket = TcpStream::connect(harness.address).await.unwrap();
        socket.write_all(format!("GET /healthz HTTP/1.1\r\n{headers}\r\n\r\n").as_bytes()).await.unwrap();
        let response = read_until(&mut socket, "\r\n").await;
        assert!(response.starts_with(&format!("HTTP/1.1 {code}")), "{headers}: {response}");
    }
}
