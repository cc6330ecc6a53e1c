/* test_guard.c - each hazard of libraft's list, shown without the guard (in a
 * child, which dies or sees the damage) and gone with it.
 *
 * The same file is built against Debian's libraft, which corrupts itself, and
 * with COAT_RAFT_ASSERTED against one that aborts. The guards that are orders
 * of calls are shown in the tests of the group_*.c files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "raft/guard.h"
#include "raw_raft.h"

static const int voters[] = {RAFT_VOTER, RAFT_VOTER, RAFT_VOTER, RAFT_VOTER};
static const int two_and_standby[] = {RAFT_VOTER, RAFT_VOTER, RAFT_STANDBY};
static const int two_and_spare[] = {RAFT_VOTER, RAFT_VOTER, RAFT_SPARE};

static struct message *append_of(unsigned n, uint64_t prev, uint64_t term)
{
    struct message *m = message_new(MESSAGE_APPEND, n);

    m->from = 1;
    m->to = 2;
    m->term = m->append.prev_term = term;
    m->append.prev_index = prev;
    for (unsigned i = 0; i < n; i++) {
        m->entries[i].term = term;
        m->entries[i].type = ENTRY_COMMAND;
    }
    return m;
}

/* ---- L1 ---- */

static void change_inside_a_batch(void)
{
    struct raft_buffer four = raw_conf(4, voters);
    struct raw x;

    raw_start(&x, 2, 1, 1, 1, 3, voters);
    raw_append(&x, 1, 2, 1, 1, 1, raw_entries(3, 2, &four), 3);
    raw_persisted(&x, 4);
    /* A new leader replaces index 4, which was the CHANGE. */
    raw_append(&x, 3, 3, 3, 2, 1, raw_entries(1, 3, NULL), 1);
    seen_if(x.r.configuration.n != 3);
}

static void split_at_the_change(void)
{
    struct raft_buffer four = raw_conf(4, voters);
    struct raw x;

    raw_start(&x, 2, 1, 1, 1, 3, voters);
    raw_append(&x, 1, 2, 1, 1, 1, raw_entries(2, 2, NULL), 2);
    raw_append(&x, 1, 2, 3, 2, 1, raw_entries(1, 2, &four), 1);
    raw_persisted(&x, 4);
    raw_append(&x, 3, 3, 3, 2, 1, raw_entries(1, 3, NULL), 1);
    seen_if(x.r.configuration.n != 3);
}

/* A follower would go on with a member list that was never decided. */
static void L1_changes_come_first_in_their_message(void **state)
{
    struct message *m = append_of(5, 9, 2);

    (void)state;
    assert_true(hazard_shows(change_inside_a_batch));
    assert_false(hazard_shows(split_at_the_change));
    m->entries[2].type = m->entries[3].type = ENTRY_CHANGE;
    assert_int_equal(guard_segment(m, 0), 2);
    assert_int_equal(guard_segment(m, 2), 1);
    assert_int_equal(guard_segment(m, 3), 2);
    message_free(m);
}

/* Only a CHANGE that the new leader's log shares can be taken as committed. */
static void L1_the_previous_change_is_committed_when_logs_agree(void **state)
{
    (void)state;
    assert_true(guard_commits_pending(5, 7, true));
    assert_false(guard_commits_pending(5, 7, false));
    assert_false(guard_commits_pending(5, 5, true));
    assert_false(guard_commits_pending(0, 7, true));
}

/* ---- L2, L3, L4 ---- */

static void sole_voter_keeps_its_term(void)
{
    struct raw x;

    raw_start(&x, 1, 3, 4, 3, 1, voters);
    seen_if(x.r.state == RAFT_LEADER && x.r.current_term == 3);
}

/* It could give two entries the same index and term, before and after a
 * crash. See also test_group_start.c. */
static void L2_a_sole_voter_is_recognised(void **state)
{
    struct members m = {0};

    (void)state;
    assert_true(hazard_shows(sole_voter_keeps_its_term));
    assert_true(members_add(&m, 1, MEMBER_VOTER));
    assert_true(members_add(&m, 2, MEMBER_STANDBY));
    assert_true(guard_self_elects(&m, 1));
    assert_false(guard_self_elects(&m, 2));
    m.v[1].role = MEMBER_VOTER;
    assert_false(guard_self_elects(&m, 1));
}

static void change_before_own_commit(void)
{
    struct raft_buffer four = raw_conf(4, voters);
    struct raw x;

    raw_start(&x, 1, 1, 5, 1, 3, voters);
    raw_append(&x, 2, 1, 5, 1, 5, NULL, 0);
    raw_elect(&x);
    seen_if(raw_submit(&x, raw_entries(1, 2, &four), 1) == 0);
}

/* Two leaders' changes from the same list can have disjoint majorities. */
static void L3_nothing_before_the_barrier(void **state)
{
    (void)state;
    assert_true(hazard_shows(change_before_own_commit));
    assert_false(guard_barrier_done(0, 100));
    assert_false(guard_barrier_done(7, 6));
    assert_true(guard_barrier_done(7, 7));
}

static void reordered_list(void)
{
    struct raft_configuration c;
    struct raft_buffer b;
    raft_index match = 0;
    struct raw x;

    raw_start(&x, 1, 1, 10, 1, 3, voters);
    raw_elect(&x);
    raw_result(&x, 2, 0, 11);
    raw_result(&x, 3, 0, 4);
    raft_configuration_init(&c);
    if (raft_configuration_add(&c, 1, "1", RAFT_VOTER) ||
        raft_configuration_add(&c, 3, "3", RAFT_VOTER) ||
        raft_configuration_add(&c, 2, "2", RAFT_VOTER) ||
        raft_configuration_encode(&c, &b))
        abort();
    raw_submit(&x, raw_entries(1, 2, &b), 1);
    raft_match_index(&x.r, 3, &match);
    seen_if(match == 11);
}

/* 3 would count as having what only 2 has. */
static void L4_order_is_kept(void **state)
{
    struct members from = {0}, to = {0};

    (void)state;
    assert_true(hazard_shows(reordered_list));
    for (uint64_t i = 1; i <= 3; i++)
        assert_true(members_add(&from, i, MEMBER_VOTER));
    assert_true(members_add(&to, 1, MEMBER_VOTER));
    assert_true(members_add(&to, 3, MEMBER_VOTER));
    assert_true(members_add(&to, 2, MEMBER_VOTER));
    assert_int_equal(members_step(&from, &to), STATUS_INVALID);
}

/* ---- L5, L6 ---- */

static void wiped_follower_rejects(void)
{
    const struct raft_message *out;
    struct raw x;

    raw_start(&x, 1, 1, 10, 1, 3, voters);
    raw_elect(&x);
    raw_result(&x, 2, 0, 11);
    raw_result(&x, 3, 0, 11);
    /* 2 is silent for a while, so that it is probed again. */
    for (int i = 0; i < 30; i++) {
        x.now += 100;
        raw_result(&x, 3, 0, 11);
        raw_event(&x, RAFT_TIMEOUT);
    }
    raw_result(&x, 2, 11, 0);
    out = x.update.messages.batch;
    /* What it needs from entry 1 on is counted as 2^32 in flight. */
    seen_if(x.update.messages.n == 1 &&
            out->append_entries.prev_log_index == 0 &&
            out->append_entries.n_entries == 0);
}

static void L5_rejections_below_what_matches_are_dropped(void **state)
{
    struct message *m = message_new(MESSAGE_APPEND_RESULT, 0);

    (void)state;
    assert_true(hazard_shows(wiped_follower_rejects));
    m->append_result.rejected = 11;
    assert_true(guard_rejection_stale(m, 11));
    m->append_result.last_index = 10;
    assert_true(guard_rejection_stale(m, 11));
    assert_false(guard_rejection_stale(m, 10));
    /* libraft lowers a hint that is not below what was rejected. */
    m->append_result.last_index = 20;
    assert_true(guard_rejection_stale(m, 11));
    m->append_result.rejected = 0;
    assert_false(guard_rejection_stale(m, 30));
    message_free(m);
}

static void late_completion(void)
{
    struct raw x;

    raw_start(&x, 2, 1, 1, 1, 3, voters);
    raw_append(&x, 1, 2, 1, 1, 1, raw_entries(4, 2, NULL), 4);
    raw_append(&x, 3, 3, 3, 2, 1, raw_entries(2, 3, NULL), 2);
    /* The first write ends: 4 and 5 on disk are those of term 2. */
    raw_persisted(&x, 5);
    seen_if(x.update.messages.n == 1 &&
            x.update.messages.batch[0].append_entries_result.last_log_index ==
                5);
}

/* An entry would count as durable that is only in memory. */
static void L6_a_truncated_write_counts_only_below(void **state)
{
    struct guard_writes w = {0};

    (void)state;
    assert_true(hazard_shows(late_completion));
    guard_writes_add(&w, 10, 5); /* 2 .. 5 */
    guard_writes_truncate(&w, 4);
    guard_writes_add(&w, 12, 5); /* 4 .. 5 again */
    assert_int_equal(guard_writes_done(&w, 9), 0);
    assert_int_equal(guard_writes_done(&w, 10), 3);
    assert_int_equal(guard_writes_done(&w, 11), 0);
    assert_int_equal(guard_writes_done(&w, 12), 5);
    guard_writes_add(&w, 13, 6);
    guard_writes_clear(&w);
    assert_int_equal(guard_writes_done(&w, 99), 0);
    for (uint64_t i = 1; i < 1000; i++) {
        guard_writes_add(&w, 100 + i, i);
        if (i % 3 == 0)
            assert_int_equal(guard_writes_done(&w, 100 + i - 2), i - 2);
    }
    guard_writes_release(&w);
}

/* ---- L7, L8, L9 ---- */

static void append_to_a_leader(void)
{
    struct raw x;

    raw_start(&x, 1, 1, 10, 1, 3, voters);
    raw_elect(&x);
    raw_append(&x, 3, 2, 11, 2, 5, raw_entries(1, 2, NULL), 1);
    /* The address of "the leader" was written over this. */
    seen_if(x.r.leader_state.promotee_id != 0);
}

static void L7_two_leaders_in_a_term_are_noticed(void **state)
{
    struct message *m = append_of(0, 9, 5);

    (void)state;
    assert_true(hazard_shows(append_to_a_leader));
    assert_true(guard_two_leaders(m, 5, 2, 2));
    assert_true(guard_two_leaders(m, 5, 3, 2));
    assert_false(guard_two_leaders(m, 5, 1, 2));
    assert_false(guard_two_leaders(m, 5, 0, 2));
    assert_false(guard_two_leaders(m, 4, 2, 2));
    m->type = MESSAGE_INSTALL;
    assert_true(guard_two_leaders(m, 5, 2, 2));
    m->type = MESSAGE_VOTE;
    assert_false(guard_two_leaders(m, 5, 2, 2));
    message_free(m);
}

static void decreasing_terms(void)
{
    struct raft_entry *e = raw_entries(2, 5, NULL);
    struct raw x;

    raw_start(&x, 2, 1, 5, 1, 3, voters);
    e[1].term = 2;
    seen_if(raw_append(&x, 1, 6, 5, 1, 1, e, 2) == 0 &&
            raft_last_index(&x.r) == 7);
}

static void term_without_index(void)
{
    struct raw x;

    raw_start(&x, 2, 1, 5, 1, 3, voters);
    seen_if(raw_append(&x, 1, 2, 0, 7, 1, NULL, 0) == 0);
}

static void L8_senseless_fields_do_not_pass(void **state)
{
    struct message *m = append_of(2, 5, 6);
    struct blob *b = blob_copy(slice_str("x"));

    (void)state;
    assert_true(hazard_shows(decreasing_terms));
    assert_true(hazard_shows(term_without_index));
    m->entries[0].payload = b;
    m->entries[1].payload = blob_ref(b);
    assert_int_equal(message_check(m), STATUS_OK);
    m->term = 7;
    m->append.prev_term = 1;
    m->entries[1].term = 2;
    assert_int_equal(message_check(m), STATUS_BAD_MESSAGE);
    m->entries[1].term = 6;
    assert_int_equal(message_check(m), STATUS_OK);
    m->append.prev_index = 0;
    assert_int_equal(message_check(m), STATUS_BAD_MESSAGE);
    message_free(m);
}

/* One server promised, none there; behind it the end of the world. */
static uint8_t *short_list(void)
{
    uint8_t *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED || mprotect(page + 4096, 4096, PROT_NONE))
        abort();
    page += 4096 - 9;
    page[0] = page[1] = 1;
    return page;
}

static void decode_a_short_list(void)
{
    struct raft_buffer b = {short_list(), 9};
    struct raft_configuration c;

    (void)raft_configuration_decode(&b, &c);
}

static void L9_lists_are_parsed_within_bounds(void **state)
{
    struct members m;

    (void)state;
    assert_true(hazard_shows(decode_a_short_list));
    assert_int_equal(members_decode(slice_of(short_list(), 9), &m),
                     STATUS_CORRUPT);
}

/* ---- L10, L11, L12, L13, L14 ---- */

static bool commit_goes_back(bool guarded)
{
    struct raw x;

    raw_start(&x, 2, 1, 20, 1, 3, voters);
    raw_append(&x, 1, 1, 20, 1, 15, NULL, 0);
    raw_append(&x, 1, 1, 10, 1, 18, NULL, 0);
    if (guarded)
        guard_keep_commit(&x.r, 15);
    return x.r.commit_index < 15;
}

static void old_heartbeat(void)
{
    seen_if(commit_goes_back(false));
}

static void old_heartbeat_guarded(void)
{
    seen_if(commit_goes_back(true));
}

static void L10_only_what_is_durable_here_is_applied(void **state)
{
    (void)state;
    assert_true(hazard_shows(old_heartbeat));
    assert_false(hazard_shows(old_heartbeat_guarded));
    assert_int_equal(guard_commit(10, 7, false), 7);
    assert_int_equal(guard_commit(7, 10, false), 7);
    assert_int_equal(guard_commit(10, 10, true), 0);
}

static void catch_up_as_follower(void)
{
    struct raft_event e = {.type = RAFT_CATCH_UP};
    struct raw x;

    raw_start(&x, 2, 1, 5, 1, 3, voters);
    raw_append(&x, 1, 1, 5, 1, 5, NULL, 0);
    e.catch_up.server_id = 3;
    raw_step(&x, &e);
    /* The leader's id was overwritten by a number of a round. */
    seen_if(x.r.follower_state.current_leader.id != 1);
}

static void catch_up_who_has_all(void)
{
    struct raft_event e = {.type = RAFT_CATCH_UP};
    int status = RAFT_CATCH_UP_RUNNING;
    struct raw x;

    raw_start(&x, 1, 1, 10, 1, 3, two_and_standby);
    raw_elect(&x);
    raw_result(&x, 2, 0, 11);
    raw_result(&x, 3, 0, 11);
    e.catch_up.server_id = 3;
    raw_step(&x, &e);
    for (int i = 0; i < 100 && status == RAFT_CATCH_UP_RUNNING; i++) {
        x.now += 100;
        raw_result(&x, 2, 0, 11);
        raw_result(&x, 3, 0, 11);
        raw_event(&x, RAFT_TIMEOUT);
        raft_catch_up(&x.r, 3, &status);
    }
    seen_if(status == RAFT_CATCH_UP_ABORTED);
}

static void L11_promotion_is_decided_without_catch_up(void **state)
{
    (void)state;
    assert_true(hazard_shows(catch_up_as_follower));
    assert_true(hazard_shows(catch_up_who_has_all));
    assert_true(guard_promotable(true, 10, 10, 10));
    assert_true(guard_promotable(true, 10, 10 + GUARD_PROMOTE_LAG_MAX, 9));
    assert_false(guard_promotable(true, 10, 11 + GUARD_PROMOTE_LAG_MAX, 9));
    assert_false(guard_promotable(false, 10, 10, 9));
    assert_false(guard_promotable(true, 0, 5, 0));
    /* It would not know that it may vote: see test_group_cluster.c. */
    assert_false(guard_promotable(true, 10, 11, 11));
}

static void timeout_now_too_early(void)
{
    struct raft_event e = {.type = RAFT_TRANSFER};
    unsigned sent = 0;
    struct raw x;

    raw_start(&x, 1, 1, 5, 1, 3, voters);
    raw_elect(&x);
    raw_result(&x, 2, 0, 6);
    raw_result(&x, 3, 0, 6);
    raw_submit(&x, raw_entries(1, 2, NULL), 1);
    raw_submit(&x, raw_entries(1, 2, NULL), 1);
    e.transfer.server_id = 2;
    raw_step(&x, &e);
    for (raft_index acked = 7; acked <= 8; acked++) {
        raw_result(&x, 2, 0, acked);
        for (unsigned i = 0; i < x.update.messages.n; i++) {
            if (x.update.messages.batch[i].type == RAFT_TIMEOUT_NOW)
                sent = (unsigned)acked;
        }
    }
    /* Sent when it had 7 of 8 and so would refuse; never again. */
    seen_if(sent == 7);
}

static void L12_leadership_goes_to_who_has_everything(void **state)
{
    (void)state;
    assert_true(hazard_shows(timeout_now_too_early));
    assert_true(guard_transfer_ready(8, 8, 8));
    assert_false(guard_transfer_ready(7, 8, 8));
    assert_false(guard_transfer_ready(8, 8, 7));
}

static void failed_submit_leaves_an_entry(void)
{
    struct raft_buffer four = raw_conf(4, voters);
    struct raft_buffer three = raw_conf(3, voters);
    raft_index last;
    struct raw x;

    raw_start(&x, 1, 1, 5, 1, 3, voters);
    raw_elect(&x);
    raw_submit(&x, raw_entries(1, 2, &four), 1);
    last = raft_last_index(&x.r);
    seen_if(raw_submit(&x, raw_entries(2, 2, &three), 2) != 0 &&
            raft_last_index(&x.r) > last);
}

/* The guard is to submit a CHANGE alone: see test_group_lead.c. */
static void L13_a_change_is_submitted_alone(void **state)
{
    (void)state;
    assert_true(hazard_shows(failed_submit_leaves_an_entry));
}

static void truncate_while_installing(void)
{
    struct raft_message m = {.type = RAFT_INSTALL_SNAPSHOT};
    struct raft_event e = {.type = RAFT_RECEIVE};
    struct raft_buffer b = raw_conf(3, voters);
    struct raw x;

    raw_start(&x, 2, 1, 5, 1, 3, voters);
    m.server_id = 3;
    m.server_address = "3";
    m.install_snapshot.term = 3;
    m.install_snapshot.last_index = 50;
    m.install_snapshot.last_term = 3;
    m.install_snapshot.conf_index = 1;
    if (raft_configuration_decode(&b, &m.install_snapshot.conf))
        abort();
    e.receive.message = &m;
    raw_step(&x, &e);
    raw_snapshot(&x, 4, 1);
    seen_if(x.r.trail.snapshot.index == 4);
}

static void L14_no_truncation_meanwhile(void **state)
{
    (void)state;
    assert_true(hazard_shows(truncate_while_installing));
    assert_true(guard_may_truncate(false, false, 5, 4, 5));
    assert_false(guard_may_truncate(true, false, 5, 4, 5));
    assert_false(guard_may_truncate(false, true, 5, 4, 5));
    assert_false(guard_may_truncate(false, false, 4, 4, 5));
    assert_false(guard_may_truncate(false, false, 6, 4, 5));
}

/* ---- L16, L17 ---- */

static void spare_spins(void)
{
    int past = 0;
    struct raw x;

    raw_start(&x, 1, 1, 5, 1, 3, two_and_standby);
    raw_elect(&x);
    raw_result(&x, 2, 0, 6);
    struct raft_buffer spare = raw_conf(3, two_and_spare);
    raw_submit(&x, raw_entries(1, 2, &spare), 1);
    raw_persisted(&x, 7);
    raw_result(&x, 2, 0, 7);
    for (int i = 0; i < 50; i++) {
        x.now += 50;
        raw_result(&x, 2, 0, 7);
        raw_event(&x, RAFT_TIMEOUT);
        past += raft_timeout(&x.r) <= x.now;
    }
    seen_if(past > 40);
}

static void L16_timers_are_never_in_the_past(void **state)
{
    const duration grid = MS(50);

    (void)state;
    assert_true(hazard_shows(spare_spins));
    assert_int_equal(guard_deadline(3, (instant){1000}, grid).ms, 1050);
    assert_int_equal(guard_deadline(1005, (instant){1045}, grid).ms, 1100);
    assert_int_equal(guard_deadline(1201, (instant){1000}, grid).ms, 1250);
    assert_int_equal(guard_deadline(1200, (instant){1000}, grid).ms, 1200);
    assert_int_equal(guard_deadline(1201, (instant){1000}, MS(1)).ms, 1201);
}

static raft_term term_after_isolation(bool guarded)
{
    struct raw x;

    raw_start(&x, 1, 1, 5, 1, 3, voters);
    raft_set_pre_vote(&x.r, true);
    x.now = raft_timeout(&x.r);
    raw_event(&x, RAFT_TIMEOUT);
    raw_vote_result(&x, 2, x.r.current_term + 1, true);
    for (int i = 0; i < 10; i++) {
        x.now = raft_timeout(&x.r);
        if (guarded)
            guard_ask_first(&x.r);
        raw_event(&x, RAFT_TIMEOUT);
    }
    return x.r.current_term;
}

static void term_inflates(void)
{
    seen_if(term_after_isolation(false) > 2);
}

static void term_inflates_guarded(void)
{
    seen_if(term_after_isolation(true) > 2);
}

static bool vote_of_a_standby(bool guarded)
{
    struct raft_message m = {.type = RAFT_REQUEST_VOTE};
    struct raft_event e = {.type = RAFT_RECEIVE};
    int role = -1;
    struct raw x;

    raw_start(&x, 3, 1, 5, 1, 3, two_and_standby);
    m.server_id = m.request_vote.candidate_id = 1;
    m.server_address = "1";
    m.request_vote.version = 2;
    m.request_vote.term = 2;
    m.request_vote.last_log_index = 5;
    m.request_vote.last_log_term = 1;
    e.receive.message = &m;
    if (guarded)
        role = guard_vote_anyway(&x.r);
    raw_step(&x, &e);
    guard_vote_done(&x.r, role);
    if (x.r.configuration.servers[2].role != RAFT_STANDBY)
        abort();
    return x.update.messages.batch[0].request_vote_result.vote_granted;
}

static void standby_refuses(void)
{
    seen_if(!vote_of_a_standby(false));
}

static void standby_refuses_guarded(void)
{
    seen_if(!vote_of_a_standby(true));
}

static void L17_elections_stay_possible(void **state)
{
    (void)state;
    assert_true(hazard_shows(term_inflates));
    assert_false(hazard_shows(term_inflates_guarded));
    assert_true(hazard_shows(standby_refuses));
    assert_false(hazard_shows(standby_refuses_guarded));
}

/* ---- L18 .. L23 ---- */

static void vote_result_as_follower(void)
{
    char *address = NULL;
    struct raw x;

    raw_start(&x, 2, 1, 5, 1, 3, voters);
    raw_append(&x, 1, 1, 5, 1, 5, NULL, 0);
    /* Its second byte is what is read as "in pre-vote". */
    do
        address = raft_malloc(2);
    while (((uintptr_t)address >> 8 & 0xff) != 1);
    strcpy(address, "1");
    x.r.follower_state.current_leader.address = address;
    raw_vote_result(&x, 1, 9, false);
    seen_if(x.r.current_term != 9);
}

static void L18_results_are_for_candidates(void **state)
{
    struct message *m = message_new(MESSAGE_VOTE_RESULT, 0);
    struct raft r = {.state = RAFT_FOLLOWER, .current_term = 4};

    (void)state;
    assert_true(hazard_shows(vote_result_as_follower));
    m->term = 5;
    m->vote_result.granted = true;
    assert_false(guard_vote_result(m, &r));
    r.state = RAFT_LEADER;
    assert_false(guard_vote_result(m, &r));
    r.state = RAFT_CANDIDATE;
    r.candidate_state.in_pre_vote = true;
    assert_true(guard_vote_result(m, &r));
    m->term = 6;
    assert_false(guard_vote_result(m, &r));
    m->vote_result.granted = false;
    assert_true(guard_vote_result(m, &r));
    message_free(m);
}

#ifdef COAT_RAFT_ASSERTED
static void clock_goes_back(void)
{
    struct raw x;

    raw_start(&x, 1, 1, 5, 1, 3, voters);
    raw_elect(&x);
    x.now += 50;
    raw_result(&x, 2, 0, 6);
    raw_snapshot(&x, 5, 0);
    x.now -= 200;
    /* 2 asks for what is not in the log any more: is it online? */
    raw_result(&x, 2, 0, 6);
    raw_result(&x, 3, 6, 0);
    x.now += 200;
    raw_result(&x, 3, 6, 0);
    x.now -= 200;
    raw_event(&x, RAFT_TIMEOUT);
}
#endif

static void L19_time_stands_still_instead(void **state)
{
    (void)state;
#ifdef COAT_RAFT_ASSERTED
    assert_true(hazard_shows(clock_goes_back));
#endif
    assert_int_equal(guard_clock((instant){100}, (instant){99}).ms, 100);
    assert_int_equal(guard_clock((instant){100}, (instant){101}).ms, 101);
}

/* Follower 3 lags behind the log; the snapshot that libraft "sends" it is at
 * 8, then ours turns out to be at 10. */
static bool snapshot_moves_on(bool guarded)
{
    bool again = false;
    struct raw x;

    raw_start(&x, 1, 1, 10, 1, 3, voters);
    raw_elect(&x);
    raw_result(&x, 2, 0, 11);
    raw_snapshot(&x, 8, 0);
    raw_result(&x, 3, 10, 2);
    if (x.update.messages.n != 1 ||
        x.update.messages.batch[0].type != RAFT_INSTALL_SNAPSHOT)
        abort();
    raw_snapshot(&x, 10, 10);
    if (guarded && guard_snapshot_moved(8, 10, 0, true))
        raw_result(&x, 3, 8, 7);
    for (int i = 0; i < 100; i++) {
        x.now += 100;
        raw_result(&x, 2, 0, 11);
        raw_event(&x, RAFT_TIMEOUT);
        /* Heartbeats are anchored at 10, which it does not have. */
        raw_result(&x, 3, 10, 2);
        for (unsigned k = 0; k < x.update.messages.n; k++)
            again |= x.update.messages.batch[k].type == RAFT_INSTALL_SNAPSHOT;
    }
    return again;
}

static void snapshot_is_stuck(void)
{
    seen_if(!snapshot_moves_on(false));
}

static void snapshot_is_stuck_guarded(void)
{
    seen_if(!snapshot_moves_on(true));
}

static void L20_a_snapshot_that_moved_is_sent_again(void **state)
{
    (void)state;
    assert_true(hazard_shows(snapshot_is_stuck));
    assert_false(hazard_shows(snapshot_is_stuck_guarded));
    assert_true(guard_snapshot_moved(8, 10, 2, true));
    assert_false(guard_snapshot_moved(8, 10, 2, false));
    assert_false(guard_snapshot_moved(10, 10, 2, true));
    assert_false(guard_snapshot_moved(8, 10, 8, true));
    assert_false(guard_snapshot_moved(0, 10, 0, true));
}

static bool pre_vote_granted(bool guarded)
{
    struct raft_message m = {.type = RAFT_REQUEST_VOTE};
    struct raft_event e = {.type = RAFT_RECEIVE};
    struct raw x;

    raw_start(&x, 2, 1, 5, 1, 3, voters);
    raw_append(&x, 1, 1, 5, 1, 5, NULL, 0);
    x.now += guarded ? x.r.election_timeout : 10 * x.r.election_timeout;
    m.server_id = m.request_vote.candidate_id = 3;
    m.server_address = "3";
    m.request_vote.version = 2;
    m.request_vote.term = 2;
    m.request_vote.last_log_index = 5;
    m.request_vote.last_log_term = 1;
    m.request_vote.pre_vote = true;
    e.receive.message = &m;
    if (guarded)
        guard_forget_leader(&x.r, (instant){x.now});
    raw_step(&x, &e);
    return x.update.messages.batch[0].request_vote_result.vote_granted;
}

static void dead_leader_is_remembered(void)
{
    seen_if(!pre_vote_granted(false));
}

static void dead_leader_is_remembered_guarded(void)
{
    seen_if(!pre_vote_granted(true));
}

static void L21_a_silent_leader_is_forgotten(void **state)
{
    struct raft r = {.state = RAFT_FOLLOWER, .election_timeout = 500};

    (void)state;
    assert_true(hazard_shows(dead_leader_is_remembered));
    assert_false(hazard_shows(dead_leader_is_remembered_guarded));
    r.election_timer_start = 1000;
    r.follower_state.current_leader.id = 1;
    guard_forget_leader(&r, (instant){1499});
    assert_int_equal(r.follower_state.current_leader.id, 1);
    guard_forget_leader(&r, (instant){1500});
    assert_int_equal(r.follower_state.current_leader.id, 0);
}

static void old_append_from_the_beginning(void)
{
    struct raw x;

    raw_start(&x, 2, 1, 10, 1, 3, voters);
    raw_append(&x, 1, 1, 10, 1, 10, NULL, 0);
    raw_snapshot(&x, 8, 0);
    /* Entries 2 and 3 come a second time, late, with 1: */
    raw_append(&x, 1, 1, 0, 0, 3, raw_entries(3, 1, NULL), 3);
    seen_if(raft_last_index(&x.r) != 10);
}

static void L23_an_old_append_begins_at_our_snapshot(void **state)
{
    struct message *m = append_of(3, 0, 1);
    unsigned skip;

    (void)state;
    assert_true(hazard_shows(old_append_from_the_beginning));
    assert_true(guard_anchor(m, 9, 8, &skip));
    assert_int_equal(skip, 3);
    m->append.prev_index = 7;
    assert_true(guard_anchor(m, 9, 8, &skip));
    assert_int_equal(skip, 1);
    m->append.prev_index = 8;
    assert_false(guard_anchor(m, 9, 8, &skip));
    assert_int_equal(skip, 0);
    /* Entries are kept below the snapshot: those can be compared. */
    m->append.prev_index = 6;
    assert_false(guard_anchor(m, 5, 8, &skip));
    m->append.prev_index = 0;
    assert_false(guard_anchor(m, 1, 8, &skip));
    message_free(m);
}

/* A new follower answers everything and gets nothing, for ever. */
static void snapshot_at_one(void)
{
    bool helped = false;
    struct raw x;

    raw_start(&x, 1, 1, 1, 1, 3, voters);
    raw_append(&x, 2, 1, 1, 1, 1, NULL, 0);
    raw_elect(&x);
    raw_snapshot(&x, 1, 0);
    raw_submit(&x, raw_entries(1, 2, NULL), 1);
    for (int i = 0; i < 100; i++) {
        x.now += 100;
        raw_result(&x, 2, 0, 1);
        raw_result(&x, 3, i ? 0 : 1, 0);
        raw_event(&x, RAFT_TIMEOUT);
        for (unsigned k = 0; k < x.update.messages.n; k++) {
            const struct raft_message *m = &x.update.messages.batch[k];
            helped |= m->server_id == 3 && (m->type == RAFT_INSTALL_SNAPSHOT ||
                                            m->append_entries.n_entries > 0);
        }
    }
    seen_if(!helped);
}

static void L24_no_snapshot_at_the_first_entry(void **state)
{
    (void)state;
    assert_true(hazard_shows(snapshot_at_one));
    assert_false(guard_may_truncate(false, false, 1, 0, 5));
    assert_true(guard_may_truncate(false, false, 2, 0, 5));
}

/* Only the line of versions that all of this was tried with. */
static void the_version_is_pinned(void **state)
{
    (void)state;
    assert_true(guard_version(RAFT_VERSION_NUMBER, 0));
    assert_true(guard_version(2201, 2201));
    assert_true(guard_version(2205, 2205));
    assert_false(guard_version(2201, 1500));
    assert_false(guard_version(2200, 2200));
    assert_false(guard_version(2300, 2300));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(L1_changes_come_first_in_their_message),
        cmocka_unit_test(L1_the_previous_change_is_committed_when_logs_agree),
        cmocka_unit_test(L2_a_sole_voter_is_recognised),
        cmocka_unit_test(L3_nothing_before_the_barrier),
        cmocka_unit_test(L4_order_is_kept),
        cmocka_unit_test(L5_rejections_below_what_matches_are_dropped),
        cmocka_unit_test(L6_a_truncated_write_counts_only_below),
        cmocka_unit_test(L7_two_leaders_in_a_term_are_noticed),
        cmocka_unit_test(L8_senseless_fields_do_not_pass),
        cmocka_unit_test(L9_lists_are_parsed_within_bounds),
        cmocka_unit_test(L10_only_what_is_durable_here_is_applied),
        cmocka_unit_test(L11_promotion_is_decided_without_catch_up),
        cmocka_unit_test(L12_leadership_goes_to_who_has_everything),
        cmocka_unit_test(L13_a_change_is_submitted_alone),
        cmocka_unit_test(L14_no_truncation_meanwhile),
        cmocka_unit_test(L16_timers_are_never_in_the_past),
        cmocka_unit_test(L17_elections_stay_possible),
        cmocka_unit_test(L18_results_are_for_candidates),
        cmocka_unit_test(L19_time_stands_still_instead),
        cmocka_unit_test(L20_a_snapshot_that_moved_is_sent_again),
        cmocka_unit_test(L21_a_silent_leader_is_forgotten),
        cmocka_unit_test(L23_an_old_append_begins_at_our_snapshot),
        cmocka_unit_test(L24_no_snapshot_at_the_first_entry),
        cmocka_unit_test(the_version_is_pinned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
