/* test_shard.c - the turn: timers, handing over, hanging disks, sleep. */
#include "tests/unit/node/core/core_test.h"

#include "tests/sim/trial.h"

static struct trial t;

static bool led_by_another(struct trial *x, void *arg)
{
    struct sim_node *leader = trial_leader(x, 1);

    return leader && leader != arg;
}

/* A leader that cannot write keeps everybody waiting. */
static void a_hanging_disk_gives_leaderships_away(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;

    (void)state;
    trial_start(&t, &o);
    leader = trial_elect(&t, 1);
    leader->slow_disk_until = t.c.now + 20000;
    trial_ask(&t, leader, OP_SET, 0);
    trial_wait(&t, 4000, led_by_another, leader, "another leader");
    trial_run(&t, 600);
    assert_int_equal(
        trial_answer(&t, trial_other(&t, leader), OP_SET, 0)->status,
        STATUS_OK);
    assert_true(leader->slow_disk_until > t.c.now);
    cluster_heal(&t.c);
    trial_judge(&t);
    trial_release(&t);
}

/* Stopping on purpose must not cost an election timeout. */
static void stopping_hands_over_first(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;
    struct event e = {.type = EVENT_STOP};
    uint64_t begun;

    (void)state;
    trial_start(&t, &o);
    leader = trial_elect(&t, 1);
    begun = t.c.now;
    leader->stopping = true;
    loop_step(&t.c, &leader->loops[0], &e);
    trial_wait(&t, 1000, led_by_another, leader, "another leader");
    assert_true(t.c.now - begun < 400);
    trial_run(&t, 500);
    assert_false(leader->up); /* and it really stopped */
    assert_int_equal(
        trial_answer(&t, trial_other(&t, leader), OP_SET, 0)->status,
        STATUS_OK);
    cluster_heal(&t.c);
    trial_judge(&t);
    trial_release(&t);
}

static bool led_by(struct trial *x, void *arg)
{
    return trial_leader(x, 1) == arg;
}

/* Else one node would lead everything after a rolling restart. */
static void leadership_returns_to_the_preferred_replica(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *preferred;

    (void)state;
    trial_start(&t, &o);
    preferred = cluster_node(
        &t.c, map_group_find(t.c.initial, 1)->replicas[0].node);
    trial_wait(&t, 10000, led_by, preferred, "the preferred leader");
    start_crash(&t.c, preferred);
    trial_wait(&t, 5000, led_by_another, preferred, "another leader");
    start_node(&t.c, preferred);
    trial_wait(&t, 10000, led_by, preferred, "the preferred leader again");
    trial_release(&t);
}

static bool has_all(struct trial *x, void *arg)
{
    struct sim_node *leader = trial_leader(x, 1);
    struct replica *r = trial_replica(arg, 1);

    return leader && leader != arg && r &&
           r->applied == trial_replica(leader, 1)->applied;
}

/* No replica can read its log back, and none has it in memory: whoever leads,
 * a follower that lacks entries has to be brought up by a snapshot. */
static void a_log_that_cannot_be_read_stops_no_follower(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *late;
    unsigned installs;

    (void)state;
    o.trailing = 1000; /* no flush brings a snapshot by itself */
    trial_start(&t, &o);
    for (unsigned i = 0; i < o.nodes; i++)
        loop_of(&t.c.nodes[i], 1)->shard->tail_budget.bytes_max = 0;
    late = trial_other(&t, trial_elect(&t, 1));
    start_crash(&t.c, late);
    for (unsigned i = 0; i < 20; i++)
        trial_answer(&t, trial_elect(&t, 1), OP_SET, 0);
    t.c.log_reads_fail = true;
    installs = t.c.count.installs;
    start_node(&t.c, late);
    trial_run(&t, 100);
    trial_wait(&t, 10000, has_all, late, "a follower that has caught up");
    assert_true(t.c.count.installs > installs);
    cluster_heal(&t.c);
    trial_judge(&t);
    trial_release(&t);
}

static unsigned turns;

static void count_turns(void *arg UNUSED, struct sim_loop *l UNUSED)
{
    turns++;
}

/* A node with nothing to do must leave the processor alone. */
static void an_idle_cluster_hardly_wakes(void **state)
{
    struct cluster_options o = trial_three();

    (void)state;
    trial_start(&t, &o);
    trial_run(&t, 5000);
    turns = 0;
    t.c.judge.stepped = count_turns;
    trial_run(&t, 10000);
    /* Per second: 10 disk ticks, 20 heartbeats of two groups, gossip, each with
     * their turns, on three nodes; not a turn per millisecond. */
    assert_true(turns < 10 * 3 * 150);
    assert_true(turns > 10 * 3 * 10);
    trial_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hanging_disk_gives_leaderships_away),
        cmocka_unit_test(stopping_hands_over_first),
        cmocka_unit_test(leadership_returns_to_the_preferred_replica),
        cmocka_unit_test(a_log_that_cannot_be_read_stops_no_follower),
        cmocka_unit_test(an_idle_cluster_hardly_wakes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
