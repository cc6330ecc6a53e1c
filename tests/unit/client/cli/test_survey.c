/* test_survey.c - the cluster's state from all its nodes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "client/cli/survey.h"
#include "tests/unit/client/cli/run_cli.h"

static struct cli cli_for(const char *endpoints)
{
    return (struct cli){.endpoints = endpoints, .timeout = 1000,
                        .out = stdout, .err = stderr};
}

/* Broken: leaders, lags or replicas of a group would be wrong. */
static void a_group_is_put_together_from_its_replicas(void **state)
{
    struct nodes *t = nodes_start(3);
    struct cli cli = cli_for(t->f.endpoints);
    struct survey s;

    (void)state;
    assert_int_equal(survey_map(&cli, &s), 0);
    survey_nodes(&cli, &s);
    assert_int_equal(s.n_nodes, 3);
    for (unsigned g = 0; g < s.map->n_groups; g++) {
        struct survey_group v = survey_group(&s, g);
        assert_int_equal(v.leader, t->f.leaders[g]);
        assert_int_equal(s.leaders[g], t->f.leaders[g]);
        assert_int_equal(v.replicas_up, 3);
        assert_int_equal(v.term, 3);
        assert_int_equal(v.commit, 11);
        assert_int_equal(v.last, 12);
        assert_int_equal(v.applied_min, 10);
        assert_true(v.lag_known);
        assert_int_equal(v.lag, 2);
    }
    assert_null(survey_replica(&s, 1, 99));
    assert_null(survey_replica(&s, 9, 1));
    survey_release(&s);
    nodes_stop(t);
}

/* Broken: a dead node would be left out, or hide the others. */
static void a_dead_node_is_listed_with_its_trouble(void **state)
{
    struct nodes *t = nodes_prepare(3);
    struct cli cli = cli_for(t->f.endpoints);
    struct survey s;

    (void)state;
    fake_stop(&t->f.nodes[1]);
    fake_thread_start(&t->f);
    assert_int_equal(survey_map(&cli, &s), 0);
    survey_nodes(&cli, &s);
    assert_int_equal(s.n_nodes, 3);
    assert_true(s.nodes[0].answered && s.nodes[2].answered);
    assert_false(s.nodes[1].answered);
    assert_true(s.nodes[1].trouble[0]);
    assert_int_equal(survey_group(&s, 0).replicas_up, 2);
    survey_release(&s);
    nodes_stop(t);
}

/* Broken: before cluster init one could not see the nodes at all. */
static void without_a_map_the_endpoints_are_the_nodes(void **state)
{
    struct nodes *t = nodes_prepare(2);
    struct cli cli = cli_for(t->f.endpoints);
    struct survey s;

    (void)state;
    t->f.nodes[0].not_initialised = t->f.nodes[1].not_initialised = true;
    fake_thread_start(&t->f);
    assert_int_equal(survey_map(&cli, &s), 0);
    assert_null(s.map);
    survey_nodes(&cli, &s);
    assert_int_equal(s.n_nodes, 2);
    assert_true(s.nodes[1].answered);
    survey_release(&s);
    nodes_stop(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_is_put_together_from_its_replicas),
        cmocka_unit_test(a_dead_node_is_listed_with_its_trouble),
        cmocka_unit_test(without_a_map_the_endpoints_are_the_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
