use std::time::Duration;

use tokio::{sync::mpsc, time::Instant};

use super::super::{reflector::rig::start, thing::wire};

#[tokio::test(start_paused = true)]
async fn a_resync_hands_out_every_key_and_makes_no_request() {
    let mut rig = start();
    let _stream = rig.watching(&[wire("a", 1), wire("b", 2)], "9").await.stream();
    let (tell, mut keys) = mpsc::unbounded_channel();
    let store = rig.store.clone();
    tokio::spawn(async move {
        let resync = crate::informer::Resync { every: Duration::from_secs(60) };
        resync.run(&store, |key| drop(tell.send(key))).await;
    });
    for round in 1..=2 {
        let begun = Instant::now();
        let mut names = [keys.recv().await.unwrap(), keys.recv().await.unwrap()];
        names.sort();
        assert_eq!(names.map(|k| k.to_string()), ["ns/a", "ns/b"], "round {round}");
        assert!(begun.elapsed() <= Duration::from_secs(60));
    }
    assert!(rig.server.next_within(Duration::ZERO).await.is_none());
}
