/* test_guard.c - hazards L1 .. L9 of libraft's list, shown without the guard
 * (in a child, which dies or sees the damage) and gone with it. The others are
 * in test_guard_states.c.
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
