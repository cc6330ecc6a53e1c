/* test_replica.c - a replica's life: broken ones, flushing, restarts. */
#include "tests/unit/node/core/core_test.h"

#include "tests/sim/trial.h"
#include "tests/unit/proto/map_sample.h"

static struct trial t;

/* A replica that has lost its log must not vote with an empty one. */
static void a_broken_replica_takes_no_part_and_says_why(void **state)
{
    struct cluster_map *map = sample_map(3, 2, 3);
    struct shard_options o = {.node = 1, .seed = 1};
    struct shard *s = shard_new(&o, map);
    struct replica_restore lost = {.group = 1, .replica = 7, .lost = true,
                                   .broken = "its store is missing"};
    struct replica_restore damaged = {.group = 2, .replica = 8,
                                      .broken = "its log is damaged"};
    struct replica_status status[2];
    struct effects fx = {0};

    (void)state;
    shard_replica_add(s, (instant){1}, &lost, &fx);
    shard_replica_add(s, (instant){1}, &damaged, &fx);
    assert_int_equal(fx.n, 0);
    assert_string_equal(shard_replica_reason(s, 1), "its store is missing");
    assert_string_equal(shard_replica_reason(s, 2), "its log is damaged");
    assert_int_equal(shard_replicas(s, status, 2), 2);
    assert_slice(status[0].role, "lost");
    assert_slice(status[1].role, "quarantined");
    assert_false(shard_healthy(s));
    for (uint64_t ms = 0; ms < 20000; ms += 50) {
        struct event e = {.type = EVENT_TURN, .now = {ms}};
        shard_step(s, &e, &fx);
    }
    assert_int_equal(fx.n, 0); /* it never stands for election */
    effects_release(&fx);
    shard_free(s);
    map_free(map);
}

/* A log and a store that contradict each other: as broken as a missing one. */
static void contradicting_parts_are_quarantined(void **state)
{
    struct cluster_map *map = sample_map(3, 1, 3);
    struct shard_options o = {.node = 1, .seed = 1};
    struct shard *s = shard_new(&o, map);
    struct replica_restore r = {.group = 1, .replica = 7}; /* no records */
    struct effects fx = {0};

    (void)state;
    shard_replica_add(s, (instant){1}, &r, &fx);
    assert_string_equal(shard_replica_reason(s, 1),
                        "the store's records are damaged");
    assert_int_equal(fx.n, 0);
    effects_release(&fx);
    shard_free(s);
    map_free(map);
}

/* Without flushing and releasing the log would grow for ever. */
static void flushing_keeps_the_log_short(void **state)
{
    struct cluster_options o = trial_three();

    (void)state;
    o.flush_bytes = 20000;
    trial_start(&t, &o);
    t.clients.pause_max = 2;
    clients_run(&t.clients);
    trial_run(&t, 15000);
    clients_stop(&t.clients);
    trial_run(&t, 4000);
    for (unsigned i = 0; i < o.nodes; i++) {
        struct sim_node *n = &t.c.nodes[i];
        const struct replica *r = trial_replica(n, 1);
        assert_true(r->applied > 500);
        assert_true(wal_first(n->journal.wal, 1) > 500 - o.trailing);
        assert_true(r->applied - r->flushed < 500);
        assert_true(wal_bytes(n->journal.wal) < 20 * SEGMENT_BYTES);
    }
    assert_true(t.c.count.flushes > 20);
    trial_judge(&t);
    trial_release(&t);
}

/* An idle group's few old entries must not hold everybody's log. */
static void an_idle_group_lets_the_log_go(void **state)
{
    struct cluster_options o = trial_three();
    struct sim_node *n;

    (void)state;
    o.groups = 2;
    o.flush_bytes = 200000;
    trial_start(&t, &o);
    n = &t.c.nodes[0];
    assert_int_equal(
        trial_answer(&t, n, OP_SET, KEYS_PER_GROUP)->status, STATUS_OK);
    t.clients.n_keys = KEYS_PER_GROUP; /* from now on group 1 alone */
    t.clients.pause_max = 2;
    clients_run(&t.clients);
    trial_run(&t, 6000);
    clients_stop(&t.clients);
    trial_run(&t, 4000);
    for (unsigned i = 0; i < o.nodes; i++) {
        n = &t.c.nodes[i];
        assert_true(n->disk.n_batches > 1000);
        assert_true(wal_bytes(n->journal.wal) < 20 * SEGMENT_BYTES);
    }
    assert_true(n->disk.recycles + n->disk.removes > 5);
    trial_judge(&t);
    trial_release(&t);
}

static bool led_by(struct trial *x, void *arg)
{
    return trial_leader(x, 1) == arg;
}

static bool led_by_another(struct trial *x, void *arg)
{
    struct sim_node *leader = trial_leader(x, 1);

    return leader && leader != arg;
}

static struct group *raft_of(struct sim_node *n)
{
    return trial_replica(n, 1)->raft;
}

static bool sends_a_snapshot(struct trial *x UNUSED, void *arg)
{
    return group_snapshot_sending(raft_of(arg));
}

static bool sends_none(struct trial *x UNUSED, void *arg)
{
    return !group_snapshot_sending(raft_of(arg));
}

static void want_flush(struct sim_node *n, bool pinned)
{
    struct event e = {.type = EVENT_FLUSH_WANTED};

    e.flush_wanted.group = 1;
    e.flush_wanted.pinned = pinned;
    loop_post_event(&t.c, &n->loops[0], loop_of(n, 1), &e);
    trial_run(&t, 500);
}

/* Group 1 becomes idle while its leader keeps the log for a follower that has
 * got a snapshot and died then. */
static struct sim_node *keep_for_a_dead_one(struct sim_node **dead)
{
    struct cluster_options o = trial_three();
    struct sim_node *leader;

    trial_start(&t, &o);
    leader = cluster_node(&t.c,
                          map_group_find(t.c.initial, 1)->replicas[0].node);
    trial_wait(&t, 10000, led_by, leader, "the preferred leader");
    *dead = trial_other(&t, leader);
    start_crash(&t.c, *dead);
    t.clients.n_keys = KEYS_PER_GROUP;
    t.clients.pause_max = 2;
    clients_run(&t.clients);
    trial_run(&t, 300);
    want_flush(leader, false);
    start_node(&t.c, *dead);
    trial_wait(&t, 5000, sends_a_snapshot, leader, "a snapshot");
    trial_wait(&t, 5000, sends_none, leader, "its end");
    start_crash(&t.c, *dead);
    trial_run(&t, 100);
    clients_stop(&t.clients);
    trial_run(&t, 1000);
    want_flush(leader, false);
    assert_ptr_equal(trial_leader(&t, 1), leader);
    assert_true(group_last(raft_of(leader)) - group_first(raft_of(leader)) >
                2 * o.trailing);
    return leader;
}

static void find_pinned(struct sim_node *n)
{
    want_flush(n, true);
    assert_true(group_last(raft_of(n)) - group_first(raft_of(n)) <=
                t.c.o.trailing);
}

/* Nobody writes and nobody answers: the pinned log itself has to ask. */
static void a_log_kept_for_a_dead_replica_goes(void **state)
{
    struct sim_node *dead, *leader = keep_for_a_dead_one(&dead);

    (void)state;
    trial_run(&t, 10000);
    find_pinned(leader);
    start_node(&t.c, dead);
    trial_judge(&t);
    trial_release(&t);
}

/* It was kept as leader, and nobody sends this replica anything new. */
static void a_log_kept_by_a_deposed_leader_goes(void **state)
{
    struct sim_node *dead, *leader = keep_for_a_dead_one(&dead);

    (void)state;
    trial_isolate(&t, leader, true);
    start_node(&t.c, dead);
    trial_wait(&t, 10000, led_by_another, leader, "another leader");
    assert_int_not_equal(group_role(raft_of(leader)), GROUP_LEADER);
    find_pinned(leader);
    trial_isolate(&t, leader, false);
    trial_judge(&t);
    trial_release(&t);
}

/* What is on disk is what counts: after a crash of all, everything that was
 * acknowledged is there again. */
static void all_nodes_crash_and_nothing_is_lost(void **state)
{
    struct cluster_options o = trial_three();
    size_t set[3];

    (void)state;
    o.flush_bytes = 5000;
    trial_start(&t, &o);
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned key = 0; key < 3; key++) {
            struct sim_node *n = &t.c.nodes[key];
            set[key] = (size_t)(trial_answer(&t, n, OP_SET, key) -
                                t.clients.h.v);
            assert_int_equal(trial_past(&t, set[key])->status, STATUS_OK);
        }
        for (unsigned i = 0; i < o.nodes; i++)
            start_crash(&t.c, &t.c.nodes[i]);
        for (unsigned i = 0; i < o.nodes; i++)
            start_node(&t.c, &t.c.nodes[i]);
        trial_elect(&t, 1);
        trial_run(&t, 5000);
        for (unsigned key = 0; key < 3; key++)
            assert_int_equal(
                trial_answer(&t, &t.c.nodes[key], OP_GET, key)->value,
                set[key]);
    }
    trial_judge(&t);
    trial_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broken_replica_takes_no_part_and_says_why),
        cmocka_unit_test(contradicting_parts_are_quarantined),
        cmocka_unit_test(flushing_keeps_the_log_short),
        cmocka_unit_test(an_idle_group_lets_the_log_go),
        cmocka_unit_test(a_log_kept_for_a_dead_replica_goes),
        cmocka_unit_test(a_log_kept_by_a_deposed_leader_goes),
        cmocka_unit_test(all_nodes_crash_and_nothing_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
