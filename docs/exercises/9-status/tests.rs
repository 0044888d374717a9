use super::*;

/// Reconciles until no write follows, at most ten times. Each write causes the next reconcile.
fn count_writes(status: &mut Value, generation: i64, ready: bool, mut minute: u32) -> usize {
    for writes in 0..10 {
        minute += 1;
        let Some(new) = patch(status, generation, ready, &format!("12:{minute:02}")) else { return writes };
        *status = new;
    }
    10
}

#[test]
fn reconcile_writes_once() {
    let mut status = Value::Null;
    let writes = count_writes(&mut status, 1, true, 0);
    assert!(
        writes == 1,
        "Nothing has changed, but the status is written {writes} times in a row: it differs at each reconcile."
    );
    let writes = count_writes(&mut status, 1, true, 30);
    assert!(
        writes == 0,
        "A resync half an hour later has written the status {writes} times, although nothing has changed."
    );
}

#[test]
fn change_is_written() {
    let mut status = Value::Null;
    count_writes(&mut status, 1, true, 0);
    let before = status.clone();
    assert!(
        count_writes(&mut status, 2, true, 10) == 1,
        "The generation is 2 now, so one write of the status is needed."
    );
    assert!(status["observedGeneration"] == 2, "The status should say that it is about generation 2.");
    count_writes(&mut status, 2, false, 20);
    assert!(status["ready"] == false, "The object is not ready any more, but the status says that it is.");
    let has_time = |status: &Value| status.to_string().contains("12:");
    assert!(
        has_time(&before) && status.to_string().contains("12:21"),
        "A time should tell since when the object is not ready: 12:21."
    );
}
