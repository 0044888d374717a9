//! A small test runner.
//!
//! Why not the one that comes with Rust: all cases share the servers, which take some seconds to start; what is known to
//! differ is collected over all of them; and "N passed, N failed" is to be read on one line for either kind of server.

use std::{
    cell::RefCell,
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use crate::{
    differences,
    servers::{self, Kind, Server},
    world::World,
};

/// A sentence, and what holds it.
pub type Case = (&'static str, fn(&World));

/// Cases by their paths, which are their names.
#[macro_export]
macro_rules! cases {
    ($($path:path),* $(,)?) => { &[$((stringify!($path), $path as fn(&$crate::world::World))),*] };
}

/// How many cases run at once. Most of a case is waiting.
const AT_ONCE: usize = 8;

thread_local! {
    /// The panics that this thread has gone through.
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// What came of it.
#[derive(Default)]
struct Outcome {
    passed: AtomicUsize,
    /// The name of the case, and what it said.
    failures: Mutex<Vec<(&'static str, String)>>,
}

/// Runs the cases whose names contain one of the words on the command line; all of them if there is none.
///
/// `shared` run side by side on one server; `alone` one after another on a second one, which is the one that may be
/// compacted.
pub fn run(shared: &[Case], alone: &[Case]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let kind = Kind::chosen();
    let words: Vec<&String> = arguments.iter().filter(|word| !word.starts_with("--")).collect();
    let chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let choose = |cases: &[Case]| -> Vec<Case> { cases.iter().copied().filter(|(name, _)| chosen(name)).collect() };
    let (shared, alone) = (choose(shared), choose(alone));
    if let Some(why) = servers::missing(kind) {
        eprintln!("{why}");
        return ExitCode::FAILURE;
    }
    if arguments.iter().any(|word| word == "--list") {
        shared.iter().chain(&alone).for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    panic::set_hook(Box::new(|info| PANICS.with_borrow_mut(|all| all.push(info.to_string()))));
    let (outcome, begun) = (Outcome::default(), Instant::now());
    thread::scope(|scope| {
        scope.spawn(|| group(&shared, AT_ONCE, &outcome, || Server::start(kind, true)));
        scope.spawn(|| group(&alone, 1, &outcome, || Server::start(kind, false)));
    });
    let mut failures = outcome.failures.into_inner().unwrap();
    if let Err(why) = differences::all_are_listed(words.is_empty() && failures.is_empty()) {
        failures.push(("the README's list of differences", why));
    }
    for (name, report) in &failures {
        println!("\n---- {name} ----\n{report}");
    }
    println!("\n{kind} server, {:.1} s", begun.elapsed().as_secs_f64());
    println!("{} passed, {} failed", outcome.passed.into_inner(), failures.len());
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs cases on one server, so many at once.
fn group(cases: &[Case], at_once: usize, outcome: &Outcome, start: impl Fn() -> Server) {
    if cases.is_empty() {
        return;
    }
    let server = match panic::catch_unwind(AssertUnwindSafe(start)) {
        Ok(server) => server,
        Err(_) => return outcome.failures.lock().unwrap().push(("the start of the server", PANICS.take().join("\n"))),
    };
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some((name, case)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let begun = Instant::now();
                    let held = panic::catch_unwind(AssertUnwindSafe(|| case(&World::new(&server)))).is_ok();
                    let verdict = if held { "ok    " } else { "FAILED" };
                    println!("{verdict} {:5.2} s  {name}", begun.elapsed().as_secs_f64());
                    if held {
                        outcome.passed.fetch_add(1, Ordering::Relaxed);
                    } else {
                        outcome.failures.lock().unwrap().push((name, PANICS.take().join("\n")));
                    }
                }
            });
        }
    });
}
