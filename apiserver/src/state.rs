//! The state of the server, behind one lock.
//!
//! There is one lock, not one per resource: a write may change several resources (an owner and its dependents), each write
//! is short, and nothing is awaited under the lock.

use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use rand::rngs::StdRng;
use tokio::sync::watch;

use crate::{catalog::Catalog, faults::Faults, request_log::RequestLog, store::Store, tokens::Tokens};

/// The data under the lock.
pub struct State {
    pub store: Store,
    pub catalog: Catalog,
    pub tokens: Tokens,
    pub faults: Faults,
    pub request_log: RequestLog,
    /// Resets every open watch. Fault rules apply to new requests only.
    pub cut: watch::Sender<()>,
    /// For UIDs, generated names, tokens and random faults. The seed makes tests repeatable.
    pub random: StdRng,
}

/// The lock, the clock and the notification of changes.
pub struct Shared {
    pub state: Mutex<State>,
    /// The store's revision: wakes the watches. Sent after the lock is released.
    pub revision: watch::Sender<u64>,
    /// The clock for timestamps; it controls no timer.
    pub clock: fn() -> Timestamp,
}

impl Shared {
    /// Locks the state. A panic in one request does not fail the next ones, because this lock has no poisoning.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Runs `work` under the lock and wakes the watches if an object changed.
    pub fn change<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = work(&mut state);
        let revision = state.store.revision();
        drop(state);
        // Two writers may get here in the wrong order; the revision must not decrease.
        self.revision.send_if_modified(|known| {
            let newer = revision > *known;
            *known = revision.max(*known);
            newer
        });
        result
    }
}

#[cfg(test)]
mod tests {
    use crate::{ApiServer, Settings};

    #[test]
    fn late_writer_neither_decreases_revision_nor_wakes_watches() {
        let shared = ApiServer::new(Settings::default()).shared;
        let mut wake = shared.revision.subscribe();
        // A later writer has already sent its revision.
        shared.revision.send_replace(1_000);
        wake.borrow_and_update();
        shared.change(|_| ());
        assert_eq!((*shared.revision.borrow(), wake.has_changed().ok()), (1_000, Some(false)));
    }
}
