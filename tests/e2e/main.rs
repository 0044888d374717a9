//! The built binary against an API server: every promise that can be seen from outside.
//!
//! ```text
//! cargo test --test e2e -- [PART OF A NAME…]                             on the embedded API server
//! KUBEBUILDER_ASSETS=… cargo test --test e2e -- --real [PART OF A NAME…] on real control planes
//! ```
//!
//! Start with [`scenarios::story`]. Each scenario is a sentence and stands in one of the files below; what they stand
//! on: [servers] that are started for them ([embedded] ones, or a real [control plane](control_plane)), the
//! [controller] as a child process with its ServiceAccount's own token, a simulated [kubelet], a [proxy] that is the
//! network, and [waiting](wait) without sleeping. `E2E_KEEP=1` keeps the logs and data in target/tmp.
//!
//! On the embedded server each takes less than a second of an idle machine. What would take longer, because it waits for
//! a timer of the product, has a twin in `tests/embedded/`, where the clock is paused: see [real_only].

#![forbid(unsafe_code)]

mod api;
mod audit;
mod control_plane;
mod controller;
mod daemon;
mod embedded;
mod kubectl;
mod kubelet;
mod metrics;
mod objects;
#[path = "../shared/openmetrics.rs"]
#[allow(dead_code)] // tests/embedded looks at more of it.
mod openmetrics;
mod proxy;
mod real_only;
mod runner;
mod servers;
mod stage;
mod watcher;

mod scenarios;

use std::process::ExitCode;

use runner::Group;
use scenarios::*;
use servers::Kind;
use stage::Stage;
use testkit::{http, server, wait};

const GROUPS: &[Group] = &[
    Group {
        on: Stage::complete,
        scenarios: scenarios![
            story::the_owner_of_app1_reads_what_is_wrong_and_fixes_it,
            certificate::the_secret_is_of_the_promised_shape_and_openssl_accepts_the_chain,
            certificate::a_tls_handshake_succeeds_in_the_promised_names_and_in_no_other,
            deletion::a_deleted_pki_takes_its_secret_along,
            deletion::a_pki_that_is_created_again_is_a_new_owner_with_a_new_certificate,
        ],
    },
    Group {
        on: Stage::installed,
        scenarios: scenarios![
            outage::a_watch_that_falls_silent_is_opened_again,
            outage::a_connection_that_breaks_is_a_watch_from_where_it_was,
            outage::an_api_server_that_dies_and_comes_back_is_no_news_about_any_object,
            outage::an_api_server_that_is_away_is_named,
            outage::an_api_server_that_is_away_is_waited_for,
            outage::a_watch_from_before_the_api_server_s_restart_is_a_new_list_that_loses_nothing,
            pages::every_metric_has_its_name,
            crash::kill_9_between_the_secret_and_the_status_leaves_nothing_that_a_restart_does_not_mend,
            crash::sigterm_ends_it_with_0_and_nothing_new_is_asked,
            crash::what_is_in_progress_at_sigterm_is_finished_and_nothing_new_is_begun,
            crash::what_was_to_be_told_at_sigterm_is_told_before_the_end,
            crash::a_grace_that_runs_out_is_exit_1_and_names_the_keys,
            crash::a_second_signal_ends_it_at_once,
        ],
    },
    Group {
        on: Stage::installed,
        scenarios: scenarios![
            secrets::a_changed_request_is_reissued_in_place,
            secrets::a_deleted_secret_is_made_whole_at_the_next_resync,
            secrets::a_damaged_secret_is_made_whole_at_the_next_resync,
            secrets::a_new_pod_that_mounts_a_deleted_secret_brings_it_back,
            secrets::a_certificate_that_is_due_is_renewed_and_no_sooner_than_10_seconds_after_issue,
            secrets::a_name_that_is_no_longer_allowed_leaves_the_secret_alone,
            secrets::a_secret_of_somebody_else_is_never_touched,
            secrets::an_immutable_secret_is_told_at_once_and_looked_at_again,
            deletion::nothing_is_written_for_a_pki_that_is_being_deleted,
            deletion::a_namespace_that_is_being_deleted_is_nobodys_error,
        ],
    },
    Group {
        on: Stage::installed,
        scenarios: scenarios![
            refusals::the_message_names_the_field_and_the_names_that_hold_in_this_namespace,
            refusals::a_message_about_a_long_list_is_cut_and_arrives,
            refusals::every_pod_that_waits_for_the_secret_hears_of_it_and_no_other,
            refusals::a_second_pod_is_told_and_the_first_is_not_told_again,
            refusals::an_error_that_persists_is_reported_again_by_the_same_event,
            refusals::a_restart_raises_the_count_by_one_at_most,
            refusals::a_pki_and_a_pod_may_come_in_any_order,
            lifecycle::a_pod_is_followed_from_none_to_deleted,
            lifecycle::a_pod_may_also_succeed_fail_or_be_lost,
            lifecycle::a_restart_of_the_controller_is_no_news_about_any_pod,
            allowed_list::a_change_of_the_list_is_a_new_look_at_every_pki,
            allowed_list::a_list_that_cannot_be_read_any_more_leaves_the_last_one_in_force,
            allowed_list::a_list_that_is_emptied_allows_nobody_and_says_so,
            allowed_list::windows_line_ends_are_fine_and_a_line_that_is_no_name_is_told_with_its_number,
            waiting::with_a_namespace_it_looks_nowhere_else,
            retries::an_error_that_stays_is_given_up_until_a_change_or_a_resync,
            retries::a_resync_finds_that_what_failed_is_mended,
            rights::it_may_do_what_it_has_to_and_no_more,
            rights::the_admission_policy_keeps_it_to_certificates,
        ],
    },
    Group {
        on: Stage::installed,
        scenarios: scenarios![
            quiet::the_api_server_refuses_a_wrong_spec_while_it_is_being_typed,
            quiet::once_all_is_settled_nothing_is_written_however_often_it_looks,
            quiet::a_restart_writes_nothing_but_a_reminder_of_each_error,
            quiet::a_wrong_spec_that_gets_past_the_api_server_is_told_to_its_owner,
        ],
    },
    Group {
        on: Stage::installed,
        scenarios: scenarios![
            authority::two_controllers_that_start_together_share_one_ca,
            authority::a_certificate_of_another_ca_is_reissued,
            authority::a_ca_that_is_no_use_is_reported_and_not_replaced,
            authority::a_pki_of_the_ca_s_own_name_is_a_conflict_before_the_ca_exists_and_after,
            authority::a_dry_run_says_what_it_would_write_and_writes_nothing,
        ],
    },
    Group {
        on: Stage::installed,
        scenarios: scenarios![
            tenants::a_pki_takes_a_right_that_nobody_has_by_default_and_reading_the_secret_takes_another,
            tenants::a_megabyte_of_names_is_refused_by_the_definition,
            tenants::a_secret_that_names_a_pki_as_its_owner_gains_nothing,
            tenants::a_stolen_token_reads_what_it_can_name_and_writes_what_the_policy_lets_through,
            tenants::a_tenant_full_of_typos_is_told_so_much_and_holds_up_no_other,
            tenants::a_pki_with_a_new_typo_every_moment_is_told_25_of_them,
            tenants::a_megabyte_that_gets_past_the_definition_is_told_in_a_few_words,
            namespaced::the_rights_for_one_namespace_are_enough_for_it_and_end_there,
        ],
    },
    // What it leaves behind is too much for others to look at.
    Group { on: Stage::installed, scenarios: scenarios![tenants::large_objects_are_read_in_small_pages] },
    Group {
        on: Stage::installed,
        scenarios: scenarios![
            leader::one_works_and_the_other_stands_by_and_ends_at_once,
            leader::when_the_leader_ends_it_is_the_other_one_s_turn_in_seconds,
            leader::the_lease_is_given_back_after_the_last_write,
            leader::when_the_leader_is_killed_the_other_takes_over_within_20_seconds,
            leader::a_leader_that_was_stopped_writes_nothing_new_when_it_goes_on,
        ],
    },
    Group {
        on: Stage::watching,
        scenarios: scenarios![
            watching::a_pod_is_told_from_its_beginning_to_its_end,
            watching::a_resource_that_is_defined_later_is_waited_for,
            watching::a_word_that_two_groups_have_has_to_be_qualified,
            watching::a_resource_that_moves_to_another_version_is_found_again_and_so_is_one_that_returns,
            watching::a_resource_without_namespaces_is_watched_as_well,
            watching::whatever_kubectl_can_watch_is_found_by_the_name_that_kubectl_prints,
            watching::what_the_selectors_leave_out_is_not_told,
            watching::the_environment_alone_will_do,
            watching::the_sample_file_will_do_once_it_is_filled_in,
            watching::the_manifest_s_own_settings_and_rights_will_do,
            watching::after_an_outage_nothing_is_repeated_and_nothing_lost,
            watching::a_token_that_is_rotated_is_picked_up,
        ],
    },
    Group {
        on: Stage::watching,
        scenarios: scenarios![
            plugins::a_plugin_is_handed_whole_objects_and_its_own_settings,
            plugins::whatever_a_plugin_does_it_is_started_again_and_nothing_is_lost,
            plugins::a_flood_that_a_plugin_writes_to_stderr_keeps_no_answer_back,
            plugins::an_event_that_kills_the_plugin_is_given_up_and_stops_no_other,
            plugins::a_call_that_is_in_progress_at_sigterm_is_finished,
            plugins::a_plugin_that_outlasts_the_grace_is_ended_with_all_that_it_started,
            plugins::a_second_signal_leaves_nothing_of_a_plugin_that_hangs,
            plugins::a_plugin_that_is_slower_than_the_changes_costs_no_memory,
            plugins::thousands_of_objects_go_through_simple_and_a_tenth_of_them_through_exec,
        ],
    },
    Group {
        on: Stage::watching,
        scenarios: scenarios![leaks::no_secret_token_or_key_is_in_any_log_metric_event_or_status],
    },
    Group {
        on: Stage::without_watch_cache,
        scenarios: scenarios![outage::a_watch_from_a_version_that_etcd_has_forgotten_is_a_new_list_that_loses_nothing],
    },
    Group { on: Stage::bare, scenarios: scenarios![manifest::one_create_on_an_empty_cluster_is_enough] },
    Group {
        on: Stage::bare,
        scenarios: scenarios![manifest::the_version_before_is_upgraded_by_apply_and_there_is_a_way_back],
    },
    Group {
        on: Stage::deployed,
        scenarios: scenarios![
            manifest::the_namespace_lets_our_pod_in_and_none_with_more_rights,
            manifest::a_node_can_be_drained,
        ],
    },
    Group {
        on: Stage::installed,
        scenarios: scenarios![
            image::the_binary_is_static_and_at_most_10_mb,
            image::there_is_nothing_to_play_with_in_it,
            image::the_dockerfile_has_the_compiler_that_this_repository_is_tested_with,
            image::alone_in_an_empty_root_as_the_manifest_runs_it_it_issues_certificates,
            image::without_any_library_a_server_is_found_by_its_name,
        ],
    },
    Group { on: Stage::bare, scenarios: scenarios![waiting::missing_rights_and_a_missing_definition_are_named] },
    Group { on: Stage::bare, scenarios: scenarios![waiting::missing_rights_and_a_missing_definition_are_waited_for] },
];

/// A user's own tool has to be there.
const KUBECTL: &[&str] = &[
    "story::the_owner_of_app1_reads_what_is_wrong_and_fixes_it",
    "watching::whatever_kubectl_can_watch_is_found_by_the_name_that_kubectl_prints",
    "manifest::one_create_on_an_empty_cluster_is_enough",
    "manifest::the_version_before_is_upgraded_by_apply_and_there_is_a_way_back",
];

fn main() -> ExitCode {
    if !std::env::args().any(|word| word == "--real") {
        Kind::Embedded.choose();
        let stale = real_only::stale(GROUPS);
        if !stale.is_empty() {
            stale.iter().for_each(|why| eprintln!("tests/e2e/real_only.rs: {why}"));
            return ExitCode::FAILURE;
        }
        // They mostly wait.
        return runner::run(GROUPS, 4, |name| {
            let kubectl = KUBECTL.contains(&name) && embedded::kubectl_program().is_none();
            let kubectl = kubectl.then_some("there is no kubectl: KUBEBUILDER_ASSETS names no folder with one");
            real_only::why(name).or(kubectl.map(str::to_owned))
        });
    }
    if let Some(why) = control_plane::missing().or_else(image::impossible) {
        eprintln!("{why}");
        return ExitCode::FAILURE;
    }
    Kind::Real.choose();
    // Each has three or four servers of its own.
    runner::run(GROUPS, 2, |name| if name.starts_with("image::") { image::missing().map(str::to_owned) } else { None })
}
