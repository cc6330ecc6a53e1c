/* test_cmd_map.c - the command map. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "tests/unit/client/cli/run_cli.h"

/* Broken: an operator would not see where a group lives. */
static void the_table_has_nodes_groups_and_shares(void **state)
{
    struct nodes *t = nodes_start(3);
    struct run *r = RUN("-e", t->f.endpoints, "map");

    (void)state;
    assert_int_equal(r->code, 0);
    for (unsigned i = 0; i < 3; i++)
        assert_has(r->out, t->f.map->nodes[i].client_address);
    assert_has(r->out, "map epoch 2");
    assert_has(r->out, "%");
    assert_has(r->out, "keyspaces: default");
    free(r);
    nodes_stop(t);
}

/* Broken: a key's group could not be told from the output. */
static void json_slots_are_those_of_the_map(void **state)
{
    struct nodes *t = nodes_start(3);
    struct run *r = RUN("-e", t->f.endpoints, "-o", "json", "map");
    json_t *j = json_loads(r->out, 0, NULL), *slots, *range;
    unsigned next = 0;
    size_t i;

    (void)state;
    slots = json_object_get(j, "slots");
    json_array_foreach(slots, i, range) {
        json_int_t first, last, group;
        assert_int_equal(json_unpack(range, "{s:I,s:I,s:I}", "first", &first,
                                     "last", &last, "group", &group),
                         0);
        assert_int_equal(first, next);
        for (; next <= last; next++)
            assert_int_equal(t->f.map->owner[next], group);
    }
    assert_int_equal(next, SLOT_COUNT);
    assert_int_equal(json_array_size(json_object_get(j, "groups")), 5);
    assert_int_equal(json_array_size(json_object_get(j, "nodes")), 3);
    json_decref(j);
    free(r);
    nodes_stop(t);
}

/* Broken: without a cluster it would crash or print an empty map. */
static void without_a_cluster_it_says_so(void **state)
{
    struct nodes *t = nodes_prepare(1);
    struct run *r;

    (void)state;
    t->f.nodes[0].not_initialised = true;
    fake_thread_start(&t->f);
    r = RUN("-e", t->f.endpoints, "map");
    assert_int_equal(r->code, 3);
    assert_has(r->err, "cluster init");
    free(r);
    nodes_stop(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_has_nodes_groups_and_shares),
        cmocka_unit_test(json_slots_are_those_of_the_map),
        cmocka_unit_test(without_a_cluster_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
