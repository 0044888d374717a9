use super::*;

fn get(queue: &mut Queue) -> String {
    queue.get().unwrap_or_default()
}

#[test]
fn key_is_queued_once_in_order() {
    let mut queue = Queue::default();
    ["a", "b", "a"].iter().for_each(|key| queue.add(key));
    let keys = [get(&mut queue), get(&mut queue), get(&mut queue)];
    assert!(
        keys == ["a", "b", ""],
        "After add a, b, a the queue returns {keys:?}, but each key should come once, in order."
    );
}

#[test]
fn key_is_not_given_to_two_workers() {
    let mut queue = Queue::default();
    queue.add("a");
    get(&mut queue);
    queue.add("a");
    assert!(queue.get().is_none(), "A worker still has the key a, but another worker gets it, too.");
}

#[test]
fn change_during_the_work_is_not_lost() {
    let mut queue = Queue::default();
    queue.add("a");
    get(&mut queue);
    queue.add("a");
    queue.add("a");
    queue.done("a");
    assert!(
        get(&mut queue) == "a",
        "The key a was added while a worker had it, but it does not come again after done."
    );
    queue.done("a");
    assert!(queue.get().is_none(), "The key a has been processed since its last change, but it comes once more.");
}

#[test]
fn done_alone_does_not_queue() {
    let mut queue = Queue::default();
    queue.add("a");
    get(&mut queue);
    queue.done("a");
    assert!(queue.get().is_none(), "Nothing has changed since the key a was taken, but done has queued it again.");
    queue.add("a");
    assert!(get(&mut queue) == "a", "The key a has changed after done, but it does not come.");
}
