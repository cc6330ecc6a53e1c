/* test_group_lead.c - submits, changes of members, handing over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "one.h"
#include "proto/base/bytes.h"

/* Everything is bounded: under load the answer is BUSY, not growth. */
static void submits_are_bounded_in_entries_and_bytes(void **state)
{
    struct one x = {.options.inflight_entries_max = 4,
                    .options.inflight_bytes_max = 1000};

    (void)state;
    one_start(&x, 3, 1, 5, 1);
    assert_int_equal(one_submit(&x, 1), STATUS_NOT_LEADER);
    one_elect(&x);
    for (int i = 0; i < 4; i++)
        assert_int_equal(one_submit(&x, 1), STATUS_OK);
    assert_int_equal(one_submit(&x, 1), STATUS_BUSY);
    assert_int_equal(group_can_submit(x.g, 1), STATUS_BUSY);
    one_persist(&x);
    one_accept(&x, 2, group_last(x.g));
    /* One larger than the limit goes when nothing else is in flight. */
    assert_int_equal(one_submit(&x, 2000), STATUS_OK);
    assert_int_equal(one_submit(&x, 1), STATUS_BUSY);
    one_persist(&x);
    one_accept(&x, 2, group_last(x.g));
    assert_int_equal(one_submit(&x, 999), STATUS_OK);
    assert_int_equal(one_submit(&x, 1), STATUS_OK);
    assert_int_equal(one_submit(&x, 1), STATUS_BUSY);
    one_release(&x);
}

/* Where the entries are, and in one persist for all of them. */
static void a_submit_says_where_its_entries_are(void **state)
{
    struct blob *b[20];
    struct one x = {0};
    uint64_t index, term;

    (void)state;
    one_start(&x, 3, 1, 5, 1);
    one_elect(&x);
    one_clear(&x);
    for (unsigned i = 0; i < 20; i++)
        b[i] = blob_copy(slice_str("abc"));
    assert_int_equal(group_submit(x.g, x.now, b, 20, &index, &term, &x.fx),
                     STATUS_OK);
    assert_int_equal(index, 7);
    assert_int_equal(term, group_term(x.g));
    assert_int_equal(one_count(&x, GROUP_PERSIST_ENTRIES), 1);
    assert_int_equal(one_find(&x, GROUP_PERSIST_ENTRIES, 0)->persist_entries.n,
                     20);
    for (unsigned i = 0; i < 20; i++) {
        assert_ptr_equal(group_entry_at(x.g, 7 + i)->payload, b[i]);
        blob_unref(b[i]);
    }
    one_release(&x);
}

/* L3: every leadership begins with an entry of its own. */
static void leadership_begins_with_a_barrier(void **state)
{
    struct members four = one_members(3, 1);
    struct one x = {0};
    uint64_t index;

    (void)state;
    /* All committed before: libraft would add none. */
    one_start(&x, 3, 1, 5, 1);
    assert_int_equal(one_receive(&x, one_append(2, 1, 5, 1, 5, 0)), STATUS_OK);
    x.now.ms += 5000;
    group_timeout(x.g, x.now, &x.fx);
    struct message *m = one_message(MESSAGE_VOTE_RESULT, 2, 2, 0);
    m->version = 2;
    m->vote_result.granted = m->vote_result.pre_vote = true;
    one_receive(&x, m);
    one_persist(&x);
    m = one_message(MESSAGE_VOTE_RESULT, 2, 2, 0);
    m->version = 2;
    m->vote_result.granted = true;
    one_receive(&x, m);
    assert_int_equal(group_role(x.g), GROUP_LEADER);
    assert_int_equal(group_entry_at(x.g, 6)->type, ENTRY_BARRIER);
    assert_int_equal(group_last(x.g), 6);
    assert_false(group_read_index(x.g, &index));
    assert_int_equal(group_change(x.g, x.now, &four, &x.fx), STATUS_BUSY);
    one_persist(&x);
    one_accept(&x, 2, 6);
    assert_true(group_read_index(x.g, &index));
    assert_int_equal(group_change(x.g, x.now, &four, &x.fx), STATUS_OK);
    one_release(&x);
}

/* L13, L4: one change at a time, alone, one step each. */
static void members_change_one_by_one(void **state)
{
    struct members four = one_members(3, 1), five = one_members(3, 2);
    struct members three = one_members(3, 0), swapped = three;
    struct one x = {0};

    (void)state;
    one_start(&x, 3, 1, 5, 1);
    assert_int_equal(group_change(x.g, x.now, &four, &x.fx), STATUS_NOT_LEADER);
    one_elect(&x);
    swapped.v[1] = three.v[2];
    swapped.v[2] = three.v[1];
    assert_int_equal(group_change(x.g, x.now, &swapped, &x.fx), STATUS_INVALID);
    assert_int_equal(group_change(x.g, x.now, &five, &x.fx), STATUS_INVALID);
    assert_int_equal(group_change(x.g, x.now, &three, &x.fx), STATUS_EXISTS);
    assert_int_equal(group_change(x.g, x.now, &four, &x.fx), STATUS_OK);
    assert_int_equal(group_members(x.g)->n, 4);
    assert_int_equal(group_change(x.g, x.now, &five, &x.fx), STATUS_BUSY);
    one_persist(&x);
    one_accept(&x, 2, group_last(x.g));
    assert_int_equal(group_members_committed(x.g, NULL)->n, 4);
    assert_int_equal(group_change(x.g, x.now, &five, &x.fx), STATUS_OK);
    one_release(&x);
}

/* L11, L17: the new voter may be needed at once for every commit. */
static void only_who_is_near_becomes_a_voter(void **state)
{
    struct members four = one_members(3, 1), voters = one_members(4, 0);
    struct one x = {0};

    (void)state;
    one_start(&x, 3, 1, 5, 1);
    one_elect(&x);
    assert_int_equal(group_change(x.g, x.now, &four, &x.fx), STATUS_OK);
    one_persist(&x);
    one_accept(&x, 2, group_last(x.g));
    assert_int_equal(group_change(x.g, x.now, &voters, &x.fx), STATUS_BUSY);
    one_accept(&x, 4, group_last(x.g));
    assert_int_equal(group_match(x.g, 4), group_last(x.g));
    x.now.ms += 600;
    assert_int_equal(group_change(x.g, x.now, &voters, &x.fx), STATUS_BUSY);
    one_accept(&x, 4, group_last(x.g));
    assert_int_equal(group_change(x.g, x.now, &voters, &x.fx), STATUS_OK);
    one_release(&x);
}

/* L12: the other one gets TimeoutNow when it has everything, and again until
 * it answers; meanwhile no entry may come between. */
static void leadership_is_handed_over_patiently(void **state)
{
    struct one x = {0};
    struct message *m;

    (void)state;
    one_start(&x, 3, 1, 5, 1);
    one_elect(&x);
    assert_int_equal(one_submit(&x, 5), STATUS_OK);
    one_clear(&x);
    assert_int_equal(group_transfer(x.g, x.now, 1, &x.fx), STATUS_INVALID);
    assert_int_equal(group_transfer(x.g, x.now, 7, &x.fx), STATUS_INVALID);
    assert_int_equal(group_transfer(x.g, x.now, 0, &x.fx), STATUS_OK);
    assert_int_equal(group_transfer(x.g, x.now, 2, &x.fx), STATUS_BUSY);
    assert_int_equal(one_submit(&x, 5), STATUS_BUSY);
    assert_null(one_sent(&x, MESSAGE_TIMEOUT_NOW, 0));
    one_persist(&x);
    one_accept(&x, 2, 7);
    m = one_sent(&x, MESSAGE_TIMEOUT_NOW, 0);
    assert_non_null(m);
    assert_int_equal(m->to, 2);
    assert_int_equal(m->timeout_now.last_index, 7);
    assert_int_equal(m->timeout_now.last_term, group_term(x.g));
    one_clear(&x);
    x.now.ms += 150;
    group_timeout(x.g, x.now, &x.fx);
    assert_non_null(one_sent(&x, MESSAGE_TIMEOUT_NOW, 0));
    /* It wins. */
    assert_int_equal(
        one_receive(&x, one_append(2, group_term(x.g) + 1, 7, 2, 7, 0)),
        STATUS_OK);
    assert_true(one_find(&x, GROUP_TRANSFER_END, 0)->transfer_end.ok);
    assert_int_equal(group_role(x.g), GROUP_FOLLOWER);
    one_release(&x);
}

/* Writes must not be refused for ever because somebody does not answer. */
static void a_transfer_gives_up(void **state)
{
    struct one x = {0};
    uint64_t end;

    (void)state;
    one_start(&x, 3, 1, 5, 1);
    one_elect(&x);
    assert_int_equal(group_transfer(x.g, x.now, 3, &x.fx), STATUS_OK);
    end = x.now.ms + 1200;
    while (x.now.ms < end) {
        x.now = group_deadline(x.g);
        one_accept(&x, 2, group_last(x.g));
        group_timeout(x.g, x.now, &x.fx);
    }
    assert_int_equal(one_count(&x, GROUP_TRANSFER_END), 1);
    assert_false(one_find(&x, GROUP_TRANSFER_END, 0)->transfer_end.ok);
    assert_int_equal(group_role(x.g), GROUP_LEADER);
    assert_int_equal(one_submit(&x, 5), STATUS_OK);
    one_release(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(submits_are_bounded_in_entries_and_bytes),
        cmocka_unit_test(a_submit_says_where_its_entries_are),
        cmocka_unit_test(leadership_begins_with_a_barrier),
        cmocka_unit_test(members_change_one_by_one),
        cmocka_unit_test(only_who_is_near_becomes_a_voter),
        cmocka_unit_test(leadership_is_handed_over_patiently),
        cmocka_unit_test(a_transfer_gives_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
