/* test_cmd_cluster.c - cluster init: its steps, repeated and refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/client/cli/run_cli.h"

static struct nodes *blank(unsigned n)
{
    struct nodes *t = nodes_prepare(n);

    for (unsigned i = 0; i < n; i++)
        t->f.nodes[i].not_initialised = true;
    return t;
}

static void assert_steps(const struct fake_node *n, const char *steps)
{
    char got[16] = "";

    for (unsigned i = 0; i < n->n_steps; i++)
        got[i] = (char)('0' + n->steps[i]);
    assert_string_equal(got, steps);
}

/* Broken: replicas would be created before every node knows the cluster. */
static void every_node_goes_through_the_three_steps(void **state)
{
    struct nodes *t = blank(3);
    struct run *r;
    struct cluster_map *map;

    (void)state;
    fake_thread_start(&t->f);
    r = RUN("-e", t->f.endpoints, "cluster", "init", "--groups", "5");
    assert_int_equal(r->code, 0);
    assert_has(r->out, "3 nodes, 5 groups");
    free(r);
    fake_thread_pause(&t->f);
    for (unsigned i = 0; i < 3; i++) {
        assert_steps(&t->f.nodes[i], "012");
        assert_true(slice_equal(buf_slice(&t->f.nodes[i].accepted),
                                buf_slice(&t->f.nodes[0].accepted)));
    }
    assert_int_equal(
        map_decode(buf_slice(&t->f.nodes[0].accepted), &map), STATUS_OK);
    assert_int_equal(map->n_groups, 6);
    assert_int_equal(map->groups[1].n_replicas, 3);
    assert_string_equal(map->nodes[2].client_address,
                        t->f.map->nodes[2].client_address);
    map_free(map);
    nodes_stop(t);
}

/* Broken: an interrupted init would make a second cluster. */
static void an_interrupted_init_is_taken_up_again(void **state)
{
    struct nodes *t = blank(3);
    struct buf first = {0};
    struct run *r;

    (void)state;
    t->f.nodes[1].init_fails = true;
    fake_thread_start(&t->f);
    RUN_CODE(5, "-e", t->f.endpoints, "cluster", "init");
    fake_thread_pause(&t->f);
    assert_false(t->f.nodes[0].active);
    buf_append(&first, t->f.nodes[0].accepted.data,
               t->f.nodes[0].accepted.size);
    t->f.nodes[1].init_fails = false;
    for (unsigned i = 0; i < 3; i++)
        t->f.nodes[i].n_steps = 0;
    /* What the nodes say of their cluster has to fit what they accepted. */
    {
        struct cluster_map *map;
        assert_int_equal(map_decode(buf_slice(&first), &map), STATUS_OK);
        memcpy(t->f.map->cluster, map->cluster, ID_BYTES);
        map_free(map);
    }
    fake_thread_start(&t->f);
    r = RUN("-e", t->f.endpoints, "cluster", "init", "--groups", "9");
    assert_int_equal(r->code, 0);
    assert_has(r->err, "--groups 9 changes nothing");
    assert_one_line(r->err);
    free(r);
    fake_thread_pause(&t->f);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(t->f.nodes[i].active);
        assert_true(slice_equal(buf_slice(&t->f.nodes[i].accepted),
                                buf_slice(&first)));
    }
    buf_release(&first);
    nodes_stop(t);
}

/* Broken: a cluster would be made without a node that was named. */
static void a_node_that_does_not_answer_stops_it(void **state)
{
    struct nodes *t = blank(3);
    struct run *r;
    char dead[300];

    (void)state;
    address_format(listener_address(t->f.nodes[1].listener), dead);
    fake_stop(&t->f.nodes[1]);
    fake_thread_start(&t->f);
    r = RUN("-e", t->f.endpoints, "cluster", "init");
    assert_int_equal(r->code, 3);
    assert_has(r->err, dead);
    assert_one_line(r->err);
    free(r);
    fake_thread_pause(&t->f);
    assert_steps(&t->f.nodes[0], "");
    nodes_stop(t);
}

/* Broken: a node would be taken out of the cluster it belongs to. */
static void nodes_of_two_clusters_are_refused_by_name(void **state)
{
    struct nodes *a = nodes_start(1), *b = nodes_prepare(1);
    char both[700];
    struct run *r;

    (void)state;
    b->f.map->cluster[3]++;
    b->f.map->nodes[0].directory[5]++;
    fake_thread_start(&b->f);
    snprintf(both, sizeof both, "%.300s,%.300s", a->f.endpoints,
             b->f.endpoints);
    r = RUN("-e", both, "cluster", "init");
    assert_int_equal(r->code, 4);
    assert_has(r->err, b->f.endpoints);
    assert_one_line(r->err);
    free(r);
    assert_steps(&a->f.nodes[0], "");
    assert_steps(&b->f.nodes[0], "");
    nodes_stop(a);
    nodes_stop(b);
}

/* Broken: one node named twice would become two in the map. */
static void one_node_named_twice_is_refused(void **state)
{
    struct nodes *t = blank(1);
    char twice[700];
    struct run *r;

    (void)state;
    fake_thread_start(&t->f);
    snprintf(twice, sizeof twice, "%.300s,localhost:%u", t->f.endpoints,
             (unsigned)listener_address(t->f.nodes[0].listener)->port);
    r = RUN("-e", twice, "cluster", "init");
    assert_int_equal(r->code, 2);
    assert_has(r->err, "the same node");
    free(r);
    nodes_stop(t);
}

/* Broken: more replicas than nodes would be promised. */
static void impossible_wishes_are_refused(void **state)
{
    struct nodes *t = blank(3);

    (void)state;
    fake_thread_start(&t->f);
    RUN_CODE(2, "-e", t->f.endpoints, "cluster", "init", "--replicas", "5");
    RUN_CODE(2, "-e", t->f.endpoints, "cluster", "init", "--groups", "0");
    RUN_CODE(2, "-e", t->f.endpoints, "cluster", "init", "--groups", "1025");
    RUN_CODE(2, "-e", t->f.endpoints, "cluster", "init", "x");
    assert_steps(&t->f.nodes[0], "");
    nodes_stop(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_node_goes_through_the_three_steps),
        cmocka_unit_test(an_interrupted_init_is_taken_up_again),
        cmocka_unit_test(a_node_that_does_not_answer_stops_it),
        cmocka_unit_test(nodes_of_two_clusters_are_refused_by_name),
        cmocka_unit_test(one_node_named_twice_is_refused),
        cmocka_unit_test(impossible_wishes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
