/* test_map_initial.c - how a new cluster is laid out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/proto/map_sample.h"

/* Broken: a fresh cluster would start with an invalid map. */
static void every_plan_in_range_gives_a_valid_map(void **state)
{
    const char *why;

    (void)state;
    for (unsigned nodes = 1; nodes <= 9; nodes++)
        for (unsigned groups = 1; groups <= 40; groups += 13)
            for (unsigned r = 0; r <= MIN_OF(nodes, 7u); r++) {
                struct cluster_map *m = sample_map(nodes, groups, r);
                assert_non_null(m);
                assert_int_equal(map_check(m, &why), STATUS_OK);
                assert_int_equal(m->epoch, 1);
                assert_int_equal(m->n_groups, groups + 1);
                for (unsigned g = 1; g <= groups; g++)
                    assert_int_equal(m->groups[g].n_replicas,
                                     MIN_OF(r ? r : 3, nodes));
                map_free(m);
            }
}

/* Broken: the cluster's own memory would survive fewer losses than its data. */
static void the_meta_group_has_three_or_five_replicas(void **state)
{
    static const unsigned want[] = {0, 1, 2, 3, 3, 5, 5, 5};

    (void)state;
    for (unsigned nodes = 1; nodes <= 7; nodes++) {
        struct cluster_map *m = sample_map(nodes, 4, 1);
        assert_int_equal(m->groups[0].id, 0);
        assert_int_equal(m->groups[0].n_replicas, want[nodes]);
        map_free(m);
    }
}

/* Broken: one node would do more work than another from the first day. */
static void leaders_and_replicas_are_spread_evenly(void **state)
{
    (void)state;
    for (unsigned nodes = 1; nodes <= 8; nodes++) {
        struct cluster_map *m = sample_map(nodes, 6 * nodes, 0);
        unsigned leads[9] = {0}, has[9] = {0};
        for (unsigned g = 1; g < m->n_groups; g++) {
            leads[m->groups[g].replicas[0].node]++;
            for (unsigned k = 0; k < m->groups[g].n_replicas; k++)
                has[m->groups[g].replicas[k].node]++;
        }
        for (unsigned n = 1; n <= nodes; n++) {
            assert_int_equal(leads[n], 6);
            assert_int_equal(has[n], 6 * MIN_OF(nodes, 3u));
        }
        map_free(m);
    }
}

/* Broken: when a node dies, one other would take all of its load. */
static void the_heirs_of_a_node_are_several(void **state)
{
    struct cluster_map *m = sample_map(5, 20, 3);
    unsigned heir[6] = {0};

    (void)state;
    for (unsigned g = 1; g < m->n_groups; g++)
        if (m->groups[g].replicas[0].node == 1)
            heir[m->groups[g].replicas[1].node]++;
    for (unsigned n = 2; n <= 5; n++)
        assert_int_equal(heir[n], 1);
    map_free(m);
}

/* Broken: a replica would start although its node has not created it. */
static void replicas_are_new_and_bound_to_their_directory(void **state)
{
    struct cluster_map *m = sample_map(3, 4, 3);
    uint64_t next = 1;

    (void)state;
    for (unsigned g = 0; g < m->n_groups; g++)
        for (unsigned k = 0; k < m->groups[g].n_replicas; k++) {
            const struct map_replica *r = &m->groups[g].replicas[k];
            assert_int_equal(r->id, next++);
            assert_int_equal(r->state, REPLICA_CREATING);
            assert_memory_equal(r->directory,
                                map_node_find(m, r->node)->directory,
                                ID_BYTES);
        }
    assert_int_equal(m->next_replica, next);
    map_free(m);
}

static const char *refusal(struct map_plan *plan)
{
    struct cluster_map *m = (struct cluster_map *)1;
    const char *why = NULL;

    assert_int_equal(map_initial(plan, &m, &why), STATUS_INVALID);
    assert_null(m);
    return why;
}

/* Broken: an impossible wish would give a cluster that cannot work. */
static void impossible_plans_are_refused_with_a_reason(void **state)
{
    struct map_node n[2] = {sample_node(1), sample_node(2)};
    struct map_plan good = {.cluster = {1}, .nodes = n, .n_nodes = 2,
                            .data_groups = 1};
    struct map_plan p = good;

    (void)state;
    p.data_groups = 0;
    assert_non_null(refusal(&p));
    p.data_groups = GROUP_COUNT_MAX + 1;
    assert_non_null(refusal(&p));
    p = good;
    p.replicas = 3;
    assert_string_equal(refusal(&p),
                        "there are fewer nodes than replicas wanted");
    p = good;
    p.n_nodes = 0;
    assert_non_null(refusal(&p));
    p = good;
    p.cluster[0] = 0;
    assert_non_null(refusal(&p));
    p = good;
    n[1].id = 1;
    assert_non_null(refusal(&p));
    n[1] = sample_node(2);
    memcpy(n[1].directory, n[0].directory, ID_BYTES);
    assert_string_equal(refusal(&p), "two nodes have one data directory");
    n[1] = sample_node(2);
    strcpy(n[1].client_address, n[0].client_address);
    assert_string_equal(refusal(&p), "two nodes have one address");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_plan_in_range_gives_a_valid_map),
        cmocka_unit_test(the_meta_group_has_three_or_five_replicas),
        cmocka_unit_test(leaders_and_replicas_are_spread_evenly),
        cmocka_unit_test(the_heirs_of_a_node_are_several),
        cmocka_unit_test(replicas_are_new_and_bound_to_their_directory),
        cmocka_unit_test(impossible_plans_are_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
