//! What `/healthz` says of a watcher: read from its port, under a paused clock.

use std::{io, net::SocketAddr};

use serde_json::json;
use tokio::{net::TcpStream, time::sleep};

use super::*;
use crate::{
    cli::Watch,
    testing::{Server, api_server},
    watch::{Config, Event, Level, Wanted},
    worker::Error,
};

/// Answers after this time.
struct Slow(Duration);

impl Plugin for Slow {
    async fn handle_event(&self, _: &Event, _: &Config) -> Result<(String, Level), Error> {
        sleep(self.0).await;
        Ok((String::new(), Level::Debug))
    }
}

/// The code and the text of `/healthz`.
async fn healthz(address: SocketAddr) -> (String, String) {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.writable().await.unwrap();
    stream.try_write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    loop {
        stream.readable().await.unwrap();
        match stream.try_read_buf(&mut answer) {
            Ok(1..) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => break,
        }
    }
    let answer = String::from_utf8(answer).unwrap();
    (answer[9..12].to_owned(), answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// Serves one thing, as far as the first watch.
async fn serve(server: &mut Server) {
    let things = json!({ "name": "things", "namespaced": true, "kind": "Thing", "verbs": ["list", "watch"] });
    server.next().await.json(200, &json!({ "groupVersion": "v1", "resources": [things] }));
    let metadata = json!({ "name": "one", "namespace": "ns", "uid": "u", "resourceVersion": "1" });
    let items = json!([{ "apiVersion": "v1", "kind": "Thing", "metadata": metadata }]);
    server.next().await.json(200, &json!({ "metadata": { "resourceVersion": "1" }, "items": items }));
}

/// What `/healthz` says, 4 minutes after such a plugin was handed an event, and after ten more.
async fn told(plugin: Slow, stuck_after: Duration) -> [(String, String); 2] {
    let (client, mut server) = api_server();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings = Watch::of(Wanted::parse(Some("things"), None, None, None).unwrap());
    let stop = CancellationToken::new();
    let running = tokio::spawn(hand_to(
        Arc::new(plugin),
        stuck_after,
        Counts::default(),
        client,
        settings,
        Some(listener),
        stop.clone(),
    ));
    serve(&mut server).await;
    let mut told = Vec::new();
    for minutes in [4, 10] {
        // From now on the API server does not say a word.
        sleep(Duration::from_secs(minutes * 60)).await;
        told.push(healthz(address).await);
    }
    running.abort();
    told.try_into().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_never_answers_is_a_stuck_process_after_five_minutes() {
    let [before, after] = told(Slow(Duration::from_secs(1_000_000)), STUCK).await;
    assert_eq!((before.0.as_str(), before.1.as_str()), ("200", "ok\n"));
    assert_eq!(after.0, "503");
    assert!(after.1.starts_with("queue watch: ns/one is in a worker for 84"), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_may_take_long_is_slow_and_the_process_is_not_stuck() {
    let command = |timeout: &str| {
        let pairs = [("command", "sh"), ("timeout", timeout)];
        let config = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        crate::watch::exec::Settings::read(&config).unwrap()
    };
    // Four workers take turns: 4 x (10 s + 5 s before a child is started again + 2 s to end two).
    assert_eq!(command("10s").longest_look(4), Duration::from_secs(68));
    assert!(command("8760h").longest_look(usize::MAX) > Duration::from_secs(u64::from(u32::MAX)));
    let stuck_after = STUCK + command("20m").longest_look(1);
    let [_, after] = told(Slow(Duration::from_secs(20 * 60)), stuck_after).await;
    assert_eq!((after.0.as_str(), after.1.as_str()), ("200", "ok\n"));
}
