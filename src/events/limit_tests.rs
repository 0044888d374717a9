//! What the recorder makes of too much: about one object, in one namespace, in all. Whoever records never waits.

use std::time::Duration;

use tokio::{runtime::Handle, time::timeout};

use super::{Kind, MAX_PENDING, Ticket, pending::Pending, rig::*};

#[tokio::test(start_paused = true)]
async fn a_full_queue_drops_the_new_event_and_says_so() {
    let mut rig = rig();
    let tickets: Vec<Ticket> = (0..MAX_PENDING).map(|n| rig.tell(&format!("ns-{}", n % 10), &n.to_string())).collect();
    let over = rig.tell("ns-0", "one-more");
    assert!(over.dropped());
    assert!(tickets.iter().all(|ticket| !ticket.dropped()));
    assert_eq!(rig.metrics.queue_full.get(), 1);

    assert!(!rig.tell("ns-0", "0").dropped(), "a repeat takes no room");
    assert_eq!(rig.serve(Duration::from_secs(1)).await.len(), MAX_PENDING);
    assert!(!rig.tell("ns-0", "one-more").dropped(), "there is room again");
}

#[tokio::test(start_paused = true)]
async fn a_noisy_namespace_leaves_room_for_the_others() {
    let rig = rig();
    for n in 0..Pending::NAMESPACE_LIMIT {
        assert!(!rig.tell("noisy", &n.to_string()).dropped());
    }
    assert!(rig.tell("noisy", "one-more").dropped());
    assert!(!rig.tell("quiet", "pod").dropped());
}

#[tokio::test(start_paused = true)]
async fn a_slow_server_never_blocks_whoever_records() {
    let mut rig = rig();
    rig.tell("app1", "pod");
    let unanswered = rig.server.next().await;
    // On a thread of its own, while this one stands still, and with it the runtime: whoever it waited for would not come.
    let (recorder, runtime) = (rig.recorder.clone(), Handle::current());
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _clock = runtime.enter();
        for n in 0..2 * MAX_PENDING {
            recorder.record(&pod("app1", &n.to_string()), Kind::Warning, REASON, "no such name");
        }
        done.send(())
    });
    is_done.recv_timeout(Duration::from_secs(10)).expect("it waits for nobody");
    drop(unanswered);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_about_one_object_is_dropped_and_other_objects_are_told() {
    let mut rig = rig();
    let tickets: Vec<Ticket> = (0..30).map(|n| rig.say("app1", "noisy", &format!("message {n}"))).collect();
    assert_eq!(tickets.iter().filter(|ticket| ticket.dropped()).count(), 5);
    assert_eq!(rig.metrics.spam.get(), 5);
    assert!(!rig.tell("app1", "quiet").dropped());
    assert_eq!(rig.serve(Duration::from_secs(1)).await.len(), 26);

    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(!rig.tell("app1", "noisy").dropped(), "one more after five minutes");
    assert!(rig.tell("app1", "noisy").dropped());
}

#[tokio::test(start_paused = true)]
async fn a_namespace_over_its_burst_is_told_later_not_never_and_holds_up_no_other() {
    let mut rig = rig();
    for n in 0..300 {
        rig.tell("noisy", &format!("noisy-{n}"));
    }
    rig.tell("quiet", "quiet-pod");
    let told = rig.serve(Duration::from_secs(60)).await;
    let at_once = told.iter().filter(|(when, _)| *when < Duration::from_millis(100)).count();
    assert_eq!(at_once, 201, "the burst, and the other namespace's event");
    assert!(told[..at_once].iter().any(|(_, name)| name == "quiet-pod"));
    let (last, _) = told.last().unwrap();
    assert!((Duration::from_secs(20)..Duration::from_secs(22)).contains(last), "100 more at 5 a second: {last:?}");
    assert_eq!(rig.metrics.sent.get(), 301);

    // Each of those in line has its own time. All of them at every token would be thousands of looks.
    let page = scraped(|registry| rig.queue.register(registry));
    let adds = page.lines().find_map(|line| line.strip_prefix(r#"workqueue_adds_total{name="events"} "#)).unwrap();
    assert!(adds.parse::<u32>().unwrap() < 600, "{adds}");
}

#[tokio::test(start_paused = true)]
async fn at_the_end_of_the_process_nothing_waits_for_the_limit_of_its_namespace() {
    let mut rig = rig();
    for n in 0..500 {
        rig.tell("noisy", &format!("noisy-{n}"));
    }
    assert_eq!(rig.serve(Duration::from_millis(10)).await.len(), 200);
    let recorder = rig.recorder.clone();
    let flush = tokio::spawn(async move { recorder.flush().await });
    let told = rig.serve(Duration::from_secs(60)).await;
    assert_eq!((told.len(), rig.recorder.pending()), (300, 0));
    assert!(told.last().unwrap().0 < Duration::from_secs(1), "{:?}", told.last());
    timeout(Duration::from_secs(60), flush).await.expect("the end of the flush").unwrap();
}

#[tokio::test(start_paused = true)]
async fn repeats_of_an_event_that_waits_for_its_turn_are_one_write() {
    let mut rig = rig();
    for n in 0..200 {
        rig.tell("noisy", &format!("noisy-{n}"));
    }
    rig.serve(Duration::from_millis(10)).await;
    for _ in 0..4 {
        rig.tell("noisy", "late");
        settle().await;
    }
    let call = rig.server.next().await;
    assert_eq!(call.body["count"], 4);
    created(call);
    assert!(rig.server.next_within(Duration::from_secs(60)).await.is_none());
}
