//! One suite over both stores, and what is particular to each.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

#[path = "store/cosmos.rs"]
mod cosmos;
#[path = "store/embedded.rs"]
mod embedded;
#[path = "store/measure.rs"]
mod measure;
#[path = "store/samples.rs"]
mod samples;
#[path = "store/suite.rs"]
mod suite;

/// Writes one test per case and store.
macro_rules! suite {
    ($($case:ident)*) => {
        mod in_the_embedded_store {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let home = tempfile::tempdir().unwrap();
                super::suite::$case(super::embedded::open(&home)).await;
            })*
        }

        mod in_cosmos {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let gateway = cosmos_gateway::Gateway::start(0).await.unwrap();
                super::suite::$case(std::sync::Arc::new(super::cosmos::open(&gateway))).await;
            })*
        }
    };
}

suite! {
    preparing_twice_is_harmless
    a_missing_document_is_none
    every_kind_comes_back_as_it_was
    a_second_create_meets_the_first
    the_same_id_of_another_source_is_free
    replace_with_the_right_version_gives_a_new_one
    replace_with_an_old_version_changes_nothing
    writing_the_same_again_gives_another_version
    replace_of_a_missing_document_is_a_conflict
    delete_with_the_right_version
    delete_with_an_old_version_keeps_the_document
    delete_without_a_version_takes_whatever_is_there
    upsert_makes_and_overwrites
    a_batch_appears_as_one
    a_conflict_takes_back_the_whole_batch
    an_empty_batch_is_nothing
    a_batch_that_no_store_takes_is_refused
    due_is_ordered_by_the_longest_due_and_limited
    due_is_only_of_this_runner
    due_follows_every_write_of_the_state
    due_reaches_over_pages
    due_of_one_shard
    standings_tell_which_sources_have_a_state
    a_list_is_newest_first_and_paged
    a_list_of_all_sources
    a_list_gives_the_versions
    a_time_to_live_is_stored
    a_large_document_survives
    a_batch_of_ninety_documents
    text_of_any_script_survives
    of_sixteen_racers_one_wins
    a_counter_loses_no_increment
    definitions_change_with_what_tells_of_them
    changes_of_different_definitions_all_count
}
