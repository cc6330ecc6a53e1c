/* test_group_send.c - filling messages from the log, in memory or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "one.h"
#include "proto/base/bytes.h"

/* One payload, shared: no copy per follower. */
static void followers_share_the_payload(void **state)
{
    struct one x = {0};
    struct message *to2, *to3;

    (void)state;
    one_start(&x, 3, 1, 5, 1);
    one_elect(&x);
    one_accept(&x, 3, 6);
    one_clear(&x);
    assert_int_equal(one_submit(&x, 100), STATUS_OK);
    to2 = one_sent(&x, MESSAGE_APPEND, 0);
    to3 = one_sent(&x, MESSAGE_APPEND, 1);
    assert_non_null(to3);
    assert_int_equal(to2->n_entries, 1);
    assert_int_equal(to2->append.prev_index, 6);
    assert_ptr_equal(to2->entries[0].payload, to3->entries[0].payload);
    assert_ptr_equal(to2->entries[0].payload, group_entry_at(x.g, 7)->payload);
    one_release(&x);
}

/* A frame has a largest size; many entries go in several messages that fit
 * to each other. */
static void large_batches_are_split_in_order(void **state)
{
    struct one x = {0};
    uint64_t next = 7;
    unsigned messages = 0;

    (void)state;
    one_start(&x, 3, 1, 5, 1);
    one_elect(&x);
    one_accept(&x, 3, 6);
    for (int i = 0; i < 10; i++)
        assert_int_equal(one_submit(&x, 300 * 1024), STATUS_OK);
    one_persist(&x);
    one_clear(&x);
    /* 3 lost all of it: silent long enough to be probed from 7 on. */
    for (int i = 0; i < 8; i++) {
        one_accept(&x, 2, group_last(x.g));
        x.now = group_deadline(x.g);
        group_timeout(x.g, x.now, &x.fx);
    }
    one_clear(&x);
    one_reject(&x, 3, 16, 6);
    x.now = group_deadline(x.g);
    group_timeout(x.g, x.now, &x.fx);
    for (unsigned i = 0; one_sent(&x, MESSAGE_APPEND, i); i++) {
        struct message *m = one_sent(&x, MESSAGE_APPEND, i);
        size_t size = 0;
        if (m->to != 3 || m->n_entries == 0)
            continue;
        if (m->append.prev_index + 1 != next)
            continue;
        for (unsigned k = 0; k < m->n_entries; k++)
            size += m->entries[k].payload->size;
        assert_true(size <= MESSAGE_BYTES_SPLIT);
        next += m->n_entries;
        messages++;
    }
    assert_int_equal(next, 17);
    assert_int_equal(messages, 4);
    one_release(&x);
}

/* Leader with entries 2 .. 5 whose bytes are only in the wal, and a follower
 * 3 that has only entry 1. Leaves it at the read that it needs. */
static struct group_effect *lagging(struct one *x, struct tail_budget *budget)
{
    struct group_effect *e;

    budget->bytes_max = 0;
    x->options.budget = budget;
    one_start(x, 3, 1, 5, 1);
    one_elect(x);
    group_applied(x->g, 6);
    assert_null(group_entry_at(x->g, 4)->payload);
    one_clear(x);
    one_reject(x, 3, 5, 1);
    /* First they have to agree on entry 1, without reading anything. */
    assert_int_equal(one_count(x, GROUP_LOG_READ), 0);
    one_accept(x, 3, 1);
    e = one_find(x, GROUP_LOG_READ, 0);
    assert_non_null(e);
    assert_int_equal(e->log_read.index, 2);
    assert_int_equal(e->log_read.n, 5);
    return e;
}

static const struct group_entry *wal_entries(void)
{
    static struct group_entry e[4];

    for (unsigned i = 0; i < 4; i++)
        e[i] = (struct group_entry){1, ENTRY_COMMAND,
                                    blob_copy(slice_str("command"))};
    return e;
}

static void free_entries(const struct group_entry *e)
{
    for (unsigned i = 0; i < 4; i++)
        blob_unref(e[i].payload);
}

/* What left memory is read and sent; the reader may give less at a time. */
static void old_entries_are_read_from_the_wal(void **state)
{
    const struct group_entry *e = wal_entries();
    struct tail_budget budget = {0};
    struct one x = {0};
    struct group_effect *read = lagging(&x, &budget);
    struct message *m;
    uint64_t token;

    (void)state;
    group_log_read_done(x.g, x.now, read->log_read.token, e, 3, &x.fx);
    read = one_find(&x, GROUP_LOG_READ, 1);
    assert_non_null(read);
    assert_int_equal(read->log_read.index, 5);
    m = one_sent(&x, MESSAGE_APPEND, 2);
    assert_int_equal(m->to, 3);
    assert_int_equal(m->append.prev_index, 1);
    assert_int_equal(m->n_entries, 3);
    token = read->log_read.token;
    one_clear(&x);
    group_log_read_done(x.g, x.now, token, e, 1, &x.fx);
    /* 5 from the answer; 6, the barrier, needs no reading. */
    m = one_sent(&x, MESSAGE_APPEND, 0);
    assert_int_equal(m->append.prev_index, 4);
    m = one_sent(&x, MESSAGE_APPEND, 1);
    assert_int_equal(m->append.prev_index, 5);
    assert_int_equal(m->entries[0].type, ENTRY_BARRIER);
    free_entries(e);
    one_release(&x);
}

/* Heartbeats during the read must fit to what the follower has. */
static void a_follower_is_kept_quiet_while_we_read(void **state)
{
    struct tail_budget budget = {0};
    struct one x = {0};

    (void)state;
    lagging(&x, &budget);
    one_clear(&x);
    one_accept(&x, 2, 6);
    x.now = instant_add(x.now, MS(200));
    group_timeout(x.g, x.now, &x.fx);
    for (unsigned i = 0; one_sent(&x, MESSAGE_APPEND, i); i++) {
        struct message *m = one_sent(&x, MESSAGE_APPEND, i);
        if (m->to != 3)
            continue;
        assert_int_equal(m->n_entries, 0);
        assert_int_equal(m->append.prev_index, 1);
    }
    assert_int_equal(one_count(&x, GROUP_LOG_READ), 0);
    one_release(&x);
}

/* Entries read for the leader we were are nobody's now. */
static void a_read_of_an_earlier_leadership_is_dropped(void **state)
{
    const struct group_entry *e = wal_entries();
    struct tail_budget budget = {0};
    struct one x = {0};
    uint64_t token = lagging(&x, &budget)->log_read.token;

    (void)state;
    assert_int_equal(one_receive(&x, one_append(2, 9, 6, 2, 6, 0)), STATUS_OK);
    one_persist(&x);
    one_clear(&x);
    group_log_read_done(x.g, x.now, token, e, 4, &x.fx);
    assert_int_equal(x.fx.n, 0);
    free_entries(e);
    one_release(&x);
}

/* The wal and the tail disagree: nothing wrong may be sent. */
static void wrong_or_missing_answers_send_nothing(void **state)
{
    struct group_entry bad[4];
    const struct group_entry *e = wal_entries();

    (void)state;
    for (unsigned k = 0; k < 3; k++) {
        struct tail_budget budget = {0};
        struct one x = {0};
        uint64_t token = lagging(&x, &budget)->log_read.token;
        unsigned n = k == 0 ? 0 : 4;
        for (unsigned i = 0; i < 4; i++)
            bad[i] = e[i];
        bad[2].term = k == 1 ? 7 : 1;
        one_clear(&x);
        group_log_read_done(x.g, x.now, k == 2 ? token + 9 : token, bad, n,
                            &x.fx);
        assert_int_equal(x.fx.n, 0);
        one_release(&x);
    }
    free_entries(e);
}

static void try_again(struct one *x)
{
    one_accept(x, 2, 6);
    one_reject(x, 3, 6, 1);
    x->now = instant_add(x->now, MS(200));
    group_timeout(x->g, x->now, &x->fx);
}

/* The next `n` reads for 3 fail; with the next heartbeat it is tried again. */
static void fail_reads(struct one *x, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct group_effect *e = one_find(x, GROUP_LOG_READ, 0);
        uint64_t token;
        assert_non_null(e);
        token = e->log_read.token;
        one_clear(x);
        group_log_read_done(x->g, x->now, token, NULL, 0, &x->fx);
        try_again(x);
    }
}

/* Damage on our disk: a snapshot brings what the log cannot, without anybody
 * losing leadership or waiting; the rest of the log stays. */
static void who_needs_unreadable_entries_gets_a_snapshot(void **state)
{
    struct tail_budget budget = {0};
    struct one x = {0};
    struct group_effect *e;

    (void)state;
    lagging(&x, &budget);
    fail_reads(&x, 7);
    assert_false(group_wants_flush(x.g));
    fail_reads(&x, 1);
    assert_true(group_wants_flush(x.g));
    assert_int_equal(group_first(x.g), 1);
    one_clear(&x);
    group_flushed(x.g, x.now, 5, &x.fx);
    assert_false(group_wants_flush(x.g));
    assert_int_equal(group_first(x.g), 3);
    try_again(&x);
    e = one_find(&x, GROUP_SNAPSHOT_WANTED, 0);
    assert_non_null(e);
    assert_int_equal(e->snapshot_wanted.to, 3);
    assert_int_equal(e->snapshot_wanted.index, 5);
    assert_int_equal(group_can_submit(x.g, 100), STATUS_OK);
    one_release(&x);
}

/* libraft's snapshot is at the log's end already: it needs a new entry. */
static void that_works_in_an_idle_group_too(void **state)
{
    struct tail_budget budget = {0};
    struct one x = {.options.trailing = 100};

    (void)state;
    lagging(&x, &budget);
    group_flushed(x.g, x.now, 6, &x.fx);
    assert_int_equal(group_first(x.g), 1);
    fail_reads(&x, 8);
    assert_int_equal(group_last(x.g), 7);
    one_persist(&x);
    one_accept(&x, 2, 7);
    assert_int_equal(group_commit(x.g), 7);
    group_applied(x.g, 7);
    assert_true(group_wants_flush(x.g));
    group_flushed(x.g, x.now, 7, &x.fx);
    assert_int_equal(group_first(x.g), 3);
    one_clear(&x);
    try_again(&x);
    assert_int_equal(one_count(&x, GROUP_SNAPSHOT_WANTED), 1);
    one_release(&x);
}

/* A disk that is only busy, or mended, is no reason. */
static void a_read_that_succeeds_forgives_those_before(void **state)
{
    const struct group_entry *entries = wal_entries();
    struct tail_budget budget = {0};
    struct one x = {0};
    uint64_t token;

    (void)state;
    lagging(&x, &budget);
    fail_reads(&x, 7);
    token = one_find(&x, GROUP_LOG_READ, 0)->log_read.token;
    one_clear(&x);
    group_log_read_done(x.g, x.now, token, entries, 4, &x.fx);
    try_again(&x);
    fail_reads(&x, 7);
    assert_false(group_wants_flush(x.g));
    free_entries(entries);
    one_release(&x);
}

/* Whoever is called next finds this where it never wrote. */
static __attribute__((noinline)) void leave_something_behind(void)
{
    volatile uint8_t bytes[16384];

    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = 0xaa;
}

/* L15: libraft answers a lower term with memory it never wrote. */
static void a_stale_term_is_answered_with_zero(void **state)
{
    struct one x = {0};
    struct message *late = one_append(2, 3, 5, 1, 5, 1), *m;

    (void)state;
    one_start(&x, 3, 4, 5, 1);
    leave_something_behind();
    assert_int_equal(one_receive(&x, late), STATUS_OK);
    m = one_sent(&x, MESSAGE_APPEND_RESULT, 0);
    assert_int_equal(m->term, 4);
    assert_int_equal(m->append_result.rejected, 5);
    assert_int_equal(m->append_result.last_index, 0);
    one_release(&x);
}

/* One rejection skips a whole term that the leader cannot have. */
static void a_rejection_skips_what_cannot_match(void **state)
{
    struct one x = {0};
    struct message *m;

    (void)state;
    one_start(&x, 3, 7, 50, 6);
    assert_int_equal(one_receive(&x, one_append(2, 8, 60, 4, 1, 0)), STATUS_OK);
    one_persist(&x);
    m = one_sent(&x, MESSAGE_APPEND_RESULT, 0);
    assert_int_equal(m->append_result.rejected, 60);
    assert_int_equal(m->append_result.last_index, 1);
    assert_int_equal(m->append_result.last_term, 1);
    one_release(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(followers_share_the_payload),
        cmocka_unit_test(large_batches_are_split_in_order),
        cmocka_unit_test(old_entries_are_read_from_the_wal),
        cmocka_unit_test(a_follower_is_kept_quiet_while_we_read),
        cmocka_unit_test(a_read_of_an_earlier_leadership_is_dropped),
        cmocka_unit_test(wrong_or_missing_answers_send_nothing),
        cmocka_unit_test(who_needs_unreadable_entries_gets_a_snapshot),
        cmocka_unit_test(that_works_in_an_idle_group_too),
        cmocka_unit_test(a_read_that_succeeds_forgives_those_before),
        cmocka_unit_test(a_stale_term_is_answered_with_zero),
        cmocka_unit_test(a_rejection_skips_what_cannot_match),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
