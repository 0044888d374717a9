//! One suite, two servers: each case must see the same on the embedded server and on the real kube-apiserver.
//!
//! ```text
//! cargo test -p apiserver --test conformance -- [PART OF A NAME]                             the embedded one
//! KUBEBUILDER_ASSETS=… cargo test -p apiserver --test conformance -- --real [PART OF A NAME]   the real one
//! ```
//!
//! All cases share one server, which takes some seconds to start: so the runner is `libtest-mimic`.
//!
//! Each case is a sentence, and its comment says which line of the server it is the reason for. Where the embedded server
//! knowingly differs, the case says so with [`differs`](world::World::differs), and the README lists it.
//!
//! Start with [`writes`], then [`watches`].

#![forbid(unsafe_code)]

mod differences;
mod objects;
mod servers;
mod stream;
mod world;

use testkit::{http as http1, wait};

mod bookmarks;
mod concurrency;
mod custom_resources;
mod definitions;
mod deletion;
mod discovery;
mod dry_run;
mod initial_events;
mod lists;
mod namespaces;
mod ownership;
mod paging;
mod patches;
mod rbac;
mod selectors;
mod subresources;
mod tables;
mod tokens;
mod validation;
mod watches;
mod writes;

use std::{
    process::ExitCode,
    sync::{Arc, LazyLock},
};

use libtest_mimic::{Arguments, Trial};
use parking_lot::Mutex;

use servers::{Kind, Server};
use world::World;

/// A name, and the function that asserts it.
type Case = (&'static str, fn(&World));

/// Cases by their modules. Their paths are their names.
macro_rules! cases {
    ($($module:ident { $($case:ident)* })*) => {
        &[$($((concat!(stringify!($module), "::", stringify!($case)), $module::$case as fn(&World))),*),*]
    };
}

/// How many cases run at once. Most of a case is waiting.
const AT_ONCE: usize = 8;

/// They do not disturb one another and run side by side.
const SHARED: &[Case] = cases! {
    writes {
        a_create_is_answered_201_with_what_is_stored what_the_path_says_need_not_stand_in_the_body
        managed_fields_are_not_kept a_name_that_is_taken_is_already_exists
        a_generated_name_is_the_prefix_and_five_characters a_name_is_required_and_is_a_dns_name
        a_create_may_not_bring_a_version_and_its_uid_is_ignored a_body_that_contradicts_the_path_is_a_bad_request
        a_body_that_is_no_object_is_a_bad_request what_is_neither_sent_nor_wanted_as_json_is_refused
        protobuf_is_not_spoken yaml_is_not_spoken a_body_of_more_than_3_mib_is_too_large there_is_no_tls
        there_is_no_flow_control what_is_not_there_is_not_found a_method_that_makes_no_sense_is_not_allowed
        a_replace_keeps_uid_and_creation_time_and_raises_the_version
        a_replace_of_what_is_not_there_is_not_found_except_of_a_lease a_replace_that_changes_nothing_is_no_write
        the_generation_counts_changes_of_the_spec_alone a_secret_is_opaque_unless_it_says_so_and_is_written_in_clear
    }
    concurrency {
        a_replace_with_an_old_version_is_a_conflict a_replace_without_a_version_overwrites
        a_patch_with_an_old_version_is_a_conflict a_delete_with_preconditions_spares_what_has_changed
    }
    validation {
        an_unknown_field_is_a_warning_unless_it_is_asked_otherwise a_field_that_stands_twice_is_not_noticed
        a_value_of_the_wrong_type_is_a_bad_request a_label_s_value_is_63_characters_of_a_kind
        all_that_is_wrong_with_a_pod_is_told_at_once the_spec_of_a_pod_can_hardly_be_changed a_pod_gets_its_defaults
        a_deployment_gets_its_defaults a_deployment_s_selector_fits_its_template_and_stays
        a_tls_secret_holds_certificate_and_key what_is_immutable_stays_as_it_is an_event_is_where_its_object_is
        the_role_of_a_binding_stays not_every_rule_is_checked not_every_default_is_set
        quantities_are_stored_as_written
    }
    lists {
        a_list_is_in_order_and_as_new_as_its_newest_item a_list_of_all_namespaces_is_sorted_by_namespace
        a_list_of_exactly_a_version_is_as_it_was_then a_version_from_the_future_is_too_large
        a_version_and_how_it_is_meant_have_to_fit a_version_or_limit_that_is_no_number_is_a_bad_request
    }
    paging {
        a_limit_gives_pages_and_says_how_many_are_left all_pages_are_of_the_first_page_s_version
        a_continue_token_stands_alone_and_is_the_server_s_own
    }
    selectors {
        label_selectors_mean_what_they_say field_selectors_mean_what_they_say
        events_are_found_by_what_they_are_about a_selector_that_makes_no_sense_is_a_bad_request
        a_change_of_labels_is_an_arrival_or_a_departure_for_a_watcher
        a_pod_that_is_bound_arrives_at_the_watcher_of_its_node
    }
    watches {
        a_watch_from_a_version_tells_everything_since a_watch_from_nowhere_begins_with_what_there_is
        a_watch_ends_when_its_time_is_up a_watch_hears_of_its_own_collection_alone
        a_watch_tells_changes_of_the_status a_watch_tells_the_mark_before_the_end
        a_watch_that_makes_no_sense_is_refused_before_it_begins a_watch_from_the_future_is_silent
        the_path_of_old_watches_is_still_served
    }
    initial_events {
        the_list_comes_as_events_and_a_bookmark_closes_it of_nothing_there_is_the_bookmark_alone
        a_watch_goes_on_from_the_closing_bookmark the_list_may_be_asked_for_at_least_a_version
        the_list_can_be_declined the_list_has_to_be_not_older_than_something
    }
    bookmarks {
        a_watch_that_asks_for_bookmarks_gets_one_before_it_ends a_bookmark_is_never_ahead_of_an_event
    }
    deletion {
        a_delete_is_answered_with_what_is_gone a_finalizer_keeps_an_object_until_it_is_removed
        no_finalizer_can_be_added_to_what_is_being_deleted the_name_is_free_once_the_object_is_gone
        a_pod_on_a_node_is_given_its_grace a_pod_on_no_node_is_deleted_at_once
        a_collection_is_deleted_as_it_is_listed
    }
    ownership {
        what_is_owned_goes_with_its_owner what_is_owned_by_what_is_owned_goes_as_well
        what_is_owned_by_nobody_that_exists_is_collected
        what_has_another_owner_stays_and_forgets_the_one_that_is_gone what_is_orphaned_stays_without_its_owner
        in_the_foreground_the_owner_waits_for_what_blocks_it in_the_foreground_the_owner_waits_for_nobody_else
        a_reference_is_complete_and_one_owner_controls
    }
    namespaces {
        a_new_namespace_is_active_and_labelled_with_its_name the_namespaces_of_every_cluster_are_there
        a_namespace_has_to_be_there_before_its_content a_namespace_takes_its_content_along
        nothing_is_created_in_a_namespace_that_is_ending the_end_of_a_namespace_waits_for_its_own_finalizers
    }
    patches {
        a_merge_patch_merges_objects_and_replaces_lists a_json_patch_is_carried_out_in_order_or_not_at_all
        a_strategic_merge_patch_merges_lists_by_key a_strategic_merge_patch_obeys_its_directives
        conditions_are_merged_by_type a_patch_that_changes_nothing_is_no_write
        a_patch_changes_neither_name_nor_uid_and_creates_nothing a_patch_that_cannot_be_read_is_a_bad_request
        json_patch_is_that_of_the_rfc server_side_apply_is_refused
    }
    subresources {
        the_status_is_written_by_its_own_path_alone a_new_object_has_no_status_of_its_own
        a_status_patch_leaves_the_spec_alone a_subresource_without_a_name_is_not_that_of_all a_pod_is_bound_once
        a_pod_that_is_ending_is_bound_to_no_node a_subresource_cannot_be_created_or_deleted
        few_subresources_are_served a_scale_is_a_view_of_what_has_replicas
    }
    dry_run {
        a_dry_run_answers_as_if_and_does_nothing a_dry_run_is_refused_as_the_write_would_be
        a_dry_run_of_an_unknown_kind_is_refused a_delete_with_a_body_does_not_look_at_its_query
    }
    definitions {
        a_definition_is_established_and_served a_deleted_definition_takes_its_objects_along
        a_watch_ends_when_its_version_is_served_no_more an_object_can_be_read_in_every_version_that_is_served
        no_webhook_converts_between_versions its_columns_are_those_of_the_definition
        a_definition_that_makes_no_sense_is_invalid schemas_of_definitions_are_not_checked
    }
    custom_resources {
        objects_are_held_to_the_schema defaults_are_filled_in metadata_that_says_nothing_is_not_stored
        unknown_fields_are_pruned the_status_subresource_separates_spec_and_status
        without_a_status_subresource_nothing_is_found_there a_replace_without_a_version_is_invalid
        a_strategic_merge_patch_is_for_built_in_kinds it_is_watched_as_any_other_kind rules_are_not_evaluated
        formats_are_not_checked admission_policies_are_not_evaluated
    }
    tables {
        every_kind_has_the_columns_that_people_know a_row_is_cells_and_the_object_s_metadata
        a_pod_s_status_column_says_what_keeps_it a_watch_of_tables_sends_its_columns_once
        metadata_alone_can_be_asked_for
    }
    discovery {
        what_is_served_is_served_as_the_real_one_serves_it few_kinds_are_served
        every_account_may_ask_what_is_served
        discovery_comes_in_one_answer_to_those_who_ask_for_it version_and_health_can_be_asked_for
        orders_are_taken_by_paths_of_their_own a_web_page_is_refused openapi_says_where_each_group_s_schemas_are
    }
    rbac {
        who_has_no_rights_is_told_what_is_missing a_role_allows_what_its_rules_say
        a_rule_for_names_allows_those_alone a_replace_that_creates_takes_the_right_to_create
        a_cluster_role_is_bound_where_its_binding_is a_binding_that_is_deleted_allows_nothing_any_more
        role_may_give_more_than_its_writer_has an_administrator_may_be_somebody_else
        each_group_takes_a_right_of_its_own_to_be_in_it nobody_is_the_administrator
    }
    tokens {
        a_token_is_made_for_a_service_account a_token_lives_ten_minutes_at_least_and_needs_its_account
        a_token_that_nobody_made_is_unauthorized a_token_for_another_audience_is_unauthorized
        tokens_are_bound_to_no_object a_token_ends_with_its_service_account
    }
};

/// They make the server forget, or need one that has no cache, and run one after another.
const ALONE: &[Case] = cases! {
    paging {
        a_token_from_before_the_compaction_has_expired_and_another_goes_on
        a_list_of_exactly_a_forgotten_version_has_expired
    }
    watches {
        a_watch_from_a_forgotten_version_is_told_so_in_an_event a_compaction_disturbs_no_watch_that_is_up_to_date
    }
    ownership {
        no_controller_is_needed
    }
    tokens {
        a_pod_needs_no_account_and_is_given_no_token
    }
};

fn main() -> ExitCode {
    if let Some(why) = testkit::control_plane::missing().filter(|_| Kind::chosen() == Kind::Real) {
        eprintln!("{why}");
        return ExitCode::FAILURE;
    }
    let mut arguments = Arguments::from_iter(std::env::args().filter(|word| word != "--real"));
    arguments.test_threads.get_or_insert(AT_ONCE);
    // Started by the first case that needs it, stopped when the last one has ended.
    let shared: Arc<LazyLock<Server>> = Arc::new(LazyLock::new(|| Server::start(Kind::chosen(), true)));
    let alone: Arc<Mutex<LazyLock<Server>>> =
        Arc::new(Mutex::new(LazyLock::new(|| Server::start(Kind::chosen(), false))));
    let mut trials = Vec::new();
    for (name, case) in SHARED {
        let shared = shared.clone();
        trials.push(Trial::test(*name, move || {
            case(&World::new(&shared));
            Ok(())
        }));
    }
    for (name, case) in ALONE {
        let alone = alone.clone();
        trials.push(Trial::test(*name, move || {
            case(&World::new(&alone.lock()));
            Ok(())
        }));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    let is_whole = !arguments.list && conclusion.num_filtered_out == 0 && !conclusion.has_failed();
    if let Err(why) = differences::all_are_listed(is_whole) {
        eprintln!("{why}");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}
