//! The manifests on a real node: real pods, probes, mounts and restarts. `make node-check` runs it.
//!
//! All scenarios use the same cluster, one after the other. It has one node, kubectl and `load-image` (makes an image of a
//! static binary) on the PATH, and the image `app:1`, with a shell, which serves TLS on port 8443 with the files in `/etc/foo`.

#![forbid(unsafe_code)]

mod cluster;
mod scenarios;

use std::process::ExitCode;

use cluster::Cluster;
use libtest_mimic::{Arguments, Trial};

type Scenario = (&'static str, fn(&Cluster));

macro_rules! scenarios {
    ($($name:ident),+ $(,)?) => { &[$((stringify!($name), scenarios::$name as fn(&Cluster))),+] };
}

/// Runs only with `make node-check ARGS=--include-ignored`, for the time that it takes.
const SLOW: &str = "expired_token_has_been_replaced";

/// In this order. The first one installs demo-controller.
const SCENARIOS: &[Scenario] = scenarios!(
    pod_of_the_manifest_is_ready_and_restricted,
    typo_is_reported_on_the_pod_and_its_fix_starts_it,
    certificate_is_accepted_by_a_tls_client,
    pod_with_an_optional_secret_gets_no_event,
    lifecycle_line_has_the_reason,
    killed_controller_is_restarted_and_goes_on,
    edited_config_map_is_followed,
    expired_token_has_been_replaced,
    standby_takes_over_when_the_leader_is_deleted,
    event_controller_handles_every_pod,
);

fn main() -> ExitCode {
    let (real, args): (Vec<String>, _) = std::env::args().partition(|arg| arg == "--real");
    let mut arguments = Arguments::from_iter(args);
    arguments.test_threads = Some(1);
    let trial = |&(name, run): &Scenario| {
        Trial::test(name, move || {
            run(&Cluster);
            Ok(())
        })
        .with_kind(match (real.is_empty(), name) {
            (true, _) => "needs make node-check",
            (false, SLOW) => "11 minutes: ARGS=--include-ignored",
            (false, _) => "",
        })
        .with_ignored_flag(real.is_empty() || name == SLOW)
    };
    libtest_mimic::run(&arguments, SCENARIOS.iter().map(trial).collect()).exit_code()
}
