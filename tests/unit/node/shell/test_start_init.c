/* test_start_init.c - cluster init cut short at any point, and repeated: every
 * replica is made once, and whole. */
#include "tests/unit/node/shell/ask.h"
#include "tests/unit/node/shell/daemon.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "proto/base/rng.h"

enum { GROUPS = 6 };

static int setup(void **state)
{
    *state = daemon_new();
    return 0;
}

static int teardown(void **state)
{
    daemon_free(*state);
    return 0;
}

/* A started blank node, and the map it is to get. */
static struct cluster_map *begin(struct daemon *d, struct ask *a)
{
    daemon_start(d);
    ask_open(a, d->port);
    return ask_initial_map(a, 1, GROUPS);
}

/* Kill it, start it again, repeat all steps: it must serve every group, and go
 * on doing so after one more kill. */
static void must_complete(struct daemon *d, struct ask *a,
                          const struct cluster_map *map)
{
    char key[16];

    daemon_kill(d);
    ask_close(a);
    daemon_start(d);
    ask_open(a, d->port);
    ask_init_all(a, map);
    for (unsigned round = 0; round < 2; round++) {
        struct node_status s;
        for (unsigned i = 0; i < 64; i++) {
            snprintf(key, sizeof key, "key-%u", i);
            if (round == 0)
                ask_must_set(a, key, key);
            ask_get(a, key, key);
        }
        s = ask_status(a);
        assert_int_equal(s.n_replicas, GROUPS + 1);
        assert_int_equal(s.n_notes, 0); /* none lost, none quarantined */
        daemon_kill(d);
        ask_close(a);
        daemon_start(d);
        ask_open(a, d->port);
    }
}

/* Would break: cluster init repeated after a node fell out between steps. */
static void kill_after_any_step_can_be_repeated(void **state)
{
    (void)state;
    for (int last = INIT_ACCEPT; last <= INIT_ACTIVATE; last++) {
        struct daemon *d = daemon_new();
        struct cluster_map *map;
        struct ask a;
        map = begin(d, &a);
        for (int step = INIT_ACCEPT; step <= last; step++)
            assert_int_equal(ask_init(&a, (enum init_step)step, map).status,
                             STATUS_OK);
        must_complete(d, &a, map);
        ask_close(&a);
        map_free(map);
        daemon_free(d);
    }
}

/* Spin until the file is there or the answer came. */
static void wait_for_file(struct daemon *d, struct ask *a, const char *name)
{
    const char *path = path_of(d->data, name);

    while (!file_exists(path) && ask_receive_within(a, 0) < 0)
        sched_yield();
}

/* Would break: a kill in the middle of CREATE: between two stores, between a
 * store and its CURRENT, between the stores and the log, in the middle of
 * making the log's files, and between the log and the identity. */
static void kill_amid_create_can_be_repeated(void **state)
{
    static const char *const moments[] = {
        "groups/0/store-0",
        "groups/0/CURRENT",
        "groups/3/store-0",
        "groups/6/CURRENT", /* the last of them: no log yet */
        "wal",
        "wal/ID",
        "wal/0000000000000001.seg.new",
        "wal/0000000000000001.seg",
        "wal/0000000000000002.seg.new",
    };

    unsigned amid = 0;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(moments); i++) {
        struct daemon *d = daemon_new();
        struct cluster_map *map;
        struct ask a;
        map = begin(d, &a);
        assert_int_equal(ask_init(&a, INIT_ACCEPT, map).status, STATUS_OK);
        ask_init_send(&a, INIT_CREATE, map);
        wait_for_file(d, &a, moments[i]);
        daemon_kill(d);
        ask_close(&a);
        daemon_start(d);
        ask_open(&a, d->port);
        amid += slice_equal(ask_status(&a).state, slice_str("accepted"));
        must_complete(d, &a, map);
        ask_close(&a);
        map_free(map);
        daemon_free(d);
    }
    assert_true(amid > 0); /* or this test would have tested nothing */
    print_message("%u of %zu kills came before CREATE was done\n", amid,
                  ARRAY_LEN(moments));
}

/* Would break: whatever the moments above do not name. Kills come at random
 * times, through all three steps, until one try came through; the seed is
 * printed. Time is only when the kill comes, never what is expected. */
static void kills_at_random_times_can_always_be_repeated(void **state)
{
    struct daemon *d = *state;
    struct cluster_map *map;
    struct rng rng;
    struct ask a;
    uint64_t seed;
    unsigned kills = 0;
    bool through = false;

    assert_int_equal(getrandom(&seed, sizeof seed, 0), sizeof seed);
    print_message("seed %llu\n", (unsigned long long)seed);
    rng_init(&rng, seed);
    map = begin(d, &a);
    while (!through) {
        int budget = (int)rng_below(&rng, 20 + kills * 20);
        for (int step = INIT_ACCEPT; step <= INIT_ACTIVATE; step++) {
            int got;
            ask_init_send(&a, (enum init_step)step, map);
            got = ask_receive_within(&a, budget);
            assert_int_not_equal(got, 0); /* it never closes by itself */
            through = step == INIT_ACTIVATE && got > 0;
            if (got < 0)
                break;
            struct init_reply r;
            assert_int_equal(init_reply_decode(a.payload, &r), STATUS_OK);
            assert_int_equal(r.status, STATUS_OK);
        }
        kills++;
        if (through)
            break;
        daemon_kill(d);
        ask_close(&a);
        daemon_start(d);
        ask_open(&a, d->port);
    }
    must_complete(d, &a, map);
    ask_close(&a);
    map_free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kill_after_any_step_can_be_repeated),
        cmocka_unit_test(kill_amid_create_can_be_repeated),
        cmocka_unit_test_setup_teardown(
            kills_at_random_times_can_always_be_repeated, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
