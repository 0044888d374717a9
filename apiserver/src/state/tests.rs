use crate::{ApiServer, Settings};

#[test]
fn whoever_comes_late_does_not_turn_the_revision_back_and_wakes_nobody() {
    let shared = ApiServer::new(Settings::default()).shared;
    let mut wake = shared.revision.subscribe();
    // What a later writer has told already, who was faster on the way here.
    shared.revision.send_replace(1_000);
    wake.borrow_and_update();
    shared.change(|_| ());
    assert_eq!((*shared.revision.borrow(), wake.has_changed().ok()), (1_000, Some(false)));
}
