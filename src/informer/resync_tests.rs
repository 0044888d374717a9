use std::time::Duration;

use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

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
        let mut names = Vec::new();
        while names.len() < 2 {
            let key = timeout(Duration::from_secs(600), keys.recv()).await.expect("a key").expect("no end");
            names.push(key.to_string());
        }
        names.sort();
        assert_eq!((names, begun.elapsed()), (vec!["ns/a".into(), "ns/b".into()], Duration::from_secs(60)), "{round}");
    }
    assert!(rig.server.next_within(Duration::ZERO).await.is_none());
}
