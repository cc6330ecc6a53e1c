/* test_questions.c - what a shard says of itself. */
#include "tests/unit/node/core/core_test.h"

#include "tests/sim/trial.h"

static struct trial t;

static bool role_is(const struct replica_status *s, const char *role)
{
    return slice_equal(s->role, slice_str(role));
}

/* Operators and doors decide by this: one leader, and all agree who. */
static void everybody_names_the_same_leader(void **state)
{
    struct cluster_options o = trial_three();
    struct replica_status s[4];
    uint32_t leader;
    unsigned leaders = 0;

    (void)state;
    trial_start(&t, &o);
    trial_run(&t, 5000);
    leader = trial_elect(&t, 1)->id;
    assert_int_equal(
        trial_answer(&t, &t.c.nodes[0], OP_SET, 0)->status, STATUS_OK);
    trial_run(&t, 300);
    for (unsigned i = 0; i < o.nodes; i++) {
        struct shard *x = t.c.nodes[i].loops[0].shard;
        uint32_t up[4];
        assert_int_equal(shard_replicas(x, s, 4), 2);
        assert_int_equal(shard_replicas(x, s, 1), 1); /* at most `max` */
        shard_replicas(x, s, 4);
        assert_int_equal(s[0].group, 0);
        assert_int_equal(s[1].group, 1);
        assert_int_equal(s[1].leader, leader);
        assert_int_equal(shard_leader_node(x, 1), leader);
        leaders += role_is(&s[1], "leader");
        assert_true(role_is(&s[1], "leader") || role_is(&s[1], "follower"));
        assert_int_equal(s[1].commit_index, s[1].applied_index);
        assert_int_equal(s[1].durable_index, s[1].last_index);
        assert_int_equal(s[1].lag_known, role_is(&s[1], "leader"));
        assert_int_equal(s[1].lag_max, 0);
        assert_true(s[1].applied_index > 1 && s[1].first_index > 0);
        assert_int_equal(shard_peers_up(x, up, 4), 2);
        assert_int_equal(shard_peers_up(x, up, 1), 1);
        assert_true(up[0] != t.c.nodes[i].id);
        assert_true(shard_healthy(x));
        assert_null(shard_replica_reason(x, 1));
    }
    assert_int_equal(leaders, 1);
    assert_true(shard_requests(t.c.nodes[0].loops[0].shard) > 0);
    trial_release(&t);
}

static void a_lost_peer_shows_in_the_answers(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader, *lost;
    struct replica_status s[4];
    uint32_t up[4];

    (void)state;
    trial_start(&t, &o);
    trial_run(&t, 5000);
    leader = trial_elect(&t, 1);
    lost = trial_other(&t, leader);
    start_crash(&t.c, lost);
    trial_run(&t, 500);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(trial_answer(&t, leader, OP_SET, 0)->status,
                         STATUS_OK);
    assert_int_equal(shard_peers_up(leader->loops[0].shard, up, 4), 1);
    shard_replicas(leader->loops[0].shard, s, 4);
    assert_true(s[1].lag_known && s[1].lag_max >= 10);
    start_node(&t.c, lost);
    trial_run(&t, 2000);
    shard_replicas(leader->loops[0].shard, s, 4);
    assert_int_equal(s[1].lag_max, 0);
    trial_judge(&t);
    trial_release(&t);
}

/* Broken: of a follower that is down since before the election it would be
 * said that it lacks the whole log. */
static void a_new_leader_does_not_know_who_is_down(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader, *lost;
    struct replica_status s[4];

    (void)state;
    trial_start(&t, &o);
    lost = trial_elect(&t, 1);
    start_crash(&t.c, lost);
    trial_run(&t, 5000);
    leader = trial_elect(&t, 1);
    assert_int_equal(trial_answer(&t, leader, OP_SET, 0)->status, STATUS_OK);
    shard_replicas(leader->loops[0].shard, s, 4);
    assert_true(role_is(&s[1], "leader"));
    assert_false(s[1].lag_known);
    start_node(&t.c, lost);
    trial_run(&t, 5000); /* it may be given the lead again */
    leader = trial_elect(&t, 1);
    shard_replicas(leader->loops[0].shard, s, 4);
    assert_true(role_is(&s[1], "leader") && s[1].lag_known);
    assert_int_equal(s[1].lag_max, 0);
    trial_judge(&t);
    trial_release(&t);
}

/* A group that is not here is asked about, too. */
static void unknown_groups_have_no_leader_and_no_reason(void **state)
{
    struct cluster_options o = trial_three();
    struct shard *x;

    (void)state;
    trial_start(&t, &o);
    x = t.c.nodes[0].loops[0].shard;
    assert_int_equal(shard_leader_node(x, 900), 0);
    assert_int_equal(shard_leader_node(x, UINT32_MAX), 0);
    assert_null(shard_replica_reason(x, 900));
    trial_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_names_the_same_leader),
        cmocka_unit_test(a_lost_peer_shows_in_the_answers),
        cmocka_unit_test(a_new_leader_does_not_know_who_is_down),
        cmocka_unit_test(unknown_groups_have_no_leader_and_no_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
