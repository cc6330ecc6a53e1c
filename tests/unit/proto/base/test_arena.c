/* test_arena.c - bump allocation. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "proto/base/arena.h"

/* Broken: each small message would cost a malloc. */
static void small_things_come_from_the_callers_block(void **state)
{
    uint8_t first[256];
    struct arena a;
    uint8_t *p;

    (void)state;
    arena_init(&a, first, sizeof first, 1000);
    p = arena_alloc(&a, 100);
    assert_true(p >= first && p + 100 <= first + sizeof first);
    assert_null(a.blocks);
    arena_release(&a);
}

/* Broken: two objects would share memory, or be misaligned. */
static void allocations_are_aligned_and_do_not_overlap(void **state)
{
    uint8_t first[100];
    uint8_t *p[200];
    struct arena a;

    (void)state;
    arena_init(&a, first + 1, sizeof first - 1, 1 << 20);
    for (unsigned i = 0; i < 200; i++) {
        p[i] = arena_alloc(&a, i);
        assert_int_equal((uintptr_t)p[i] % 16, 0);
        memset(p[i], (int)i, i);
    }
    for (unsigned i = 0; i < 200; i++)
        for (unsigned k = 0; k < i; k++)
            assert_int_equal(p[i][k], (uint8_t)i);
    arena_release(&a);
}

/* Broken: a peer's message could make us allocate without end. */
static void nothing_is_given_beyond_the_limit(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, NULL, 0, 100);
    assert_non_null(arena_alloc(&a, 60));
    assert_null(arena_alloc(&a, 41));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_non_null(arena_alloc(&a, 40));
    assert_null(arena_alloc(&a, 1));
    arena_release(&a);
    arena_init(&a, NULL, 0, SIZE_MAX);
    assert_null(arena_alloc(&a, SIZE_MAX - 3));
    arena_release(&a);
}

/* Broken: an empty list would look like running out of memory. */
static void nothing_at_all_is_still_something(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, NULL, 0, 100);
    assert_non_null(arena_alloc(&a, 0));
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_things_come_from_the_callers_block),
        cmocka_unit_test(allocations_are_aligned_and_do_not_overlap),
        cmocka_unit_test(nothing_is_given_beyond_the_limit),
        cmocka_unit_test(nothing_at_all_is_still_something),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
