/* test_chains.c - who has writes of a connection that are not answered. */
#include "tests/unit/node/core/core_test.h"

#include "node/core/chains.h"
#include "proto/base/rng.h"

/* Broken: a write would overtake one that went another way. */
static void a_pair_is_known_until_all_are_answered(void **state)
{
    struct chains c = {0};

    (void)state;
    assert_int_equal(chains_node(&c, 1, 1), 0);
    chains_sent(&c, 1, 1, 7);
    chains_sent(&c, 1, 1, 7);
    chains_sent(&c, 1, 2, 8);
    chains_sent(&c, 2, 1, 9);
    assert_int_equal(chains_node(&c, 1, 1), 7);
    assert_int_equal(chains_node(&c, 1, 2), 8);
    assert_int_equal(chains_node(&c, 2, 1), 9);
    assert_int_equal(chains_node(&c, 2, 2), 0);
    chains_answered(&c, 1, 1);
    assert_int_equal(chains_node(&c, 1, 1), 7);
    chains_answered(&c, 1, 1);
    assert_int_equal(chains_node(&c, 1, 1), 0);
    chains_sent(&c, 1, 1, 9); /* the other way now */
    assert_int_equal(chains_node(&c, 1, 1), 9);
    assert_int_equal(chains_node(&c, 1, 2), 8);
    chains_release(&c);
}

/* Broken: a pair is lost when another leaves the table, or the table grows. */
static void the_table_is_a_map(void **state)
{
    enum { CONNS = 40, GROUPS = 8 };
    static unsigned model[CONNS][GROUPS], node[CONNS][GROUPS];
    struct chains c = {0};
    struct rng rng;

    (void)state;
    rng_init(&rng, 4);
    for (unsigned i = 0; i < 200000; i++) {
        unsigned conn = (unsigned)rng_below(&rng, CONNS);
        unsigned group = (unsigned)rng_below(&rng, GROUPS);
        unsigned often = i / 20000 % 2 ? 70 : 30; /* it grows and shrinks */
        unsigned *n = &model[conn][group];
        if (rng_below(&rng, 100) < often && *n < 3) {
            if (!(*n)++)
                node[conn][group] = 1 + (unsigned)rng_below(&rng, 9);
            chains_sent(&c, conn + 1, group, node[conn][group]);
        } else if (*n) {
            --*n;
            chains_answered(&c, conn + 1, group);
        }
        conn = (unsigned)rng_below(&rng, CONNS);
        group = (unsigned)rng_below(&rng, GROUPS);
        assert_int_equal(chains_node(&c, conn + 1, group),
                         model[conn][group] ? node[conn][group] : 0);
    }
    chains_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pair_is_known_until_all_are_answered),
        cmocka_unit_test(the_table_is_a_map),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
