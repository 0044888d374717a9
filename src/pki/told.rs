//! Who has been told what, and when: so that each error reaches its people once, and again when it persists.
//!
//! Reconciling is repeated all the time (a resync, a pod that comes, a retry), and none of that is a reason to say the
//! same thing again. Two things are: a reminder that is due, and an event that never made it out.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    events::{ObjectRef, Ticket},
    informer::Key,
};

/// What was told in vain is told again at the next look, but not sooner than this: looks may come every few
/// milliseconds while something is retried, and what was refused a moment ago is refused now.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// What every Pki's people were last told. Bounded by what there is: entries go with the Pki, with its error and with
/// the pods that were told.
#[derive(Default)]
pub struct Told(Mutex<HashMap<Key, Telling>>);

#[derive(Default)]
struct Telling {
    message: String,
    /// By UID: a pod that was created again under the same name has not heard it.
    heard: HashMap<String, (Instant, Ticket)>,
}

impl Told {
    /// Calls `tell` for each of `audience` who has to hear `message` about `key` now: has not heard it, or not for
    /// `remind`, or was told in vain. Returns how long it is until someone has to be reminded.
    pub fn tell(
        &self,
        key: &Key,
        message: &str,
        audience: &[ObjectRef],
        now: Instant,
        remind: Duration,
        tell: impl Fn(&ObjectRef) -> Ticket,
    ) -> Duration {
        let mut all = self.lock();
        let telling = all.entry(key.clone()).or_default();
        if telling.message != message {
            *telling = Telling { message: message.to_owned(), heard: HashMap::new() };
        }
        let present: HashSet<&str> = audience.iter().map(|object| object.uid.as_str()).collect();
        telling.heard.retain(|uid, (when, ticket)| {
            let due = if ticket.dropped() { TRY_AGAIN.min(remind) } else { remind };
            now.saturating_duration_since(*when) < due && present.contains(uid.as_str())
        });
        for object in audience {
            telling.heard.entry(object.uid.clone()).or_insert_with(|| (now, tell(object)));
        }
        let oldest = telling.heard.values().map(|(when, _)| *when).min().unwrap_or(now);
        remind.saturating_sub(now.saturating_duration_since(oldest))
    }

    /// There is nothing wrong with this Pki, or it is gone.
    pub fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Telling>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "told_tests.rs"]
mod tests;
