//! The built binaries against an API server: what can only be seen from outside.
//!
//! ```text
//! cargo test --test e2e -- [PART OF A NAME]                              on the embedded API server
//! KUBEBUILDER_ASSETS=… cargo test --test e2e -- --real [PART OF A NAME] on real control planes
//! ```
//!
//! Start with [`scenarios::story`]. A scenario has [servers] ([embedded] ones, or a real [control plane](control_plane)), the
//! [controller] as a child process with the token of its ServiceAccount, and a simulated [kubelet].
//! `E2E_KEEP=1` keeps the logs and data in target/tmp.

#![forbid(unsafe_code)]

mod api;
mod audit;
mod control_plane;
mod controller;
mod embedded;
mod event_controller;
mod kubectl;
mod kubelet;
mod objects;
mod scenarios;
mod servers;
mod stage;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use scenarios::{image, *};
use servers::Kind;
use stage::{Setup, Stage};

/// What a scenario needs besides the embedded server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    Kubectl,
    /// The embedded server does not evaluate policies, CEL rules and pod security, and its request log has no tokens.
    RealServer,
    /// The release build: `make image-check`.
    Image,
}

impl Needs {
    fn are_met(self, real: bool) -> bool {
        match self {
            Needs::Nothing => true,
            Needs::Kubectl => embedded::kubectl_program().is_some(),
            Needs::RealServer => real,
            Needs::Image => real && image::is_there(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Needs::Nothing => "",
            Needs::Kubectl => "needs kubectl in KUBEBUILDER_ASSETS",
            Needs::RealServer => "needs --real",
            Needs::Image => "needs make image-check",
        }
    }
}

type Scenario = (Setup, Needs, &'static str, fn(&mut Stage));

macro_rules! scenarios {
    ($($setup:ident, $needs:ident: $($path:path),+;)+) => {
        &[$($((Setup::$setup, Needs::$needs, stringify!($path), $path),)+)+]
    };
}

/// Scenarios of one setup share servers, one after the other.
const SCENARIOS: &[Scenario] = scenarios! {
    Nodes, Kubectl: story::owner_reads_what_is_wrong_and_fixes_it;
    Nodes, Nothing:
        deletion::deleted_pki_takes_its_secret_along,
        deletion::recreated_pki_gets_a_new_certificate;
    Installed, Nothing:
        secrets::damaged_or_deleted_secret_is_repaired,
        secrets::due_certificate_is_renewed_after_10_s,
        secrets::immutable_secret_is_reported_at_once,
        process::sigterm_finishes_work_in_progress_and_exits_0,
        process::expired_grace_exits_1_and_names_the_keys,
        process::restarted_api_server_costs_no_change,
        quiet::settled_controller_writes_nothing,
        rights::verbs_are_those_that_it_uses,
        rights::creating_pkis_takes_a_right_of_its_own,
        rights::roles_for_one_namespace_are_enough,
        leader::standby_takes_over_when_the_leader_is_stopped;
    Installed, RealServer:
        definition::wrong_spec_is_refused_by_the_api_server,
        rights::policy_limits_it_to_labelled_tls_secrets,
        rights::stolen_token_reads_only_what_it_can_name,
        leader::paused_leader_writes_nothing_when_it_continues;
    EventController, Nothing:
        plugins::manifest_settings_and_rights_are_enough,
        plugins::original_sample_file_is_enough,
        plugins::plugin_ends_with_the_grace_and_all_its_children,
        plugins::plugin_ends_with_the_second_signal,
        leaks::no_credential_or_key_is_readable;
    Bare, Kubectl: manifest::one_create_on_an_empty_cluster_is_enough;
    Bare, RealServer: manifest::namespace_admits_only_restricted_pods;
    Installed, Image:
        image::binary_is_static_and_at_most_10_mb,
        image::binary_issues_certificates_alone_in_an_empty_root;
};

fn main() -> ExitCode {
    let (real, words): (Vec<String>, _) = std::env::args().partition(|word| word == "--real");
    let (real, mut arguments) = (!real.is_empty(), Arguments::from_iter(words));
    if let Some(why) = testkit::control_plane::missing().or_else(image::impossible).filter(|_| real) {
        eprintln!("{why}");
        return ExitCode::FAILURE;
    }
    if real { Kind::Real } else { Kind::Embedded }.choose();
    // A real control plane is four processes; on the embedded server the scenarios mostly wait.
    arguments.test_threads.get_or_insert(if real { 2 } else { 4 });
    let trial = |&(setup, needs, name, run): &Scenario| {
        let ignored = !needs.are_met(real);
        Trial::test(name, move || stage::with(setup, run).map_err(Failed::from))
            .with_kind(if ignored { needs.name() } else { "" })
            .with_ignored_flag(ignored)
    };
    let conclusion = libtest_mimic::run(&arguments, SCENARIOS.iter().map(trial).collect());
    stage::stop_idle();
    conclusion.exit_code()
}
