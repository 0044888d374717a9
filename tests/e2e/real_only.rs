//! What is left out on the embedded server, and why; and where its promises are held all the same.
//!
//! A scenario that waits for a timer of the product (a backoff of 0.8 s and more, a file that is looked at once a second,
//! a Lease that is asked for every 2 s) would take longer than a second there. Its twin makes the same promises in this
//! process, under a paused clock. On real servers all of them run.

use std::{fs, path::Path};

use crate::{runner::Group, scenarios::image};

/// A scenario, why it is left out, and its twins: `file::test`.
type LeftOut = (&'static str, &'static str, &'static [&'static str]);

const BACKOFF: &str = "takes seconds of backoff";
const LOOKS: &str = "takes seconds: the list is looked at once a second, and two looks have to agree";
const FORGOTTEN: &str =
    "tests/embedded/outage.rs::a_watch_from_a_version_that_the_server_has_forgotten_is_a_new_list_that_loses_nothing";

const LEFT_OUT: &[LeftOut] = &[
    (
        "certificate::the_secret_is_of_the_promised_shape_and_openssl_accepts_the_chain",
        "openssl judges, on real servers",
        &[],
    ),
    ("rights::the_admission_policy_keeps_it_to_certificates", "the embedded server does not evaluate policies", &[]),
    (
        "tenants::a_stolen_token_reads_what_it_can_name_and_writes_what_the_policy_lets_through",
        "the embedded server does not evaluate policies",
        &[],
    ),
    (
        "tenants::large_objects_are_read_in_small_pages",
        "takes the embedded one long, and whether a token minds another page size is for the real one to say",
        &["src/informer/reflector_list_tests.rs::a_page_that_is_too_large_is_asked_for_again_with_fewer_objects"],
    ),
    (
        "quiet::the_api_server_refuses_a_wrong_spec_while_it_is_being_typed",
        "the embedded server does not evaluate the definition's CEL rules",
        &[],
    ),
    (
        "deletion::a_namespace_that_is_being_deleted_is_nobodys_error",
        "the embedded server empties a namespace in the moment in which it is deleted",
        &[
            "src/pki/reconcile_secret_tests.rs::a_namespace_that_is_going_is_not_an_error",
            "src/events/failure_tests.rs::a_namespace_that_is_going_or_gone_is_no_reason_to_complain",
        ],
    ),
    (
        "secrets::a_certificate_that_is_due_is_renewed_and_no_sooner_than_10_seconds_after_issue",
        "takes 20 s: certificates go by the wall clock, which cannot be paused",
        &[
            "tests/embedded/renewal.rs::a_certificate_that_is_due_is_renewed_and_no_sooner_than_10_seconds_after_issue",
            "tests/embedded/renewal.rs::a_resync_does_not_find_a_certificate_due_before_its_time",
        ],
    ),
    (
        "watching::a_token_that_is_rotated_is_picked_up",
        "takes 10 s: the file is read again so often",
        &["src/process/token.rs::a_token_is_read_again_as_it_rotates_and_stays_when_the_file_goes"],
    ),
    (
        "leader::when_the_leader_ends_it_is_the_other_one_s_turn_in_seconds",
        "takes up to 4 s: the Lease is asked for every 2 s",
        &[
            "tests/embedded/leader.rs::a_leader_that_is_told_to_end_gives_the_lease_back_and_the_other_takes_over_within_5_seconds",
        ],
    ),
    (
        "leader::when_the_leader_is_killed_the_other_takes_over_within_20_seconds",
        "takes 20 s: the Lease has to run out",
        &["tests/embedded/leader.rs::when_the_leader_dies_the_other_takes_over_within_20_seconds"],
    ),
    (
        "leader::a_leader_that_was_stopped_writes_nothing_new_when_it_goes_on",
        "only a real server's audit log tells two tokens of one ServiceAccount apart",
        &["tests/embedded/leader.rs::a_write_that_has_not_left_when_its_leader_is_stopped_never_does"],
    ),
    (
        "outage::a_watch_that_falls_silent_is_opened_again",
        "takes up to a minute",
        &["tests/embedded/faults.rs::watches_that_fall_silent"],
    ),
    (
        "outage::a_connection_that_breaks_is_a_watch_from_where_it_was",
        BACKOFF,
        &["tests/embedded/outage.rs::a_connection_that_breaks_is_a_watch_from_where_it_was"],
    ),
    (
        "outage::an_api_server_that_dies_and_comes_back_is_no_news_about_any_object",
        BACKOFF,
        &["tests/embedded/outage.rs::an_api_server_that_dies_and_comes_back_is_no_news_about_any_object"],
    ),
    (
        "outage::an_api_server_that_is_away_is_waited_for",
        BACKOFF,
        &["tests/embedded/outage.rs::an_api_server_that_is_away_is_waited_for"],
    ),
    ("outage::a_watch_from_before_the_api_server_s_restart_is_a_new_list_that_loses_nothing", BACKOFF, &[FORGOTTEN]),
    ("outage::a_watch_from_a_version_that_etcd_has_forgotten_is_a_new_list_that_loses_nothing", BACKOFF, &[FORGOTTEN]),
    (
        "allowed_list::a_change_of_the_list_is_a_new_look_at_every_pki",
        LOOKS,
        &["tests/embedded/allowed_list.rs::a_change_of_the_list_is_a_new_look_at_every_pki"],
    ),
    (
        "allowed_list::a_list_that_cannot_be_read_any_more_leaves_the_last_one_in_force",
        LOOKS,
        &["tests/embedded/allowed_list.rs::a_list_that_cannot_be_read_any_more_leaves_the_last_one_in_force"],
    ),
    (
        "allowed_list::a_list_that_is_emptied_allows_nobody_and_says_so",
        LOOKS,
        &["tests/embedded/allowed_list.rs::a_list_that_is_emptied_allows_nobody_and_says_so"],
    ),
    (
        "waiting::missing_rights_and_a_missing_definition_are_waited_for",
        BACKOFF,
        &["tests/embedded/waiting.rs::missing_rights_and_a_missing_definition_are_waited_for_and_named"],
    ),
    (
        "watching::a_resource_that_is_defined_later_is_waited_for",
        BACKOFF,
        &["tests/embedded/resources.rs::a_resource_that_is_defined_later_is_waited_for"],
    ),
    (
        "watching::a_resource_that_moves_to_another_version_is_found_again_and_so_is_one_that_returns",
        BACKOFF,
        &[
            "tests/embedded/resources.rs::a_resource_that_moves_to_another_version_is_found_again_and_so_is_one_that_returns",
        ],
    ),
    (
        "plugins::whatever_a_plugin_does_it_is_started_again_and_nothing_is_lost",
        BACKOFF,
        &["tests/embedded/plugins.rs::whatever_a_plugin_does_it_is_started_again_and_nothing_is_lost"],
    ),
    (
        "plugins::an_event_that_kills_the_plugin_is_given_up_and_stops_no_other",
        BACKOFF,
        &["tests/embedded/plugins.rs::an_event_that_kills_the_plugin_is_given_up_and_stops_no_other"],
    ),
    (
        "manifest::the_namespace_lets_our_pod_in_and_none_with_more_rights",
        "the embedded server does not enforce pod security standards",
        &[],
    ),
    ("manifest::a_node_can_be_drained", "the embedded server evicts nothing", &[]),
    ("image::the_binary_is_static_and_at_most_10_mb", image::ELSEWHERE, &[]),
    ("image::there_is_nothing_to_play_with_in_it", image::ELSEWHERE, &[]),
    ("image::the_dockerfile_has_the_compiler_that_this_repository_is_tested_with", image::ELSEWHERE, &[]),
    ("image::alone_in_an_empty_root_as_the_manifest_runs_it_it_issues_certificates", image::ELSEWHERE, &[]),
    ("image::without_any_library_a_server_is_found_by_its_name", image::ELSEWHERE, &[]),
];

/// Why a scenario is left out on the embedded server, and where its twins are; None for one that runs.
pub fn why(scenario: &str) -> Option<String> {
    let (_, why, twins) = LEFT_OUT.iter().find(|(name, ..)| *name == scenario)?;
    Some(match twins {
        [] => (*why).to_owned(),
        [twin] => format!("{why}; its twin: {twin}"),
        twins => format!("{why}; its twins: {}", twins.join(", ")),
    })
}

/// What is wrong with the table: a scenario that there is not, a twin that is no test.
pub fn stale(groups: &[Group]) -> Vec<String> {
    let known = |name: &str| groups.iter().flat_map(|group| group.scenarios).any(|(scenario, _)| *scenario == name);
    let unknown = LEFT_OUT.iter().filter(|(name, ..)| !known(name)).map(|(name, ..)| format!("there is no {name}"));
    let twins = LEFT_OUT.iter().flat_map(|(_, _, twins)| *twins);
    unknown.chain(twins.filter(|twin| !is_test(twin)).map(|twin| format!("there is no test {twin}"))).collect()
}

/// Whether the file has a function of that name, with nothing but attributes between it and `#[test]`.
fn is_test(twin: &str) -> bool {
    let Some((file, name)) = twin.rsplit_once("::") else { return false };
    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap_or_default();
    let Some((before, _)) = source.split_once(&format!("fn {name}(")) else { return false };
    let attributes = before.rsplit("\n\n").next().unwrap_or_default();
    attributes.lines().any(|line| line.trim() == "#[test]" || line.trim().starts_with("#[tokio::test"))
}
