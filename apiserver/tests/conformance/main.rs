//! Conformance: each case expects the same behaviour from the embedded server and the real kube-apiserver.
//!
//! ```text
//! cargo test -p apiserver --test conformance -- [FILTER]                                embedded server
//! KUBEBUILDER_ASSETS=… cargo test -p apiserver --test conformance -- --real [FILTER]    real server
//! ```
//!
//! The runner is `libtest-mimic`, so that all cases share one server: the real one takes some seconds to start.
//!
//! A case asserts a known difference of the embedded server with
//! [`assert_difference`](test_env::TestEnv::assert_difference), and the README lists it.
//!
//! Start with [`writes`], then [`watches`].

#![forbid(unsafe_code)]

mod differences;
mod objects;
mod server;
mod test_env;
mod watch_stream;

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

use server::{Server, ServerKind};
use test_env::TestEnv;

type Case = (&'static str, fn(&TestEnv));

/// Lists cases by module. The name of a case is its path.
macro_rules! cases {
    ($($module:ident { $($case:ident)* })*) => {
        &[$($((concat!(stringify!($module), "::", stringify!($case)), $module::$case as fn(&TestEnv))),*),*]
    };
}

/// Concurrent cases. They spend most of their time waiting.
const TEST_THREADS: usize = 8;

/// Independent cases, which run concurrently.
const PARALLEL: &[Case] = cases! {
    writes {
        create_returns_201_and_the_stored_object kind_and_api_version_default_to_those_of_the_path
        managed_fields_are_not_stored create_with_an_existing_name_is_already_exists
        generated_name_is_the_prefix_and_five_characters create_without_a_valid_name_is_invalid
        create_rejects_resource_version_and_ignores_uid body_that_contradicts_the_path_is_bad_request
        body_without_an_object_is_bad_request content_types_other_than_json_are_rejected
        protobuf_responses_are_not_served yaml_body_is_rejected body_above_3_mib_is_too_large server_uses_plain_http
        requests_are_not_flow_controlled absent_objects_and_paths_are_not_found unsupported_method_is_not_allowed
        replace_keeps_uid_and_raises_resource_version
        replace_creates_a_lease_but_no_other_object replace_without_changes_writes_nothing
        generation_counts_changes_of_the_spec_only secret_is_opaque_and_string_data_is_encoded
    }
    concurrency {
        replace_with_a_stale_version_is_a_conflict replace_without_a_version_overwrites
        patch_with_a_stale_version_is_a_conflict delete_with_failed_preconditions_is_a_conflict
    }
    validation {
        unknown_field_is_a_warning_error_or_ignored duplicate_field_is_not_reported
        value_of_the_wrong_type_is_bad_request label_value_with_a_blank_is_invalid
        invalid_pod_has_a_cause_per_mistake pod_spec_is_immutable_except_for_some_fields pod_gets_defaults
        deployment_gets_defaults deployment_selector_matches_template_and_is_immutable
        tls_secret_requires_certificate_and_key immutable_configmap_rejects_data_changes event_must_be_in_the_namespace_of_its_object
        role_ref_is_immutable_and_rules_need_an_api_group some_invalid_objects_are_accepted pod_gets_no_tolerations
        quantities_are_stored_as_written
    }
    lists {
        list_is_sorted_and_as_new_as_its_newest_item list_of_all_namespaces_is_sorted_by_namespace
        list_of_an_exact_version_shows_the_old_objects future_resource_version_is_too_large
        resource_version_match_must_fit_resource_version non_numeric_version_or_limit_is_bad_request
    }
    paging {
        limited_list_has_pages_and_a_remaining_count all_pages_have_the_version_of_the_first
        continue_with_version_or_invalid_token_is_bad_request
    }
    selectors {
        label_selector_lists_matching_objects field_selector_lists_matching_objects
        field_selector_finds_the_events_of_an_object invalid_selector_is_bad_request
        label_change_is_added_or_deleted_in_a_watch
        bound_pod_is_added_to_the_watch_of_its_node
    }
    watches {
        watch_from_a_version_sends_every_later_event watch_without_a_version_starts_with_all_objects
        watch_ends_after_its_timeout watch_sends_events_of_its_collection_only
        status_change_is_sent_with_the_whole_object delayed_deletion_is_sent_as_modified_then_deleted
        invalid_watch_is_rejected_before_it_opens watch_from_a_future_version_sends_nothing
        deprecated_watch_path_is_not_served
    }
    initial_events {
        initial_events_end_with_a_bookmark empty_collection_sends_only_the_bookmark
        watch_continues_from_the_initial_bookmark initial_events_are_not_older_than_the_version
        initial_events_can_be_disabled initial_events_require_not_older_than
    }
    bookmarks {
        bookmark_is_sent_before_a_watch_ends bookmark_is_never_ahead_of_an_event
    }
    deletion {
        delete_returns_a_status_with_name_and_uid object_stays_until_its_finalizers_are_removed
        terminating_object_accepts_no_new_finalizer name_is_taken_until_the_object_is_deleted
        pod_on_a_node_gets_a_grace_period unbound_or_finished_pod_is_deleted_immediately
        delete_collection_takes_the_options_of_a_list
    }
    ownership {
        dependent_is_deleted_after_its_owner dependent_of_a_dependent_is_deleted
        object_with_an_absent_owner_is_deleted
        object_survives_while_one_owner_remains orphaned_object_stays_without_owner_references
        foreground_deletion_waits_for_blocking_dependents foreground_deletion_waits_for_no_other_dependents
        invalid_owner_references_are_rejected
    }
    namespaces {
        new_namespace_is_active_and_has_its_name_as_label standard_namespaces_exist_and_default_stays
        create_in_an_absent_namespace_is_not_found namespace_is_deleted_after_its_content
        create_in_a_terminating_namespace_is_forbidden namespace_waits_for_its_own_finalizers
    }
    patches {
        merge_patch_merges_objects_and_replaces_lists json_patch_applies_all_operations_or_none
        strategic_merge_patch_merges_lists_by_key strategic_merge_patch_obeys_directives
        strategic_merge_patch_merges_conditions_by_type patch_without_changes_writes_nothing
        patch_cannot_change_name_or_uid_or_create malformed_patch_is_rejected
        json_patch_follows_the_rfc server_side_apply_is_rejected
    }
    subresources {
        status_is_written_only_by_its_subresource create_ignores_the_status
        status_patch_does_not_change_the_spec subresource_without_a_name_is_rejected pod_is_bound_once
        terminating_pod_cannot_be_bound unsupported_subresource_method_is_not_allowed
        few_subresources_are_served scale_has_the_replicas_and_the_selector
    }
    dry_run {
        dry_run_returns_the_result_and_stores_nothing dry_run_is_rejected_like_the_write
        unknown_dry_run_value_is_invalid delete_with_a_body_ignores_the_query
    }
    definitions {
        definition_is_established_and_served objects_are_deleted_with_their_definition
        watch_ends_when_its_version_is_no_longer_served object_is_readable_in_every_served_version
        conversion_webhook_is_not_called table_has_the_columns_of_the_definition
        inconsistent_definition_is_invalid schema_of_a_definition_is_not_checked
    }
    custom_resources {
        object_that_violates_the_schema_is_invalid schema_defaults_are_set empty_labels_are_not_stored
        unknown_fields_are_pruned status_subresource_separates_spec_and_status
        undeclared_status_subresource_is_not_found custom_replace_without_a_version_is_invalid
        strategic_merge_patch_is_for_built_in_kinds custom_resource_is_watched_like_a_built_in_kind cel_rules_are_not_evaluated
        string_formats_are_not_checked admission_policies_are_not_evaluated
    }
    tables {
        every_kind_has_its_usual_columns row_has_cells_and_the_metadata_of_its_object
        pod_status_column_shows_the_container_reason watch_of_tables_sends_its_columns_once
        partial_object_metadata_is_served
    }
    discovery {
        resources_are_listed_with_names_and_verbs few_kinds_are_served
        every_account_may_read_discovery
        aggregated_discovery_is_served_on_request version_and_health_are_served
        control_paths_are_served request_of_a_web_page_is_rejected openapi_index_has_a_url_per_group_version
    }
    rbac {
        forbidden_request_names_the_missing_right role_allows_the_requests_of_its_rules
        rule_with_resource_names_allows_only_those replace_that_creates_requires_the_create_verb
        cluster_role_applies_where_its_binding_is deleted_binding_revokes_its_rights
        role_may_grant_rights_that_its_author_lacks administrator_may_impersonate_a_user
        impersonating_a_group_requires_a_right_to_it anonymous_request_has_all_rights
    }
    tokens {
        token_request_returns_a_token invalid_token_request_is_rejected
        unknown_token_is_unauthorized token_for_another_audience_is_unauthorized
        token_bound_to_an_object_is_rejected token_is_invalid_after_its_account_is_deleted
    }
};

/// Cases that compact the server or need one without a watch cache. They run one at a time.
const SERIAL: &[Case] = cases! {
    paging {
        compacted_continue_token_expires_with_a_new_one
        list_of_a_compacted_version_has_expired
    }
    watches {
        watch_from_a_compacted_version_sends_an_error_event compaction_does_not_affect_current_watches
    }
    ownership {
        garbage_is_collected_without_a_controller
    }
    tokens {
        pod_needs_no_account_and_gets_no_token
    }
};

fn main() -> ExitCode {
    if let Some(error) = testkit::control_plane::missing().filter(|_| ServerKind::from_args() == ServerKind::Real) {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    let mut arguments = Arguments::from_iter(std::env::args().filter(|argument| argument != "--real"));
    arguments.test_threads.get_or_insert(TEST_THREADS);
    // Started by the first case that needs it, stopped after the last one.
    let parallel: Arc<LazyLock<Server>> = Arc::new(LazyLock::new(|| Server::start(ServerKind::from_args(), true)));
    let serial: Arc<Mutex<LazyLock<Server>>> =
        Arc::new(Mutex::new(LazyLock::new(|| Server::start(ServerKind::from_args(), false))));
    let mut trials = Vec::new();
    for (name, case) in PARALLEL {
        let server = parallel.clone();
        trials.push(Trial::test(*name, move || {
            case(&TestEnv::new(&server));
            Ok(())
        }));
    }
    for (name, case) in SERIAL {
        let server = serial.clone();
        trials.push(Trial::test(*name, move || {
            case(&TestEnv::new(&server.lock()));
            Ok(())
        }));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    let all_passed = !arguments.list && conclusion.num_filtered_out == 0 && !conclusion.has_failed();
    if let Err(error) = differences::check_readme(all_passed) {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}
