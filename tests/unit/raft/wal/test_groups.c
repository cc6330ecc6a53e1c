/* test_groups.c - the table of groups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/base/rng.h"
#include "raft/wal/groups.h"

enum { IDS = 300 };

/* Adding and removing in random order: removal must not cut the chain of
 * those that collided, or a group's votes would vanish. */
static void groups_are_found_until_removed(void **state)
{
    struct wal_groups t = {0};
    bool here[IDS] = {false};
    unsigned count = 0;
    struct rng rng;
    (void)state;

    assert_null(wal_groups_find(&t, 1));
    rng_init(&rng, 2);
    for (unsigned step = 0; step < 20000; step++) {
        uint32_t i = (uint32_t)rng_below(&rng, IDS);
        uint32_t id = i * 0x01000193u; /* spread over all ids */
        if (here[i]) {
            assert_int_equal(wal_groups_find(&t, id)->term, i);
            wal_groups_remove(&t, id);
            count--;
        } else {
            wal_groups_add(&t, id)->term = i;
            count++;
        }
        here[i] = !here[i];
        assert_int_equal(t.count, count);
        if (step % 100 == 0)
            for (uint32_t j = 0; j < IDS; j++)
                assert_true(!!wal_groups_find(&t, j * 0x01000193u) ==
                            here[j]);
    }
    wal_groups_release(&t);
}

static void iteration_visits_each_group_once(void **state)
{
    struct wal_groups t = {0};
    unsigned seen[100] = {0};
    struct wal_group *g;
    (void)state;

    for (uint32_t i = 0; i < 100; i++)
        wal_groups_add(&t, i);
    for (uint32_t i = 0; (g = wal_groups_next(&t, &i));)
        seen[g->id]++;
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(seen[i], 1);
    wal_groups_release(&t);
}

/* An opening is all that is left of a group whose segments are gone. */
static void state_says_all_that_an_opening_must(void **state)
{
    struct wal_groups t = {0};
    struct wal_group *g = wal_groups_add(&t, 4);
    struct wal_state s;
    (void)state;

    g->term = 9;
    g->vote = 2;
    g->batch = 77;
    g->log.first = 11;
    g->base_term = 5;
    g->reset_index = 3;
    g->reset_term = 1;
    g->install_id[0] = 0xab;
    wal_group_state(g, &s);
    assert_int_equal(s.last, 10);
    assert_int_equal(s.last_term, 5);
    wal_index_push(&g->log, (struct wal_slot){.term = 8, .segment = 1});
    g->quarantined = true;
    wal_group_state(g, &s);
    assert_int_equal(s.batch, 77);
    assert_int_equal(s.term, 9);
    assert_int_equal(s.vote, 2);
    assert_int_equal(s.base, 10);
    assert_int_equal(s.base_term, 5);
    assert_int_equal(s.last, 11);
    assert_int_equal(s.last_term, 8);
    assert_int_equal(s.reset_index, 3);
    assert_int_equal(s.reset_term, 1);
    assert_int_equal(s.install_id[0], 0xab);
    assert_true(s.quarantined);
    assert_int_equal(wal_group_term(g, 10), 5);
    assert_int_equal(wal_group_term(g, 11), 8);
    wal_groups_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_found_until_removed),
        cmocka_unit_test(iteration_visits_each_group_once),
        cmocka_unit_test(state_says_all_that_an_opening_must),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
