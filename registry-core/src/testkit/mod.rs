//! How to prove a [`Store`](crate::store::Store). Public, not API-stable.
//!
//! A backend implements [`StoreFactory`] and writes one line. Every case of the one list below then
//! runs as a test of its own, at a fresh location:
//!
//! ```text
//! registry_core::store_suite!(sled, Sled);
//! ```
//!
//! The cases are named as the sentences they prove, and stand in rooms: [`write`](mod@write) (what
//! commits do), [`renew`] (beats and the mark), [`load`] (everything comes back), [`reopen`]
//! (restarts), [`restore`] (what another store held), [`shared`] (two handles). Beside them, for
//! whoever tests what stands on a store: [`FaultyStore`], which fails on purpose, and
//! [`ManualClock`].

mod clock;
mod factory;
mod faulty;
pub mod fixture;

pub mod load;
pub mod renew;
pub mod reopen;
pub mod restore;
pub mod shared;
pub mod write;

pub use clock::ManualClock;
pub use factory::{Missing, Place, StoreFactory};
pub use faulty::{Call, Fault, FaultyStore};

/// Proves a store: expands the one list of cases into tests within a module of this name.
///
/// The second argument is an expression that makes the [`StoreFactory`]. The crate that calls this
/// needs tokio with the features `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! store_suite {
    ($name:ident, $factory:expr) => {
        $crate::store_cases! { $name, $factory,
            write::a_put_on_a_free_key_is_done,
            write::a_put_on_a_held_key_conflicts_where_it_expects_none,
            write::a_put_at_the_right_revision_is_done,
            write::a_put_at_a_past_revision_conflicts,
            write::a_put_at_a_revision_conflicts_on_a_free_key,
            write::a_delete_at_the_right_revision_is_done,
            write::a_delete_at_a_past_revision_conflicts,
            write::a_conflict_changes_nothing,
            write::a_batch_with_conflicts_does_the_others_and_answers_in_order,
            write::an_overwrite_keeps_created_and_moves_modified,
            write::an_overwrite_keeps_its_own_beat,
            write::a_delete_removes_the_record_and_its_beat,
            write::a_key_put_again_after_a_delete_is_created_anew,
            write::revisions_increase_within_and_across_batches,
            write::an_empty_batch_does_nothing,
            write::a_batch_of_a_thousand_writes_is_done,
            renew::a_renewal_is_kept,
            renew::a_renewal_changes_nothing_but_the_beat,
            renew::a_renewal_of_an_unknown_key_is_ignored,
            renew::a_renewal_of_a_deleted_record_is_ignored,
            renew::a_renewal_of_an_earlier_life_is_ignored,
            renew::the_mark_is_kept_until_the_next_one,
            renew::the_mark_is_never_kept_before_its_beats,
            renew::ten_thousand_renewals_at_once_are_kept,
            renew::no_renewals_and_no_mark_do_nothing,
            load::a_fresh_store_is_empty,
            load::every_body_comes_back_exactly,
            load::every_key_is_its_own,
            load::every_beat_comes_back_exactly,
            load::the_largest_record_comes_back,
            load::a_body_that_grows_and_shrinks_leaves_nothing_behind,
            load::all_of_five_thousand_records_are_seen,
            load::what_is_loaded_is_as_of_one_revision,
            reopen::a_fresh_store_reopens_empty,
            reopen::what_was_closed_opens_the_same,
            reopen::what_was_committed_outlives_a_handle_that_is_dropped,
            reopen::beats_and_mark_outlive_a_close,
            reopen::revisions_go_on_after_reopening,
            reopen::revisions_go_on_when_the_last_write_was_a_delete,
            reopen::expectations_hold_across_reopening,
            reopen::many_reopenings_lose_nothing,
            restore::what_another_store_held_is_held_the_same,
            restore::what_was_restored_outlives_a_handle_that_is_dropped,
            restore::revisions_go_on_after_the_restored_ones,
            restore::a_store_that_was_written_to_refuses_a_restore,
            restore::a_restore_that_breaks_off_is_never_taken_for_whole,
            restore::a_key_that_comes_twice_is_not_restored,
            restore::a_record_from_after_the_latest_revision_is_not_restored,
            restore::a_record_that_is_older_than_itself_is_not_restored,
            shared::two_handles_see_each_other_or_the_second_is_refused,
            shared::a_refused_handle_opens_once_the_first_is_closed,
            shared::racing_creations_win_each_key_once,
            shared::racing_updates_win_each_revision_once,
            shared::racing_batches_share_no_revision,
        }
    };
}

/// Turns the list of cases into tests. Called by [`store_suite!`] only.
#[doc(hidden)]
#[macro_export]
macro_rules! store_cases {
    ($name:ident, $factory:expr, $($room:ident::$case:ident,)+) => {
        mod $name {
            #[allow(unused_imports, reason = "the factory may be named by its full path")]
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let factory = $factory;
                    let name = stringify!($name);
                    if let Some(place) = $crate::testkit::Place::fresh(name, factory).await {
                        $crate::testkit::$room::$case(&place).await;
                    }
                }
            )+
        }
    };
}
