//! The races, run through the real services: several hosts with all of them over one store and one
//! bus, asked as factories and producers ask. Each race is played on the design as it is, where
//! nothing may be found, and on a wrong one, where the same look must find something.
//!
//! Wrong designs are put in at the seams: `Broken` is a store that looks first and writes later;
//! *without* a field is a store that does not keep it; a *wire* doubles requests, swallows answers,
//! or makes a service read other words than were said. Every operation of a shuffled store takes
//! its own while, from a seed.
//!
//! Every race is run twice: with services of one host that share one ledger, and with services that
//! share nothing, as if each were a process of its own.
//!
//! | race | test here | wrong design that it catches |
//! |---|---|---|
//! | R1 claim, claim | `thirty_two_claimers_get_as_many_grants_as_there_are_jobs`, and `…_on_four_threads_…`; several in a message: `claims_in_bundles_get_as_many_grants_as_there_are_jobs` | `Broken`: more grants than jobs |
//! | R2 claim, supersede | `what_runs_is_what_was_granted_though_new_content_came_meanwhile` | `Broken`: other content runs than is stored |
//! | R3 claim, cancel | `a_job_cancelled_while_it_is_claimed_is_ended_or_its_holder_told` | `Broken`: granted and cancelled |
//! | R5 complete, reap | `a_completion_against_three_keepers_is_either_shipped_or_taken_back` | `Broken`: told one thing, stored another |
//! | R6 zombie | `every_old_word_of_a_factory_that_claimed_again_is_refused` | a fence that goes by the holder's name |
//! | R7 late copy of a claim | `a_copy_of_a_claim_that_comes_after_its_deadline_grants_nothing`, `a_copy_of_a_claim_for_an_offer_is_refused_once_the_offered_epoch_is_past`, `a_grant_to_a_copy_that_nobody_hears_goes_back_uncharged` | no deadline heeded: granted again |
//! | R8 everything twice | `when_every_request_comes_twice_everything_happens_once` | without `lastOps`: told twice |
//! | R9 lost answers | `a_word_whose_answer_was_lost_is_answered_when_it_is_said_again`, `a_claim_said_again_to_a_scheduler_that_just_started_is_the_same_grant` | without `claimRequestId`: a second job for one request |
//! | R10 own duplicate conflicts | `both_copies_of_a_claim_are_told_of_the_same_grant` | without `claimRequestId`: the winner is told no |
//! | R11 own renewal, own completion | `a_completion_never_loses_to_its_own_renewal_or_notes` | — at the ledger: simulation, *conflict treated as final in complete* |
//! | R14 last dependencies together | `dependencies_that_ship_together_release_their_dependent_once` | `Broken`: released twice, or written over |
//! | R15 ships during submission | `a_dependency_that_ships_while_its_dependent_is_submitted_is_seen` | — at the rules: model, dependency check before the write |
//! | R16 dies after the completion | `a_host_that_dies_after_a_completion_leaves_no_dependent_behind` | — at the ledger: `a_dependent_that_nobody_told_is_found_by_the_sweep` |
//! | R17 dependency fails | `a_dependency_that_fails_ends_its_dependents_or_they_say_so` | — a rule, no interleaving |
//! | R18 circle by two submitters | `a_circle_that_two_submitters_close_together_is_never_let_in` | — simulation, *cycle check before write* |
//! | R19 one key, 64 submissions | `sixty_four_submissions_of_one_key_make_one_job_and_hear_of_it` | `Broken`: created more than once |
//! | — one version of a profile, put by many | `a_version_that_several_put_is_one_of_theirs_for_good` | `Broken`: several are told that it is theirs |
//! | R20 three reapers | `three_keepers_take_a_silent_job_back_once` | `Broken`: versions written over |
//! | R21 a clock an hour off | `a_host_whose_wall_clock_is_an_hour_off_takes_nothing_that_lives` | silence judged by the wall: the living is taken |
//! | — a word of a log and the end of its hold | `a_word_whose_hold_ended_while_it_was_stored_is_not_acknowledged` | a word that is not judged again once it is stored |
//! | R32 poison | `a_job_that_kills_whoever_holds_it_is_given_up_after_its_measure` | — a rule, no interleaving |
//! | R33 backoff over a restart | `a_backoff_outlives_every_service` | without `retryNotBefore`: claimed too early |
//! | R34 a crowd for one job | `one_job_and_a_crowd_that_waits_cost_a_few_writes`, `a_crowd_that_waits_for_a_lock_does_not_spin` | — counted; a scheduler that woke itself failed the second |
//! | R36 starvation | `a_low_job_has_its_turn_within_three_steps_of_age` | a strict priority: never its turn |
//! | R37 stop amid claims | `a_host_that_stops_amid_claims_loses_none_of_them` | — counted: every job is shipped, none is charged |
//! | — published while the store is away | `a_submission_waits_for_a_store_that_is_away_for_an_hour` | an entry that is given up after five deliveries: a dead letter |
//! | R39 one name twice | `a_second_start_of_the_same_name_inherits_nothing` | a fence that goes by the holder's name |
//! | R40 the compared token comes back | `content_that_comes_back_does_not_bring_its_revision_back` | — at the store: `every_write_changes_the_revision` |
//!
//! Elsewhere, since no service is needed or none can show it:
//!
//! | race | where |
//! |---|---|
//! | R4 renew, reap | libs/ledger `a_renewal_and_a_taking_back_never_both_win`; simulation, *reaper re-reads the revision before writing* |
//! | R12 two documents, a crash between | libs/ledger `a_process_that_dies_after_any_write_leaves_a_job_that_others_ship`; simulation, *lease record without repair from the job* |
//! | R13 spec, then state | no such pair: content and state are one record |
//! | R22 a replica that is behind | libs/store `a_read_after_a_write_sees_it`, on a cluster of three too: single reads ask the leader |
//! | R23 a restart that forgets | libs/store-nats `every_acknowledged_write_survives_kill_9`; gigamesh `a_server_that_acknowledges_before_it_syncs_is_refused_by_name_unless_that_is_allowed` |
//! | R24 a bucket made anew | libs/store-nats `a_lost_bucket_is_named_and_not_made_again_unless_that_is_said`; gigamesh `a_fleet_whose_store_lost_a_bucket_goes_on_reading_and_refuses_every_write_by_name` |
//! | R25 deleted while uploading | libs/ledger `a_commit_and_a_delete_end_in_one_story` | `Broken`: told twice, or shown without a word |
//! | R26, R27 pointer without bytes, bytes without pointer | libs/ledger `an_upload_that_dies_after_any_write_is_finished_or_repeated`; journeys `a_sweep_removes_what_was_never_brought_and_what_nobody_points_to` |
//! | R28 zombie upload | libs/ledger `a_word_that_was_on_its_way_when_its_holder_was_fenced_is_refused` |
//! | R29 complete before its artifacts | libs/ledger `a_job_ships_only_with_artifacts_that_are_there` |
//! | R30 events lost or doubled | libs/ledger `a_relay_that_dies_after_any_write_is_finished_by_the_sweep`; simulation, *event appended after the write without outbox* |
//! | R31 unbounded growth | gigamesh `a_fleet_that_is_nearly_full_refuses_new_jobs_by_name_and_ends_those_that_run` |
//! | R35 a missed message | journeys `without_a_single_hint_the_fleet_still_drains` |
//! | R38 old and new together | libs/ledger `fields_that_are_not_known_here_outlive_a_whole_life` |

#![expect(clippy::duplicate_mod, reason = "the same races in both shapes of a host")]

#[cfg(test)]
#[path = "field.rs"]
mod apart;
#[cfg(test)]
#[path = "field.rs"]
mod together;
