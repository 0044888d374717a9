//! A small test runner.
//!
//! Why not the one that comes with Rust: a real control plane takes some seconds to start, so scenarios that do not
//! disturb one another share one, two control planes at a time are what two cores can bear, and where there are no servers
//! to start that is to be said in one line, not once per test.

use std::{
    cell::RefCell,
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
    sync::Mutex,
    thread,
    time::Instant,
};

use crate::stage::Stage;

/// What is tried, and its name.
pub type Scenario = (&'static str, fn(&mut Stage));

/// A control plane and the scenarios that share it, one after another. Each has namespaces and a controller of its own.
pub struct Group {
    /// Starts the control plane.
    pub on: fn() -> Stage,
    /// In this order. After a failure the others get a new control plane.
    pub scenarios: &'static [Scenario],
}

/// The scenarios by their paths, which are their names.
#[macro_export]
macro_rules! scenarios {
    ($($path:path),* $(,)?) => { &[$((stringify!($path), $path as fn(&mut $crate::stage::Stage))),*] };
}

thread_local! {
    /// What is worth knowing about the failure that this thread is going through.
    static NOTES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Adds to the report of a failure. For destructors, while they are run by a panic: the tail of a log.
pub fn note(text: String) {
    NOTES.with_borrow_mut(|notes| notes.push(text));
}

/// Runs the scenarios whose names contain one of the words on the command line; all of them if there is none. So many
/// groups run at once. `skip` says why a scenario cannot be run here.
pub fn run(groups: &'static [Group], at_once: usize, skip: impl Fn(&str) -> Option<String>) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&String> = arguments.iter().filter(|word| !word.starts_with("--")).collect();
    let chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let mut left: Vec<(&Group, Vec<Scenario>)> = Vec::new();
    let mut skipped = Vec::new();
    for group in groups.iter().rev() {
        let mut scenarios: Vec<Scenario> = group.scenarios.iter().copied().filter(|(name, _)| chosen(name)).collect();
        scenarios.retain(|(name, _)| match skip(name) {
            Some(why) => {
                skipped.push((*name, why));
                false
            }
            None => true,
        });
        if arguments.iter().any(|word| word == "--list") {
            scenarios.iter().for_each(|(name, _)| println!("{name}: test"));
        } else if !scenarios.is_empty() {
            left.push((group, scenarios));
        }
    }
    let count: usize = left.iter().map(|(_, scenarios)| scenarios.len()).sum();
    panic::set_hook(Box::new(|info| note(info.to_string())));
    let (left, failures, begun) = (Mutex::new(left), Mutex::new(Vec::new()), Instant::now());
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                // Statements of their own: no lock must be held while a group runs.
                let next = || left.lock().unwrap().pop();
                while let Some((group, scenarios)) = next() {
                    let failed = run_group(group.on, &scenarios);
                    failures.lock().unwrap().extend(failed);
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    for (name, report) in &failures {
        println!("\n---- {name} ----\n{report}");
    }
    skipped.reverse();
    skipped.iter().for_each(|(name, why)| println!("skipped           {name}: {why}"));
    let (passed, failed) = (count - failures.len(), failures.len());
    println!("\n{passed} passed, {failed} failed, {} skipped", skipped.len());
    println!("in {:.1} s", begun.elapsed().as_secs_f64());
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The scenarios that failed, each with its report.
fn run_group(on: fn() -> Stage, scenarios: &[Scenario]) -> Vec<(&'static str, String)> {
    let mut failures = Vec::new();
    let mut stage = None;
    for (name, scenario) in scenarios {
        let begun = Instant::now();
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| scenario(stage.get_or_insert_with(on))));
        let verdict = if outcome.is_ok() { "ok    " } else { "FAILED" };
        println!("{verdict} {:6.1} s  {name}", begun.elapsed().as_secs_f64());
        if outcome.is_err() {
            stage = None;
            failures.push((*name, NOTES.take().join("\n")));
        }
    }
    failures
}
