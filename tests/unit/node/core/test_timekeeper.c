/* test_timekeeper.c - group clocks in whole clusters with wrong wall clocks. */
#include "tests/unit/node/core/core_test.h"

#include "tests/sim/trial.h"

#define YEAR_MS INT64_C(31536000000)

/* What a right wall clock shows; the simulated nodes differ by their skew. */
enum {
    TRUE_BASE = 1000000,
    SLACK_MS = 50,
};

static struct trial t;

static uint64_t true_ms(void)
{
    return t.c.now + TRUE_BASE;
}

/* Write through `n`, then look at the stamp which that write got. */
static uint64_t stamp_now(struct sim_node *n)
{
    struct sim_node *leader = trial_elect(&t, 1);

    assert_int_equal(trial_answer(&t, n, OP_SET, 0)->status, STATUS_OK);
    return trial_replica(leader, 1)->applied_clock_ms;
}

static void assert_right(uint64_t stamp)
{
    assert_in_range(stamp, true_ms() - SLACK_MS, true_ms() + 1);
}

/* One node a year off in either direction, leading or not. */
static void a_wrong_clock_of_three_is_outvoted(void **state)
{
    const int64_t skews[] = {YEAR_MS, -900000, 400, -400};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(skews); i++)
        for (unsigned who = 0; who < 3; who++) {
            struct cluster_options o = trial_three();
            o.seed += i * 3 + who;
            trial_init(&t, &o);
            t.c.nodes[who].wall_skew_ms = skews[i];
            trial_elect(&t, 1);
            assert_right(stamp_now(&t.c.nodes[who]));
            trial_run(&t, 3000);
            assert_right(stamp_now(&t.c.nodes[(who + 1) % 3]));
            trial_judge(&t);
            trial_release(&t);
        }
}

/* A dead node's clock still counts: else the two that are left would have to
 * guess which of them is right. */
static void a_dead_node_still_votes_on_the_time(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader, *good;

    (void)state;
    trial_start(&t, &o);
    leader = trial_elect(&t, 1);
    good = trial_other(&t, leader);
    leader->wall_skew_ms = -YEAR_MS / 365;
    trial_run(&t, 3000);
    start_crash(&t.c, good);
    trial_run(&t, 3000);
    assert_right(stamp_now(leader));
    trial_release(&t);
}

/* The majority's clocks are set back: the clock goes on at half speed, and is
 * right again when they have caught up. */
static void set_back_by_a_majority_it_goes_on(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *n;
    uint64_t first, second;

    (void)state;
    trial_start(&t, &o);
    n = trial_elect(&t, 1);
    trial_run(&t, 3000);
    first = stamp_now(n);
    for (unsigned i = 0; i < 3; i++)
        t.c.nodes[i].wall_skew_ms = -8000;
    trial_run(&t, 4000);
    second = stamp_now(n);
    assert_true(second > first + 1500 && second < first + 5000);
    trial_run(&t, 20000);
    first = stamp_now(n);
    assert_in_range(first, true_ms() - 8000 - SLACK_MS, true_ms() - 8000 + 1);
    trial_release(&t);
}

/* Clocks jump to and fro, leaders come and go: stamps only grow, and with one
 * clock wrong at a time they are right. */
static void changes_of_leader_do_not_disturb_it(void **state)
{
    struct cluster_options o = trial_three();
    uint64_t last = 0;

    (void)state;
    trial_start(&t, &o);
    trial_run(&t, 3000);
    for (unsigned round = 0; round < 12; round++) {
        struct sim_node *n = trial_elect(&t, 1);
        uint64_t stamp = stamp_now(trial_other(&t, n));
        assert_true(stamp >= last);
        assert_right(stamp);
        last = stamp;
        for (unsigned i = 0; i < 3; i++)
            t.c.nodes[i].wall_skew_ms = 0;
        t.c.nodes[round % 3].wall_skew_ms =
            round % 2 ? YEAR_MS : -YEAR_MS / 1000;
        trial_isolate(&t, n, true);
        trial_run(&t, 3000);
        trial_isolate(&t, n, false);
        trial_run(&t, 3000);
    }
    trial_judge(&t);
    trial_release(&t);
}

/* Alone there is nobody to ask: a jump is followed slowly, and told. */
static void a_sole_voter_says_that_its_clock_jumped(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *n;
    uint64_t first;

    (void)state;
    o.nodes = 1;
    o.replicas = 1;
    trial_start(&t, &o);
    n = trial_elect(&t, 1);
    assert_null(shard_clock_note(n->loops[0].shard));
    first = stamp_now(n);
    assert_right(first);
    n->wall_skew_ms = 3600000;
    trial_run(&t, 10000);
    assert_non_null(shard_clock_note(n->loops[0].shard));
    assert_in_range(stamp_now(n), first + 19000, first + 21000);
    n->wall_skew_ms = 15000;
    trial_run(&t, 10000);
    stamp_now(n);
    assert_null(shard_clock_note(n->loops[0].shard));
    trial_release(&t);
}

/* Doors tell clients a clock that no single node can spoil. */
static void a_node_tells_the_clusters_clock(void **state)
{
    struct cluster_options o = trial_three();

    (void)state;
    trial_start(&t, &o);
    t.c.nodes[1].wall_skew_ms = YEAR_MS;
    trial_run(&t, 4000);
    for (unsigned i = 0; i < 3; i++)
        assert_right(shard_clock(t.c.nodes[i].loops[0].shard));
    trial_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_clock_of_three_is_outvoted),
        cmocka_unit_test(a_dead_node_still_votes_on_the_time),
        cmocka_unit_test(set_back_by_a_majority_it_goes_on),
        cmocka_unit_test(changes_of_leader_do_not_disturb_it),
        cmocka_unit_test(a_sole_voter_says_that_its_clock_jumped),
        cmocka_unit_test(a_node_tells_the_clusters_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
