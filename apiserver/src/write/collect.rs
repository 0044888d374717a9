//! What follows from a change.
use std::sync::Arc;

use super::{Place, Writer};
use crate::object::Object;

/// A change to follow up. No `before` means created, no `after` means deleted.
pub struct Changed {
    pub place: Place,
    pub before: Option<Arc<Object>>,
    pub after: Option<Arc<Object>>,
}

impl Writer<'_> {
    /// Carries out what follows from what changed, and what follows from that.
    pub(super) fn settle(&mut self) {
        while let Some(changed) = self.changed.pop_front() {
            self.follow_definition(&changed);
        }
    }
}
