/* test_readpath.c - linearizable reads: rounds, hedges, own writes. */
#include "tests/unit/node/core/core_test.h"

#include "tests/sim/trial.h"

static struct trial t;

static bool led_by_another(struct trial *x, void *arg)
{
    struct sim_node *leader = trial_leader(x, 1);

    return leader && leader != arg;
}

/* The classic: a leader that does not know yet that it is none. */
static void an_isolated_leader_does_not_read_old_values(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *old, *other;
    size_t stale;

    (void)state;
    trial_start(&t, &o);
    old = trial_elect(&t, 1);
    other = trial_other(&t, old);
    assert_int_equal(trial_answer(&t, old, OP_SET, 0)->status, STATUS_OK);
    trial_isolate(&t, old, true);
    stale = trial_ask(&t, old, OP_GET, 0); /* it still believes to lead */
    trial_wait(&t, 5000, led_by_another, old, "another leader");
    trial_run(&t, 600);
    assert_int_equal(trial_answer(&t, other, OP_SET, 0)->status, STATUS_OK);
    trial_run(&t, 3000);
    assert_int_equal(trial_past(&t, stale)->state, PAST_ANSWERED);
    assert_true(trial_past(&t, stale)->status == STATUS_NOT_LEADER ||
                trial_past(&t, stale)->status == STATUS_TIMEOUT);
    cluster_heal(&t.c);
    trial_judge(&t);
    trial_release(&t);
}

/* A read needs a majority, not the one voter that was asked first. */
static void a_silent_voter_costs_a_read_only_the_hedge(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;

    (void)state;
    trial_start(&t, &o);
    leader = trial_elect(&t, 1);
    for (unsigned i = 0; i < o.nodes; i++) {
        struct sim_node *silent = &t.c.nodes[i];
        uint64_t begun;
        if (silent == leader)
            continue;
        silent->paused_until = t.c.now + 100;
        begun = t.c.now;
        assert_int_equal(trial_answer(&t, leader, OP_GET, 0)->status,
                         STATUS_NOT_FOUND);
        assert_true(t.c.now - begun <= HEDGE_AFTER_MS + 15);
        trial_run(&t, 500);
    }
    trial_judge(&t);
    trial_release(&t);
}

/* Make the group's member `standby` one; `leader` leads it. */
static void demote(struct sim_node *leader, struct sim_node *standby)
{
    struct replica *r = trial_replica(leader, 1);
    struct members to = *group_members(r->raft);
    uint64_t id = trial_replica(standby, 1)->id;

    for (unsigned i = 0; i < to.n; i++)
        if (to.v[i].replica == id)
            to.v[i].role = MEMBER_STANDBY;
    assert_int_equal(group_change(r->raft, cluster_clock(&t.c, leader), &to,
                                  &loop_of(leader, 1)->shard->raft_fx),
                     STATUS_OK);
    cluster_carry(&t.c, leader, r);
    trial_run(&t, 500);
    assert_int_equal(members_voters(group_members(r->raft)), 2);
}

/* Broken: a leader that is none any more, and that only a standby still hears,
 * would read what may be old. */
static void a_standby_confirms_no_read(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader, *voter;
    size_t get;

    (void)state;
    trial_start(&t, &o);
    leader = trial_elect(&t, 1);
    voter = trial_other(&t, leader);
    for (unsigned i = 0; i < o.nodes; i++)
        if (&t.c.nodes[i] != leader && &t.c.nodes[i] != voter)
            demote(leader, &t.c.nodes[i]);
    voter->paused_until = t.c.now + 300;
    get = trial_ask(&t, leader, OP_GET, 0);
    trial_run(&t, 250);
    assert_int_equal(trial_past(&t, get)->state, PAST_PENDING);
    trial_run(&t, 500);
    assert_int_equal(trial_past(&t, get)->state, PAST_ANSWERED);
    assert_int_equal(trial_past(&t, get)->status, STATUS_NOT_FOUND);
    trial_judge(&t);
    trial_release(&t);
}

/* Requests of one connection are pipelined: a get behind a set sees it, through
 * the leader and through any other node. */
static void a_read_sees_its_own_connections_writes(void **state)
{
    struct cluster_options o = trial_three();

    (void)state;
    trial_start(&t, &o);
    trial_run(&t, 5000); /* leadership has settled */
    t.c.disk_max = 30; /* writes take their time */
    for (unsigned i = 0; i < 60; i++) {
        struct sim_node *n = &t.c.nodes[i % 3];
        size_t set = trial_ask(&t, n, OP_SET, 0);
        size_t get = trial_ask(&t, n, OP_GET, 0);
        trial_run(&t, 150);
        assert_int_equal(trial_past(&t, set)->status, STATUS_OK);
        assert_int_equal(trial_past(&t, get)->status, STATUS_OK);
        assert_int_equal(trial_past(&t, get)->value, set);
    }
    trial_judge(&t);
    trial_release(&t);
}

/* Who asks for less than the latest gets it from any replica, alone. */
static void a_stale_read_needs_nobody(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader, *alone;
    size_t set, get;

    (void)state;
    trial_start(&t, &o);
    leader = trial_elect(&t, 1);
    alone = trial_other(&t, leader);
    set = trial_ask(&t, leader, OP_SET, 0);
    trial_run(&t, 500);
    trial_isolate(&t, alone, true);
    trial_run(&t, 3000);
    get = clients_ask(&t.clients, 5, alone, OP_GET, READ_STALE, 0);
    trial_run(&t, 5);
    assert_int_equal(trial_past(&t, get)->status, STATUS_OK);
    assert_int_equal(trial_past(&t, get)->value, set);
    cluster_heal(&t.c);
    trial_judge(&t);
    trial_release(&t);
}

/* A door with a wrong map sends a key to a group that has never heard of it:
 * "not found" would be a lie. */
static void a_group_reads_only_its_own_slots(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;
    size_t get;

    (void)state;
    o.groups = 2;
    trial_start(&t, &o);
    leader = trial_elect(&t, 1);
    assert_int_equal(
        trial_answer(&t, leader, OP_SET, KEYS_PER_GROUP)->status, STATUS_OK);
    leader->lost_until = UINT64_MAX;
    assert_int_equal(
        trial_answer(&t, leader, OP_GET, KEYS_PER_GROUP)->status,
        STATUS_MOVED);
    get = clients_ask(&t.clients, 5, leader, OP_GET, READ_STALE,
                      KEYS_PER_GROUP);
    trial_run(&t, 5);
    assert_int_equal(trial_past(&t, get)->status, STATUS_MOVED);
    leader->lost_until = 0;
    assert_int_equal(
        trial_answer(&t, leader, OP_GET, KEYS_PER_GROUP)->status, STATUS_OK);
    trial_judge(&t);
    trial_release(&t);
}

/* Many reads, few rounds: what comes while one is under way shares the next. */
static void reads_of_a_burst_share_a_round(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;
    struct shard *s;
    uint64_t before = 0, rounds = 0;

    (void)state;
    trial_start(&t, &o);
    leader = trial_elect(&t, 1);
    s = leader->loops[0].shard;
    for (unsigned i = 0; i < s->n_peers; i++)
        before += s->peers[i].rounds.id;
    for (unsigned i = 0; i < CLIENT_DEPTH_MAX; i++)
        trial_ask(&t, leader, OP_GET, i % 3);
    trial_run(&t, 100);
    assert_int_equal(clients_waiting(&t.clients), 0);
    for (unsigned i = 0; i < s->n_peers; i++)
        rounds += s->peers[i].rounds.id;
    assert_true(rounds - before <= 3);
    trial_judge(&t);
    trial_release(&t);
}

/* Broken: what a voter said before the read was there would confirm it; since
 * then another leader may have been elected, and have written. */
static void a_read_does_not_join_the_round_under_way(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;
    size_t first, second;

    (void)state;
    trial_start(&t, &o);
    trial_run(&t, 5000); /* leadership is where the map wants it */
    leader = trial_elect(&t, 1);
    for (unsigned i = 0; i < o.nodes; i++)
        network_lag(&t.c, i, leader->place, 40);
    first = trial_ask(&t, leader, OP_GET, 0);
    trial_run(&t, 25); /* the others have said yes */
    second = trial_ask(&t, leader, OP_GET, 0);
    trial_run(&t, 35);
    assert_int_equal(trial_past(&t, first)->state, PAST_ANSWERED);
    assert_int_equal(trial_past(&t, second)->state, PAST_PENDING);
    trial_run(&t, 100);
    assert_int_equal(trial_past(&t, second)->state, PAST_ANSWERED);
    assert_int_equal(trial_past(&t, second)->status, STATUS_NOT_FOUND);
    cluster_heal(&t.c);
    trial_judge(&t);
    trial_release(&t);
}

/* What the store cannot give may be anything: the replica takes no part any
 * more, and who asked is told to ask again. */
static void a_store_that_cannot_be_read_is_quarantined(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;
    enum status st = STATUS_OK;

    (void)state;
    trial_start(&t, &o);
    trial_run(&t, 5000); /* leadership is where the map wants it */
    leader = trial_elect(&t, 1);
    assert_int_equal(trial_answer(&t, leader, OP_SET, 0)->status, STATUS_OK);
    leader->damaged = true;
    cluster_replica(leader, 1)->unreadable = true;
    for (unsigned i = 0; i < 100 && trial_replica(leader, 1)->raft; i++)
        st = trial_answer(&t, leader, OP_GET, 0)->status;
    assert_int_equal(trial_replica(leader, 1)->mode, REPLICA_QUARANTINED);
    assert_string_equal(shard_replica_reason(loop_of(leader, 1)->shard, 1),
                        "the store cannot be read");
    assert_int_equal(st, STATUS_UNAVAILABLE);
    assert_true(trial_elect(&t, 1) != leader); /* the others go on */
    assert_int_equal(trial_answer(&t, leader, OP_SET, 0)->status, STATUS_OK);
    assert_int_equal(trial_answer(&t, leader, OP_GET, 0)->status, STATUS_OK);
    trial_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_isolated_leader_does_not_read_old_values),
        cmocka_unit_test(a_silent_voter_costs_a_read_only_the_hedge),
        cmocka_unit_test(a_standby_confirms_no_read),
        cmocka_unit_test(a_read_sees_its_own_connections_writes),
        cmocka_unit_test(a_stale_read_needs_nobody),
        cmocka_unit_test(a_group_reads_only_its_own_slots),
        cmocka_unit_test(reads_of_a_burst_share_a_round),
        cmocka_unit_test(a_read_does_not_join_the_round_under_way),
        cmocka_unit_test(a_store_that_cannot_be_read_is_quarantined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
