/* test_admin.c - map, status and the steps of cluster init, frame by frame. */
#include "tests/unit/node/shell/ask.h"
#include "tests/unit/node/shell/daemon.h"

#include <stdio.h>
#include <stdlib.h>


struct fixture {
    struct daemon *d;
    struct ask a;
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);

    f->d = daemon_new();
    daemon_start(f->d);
    ask_open(&f->a, f->d->port);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    ask_close(&f->a);
    daemon_free(f->d);
    free(f);
    return 0;
}

static void restart(struct fixture *f)
{
    daemon_kill(f->d);
    ask_close(&f->a);
    daemon_start(f->d);
    ask_open(&f->a, f->d->port);
}

static void must_be_state(struct fixture *f, const char *state)
{
    struct node_status s = ask_status(&f->a);

    if (!slice_equal(s.state, slice_str(state)))
        fail_msg("state is %.*s, not %s", (int)s.state.size,
                 (const char *)s.state.data, state);
}

/* One step must give this status, with `text` in its detail. */
static void must_step(struct fixture *f, enum init_step step,
                      const struct cluster_map *map, enum status want,
                      const char *text)
{
    struct init_reply r = ask_init(&f->a, step, map);
    char detail[512];

    snprintf(detail, sizeof detail, "%.*s", (int)r.detail.size,
             (const char *)r.detail.data);
    if (r.status != want)
        fail_msg("step %d: %s (%s), not %s", (int)step,
                 status_name(r.status), detail, status_name(want));
    must_say(detail, text);
}

/* ---- before init ---- */

/* Would break: cluster init asks every node for exactly this. */
static void blank_status_names_directory_and_addresses(void **state)
{
    struct fixture *f = *state;
    struct node_status s = ask_status(&f->a);
    char address[32];

    snprintf(address, sizeof address, "127.0.0.1:%u", f->d->port);
    assert_int_equal(s.node, 0);
    assert_int_equal(s.directory.size, ID_BYTES);
    assert_int_equal(s.cluster.size, 0);
    assert_int_equal(s.boot_count, 1);
    assert_int_equal(s.map_epoch, 0);
    assert_int_equal(s.n_replicas, 0);
    assert_true(slice_equal(s.client_address, slice_str(address)));
    assert_true(slice_equal(s.version, slice_str(COAT_VERSION)));
    assert_true(s.resident_bytes > 0);
    must_be_state(f, "blank");
}

/* Would break: a client would wait for a cluster that is not there, instead of
 * saying what to do. */
static void blank_node_answers_that_there_is_no_cluster(void **state)
{
    struct fixture *f = *state;
    struct map_reply m = ask_map(&f->a, 0);

    assert_int_equal(m.status, STATUS_NOT_INITIALISED);
    assert_int_equal(m.map.size, 0);
    assert_int_equal(m.n_leaders, 0);
    assert_int_equal(ask_set(&f->a, "k", "v"), STATUS_NOT_INITIALISED);
    assert_int_equal(ask_delete(&f->a, "k"), STATUS_NOT_INITIALISED);
}

/* Would break: replicas made before every node has agreed on one cluster. */
static void blank_node_takes_no_later_step_first(void **state)
{
    struct fixture *f = *state;
    struct cluster_map *map = ask_initial_map(&f->a, 1, 2);

    must_step(f, INIT_CREATE, map, STATUS_NOT_INITIALISED, "");
    must_step(f, INIT_ACTIVATE, map, STATUS_NOT_INITIALISED, "");
    must_be_state(f, "blank");
    restart(f);
    must_be_state(f, "blank");
    map_free(map);
}

/* Would break: a node would follow a map in which it does not exist. */
static void map_without_this_node_is_refused(void **state)
{
    struct fixture *f = *state;
    struct cluster_map *map = ask_initial_map(&f->a, 1, 2);
    struct cluster_map *other = map_copy(map);

    for (unsigned g = 0; g < other->n_groups; g++)
        other->groups[g].replicas[0].directory[0] ^= 1;
    other->nodes[0].directory[0] ^= 1;
    for (int step = INIT_ACCEPT; step <= INIT_ACTIVATE; step++)
        must_step(f, (enum init_step)step, other, STATUS_WRONG_NODE,
                  "not in that map");
    must_be_state(f, "blank");
    must_step(f, INIT_ACCEPT, map, STATUS_OK, "");
    must_step(f, INIT_CREATE, other, STATUS_WRONG_NODE, "not in that map");
    map_free(map);
    map_free(other);
}

/* Would break: bytes that are no map would be made durable. */
static void unreadable_map_is_refused(void **state)
{
    static const char *const bad[] = {"", "nonsense", "\x0a\xff"};
    struct fixture *f = *state;

    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        struct init_request q = {.step = INIT_ACCEPT,
                                 .map = slice_str(bad[i])};
        struct init_reply r;
        struct buf b = {0};
        init_request_encode(&q, &b);
        ask_one(&f->a, MESSAGE_INIT, &b, MESSAGE_INIT_REPLY);
        assert_int_equal(init_reply_decode(f->a.payload, &r), STATUS_OK);
        assert_true(r.status == STATUS_BAD_MESSAGE ||
                    r.status == STATUS_INVALID);
        assert_true(r.detail.size > 0);
    }
    must_be_state(f, "blank");
    assert_false(file_exists(path_of(f->d->data, "map")));
}

/* ---- the steps ---- */

/* Would break: cluster init by hand, or by another program. */
static void steps_in_order_make_a_serving_node(void **state)
{
    struct fixture *f = *state;
    struct cluster_map *map = ask_initial_map(&f->a, 3, 2);
    struct node_status s;

    must_step(f, INIT_ACCEPT, map, STATUS_OK, "");
    must_be_state(f, "accepted");
    must_step(f, INIT_ACTIVATE, map, STATUS_INVALID, "only accepted");
    assert_int_equal(ask_set(&f->a, "k", "v"), STATUS_NOT_INITIALISED);
    must_step(f, INIT_CREATE, map, STATUS_OK, "");
    must_be_state(f, "created");
    assert_int_equal(ask_set(&f->a, "k", "v"), STATUS_NOT_INITIALISED);
    must_step(f, INIT_ACTIVATE, map, STATUS_OK, "");
    must_be_state(f, "serving");
    ask_must_set(&f->a, "k", "v");
    ask_get(&f->a, "k", "v");
    s = ask_status(&f->a);
    assert_int_equal(s.node, 1);
    assert_int_equal(s.n_replicas, 3);
    assert_int_equal(s.cluster.data[0], 3);
    assert_int_equal(s.map_epoch, 2);
    assert_true(s.wal_syncs > 0);
    assert_true(s.wal_bytes > 0);
    assert_true(s.requests > 0);
    map_free(map);
}

/* Would break: cluster init repeated after its connection broke: it cannot
 * know which answers were lost. */
static void repeated_steps_are_harmless(void **state)
{
    struct fixture *f = *state;
    struct cluster_map *map = ask_initial_map(&f->a, 3, 2);

    for (int last = INIT_ACCEPT; last <= INIT_ACTIVATE; last++)
        for (int step = INIT_ACCEPT; step <= last; step++)
            must_step(f, (enum init_step)step, map, STATUS_OK, "");
    ask_must_set(&f->a, "k", "v");
    for (int step = INIT_ACCEPT; step <= INIT_ACTIVATE; step++)
        must_step(f, (enum init_step)step, map, STATUS_OK, "");
    ask_get(&f->a, "k", "v"); /* nothing was made anew */
    restart(f);
    for (int step = INIT_ACCEPT; step <= INIT_ACTIVATE; step++)
        must_step(f, (enum init_step)step, map, STATUS_OK, "");
    ask_get(&f->a, "k", "v");
    map_free(map);
}

/* Refused, and told whose map it has instead. */
static void must_refuse_for(struct fixture *f, enum init_step step,
                            const struct cluster_map *offered,
                            const struct cluster_map *accepted,
                            bool same_epoch)
{
    struct init_reply r = ask_init(&f->a, step, offered);
    struct cluster_map *told = NULL;

    assert_int_equal(r.status, STATUS_WRONG_CLUSTER);
    assert_int_equal(map_decode(r.map, &told), STATUS_OK);
    assert_memory_equal(told->cluster, accepted->cluster, ID_BYTES);
    if (same_epoch)
        assert_int_equal(told->epoch, accepted->epoch);
    assert_int_equal(told->n_groups, accepted->n_groups);
    map_free(told);
}

/* Would break: a node in two clusters, each of which counts on it. */
static void another_clusters_map_is_refused_with_the_accepted_one(void **state)
{
    struct fixture *f = *state;
    struct cluster_map *map = ask_initial_map(&f->a, 1, 2);
    struct cluster_map *other = ask_initial_map(&f->a, 2, 5);
    struct cluster_map *twin = ask_initial_map(&f->a, 1, 5);

    must_step(f, INIT_ACCEPT, map, STATUS_OK, "");
    for (unsigned round = 0; round < 2; round++) {
        for (int step = INIT_ACCEPT; step <= INIT_ACTIVATE; step++) {
            must_refuse_for(f, (enum init_step)step, other, map, true);
            /* the same id, drawn twice, with another plan */
            must_refuse_for(f, (enum init_step)step, twin, map, true);
        }
        must_be_state(f, "accepted");
        restart(f);
    }
    must_step(f, INIT_CREATE, map, STATUS_OK, "");
    must_refuse_for(f, INIT_CREATE, other, map, true);
    must_step(f, INIT_ACTIVATE, map, STATUS_OK, "");
    must_refuse_for(f, INIT_ACCEPT, other, map, false);
    ask_must_set(&f->a, "k", "v");
    map_free(map);
    map_free(other);
    map_free(twin);
}

/* ---- when it serves ---- */

/* Would break: clients route by this; each would fetch the whole map again and
 * again. */
static void map_comes_once_and_leaders_always(void **state)
{
    struct fixture *f = *state;
    struct cluster_map *initial = ask_initial_map(&f->a, 1, 3), *map = NULL;
    struct map_reply m;

    ask_init_all(&f->a, initial);
    ask_must_set(&f->a, "k", "v");
    m = ask_map(&f->a, 0);
    assert_int_equal(m.status, STATUS_OK);
    assert_int_equal(map_decode(m.map, &map), STATUS_OK);
    assert_int_equal(map->epoch, 2);
    assert_int_equal(m.n_leaders, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(m.leaders[i].group, i);
        assert_true(m.leaders[i].node <= 1);
        assert_int_equal(map->groups[i].replicas[0].state, REPLICA_ACTIVE);
    }
    m = ask_map(&f->a, map->epoch);
    assert_int_equal(m.status, STATUS_OK);
    assert_int_equal(m.map.size, 0);
    assert_int_equal(m.n_leaders, 4);
    m = ask_map(&f->a, map->epoch - 1);
    assert_true(m.map.size > 0);
    map_free(initial);
    map_free(map);
}

/* Would break: a node that was given a new port would stay unknown there. */
static void changed_address_reaches_the_map(void **state)
{
    struct fixture *f = *state;
    struct cluster_map *initial = ask_initial_map(&f->a, 1, 1), *map = NULL;
    char address[32];
    bool told = false;

    ask_init_all(&f->a, initial);
    map_free(initial);
    ask_must_set(&f->a, "k", "v");
    f->d->args[0] = "--advertise-client";
    f->d->args[1] = "other.example:7410";
    restart(f);
    ask_must_set(&f->a, "k", "w");
    /* It proposes its address when it leads group 0; each question is one more
     * turn of its loop. */
    for (unsigned i = 0; i < 6000 && !told; i++) {
        struct map_reply m;
        (void)ask_receive_within(&f->a, 10);
        m = ask_map(&f->a, 0);
        assert_int_equal(map_decode(m.map, &map), STATUS_OK);
        snprintf(address, sizeof address, "%s",
                 map->nodes[0].client_address);
        told = !strcmp(address, "other.example:7410");
        map_free(map);
        arena_release(&f->a.arena);
        arena_init(&f->a.arena, NULL, 0, ARENA_STATUS_MAX);
    }
    assert_true(told);
    ask_get(&f->a, "k", "w");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(blank_status_names_directory_and_addresses),
        T(blank_node_answers_that_there_is_no_cluster),
        T(blank_node_takes_no_later_step_first),
        T(map_without_this_node_is_refused),
        T(unreadable_map_is_refused),
        T(steps_in_order_make_a_serving_node),
        T(repeated_steps_are_harmless),
        T(another_clusters_map_is_refused_with_the_accepted_one),
        T(map_comes_once_and_leaders_always),
        T(changed_address_reaches_the_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
