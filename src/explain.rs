//! `--explain`: a log line for each step, with the chapter of the book that explains it.
//!
//! The lines have their own log target. If the filter disables it, a step costs one comparison.

/// The log target of these lines.
pub const TARGET: &str = "demo_controller::explain";

/// The steps of a controller, in the order in which a change goes through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// List the objects that exist.
    List = 1,
    /// Watch for every later change.
    Watch,
    /// Write a change into the cache, and enqueue its key.
    Change,
    /// A worker takes the key. No other worker gets it until it is done.
    Claim,
    /// Read the current state, and act on the difference.
    Reconcile,
    /// Forget the failures, or retry. In both cases: done.
    Finish,
    /// Resync every key, or shut down.
    Repeat,
    /// Record an event for the application's owner. A reconcile does this between steps 5 and 6.
    Record,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Step; 8] =
        [Step::List, Step::Watch, Step::Change, Step::Claim, Step::Reconcile, Step::Finish, Step::Repeat, Step::Record];

    /// Returns the chapter of the book that explains the step.
    pub fn chapter(self) -> &'static str {
        match self {
            Step::List => "docs/inside/list.md",
            Step::Watch => "docs/inside/reflector.md",
            Step::Change => "docs/controller/other-keys.md",
            Step::Claim => "docs/inside/claim.md",
            Step::Reconcile => "docs/steps/6-retry.md",
            Step::Finish => "docs/inside/worker.md",
            Step::Repeat => "docs/steps/7-minimal.md",
            Step::Record => "docs/controller/events.md",
        }
    }
}

/// Logs a step: `explain!(Claim, key = %key, "a worker takes the key")`.
#[macro_export]
macro_rules! explain {
    ($step:ident, $($line:tt)+) => {
        tracing::info!(
            target: $crate::explain::TARGET,
            step = $crate::explain::Step::$step as u8,
            read = $crate::explain::Step::$step.chapter(),
            $($line)+
        )
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_a_chapter() {
        for step in Step::ALL {
            let chapter = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(step.chapter());
            assert!(chapter.is_file(), "{chapter:?}");
        }
    }
}
