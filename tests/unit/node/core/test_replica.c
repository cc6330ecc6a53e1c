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
        cmocka_unit_test(all_nodes_crash_and_nothing_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
