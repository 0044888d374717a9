//! Tests of the built binaries on an API server.
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
mod scenarios;
mod servers;
mod test_env;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use scenarios::{image, *};
use servers::ServerKind;
use test_env::{Setup, TestEnv};

/// What a scenario needs besides the embedded server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    Kubectl,
    /// The embedded server has no admission policies, CEL rules and pod security, and does not log token IDs.
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
            Needs::Image => real && image::is_requested(),
        }
    }

    /// Printed beside an ignored scenario.
    fn label(self) -> &'static str {
        match self {
            Needs::Nothing => "",
            Needs::Kubectl => "needs kubectl in KUBEBUILDER_ASSETS",
            Needs::RealServer => "needs --real",
            Needs::Image => "needs make image-check",
        }
    }
}

type Scenario = (Setup, Needs, &'static str, fn(&mut TestEnv));

macro_rules! scenarios {
    ($($setup:ident, $needs:ident: $($path:path),+;)+) => {
        &[$($((Setup::$setup, Needs::$needs, stringify!($path), $path),)+)+]
    };
}

/// Scenarios with the same setup use the same servers, one after the other.
const SCENARIOS: &[Scenario] = scenarios! {
    Nodes, Kubectl: story::owner_reads_the_event_and_fixes_the_typo;
    Nodes, Nothing:
        deletion::deleted_pki_loses_its_secret_and_metric,
        deletion::recreated_pki_gets_a_new_certificate,
        deletion::secret_held_by_a_finalizer_is_reported_until_deleted;
    Installed, Nothing:
        secrets::damaged_or_deleted_secret_is_repaired,
        secrets::due_certificate_is_renewed_after_10_s,
        secrets::immutable_secret_is_reported_at_once,
        process::sigterm_finishes_work_in_progress_and_exits_0,
        process::expired_grace_exits_1_and_names_the_keys,
        process::restarted_api_server_loses_no_change,
        quiet::idle_controller_writes_nothing,
        rights::rights_are_only_the_verbs_in_use,
        rights::pki_creation_needs_a_right_of_its_own,
        rights::roles_for_one_namespace_are_enough,
        leader::standby_takes_over_when_the_leader_is_stopped;
    Installed, RealServer:
        definition::wrong_spec_is_refused_by_the_api_server,
        rights::policy_allows_only_labelled_tls_secrets,
        rights::stolen_token_reads_only_secrets_of_known_name,
        leader::paused_leader_writes_nothing_after_it_resumes;
    EventController, Nothing:
        plugins::manifest_settings_and_rights_are_enough,
        plugins::original_sample_file_is_enough,
        plugins::expired_grace_ends_the_plugin_and_its_children,
        plugins::second_signal_ends_the_plugin_and_its_children,
        plugins::process_1_reaps_what_the_plugin_leaves,
        leaks::no_credential_or_key_is_readable;
    Installed, Nothing: leaks::failed_exec_plugin_leaks_nothing_and_recovers;
    Bare, Kubectl: manifest::manifest_is_installed_by_one_kubectl_create;
    Bare, RealServer:
        connection::kubeconfig_means_what_it_means_to_kubectl,
        manifest::namespace_admits_only_restricted_pods;
    Installed, Image:
        image::binary_is_static_and_at_most_10_mb,
        image::binary_issues_certificates_alone_in_an_empty_root;
};

fn main() -> ExitCode {
    let (real, args): (Vec<String>, _) = std::env::args().partition(|arg| arg == "--real");
    let (real, mut arguments) = (!real.is_empty(), Arguments::from_iter(args));
    if let Some(error) = testkit::control_plane::missing().or_else(image::missing).filter(|_| real) {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    if real { ServerKind::Real } else { ServerKind::Embedded }.choose();
    // A real control plane needs more CPU. On the embedded server, scenarios mostly wait.
    arguments.test_threads.get_or_insert(if real { 2 } else { 4 });
    let trial = |&(setup, needs, name, run): &Scenario| {
        let ignored = !needs.are_met(real);
        Trial::test(name, move || test_env::run(setup, run).map_err(Failed::from))
            .with_kind(if ignored { needs.label() } else { "" })
            .with_ignored_flag(ignored)
    };
    let conclusion = libtest_mimic::run(&arguments, SCENARIOS.iter().map(trial).collect());
    test_env::stop_idle();
    conclusion.exit_code()
}
