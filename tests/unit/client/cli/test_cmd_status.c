/* test_cmd_status.c - the command status. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "tests/unit/client/cli/run_cli.h"

/* Broken: an operator would not see a node or a group. */
static void tables_show_every_node_and_group(void **state)
{
    struct nodes *t = nodes_start(3);
    struct run *r = RUN("-e", t->f.endpoints, "status");

    (void)state;
    assert_int_equal(r->code, 0);
    for (unsigned i = 0; i < 3; i++)
        assert_has(r->out, t->f.map->nodes[i].client_address);
    assert_has(r->out, "meta");
    assert_has(r->out, "1 d 1 h");
    assert_has(r->out, "serving");
    assert_has(r->out, "*");
    free(r);
    nodes_stop(t);
}

/* Broken: scripts would read other names, or rounded numbers. */
static void json_has_nodes_replicas_and_groups(void **state)
{
    struct nodes *t = nodes_start(3);
    struct run *r = RUN("-e", t->f.endpoints, "-o", "json", "status");
    json_t *j = json_loads(r->out, 0, NULL), *node, *replica;

    (void)state;
    assert_non_null(j);
    assert_true(json_is_true(json_object_get(j, "healthy")));
    assert_int_equal(json_array_size(json_object_get(j, "nodes")), 3);
    assert_int_equal(json_array_size(json_object_get(j, "groups")), 5);
    node = json_array_get(json_object_get(j, "nodes"), 1);
    assert_int_equal(json_integer_value(json_object_get(node, "node")), 2);
    replica = json_array_get(json_object_get(node, "replicas"), 0);
    assert_string_equal(
        json_string_value(json_object_get(replica, "commit_index")), "11");
    assert_non_null(json_object_get(replica, "role"));
    json_decref(j);
    free(r);
    nodes_stop(t);
}

/* Broken: behind an election a follower that has everything would look as if
 * it lacked the whole log. */
static void a_lag_that_nobody_knows_is_not_a_number(void **state)
{
    struct nodes *t = nodes_prepare(1);
    struct run *r;

    (void)state;
    t->f.nodes[0].hears_nobody = true;
    fake_thread_start(&t->f);
    r = RUN("-e", t->f.endpoints, "status");
    assert_has(r->out, " ? ");
    free(r);
    r = RUN("-e", t->f.endpoints, "-o", "json", "status");
    assert_has(r->out, "\"lag\": null");
    assert_has(r->out, "\"lag_max\": null");
    free(r);
    nodes_stop(t);
}

/* Broken: a dead node would look alive, or hide the cluster. */
static void a_dead_node_makes_it_unhealthy_not_invisible(void **state)
{
    struct nodes *t = nodes_prepare(3);
    struct run *r;

    (void)state;
    fake_stop(&t->f.nodes[1]);
    fake_thread_start(&t->f);
    r = RUN("-e", t->f.endpoints, "status");
    assert_int_equal(r->code, 0);
    assert_has(r->out, "unreachable");
    free(r);
    r = RUN("-e", t->f.endpoints, "-o", "json", "status");
    assert_has(r->out, "\"healthy\": false");
    assert_has(r->out, "\"reachable\": false");
    free(r);
    nodes_stop(t);
}

/* Broken: what nobody knows would look like a term or an index of 0, or each
 * node's trouble would stand in a paragraph of its own. */
static void what_only_a_leader_knows_is_not_made_up(void **state)
{
    struct nodes *t = nodes_prepare(3);
    struct run *r;
    const char *meta, *end;

    (void)state;
    fake_stop(&t->f.nodes[0]); /* leads the meta group */
    fake_stop(&t->f.nodes[1]);
    fake_thread_start(&t->f);
    r = RUN("-e", t->f.endpoints, "status");
    meta = strstr(r->out, "\n meta ");
    assert_non_null(meta);
    end = strchr(meta + 1, '\n');
    assert_non_null(strstr(meta, "none"));
    assert_non_null(strstr(meta, " - "));
    assert_true(strstr(meta, "none") < end && strstr(meta, " - ") < end);
    assert_has(r->out, "\n\nnode 1: cannot connect to ");
    assert_has(r->out, "\nnode 2: cannot connect to ");
    assert_null(strstr(r->out, "\n\nnode 2"));
    free(r);
    nodes_stop(t);
}

/* Broken: a fresh installation would not say what comes next. */
static void blank_nodes_are_shown_with_what_to_do(void **state)
{
    struct nodes *t = nodes_prepare(1);
    struct run *r;

    (void)state;
    t->f.nodes[0].not_initialised = true;
    fake_thread_start(&t->f);
    r = RUN("-e", t->f.endpoints, "status");
    assert_int_equal(r->code, 0);
    assert_has(r->out, "cluster init");
    assert_has(r->out, "blank");
    free(r);
    nodes_stop(t);
}

/* Broken: "nobody there" would look like "all is well". */
static void nobody_there_exits_with_3(void **state)
{
    struct nodes *t = nodes_start(1);
    char gone[300];
    struct run *r;

    (void)state;
    snprintf(gone, sizeof gone, "%.290s", t->f.endpoints);
    nodes_stop(t);
    r = RUN("-e", gone, "--timeout", "500", "status");
    assert_int_equal(r->code, 3);
    assert_has(r->err, gone);
    assert_one_line(r->err);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_show_every_node_and_group),
        cmocka_unit_test(json_has_nodes_replicas_and_groups),
        cmocka_unit_test(a_lag_that_nobody_knows_is_not_a_number),
        cmocka_unit_test(a_dead_node_makes_it_unhealthy_not_invisible),
        cmocka_unit_test(what_only_a_leader_knows_is_not_made_up),
        cmocka_unit_test(blank_nodes_are_shown_with_what_to_do),
        cmocka_unit_test(nobody_there_exits_with_3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
