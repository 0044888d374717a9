use serde_json::json;

use super::*;
use testkit::{Log, Server, api_server};

fn ca_secret() -> (Arc<CaSecret>, Server) {
    let (client, server) = api_server();
    (Arc::new(CaSecret::new(client, Key::new("controlplane", "ca"), false)), server)
}

/// A CA that was made so many days, and an hour, ago. It lives for 3652 days.
fn made(days_ago: i64) -> Authority {
    let then = jiff::Timestamp::now().as_second() - (days_ago * 24 + 1) * 3600;
    Authority::create(jiff::Timestamp::from_second(then).unwrap(), rand::random()).unwrap()
}

/// Asks for the CA, which is this one.
async fn get(ca: &Arc<CaSecret>, server: &mut Server, authority: &Authority) {
    let asking = tokio::spawn({
        let ca = ca.clone();
        async move { ca.get().await.map(|_| ()) }
    });
    let secret = json!({ "metadata": { "name": "ca" }, "data": authority.secret_data() });
    server.next().await.json(200, &secret);
    asking.await.unwrap().unwrap();
}

fn warnings(log: &Log) -> usize {
    let ends =
        |line: &&serde_json::Value| line["message"].as_str().is_some_and(|text| text.starts_with("the CA ends soon"));
    log.lines().iter().filter(ends).count()
}

#[tokio::test(start_paused = true)]
async fn a_ca_that_ends_soon_is_told_once_a_day() {
    let log = Log::start(tracing::Level::WARN);
    let (ca, mut server) = ca_secret();
    get(&ca, &mut server, &made(3652 - 61)).await;
    assert_eq!(warnings(&log), 0, "in 61 days");
    let old = made(3652 - 59);
    for (hours, told) in [(1, 1), (1, 1), (23, 2), (12, 2)] {
        tokio::time::advance(Duration::from_secs(hours * 3600)).await;
        get(&ca, &mut server, &old).await;
        assert_eq!(warnings(&log), told);
    }
    let line = &log.lines()[0];
    assert_eq!((&line["secret"], &line["days_left"]), (&json!("controlplane/ca"), &json!(58)), "{line}");
    assert!(line["not_after"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");
    // With another CA it is over.
    tokio::time::advance(Duration::from_secs(48 * 3600)).await;
    get(&ca, &mut server, &made(0)).await;
    assert_eq!(warnings(&log), 2);
}

#[tokio::test(start_paused = true)]
async fn those_who_stand_in_line_take_the_answer_of_the_one_who_asks_whatever_it_is() {
    let (ca, mut server) = ca_secret();
    let mut line = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let ca = ca.clone();
        line.spawn(async move { ca.get().await.map(|_| ()) });
    }
    let call = server.next().await;
    tokio::time::advance(Duration::from_secs(29)).await;
    call.status(500, "InternalError", "etcd has a bad day");
    for answer in line.join_all().await {
        assert!(matches!(answer, Err(NoCa::Failed(failure)) if failure.code() == Some(500)));
    }
    // Who comes later asks anew.
    tokio::time::advance(Duration::from_millis(5)).await;
    get(&ca, &mut server, &made(0)).await;
}
