/* test_routes.c - slots to nodes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "client/routes.h"
#include "tests/unit/proto/map_sample.h"

static struct routes *begin(void)
{
    struct routes *r = calloc(1, sizeof *r);

    routes_init(r);
    assert_true(routes_set_map(r, sample_map(5, 10, 3)));
    return r;
}

static void end(struct routes *r)
{
    routes_release(r);
    free(r);
}

/* Broken: requests would go to nodes that do not keep the key. */
static void candidates_are_the_replicas_of_the_slots_group(void **state)
{
    struct routes *r = begin();
    uint16_t out[REPLICA_COUNT_MAX];

    (void)state;
    for (unsigned s = 0; s < SLOT_COUNT; s += 97)
        for (unsigned turn = 0; turn < 4; turn++) {
            const struct map_group *g =
                map_group_find(r->map, r->map->owner[s]);
            unsigned n = routes_candidates(r, (uint16_t)s, true, turn, out);
            assert_int_equal(n, 3);
            for (unsigned i = 0; i < n; i++) {
                assert_non_null(
                    map_replica_on(g, r->map->nodes[out[i]].id));
                for (unsigned k = 0; k < i; k++)
                    assert_int_not_equal(out[i], out[k]);
            }
        }
    end(r);
}

/* Broken: every request would go to a follower first. */
static void the_leader_comes_first_when_it_is_wanted(void **state)
{
    struct routes *r = begin();
    uint32_t group = r->map->owner[5];
    uint32_t leader = map_group_find(r->map, group)->replicas[2].node;
    uint16_t out[REPLICA_COUNT_MAX];
    unsigned first = 0;

    (void)state;
    assert_false(routes_leader_known(r, 5));
    assert_true(routes_set_leader(r, group, leader));
    assert_true(routes_leader_known(r, 5));
    for (unsigned turn = 0; turn < 6; turn++) {
        assert_int_equal(routes_candidates(r, 5, true, turn, out), 3);
        assert_int_equal(r->map->nodes[out[0]].id, leader);
        assert_int_equal(routes_candidates(r, 5, false, turn, out), 3);
        first += r->map->nodes[out[0]].id == leader;
    }
    assert_int_equal(first, 2); /* one turn in three */
    assert_true(routes_set_leader(r, group, 0));
    assert_false(routes_leader_known(r, 5));
    end(r);
}

/* Broken: hints of a newer map would point to nowhere. */
static void unknown_groups_and_nodes_ask_for_a_map(void **state)
{
    struct routes *r = begin();

    (void)state;
    assert_false(routes_set_leader(r, 99, 1));
    assert_false(routes_set_leader(r, 1, 99));
    routes_release(r);
    assert_false(routes_set_leader(r, 1, 1));
    end(r);
}

/* Broken: an old map that arrives late would undo a newer one; or a new map
 * would forget all leaders. */
static void only_newer_maps_are_taken_and_leaders_stay(void **state)
{
    struct routes *r = begin();
    struct cluster_map *newer = map_copy(r->map), *old = map_copy(r->map);
    uint32_t group = r->map->owner[5], gone = r->map->owner[6000];
    const struct map_group *g = map_group_find(r->map, group);
    struct map_group *changed;

    (void)state;
    assert_int_not_equal(group, gone);
    assert_true(routes_set_leader(r, group, g->replicas[1].node));
    assert_true(routes_set_leader(
        r, gone, map_group_find(r->map, gone)->replicas[0].node));
    newer->epoch++;
    changed = &newer->groups[map_group_find(newer, gone) - newer->groups];
    changed->replicas[0] = changed->replicas[--changed->n_replicas];
    assert_true(routes_set_map(r, newer));
    assert_true(routes_leader_known(r, 5));
    assert_false(routes_leader_known(r, 6000)); /* has left the group */
    assert_false(routes_set_map(r, old));
    assert_int_equal(r->map->epoch, 2);
    end(r);
}

/* Broken: a node that has joined or left would move the leaders that are known
 * to their neighbours in the list. */
static void leaders_stay_when_other_nodes_leave(void **state)
{
    struct routes *r = begin();
    struct cluster_map *newer = map_copy(r->map);
    uint32_t group = r->map->owner[5], gone = r->map->nodes[0].id, leader;
    const struct map_group *g = map_group_find(r->map, group);
    uint16_t out[REPLICA_COUNT_MAX];

    (void)state;
    leader = g->replicas[g->replicas[0].node == gone].node;
    assert_true(routes_set_leader(r, group, leader));
    newer->epoch++;
    newer->n_nodes--;
    memmove(newer->nodes, newer->nodes + 1,
            newer->n_nodes * sizeof *newer->nodes);
    for (unsigned i = 0; i < newer->n_groups; i++) {
        struct map_group *of = &newer->groups[i];
        for (unsigned k = 0; k < of->n_replicas; k++)
            if (of->replicas[k].node == gone)
                of->replicas[k] = of->replicas[--of->n_replicas];
    }
    assert_true(routes_set_map(r, newer));
    assert_true(routes_candidates(r, 5, true, 0, out) > 0);
    assert_int_equal(r->map->nodes[out[0]].id, leader);
    end(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(candidates_are_the_replicas_of_the_slots_group),
        cmocka_unit_test(the_leader_comes_first_when_it_is_wanted),
        cmocka_unit_test(unknown_groups_and_nodes_ask_for_a_map),
        cmocka_unit_test(only_newer_maps_are_taken_and_leaders_stay),
        cmocka_unit_test(leaders_stay_when_other_nodes_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
