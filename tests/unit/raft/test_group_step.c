/* test_group_step.c - the order and the conditions of what one step wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "one.h"
#include "proto/base/bytes.h"

/* A vote that leaves before it is durable can be given twice in one term. */
static void messages_wait_for_the_vote_they_depend_on(void **state)
{
    struct message *m = one_message(MESSAGE_VOTE, 2, 5, 0);
    struct one x = {0};
    struct group_effect *e;

    (void)state;
    one_start(&x, 3, 4, 5, 1);
    one_clear(&x);
    m->version = 2;
    m->vote.last_index = 5;
    m->vote.last_term = 1;
    assert_int_equal(one_receive(&x, m), STATUS_OK);
    e = one_find(&x, GROUP_PERSIST_VOTE, 0);
    assert_non_null(e);
    assert_int_equal(e->persist_vote.term, 5);
    assert_int_equal(e->persist_vote.vote, 2);
    assert_int_equal(one_count(&x, GROUP_SEND), 0);
    /* Other messages of the group wait behind it too. */
    assert_int_equal(one_receive(&x, one_append(2, 5, 5, 1, 5, 0)), STATUS_OK);
    assert_int_equal(one_count(&x, GROUP_SEND), 0);
    one_persist(&x);
    assert_int_equal(one_count(&x, GROUP_SEND), 2);
    assert_true(one_sent(&x, MESSAGE_VOTE_RESULT, 0)->vote_result.granted);
    one_release(&x);
}

/* The same vote again costs no second fsync. */
static void a_vote_given_again_is_not_persisted_again(void **state)
{
    struct one x = {0};

    (void)state;
    one_start(&x, 3, 4, 5, 1);
    for (int i = 0; i < 2; i++) {
        struct message *m = one_message(MESSAGE_VOTE, 2, 5, 0);
        m->version = 2;
        m->vote.last_index = 5;
        m->vote.last_term = 1;
        assert_int_equal(one_receive(&x, m), STATUS_OK);
        one_persist(&x);
    }
    assert_int_equal(one_count(&x, GROUP_PERSIST_VOTE), 1);
    assert_int_equal(one_count(&x, GROUP_SEND), 2);
    one_release(&x);
}

/* A follower that acknowledged what a crash can lose would lose a write. */
static void entries_are_acknowledged_when_durable(void **state)
{
    struct one x = {0};
    struct message *m;

    (void)state;
    one_start(&x, 3, 4, 5, 1);
    assert_int_equal(one_receive(&x, one_append(2, 4, 5, 1, 5, 3)), STATUS_OK);
    m = one_sent(&x, MESSAGE_APPEND_RESULT, 0);
    assert_null(m);
    assert_int_equal(group_durable(x.g), 5);
    assert_int_equal(group_last(x.g), 8);
    one_persist(&x);
    m = one_sent(&x, MESSAGE_APPEND_RESULT, 0);
    assert_non_null(m);
    assert_int_equal(m->append_result.rejected, 0);
    assert_int_equal(m->append_result.last_index, 8);
    one_release(&x);
}

/* L10: the leader may know more than our disk has. */
static void commit_does_not_pass_what_is_durable_here(void **state)
{
    struct one x = {0};

    (void)state;
    one_start(&x, 3, 4, 5, 1);
    assert_int_equal(one_receive(&x, one_append(2, 4, 5, 1, 8, 3)), STATUS_OK);
    assert_int_equal(group_commit(x.g), 5);
    one_persist(&x);
    assert_int_equal(group_commit(x.g), 8);
    /* An old heartbeat does not take it back. */
    one_clear(&x);
    assert_int_equal(one_receive(&x, one_append(2, 4, 6, 4, 8, 0)), STATUS_OK);
    assert_int_equal(group_commit(x.g), 8);
    assert_int_equal(one_count(&x, GROUP_COMMIT), 0);
    one_release(&x);
}

/* L6: the write of entries that were replaced meanwhile ends late. */
static void a_late_completion_acknowledges_nothing_new(void **state)
{
    struct one x = {0};
    uint64_t first_seq;
    struct group_effect *e;

    (void)state;
    one_start(&x, 3, 4, 2, 1);
    one_clear(&x);
    assert_int_equal(one_receive(&x, one_append(2, 4, 2, 1, 2, 4)), STATUS_OK);
    first_seq = one_find(&x, GROUP_PERSIST_ENTRIES, 0)->persist_entries.seq;
    assert_int_equal(one_receive(&x, one_append(3, 5, 4, 4, 2, 2)), STATUS_OK);
    e = one_find(&x, GROUP_PERSIST_TRUNCATE, 0);
    assert_non_null(e);
    assert_int_equal(e->persist_truncate.from, 5);
    one_clear(&x);
    group_persisted(x.g, x.now, first_seq, &x.fx);
    assert_int_equal(group_durable(x.g), 4);
    assert_null(one_sent(&x, MESSAGE_APPEND_RESULT, 0));
    one_persist(&x);
    assert_int_equal(group_durable(x.g), 6);
    for (unsigned i = 0; one_sent(&x, MESSAGE_APPEND_RESULT, i); i++)
        assert_int_equal(one_sent(&x, MESSAGE_APPEND_RESULT, i)->term, 5);
    one_release(&x);
}

/* Every persist of a call has its own, growing number: the wal's order. */
static void sequence_numbers_grow_in_order_of_effects(void **state)
{
    struct one x = {0};
    uint64_t last = 0;
    unsigned persists = 0;

    (void)state;
    one_start(&x, 3, 4, 2, 1);
    assert_int_equal(one_receive(&x, one_append(2, 5, 2, 1, 2, 4)), STATUS_OK);
    assert_int_equal(one_receive(&x, one_append(3, 6, 4, 5, 2, 2)), STATUS_OK);
    for (unsigned i = 0; i < x.fx.n; i++) {
        const struct group_effect *e = &x.fx.v[i];
        uint64_t seq = 0;
        if (e->type == GROUP_PERSIST_VOTE)
            seq = e->persist_vote.seq;
        else if (e->type == GROUP_PERSIST_TRUNCATE)
            seq = e->persist_truncate.seq;
        else if (e->type == GROUP_PERSIST_ENTRIES)
            seq = e->persist_entries.seq;
        else
            continue;
        assert_int_equal(seq, last + 1);
        last = seq;
        persists++;
    }
    assert_int_equal(persists, 5);
    one_release(&x);
}

/* A change is reported when it is used, when taken back, when decided. */
static void members_are_told_at_each_stage(void **state)
{
    struct members four = one_members(3, 1);
    struct one x = {0};
    struct message *m;
    struct group_effect *e;

    (void)state;
    one_start(&x, 3, 4, 2, 1);
    for (unsigned round = 0; round < 2; round++) {
        uint64_t term = 5 + round;
        one_clear(&x);
        m = one_append(2, term, 2, 1, 2, 1);
        blob_unref(m->entries[0].payload);
        m->entries[0].type = ENTRY_CHANGE;
        m->entries[0].payload = one_members_blob(&four);
        assert_int_equal(one_receive(&x, m), STATUS_OK);
        e = one_find(&x, GROUP_MEMBERS, round);
        assert_non_null(e);
        assert_int_equal(e->members.members.n, 4);
        assert_int_equal(e->members.index, 3);
        assert_false(e->members.committed);
    }
    /* The second one replaced the first: first back to three. */
    assert_int_equal(one_find(&x, GROUP_MEMBERS, 0)->members.members.n, 3);
    one_clear(&x);
    one_persist(&x);
    assert_int_equal(one_receive(&x, one_append(2, 6, 3, 6, 3, 0)), STATUS_OK);
    e = one_find(&x, GROUP_MEMBERS, 0);
    assert_non_null(e);
    assert_true(e->members.committed);
    one_release(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_wait_for_the_vote_they_depend_on),
        cmocka_unit_test(a_vote_given_again_is_not_persisted_again),
        cmocka_unit_test(entries_are_acknowledged_when_durable),
        cmocka_unit_test(commit_does_not_pass_what_is_durable_here),
        cmocka_unit_test(a_late_completion_acknowledges_nothing_new),
        cmocka_unit_test(sequence_numbers_grow_in_order_of_effects),
        cmocka_unit_test(members_are_told_at_each_stage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
