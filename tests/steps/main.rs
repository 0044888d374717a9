//! The seven steps of `examples/`, each as a process against an embedded API server: what a step can do, and what it cannot.
//!
//! A scenario is one test for all steps. `TABLE` has the steps that pass it; the others are shown to fail.

#![forbid(unsafe_code)]

mod env;
mod scenarios;

use std::process::ExitCode;

use env::{Env, Goal};
use libtest_mimic::{Arguments, Trial};
use testkit::{book::check_output, repo_file, wait::eventually};

const STEPS: [&str; 7] =
    ["step1_poll", "step2_watch", "step3_reflector", "step4_queue", "step5_work_queue", "step6_retry", "step7_minimal"];

type Scenario = fn(&Env) -> Goal;

/// A question, its scenario, and the steps that pass it.
const TABLE: [(&str, Scenario, &[usize]); 7] = [
    ("Does an unchanged cluster cost no list?", scenarios::unchanged_cluster_costs_no_list, &[2, 3, 4, 5, 6, 7]),
    ("Is a deletion noticed that no watch reports?", scenarios::deletion_in_a_gap_is_noticed, &[1, 3, 4, 5, 6, 7]),
    ("Does a slow write delay only its own namespace?", scenarios::slow_write_delays_one_namespace, &[4, 5, 6, 7]),
    ("Do ten changes cost less than ten requests?", scenarios::ten_changes_cost_few_requests, &[1, 5, 6, 7]),
    ("Is a failed write repeated?", scenarios::failed_write_is_repeated, &[1, 6, 7]),
    ("Is a deleted ConfigMap written again?", scenarios::deleted_config_map_is_written_again, &[1, 7]),
    ("Does Ctrl-C finish a write in progress?", scenarios::interrupted_write_is_finished, &[7]),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // They wait most of the time.
    arguments.test_threads = arguments.test_threads.or(Some(8));
    let mut trials = vec![Trial::test("table_of_the_book_is_this_table", || {
        check_book();
        Ok(())
    })];
    for (index, step) in STEPS.iter().enumerate() {
        trials.push(Trial::test(format!("{step} is short"), move || {
            check_length(step);
            Ok(())
        }));
        for (question, scenario, passing) in TABLE {
            let passes = passing.contains(&(index + 1));
            let name = format!("{step}: {question} {}", if passes { "yes" } else { "no" });
            trials.push(Trial::test(name, move || {
                run(step, question, scenario, passes);
                Ok(())
            }));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Runs a scenario with a step that is expected to pass it, or to fail.
fn run(step: &str, question: &str, scenario: Scenario, passes: bool) {
    let env = Env::start(step);
    match scenario(&env) {
        Goal::Seen(result) => assert_eq!(result.is_ok(), passes, "{result:?}"),
        Goal::Eventually { holds, .. } if passes => eventually("the step passes", || holds(&env)),
        Goal::Eventually { holds, settled } => {
            settled(&env);
            assert!(holds(&env).is_err(), "this step passes now");
        }
    }
    // Some chapters print the log.
    let (page, name) = (step.replace("step", "docs/steps/").replace('_', "-") + ".md", format!("{step}: {question}"));
    if repo_file(&page).contains(&name) {
        check_output(&page, &name, || env.process.lock().log());
    }
}

/// Checks the table of the book, which is this one.
fn check_book() {
    let rows = TABLE.map(|(question, _, passing)| {
        let cells = (1..=STEPS.len()).map(|step| if passing.contains(&step) { " yes |" } else { " **no** |" });
        format!("| {question} |{}\n", cells.collect::<String>())
    });
    let book = repo_file("docs/steps/overview.md");
    assert!(book.contains(&rows.concat()), "docs/steps/overview.md has another table than:\n{}", rows.concat());
}

fn check_length(step: &str) {
    let source = repo_file(&format!("examples/{step}.rs"));
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    let (lines, code) = (source.lines().count(), source.lines().filter(is_code).count());
    assert!(lines <= 140 && code <= 100, "{lines} lines, {code} of code");
}
