/* test_index.c - the ring of a group's entries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/base/rng.h"
#include "raft/wal/index.h"

static struct wal_slot slot(uint64_t index)
{
    return (struct wal_slot){.term = index * 3, .segment = 1,
                             .offset = (uint32_t)index};
}

/* Pushes and pops at both ends in random order, so that the ring wraps, grows
 * and shrinks at every phase: each entry stays where its index says. */
static void entries_stay_at_their_index(void **state)
{
    struct wal_index x = {.first = 5};
    uint64_t first = 5, next = 5;
    struct rng rng;
    (void)state;

    rng_init(&rng, 1);
    for (unsigned round = 0; round < 40; round++) {
        unsigned pushes = (unsigned)rng_below(&rng, 400);
        unsigned fronts = (unsigned)rng_below(&rng, 400);
        unsigned backs = (unsigned)rng_below(&rng, 50);
        while (pushes-- > 0)
            wal_index_push(&x, slot(next++));
        while (backs-- > 0 && next > first) {
            wal_index_pop_back(&x);
            next--;
        }
        while (fronts-- > 0 && next > first) {
            wal_index_pop_front(&x);
            first++;
        }
        assert_int_equal(x.first, first);
        assert_int_equal(x.count, next - first);
        assert_false(wal_index_has(&x, first - 1));
        assert_false(wal_index_has(&x, next));
        for (uint64_t i = first; i < next; i++) {
            assert_true(wal_index_has(&x, i));
            assert_int_equal(wal_index_at(&x, i)->term, i * 3);
            assert_int_equal(wal_index_at(&x, i)->offset, i);
        }
    }
    wal_index_release(&x);
}

/* Memory follows what is held: a burst must not keep its memory. */
static void memory_goes_back_when_entries_go(void **state)
{
    struct wal_index x = {.first = 1};
    (void)state;

    for (uint64_t i = 1; i <= 100000; i++)
        wal_index_push(&x, slot(i));
    while (x.count > 10)
        wal_index_pop_front(&x);
    assert_true(x.cap <= 256);
    assert_int_equal(wal_index_at(&x, 99995)->offset, 99995);
    wal_index_clear(&x, 7);
    assert_int_equal(x.count, 0);
    assert_int_equal(x.cap, 0);
    assert_int_equal(x.first, 7);
}

/* Recovery makes holes in front for copies whose originals are gone. */
static void holes_can_be_made_in_front(void **state)
{
    struct wal_index x = {.first = 401};
    (void)state;

    wal_index_extend_front(&x, 381);
    assert_int_equal(x.count, 20);
    assert_int_equal(wal_index_at(&x, 381)->segment, 0);
    wal_index_push(&x, slot(401));
    wal_index_extend_front(&x, 100);
    assert_int_equal(x.first, 100);
    assert_int_equal(x.count, 302);
    for (uint64_t i = 100; i <= 400; i++)
        assert_int_equal(wal_index_at(&x, i)->segment, 0);
    assert_int_equal(wal_index_at(&x, 401)->offset, 401);
    wal_index_release(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_stay_at_their_index),
        cmocka_unit_test(memory_goes_back_when_entries_go),
        cmocka_unit_test(holes_can_be_made_in_front),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
