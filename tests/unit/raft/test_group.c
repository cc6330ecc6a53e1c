/* test_group.c - options, deadlines and questions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "one.h"
#include "raft/group_impl.h"

/* L21: the defaults decide how long a failover takes. */
static void defaults_are_those_of_the_design(void **state)
{
    struct one x = {0};
    uint64_t wait;

    (void)state;
    one_bootstrap(&x, 3, false);
    wait = group_deadline(x.g).ms - x.now.ms;
    assert_true(wait >= 500);
    assert_true(wait <= 1050);
    assert_int_equal(group_deadline(x.g).ms % 50, 0);
    one_elect(&x);
    /* Heartbeats every 100 ms, on the grid. */
    assert_true(group_deadline(x.g).ms - x.now.ms <= 150);
    one_release(&x);
}

/* L16: an owner that calls at each deadline must not spin. */
static void a_fired_timer_waits_at_least_ten_milliseconds(void **state)
{
    struct one x = {.options.grid = {1}};

    (void)state;
    one_start(&x, 3, 1, 5, 1);
    for (int i = 0; i < 50; i++) {
        x.now = group_deadline(x.g);
        group_timeout(x.g, x.now, &x.fx);
        assert_true(group_deadline(x.g).ms >= x.now.ms + 10);
    }
    one_release(&x);
}

/* L19: a clock that goes back is one that stands. */
static void time_never_goes_back(void **state)
{
    struct one x = {0};
    raft_time before;

    (void)state;
    one_start(&x, 3, 1, 5, 1);
    one_elect(&x);
    before = x.g->r.now;
    x.now.ms -= 5000;
    group_timeout(x.g, x.now, &x.fx);
    one_accept(&x, 2, group_last(x.g));
    assert_int_equal(group_role(x.g), GROUP_LEADER);
    assert_int_equal(x.g->r.now, before);
    one_release(&x);
}

/* A leader without its own committed barrier may not know what is committed:
 * a read could miss an acknowledged write. */
static void reads_wait_for_the_barrier(void **state)
{
    struct one x = {0};
    uint64_t index = 0;

    (void)state;
    one_start(&x, 3, 1, 5, 1);
    assert_false(group_read_index(x.g, &index));
    x.options.seed = 1;
    one_elect(&x);
    assert_true(group_read_index(x.g, &index));
    assert_int_equal(index, 6);
    assert_int_equal(group_commit(x.g), 6);
    /* A new command moves it when it is committed, not before. */
    assert_int_equal(one_submit(&x, 10), STATUS_OK);
    assert_true(group_read_index(x.g, &index));
    assert_int_equal(index, 6);
    one_persist(&x);
    one_accept(&x, 2, 7);
    assert_true(group_read_index(x.g, &index));
    assert_int_equal(index, 7);
    one_release(&x);
}

/* A voter that has moved on must not confirm the old leader. */
static void a_voter_confirms_only_its_own_term(void **state)
{
    struct one x = {0};

    (void)state;
    one_start(&x, 3, 4, 5, 1);
    assert_true(group_confirms(x.g, 4));
    assert_false(group_confirms(x.g, 3));
    assert_int_equal(one_receive(&x, one_append(2, 6, 5, 1, 5, 0)), STATUS_OK);
    assert_false(group_confirms(x.g, 4));
    assert_true(group_confirms(x.g, 6));
    assert_int_equal(group_leader(x.g), 2);
    one_release(&x);
}

/* Bytes of applied entries leave memory when the budget says so. */
static void applied_payloads_leave_memory(void **state)
{
    struct tail_budget budget = {.bytes_max = 10};
    struct one x = {.options.budget = &budget};

    (void)state;
    one_start(&x, 3, 1, 5, 1);
    assert_non_null(group_entry_at(x.g, 4)->payload);
    assert_int_equal(one_receive(&x, one_append(2, 1, 5, 1, 5, 0)), STATUS_OK);
    group_applied(x.g, 4);
    assert_null(group_entry_at(x.g, 4)->payload);
    assert_non_null(group_entry_at(x.g, 5)->payload);
    assert_int_equal(group_entry_at(x.g, 4)->term, 1);
    assert_null(group_entry_at(x.g, 6));
    one_release(&x);
    assert_int_equal(budget.bytes, 0);
}

/* Who answered long ago is not near. */
static void caught_up_means_heard_and_near(void **state)
{
    struct one x = {0};

    (void)state;
    one_start(&x, 3, 1, 5, 1);
    assert_false(group_caught_up(x.g, x.now, 2, 100));
    one_elect(&x);
    assert_true(group_caught_up(x.g, x.now, 2, 0));
    assert_false(group_caught_up(x.g, x.now, 3, 100));
    assert_int_equal(one_submit(&x, 10), STATUS_OK);
    assert_false(group_caught_up(x.g, x.now, 2, 0));
    assert_true(group_caught_up(x.g, x.now, 2, 1));
    x.now.ms += 500;
    assert_false(group_caught_up(x.g, x.now, 2, 1));
    one_release(&x);
}

static void null_is_freed(void **state)
{
    (void)state;
    group_free(NULL);
    message_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_design),
        cmocka_unit_test(a_fired_timer_waits_at_least_ten_milliseconds),
        cmocka_unit_test(time_never_goes_back),
        cmocka_unit_test(reads_wait_for_the_barrier),
        cmocka_unit_test(a_voter_confirms_only_its_own_term),
        cmocka_unit_test(applied_payloads_leave_memory),
        cmocka_unit_test(caught_up_means_heard_and_near),
        cmocka_unit_test(null_is_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
