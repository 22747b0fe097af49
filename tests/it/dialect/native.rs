//! Our own shape: what it answers, to the letter.

use super::conversations;

conversations! {
    "native";
    registering_and_saying_the_same_again = "01-register",
    what_registering_over_something_does = "02-conflict",
    a_generation_fences_off_lives_that_are_over = "03-generation",
    preconditions_hold_or_nothing_is_done = "04-precondition",
    a_patch_merges = "05-patch",
    what_is_deregistered_is_gone = "06-deregister",
    a_heartbeat_renews_or_says_to_register_again = "07-heartbeat",
    each_of_many_has_its_own_outcome = "08-batch",
    each_condition_finds_what_it_should = "09-discover",
    pages_go_on_where_the_last_one_ended = "10-pages",
    who_has_it_already_is_told_so = "11-etag",
    a_filter_may_stand_in_the_body = "12-query",
    why_something_is_as_it_is = "13-explain",
    the_server_describes_itself = "14-about",
    some_names_are_not_for_users = "15-namespaces",
    unrouted_paths_and_methods_are_problems = "16-paths",
    a_token_allows_what_it_says = "17-scopes",
    refusals_name_the_place = "18-refused",
    a_poll_tells_what_has_happened = "19-poll",
}
