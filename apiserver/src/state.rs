//! Everything that the server knows, behind one lock.
//!
//! Why one lock, and not one per resource: a write may touch several resources (an owner and what it owns), each write is
//! short, and nothing is awaited while the lock is held.

use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use rand::rngs::StdRng;
use tokio::sync::watch;

use crate::{catalog::Catalog, faults::Faults, journal::Journal, store::Store, tokens::Tokens};

/// What the lock protects.
pub struct State {
    pub store: Store,
    pub catalog: Catalog,
    pub tokens: Tokens,
    pub faults: Faults,
    pub journal: Journal,
    /// Heard by every open watch: hang up. (Rules are about requests, and a watch that is open has made its own.)
    pub cut: watch::Sender<()>,
    /// For UIDs, generated names, tokens and the dice of faults. Seeded, so that a test can be repeated.
    pub random: StdRng,
}

/// The state, what time it is, and a way to hear of changes.
pub struct Shared {
    pub state: Mutex<State>,
    /// The store's revision, for whoever waits for a change. Sent after the lock is released.
    pub revision: watch::Sender<u64>,
    /// The wall clock, for timestamps only: nothing is ever timed by it.
    pub clock: fn() -> Timestamp,
}

impl Shared {
    /// The state, for a moment. A handler that panicked fails its own request, not all that follow.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Does something to the state, and wakes the watchers if it changed an object.
    pub fn change<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let answer = work(&mut state);
        let revision = state.store.revision();
        drop(state);
        // Two writers may arrive here in the wrong order: the revision never goes back.
        self.revision.send_if_modified(|known| {
            let newer = revision > *known;
            *known = revision.max(*known);
            newer
        });
        answer
    }
}

#[cfg(test)]
mod tests {
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
}
