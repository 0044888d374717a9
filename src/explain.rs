//! `--explain`: a log line for each step, with the section of docs/tour.md that explains it.
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

    /// Returns the section of the tour that explains the step.
    pub fn section(self) -> &'static str {
        match self {
            Step::List => "docs/tour.md#1-list",
            Step::Watch => "docs/tour.md#2-watch",
            Step::Change => "docs/tour.md#3-change",
            Step::Claim => "docs/tour.md#4-claim",
            Step::Reconcile => "docs/tour.md#5-reconcile",
            Step::Finish => "docs/tour.md#6-finish",
            Step::Repeat => "docs/tour.md#7-repeat",
            Step::Record => "docs/tour.md#8-record",
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
            read = $crate::explain::Step::$step.section(),
            $($line)+
        )
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_misconception_of_the_tour_has_a_test() {
        let tour = include_str!("../docs/tour.md");
        let links: Vec<_> =
            tour.lines().filter_map(|line| line.strip_prefix("| ")?.split_once("| [`")?.1.split_once(')')).collect();
        assert_eq!(links.len(), 8);
        for (link, _) in links {
            let (name, path) = link.split_once("`](../").expect("a link");
            let source =
                std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(path);
            assert!(source.contains(&format!("fn {name}(")), "{name} is not in {path}");
        }
    }

    #[test]
    fn every_step_has_a_section_in_the_tour() {
        let tour = include_str!("../docs/tour.md");
        for step in Step::ALL {
            let anchor = step.section().strip_prefix("docs/tour.md#").unwrap();
            // Anchors as GitHub and mdBook make them: lower case, dashes for spaces, no dots.
            let found = tour
                .lines()
                .filter_map(|line| line.strip_prefix("## "))
                .any(|heading| heading.to_lowercase().replace('.', "").replace(' ', "-") == anchor);
            assert!(found, "no heading for {anchor}");
            assert!(anchor.starts_with(&format!("{}-", step as u8)), "{anchor}");
        }
    }
}
