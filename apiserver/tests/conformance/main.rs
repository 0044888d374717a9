//! One suite, two servers: each case must see the same on the embedded server and on the real kube-apiserver.
//!
//! ```text
//! cargo test -p apiserver --test conformance -- [PART OF A NAME…]                             the embedded one
//! KUBEBUILDER_ASSETS=… cargo test -p apiserver --test conformance -- --real [PART OF A NAME…]   the real one
//! ```
//!
//! Each case is a sentence, and its comment says which line of the server it is the reason for. Where the embedded server
//! knowingly differs, the case says so with [`differs`](world::World::differs), and the README lists it.
//!
//! Start with [`writes`], then [`watches`].

#![forbid(unsafe_code)]

mod differences;
mod objects;
mod runner;
mod servers;
mod stream;
mod world;

// What the end-to-end tests use as well. They use more of it.
#[allow(dead_code)]
#[path = "../../../tests/e2e/http.rs"]
mod etcd;
#[allow(dead_code)]
#[path = "../../../tests/e2e/server.rs"]
mod process;
#[allow(dead_code)]
#[path = "../../../tests/e2e/wait.rs"]
mod wait;

mod bookmarks;
mod concurrency;
mod initial_events;
mod lists;
mod paging;
mod selectors;
mod watches;
mod writes;

use std::process::ExitCode;

use runner::Case;

/// They do not disturb one another and run side by side.
const SHARED: &[Case] = cases![
    writes::a_create_is_answered_201_with_what_is_stored,
    writes::what_the_path_says_need_not_stand_in_the_body,
    writes::managed_fields_are_not_kept,
    writes::a_name_that_is_taken_is_already_exists,
    writes::a_generated_name_is_the_prefix_and_five_characters,
    writes::a_name_is_required_and_is_a_dns_name,
    writes::a_create_may_not_bring_a_version_and_its_uid_is_ignored,
    writes::a_body_that_contradicts_the_path_is_a_bad_request,
    writes::a_body_that_is_no_object_is_a_bad_request,
    writes::what_is_neither_sent_nor_wanted_as_json_is_refused,
    writes::protobuf_is_not_spoken,
    writes::what_is_not_there_is_not_found,
    writes::a_method_that_makes_no_sense_is_not_allowed,
    writes::a_replace_keeps_uid_and_creation_time_and_raises_the_version,
    writes::a_replace_of_what_is_not_there_is_not_found_except_of_a_lease,
    writes::a_replace_that_changes_nothing_is_no_write,
    writes::the_generation_counts_changes_of_the_spec_alone,
    writes::what_has_no_spec_has_no_generation,
    writes::a_secret_is_opaque_unless_it_says_so_and_is_written_in_clear,
    writes::versions_of_different_objects_can_be_compared,
    concurrency::a_replace_with_an_old_version_is_a_conflict,
    concurrency::a_replace_without_a_version_overwrites,
    concurrency::a_patch_with_an_old_version_is_a_conflict,
    concurrency::a_replace_of_another_uid_is_a_conflict,
    concurrency::a_delete_with_preconditions_spares_what_has_changed,
    concurrency::many_writers_who_look_again_lose_no_change,
    lists::a_list_is_in_order_and_as_new_as_its_newest_item,
    lists::a_list_of_all_namespaces_is_sorted_by_namespace,
    lists::a_list_may_ask_for_at_least_a_version,
    lists::a_list_of_exactly_a_version_is_as_it_was_then,
    lists::a_version_from_the_future_is_too_large,
    lists::a_version_and_how_it_is_meant_have_to_fit,
    lists::a_version_or_limit_that_is_no_number_is_a_bad_request,
    lists::a_list_holds_what_is_being_deleted,
    paging::a_limit_gives_pages_and_says_how_many_are_left,
    paging::all_pages_are_of_the_first_page_s_version,
    paging::with_a_selector_nobody_says_how_many_are_left,
    paging::a_page_is_filled_with_what_the_selector_takes,
    paging::a_continue_token_stands_alone_and_is_the_server_s_own,
    watches::a_watch_from_a_version_tells_everything_since,
    watches::a_watch_from_nowhere_begins_with_what_there_is,
    watches::a_watch_ends_when_its_time_is_up,
    watches::a_watch_hears_of_its_own_collection_alone,
    watches::a_watch_of_one_name_is_a_field_selector,
    watches::a_watch_tells_changes_of_the_status,
    watches::a_watch_tells_the_mark_before_the_end,
    watches::a_watch_that_makes_no_sense_is_refused_before_it_begins,
    watches::a_watch_from_the_future_is_silent,
    watches::the_path_of_old_watches_is_still_served,
    initial_events::the_list_comes_as_events_and_a_bookmark_closes_it,
    initial_events::of_nothing_there_is_the_bookmark_alone,
    initial_events::a_watch_goes_on_from_the_closing_bookmark,
    initial_events::the_list_may_be_asked_for_at_least_a_version,
    initial_events::the_list_is_of_what_the_selector_takes,
    initial_events::without_bookmarks_nothing_closes_the_list,
    initial_events::the_list_can_be_declined,
    initial_events::the_list_has_to_be_not_older_than_something,
    bookmarks::a_watch_that_asks_for_bookmarks_gets_one_before_it_ends,
    bookmarks::a_watch_that_does_not_ask_for_bookmarks_gets_none,
    bookmarks::a_bookmark_is_never_ahead_of_an_event,
    selectors::label_selectors_mean_what_they_say,
    selectors::field_selectors_mean_what_they_say,
    selectors::events_are_found_by_what_they_are_about,
    selectors::a_selector_that_makes_no_sense_is_a_bad_request,
    selectors::a_change_of_labels_is_an_arrival_or_a_departure_for_a_watcher,
    selectors::a_pod_that_is_bound_arrives_at_the_watcher_of_its_node,
];

/// They make the server forget, or need one that has no cache, and run one after another.
const ALONE: &[Case] = cases![
    paging::a_token_from_before_the_compaction_has_expired_and_another_goes_on,
    paging::a_list_of_exactly_a_forgotten_version_has_expired,
    watches::a_watch_from_a_forgotten_version_is_told_so_in_an_event,
    watches::a_compaction_disturbs_no_watch_that_is_up_to_date,
];

fn main() -> ExitCode {
    runner::run(SHARED, ALONE)
}
