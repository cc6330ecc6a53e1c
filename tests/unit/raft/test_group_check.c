/* test_group_check.c - each contradiction is seen, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "raft/group_impl.h"
#include "tests/unit/raft/one.h"

static const char *follower_says(struct one *x)
{
    return group_contradiction(x->g);
}

/* Followers, candidates and leaders in good order; a false alarm would make
 * every simulated run fail. */
static void a_group_in_order_says_nothing(void **state)
{
    struct one x = {0};

    (void)state;
    one_start(&x, 3, 2, 10, 2);
    assert_null(follower_says(&x));
    one_receive(&x, one_append(2, 2, 10, 2, 10, 3));
    assert_null(follower_says(&x));
    one_persist(&x);
    one_elect(&x);
    assert_null(follower_says(&x));
    assert_int_equal(one_submit(&x, 100), STATUS_OK);
    one_persist(&x);
    one_accept(&x, 2, group_last(x.g));
    assert_null(follower_says(&x));
    one_release(&x);
}

/* What waits for its first persist has not given libraft anything yet. */
static void one_that_is_starting_says_nothing(void **state)
{
    struct one x = {0};

    (void)state;
    one_bootstrap(&x, 3, true);
    assert_null(follower_says(&x));
    one_release(&x);
}

/* Each number that libraft and we both keep, made different by hand. */
static void another_number_in_libraft_is_seen(void **state)
{
    struct one x = {0};

    (void)state;
    one_start(&x, 3, 2, 10, 2);
    x.g->r.current_term++;
    assert_non_null(follower_says(&x));
    x.g->r.current_term--;
    x.g->r.voted_for = 3;
    assert_non_null(follower_says(&x));
    x.g->r.voted_for = x.g->vote;
    x.g->commit_seen = x.g->r.commit_index + 1;
    assert_non_null(follower_says(&x));
    x.g->commit_seen = x.g->r.commit_index;
    x.g->durable = x.g->tail.last + 1;
    assert_non_null(follower_says(&x));
    x.g->durable = x.g->tail.last;
    assert_null(follower_says(&x));
    one_release(&x);
}

static void other_members_in_libraft_are_seen(void **state)
{
    struct one x = {0};

    (void)state;
    one_start(&x, 3, 2, 10, 2);
    x.g->r.configuration_committed_index++;
    assert_non_null(follower_says(&x));
    x.g->r.configuration_committed_index--;
    x.g->r.configuration_uncommitted_index = 9;
    assert_non_null(follower_says(&x));
    x.g->r.configuration_uncommitted_index = 0;
    x.g->r.configuration.servers[1].role = RAFT_STANDBY;
    assert_non_null(follower_says(&x));
    x.g->r.configuration.servers[1].role = RAFT_VOTER;
    x.g->r.configuration.n--;
    assert_non_null(follower_says(&x));
    x.g->r.configuration.n++;
    assert_null(follower_says(&x));
    one_release(&x);
}

static void receive_change(struct one *x, uint64_t prev, unsigned voters)
{
    struct members to = one_members(voters, 3 - voters);
    struct message *m = one_append(2, 2, prev, 2, 0, 1);

    blob_unref(m->entries[0].payload);
    m->entries[0].type = ENTRY_CHANGE;
    m->entries[0].payload = one_members_blob(&to);
    one_receive(x, m);
}

/* L1: a rollback would jump over the list between. */
static void a_change_that_was_left_out_is_seen(void **state)
{
    struct one x = {0};
    uint64_t committed;

    (void)state;
    one_start(&x, 3, 2, 10, 2);
    committed = x.g->committed_index;
    receive_change(&x, 10, 2);
    assert_null(follower_says(&x));
    receive_change(&x, 11, 3);
    assert_null(follower_says(&x));
    assert_int_equal(x.g->committed_index, 11);
    x.g->committed_index = x.g->r.configuration_committed_index = committed;
    assert_non_null(follower_says(&x));
    x.g->committed_index = x.g->r.configuration_committed_index = 11;
    one_release(&x);
}

/* L8: nobody would know any more which of two logs is better. */
static void terms_that_decrease_in_the_log_are_seen(void **state)
{
    const struct group_entry older = {1, ENTRY_BARRIER, NULL};
    struct one x = {0};

    (void)state;
    one_start(&x, 3, 2, 10, 2);
    tail_append(&x.g->tail, &older, 0);
    assert_non_null(follower_says(&x));
    tail_truncate(&x.g->tail, 11);
    assert_null(follower_says(&x));
    one_release(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_in_order_says_nothing),
        cmocka_unit_test(one_that_is_starting_says_nothing),
        cmocka_unit_test(another_number_in_libraft_is_seen),
        cmocka_unit_test(other_members_in_libraft_are_seen),
        cmocka_unit_test(a_change_that_was_left_out_is_seen),
        cmocka_unit_test(terms_that_decrease_in_the_log_are_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
