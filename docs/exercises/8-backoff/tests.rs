use super::*;

#[test]
fn wait_doubles_up_to_the_limit() {
    let waits = [1, 2, 3, 9, 10].map(|failures| wait(failures, 1.0).as_millis());
    let wanted = [100, 200, 400, 25_600, 30_000];
    assert!(
        waits == wanted,
        "After 1, 2, 3, 9, 10 failures the longest waits are {waits:?} ms, but should be {wanted:?} ms."
    );
}

#[test]
fn jitter_spreads_over_the_upper_half() {
    let waits = [0.0, 0.5, 1.0].map(|jitter| wait(3, jitter).as_millis());
    let wanted = [200, 300, 400];
    assert!(waits == wanted, "With jitter 0, 0.5, 1 the third wait is {waits:?} ms, but should be {wanted:?} ms.");
}

#[test]
fn endless_failure_does_not_overflow() {
    let longest = std::panic::catch_unwind(|| wait(u32::MAX, 1.0));
    assert!(
        longest.is_ok_and(|wait| wait == LONGEST),
        "After four billion failures the wait should be 30 s, but it overflows."
    );
}
