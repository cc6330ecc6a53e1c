/* test_redis_cursor.c - positions of SCANs as numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "node/front/redis_cursor.h"

static void must_find(struct redis_cursors *t, uint64_t cursor,
                      uint32_t group, const char *key)
{
    struct buf next = {0};
    uint32_t got = 0;

    assert_true(redis_cursors_find(t, cursor, &got, &next));
    assert_int_equal(got, group);
    assert_true(slice_equal(buf_slice(&next), slice_str(key)));
    buf_release(&next);
}

static void must_not_find(struct redis_cursors *t, uint64_t cursor)
{
    struct buf next = {0};
    uint32_t group;

    assert_false(redis_cursors_find(t, cursor, &group, &next));
    assert_int_equal(next.size, 0);
}

/* Would break: a SCAN that goes on elsewhere, or cannot be repeated. */
static void a_number_stands_for_its_position(void **state)
{
    struct redis_cursors *t = redis_cursors_new(12345);
    uint64_t a = redis_cursors_put(t, 1, slice_str("key"));
    uint64_t b = redis_cursors_put(t, 2, slice_str(""));

    (void)state;
    assert_true(a && b && a != b);
    must_find(t, a, 1, "key");
    must_find(t, b, 2, "");
    must_find(t, a, 1, "key");
    must_not_find(t, 0);
    must_not_find(t, b + 1);
    must_not_find(t, a + CURSORS_MAX);
    redis_cursors_free(t);
}

/* Would break: languages whose numbers are doubles. */
static void numbers_are_exact_as_doubles(void **state)
{
    struct redis_cursors *t = redis_cursors_new(UINT64_MAX);
    uint64_t a = redis_cursors_put(t, 1, slice_str("key"));

    (void)state;
    assert_true(a <= UINT64_C(1) << 53);
    assert_true((uint64_t)(double)a == a);
    redis_cursors_free(t);
}

/* Would break: clients that begin scans and never go on would fill memory. */
static void the_oldest_make_room_for_new_ones(void **state)
{
    struct redis_cursors *t = redis_cursors_new(7);
    uint64_t first = 0, last = 0;
    char key[20];

    (void)state;
    for (unsigned i = 0; i < 3 * CURSORS_MAX; i++) {
        snprintf(key, sizeof key, "%u", i);
        last = redis_cursors_put(t, i, slice_str(key));
        if (!first)
            first = last;
    }
    must_find(t, last, 3 * CURSORS_MAX - 1, key);
    must_not_find(t, first);
    must_not_find(t, last - CURSORS_MAX);
    snprintf(key, sizeof key, "%u", 2 * CURSORS_MAX);
    must_find(t, last - CURSORS_MAX + 1, 2 * CURSORS_MAX, key);
    redis_cursors_free(t);
}

/* Would break: a few positions in very long keys, the same. */
static void they_are_bounded_in_bytes_too(void **state)
{
    enum { LONG = 60000, FIT = CURSORS_BYTES_MAX / LONG };
    struct redis_cursors *t = redis_cursors_new(7);
    uint8_t *key = xcalloc(1, LONG);
    uint64_t first = redis_cursors_put(t, 1, slice_of(key, LONG)), last = 0;
    struct buf next = {0};
    uint32_t group;

    (void)state;
    for (unsigned i = 0; i < FIT; i++)
        last = redis_cursors_put(t, 1, slice_of(key, LONG));
    must_not_find(t, first);
    assert_true(redis_cursors_find(t, last, &group, &next));
    assert_int_equal(next.size, LONG);
    assert_true(redis_cursors_find(t, last - FIT + 1, &group, &next));
    buf_release(&next);
    redis_cursors_free(t);
    free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_stands_for_its_position),
        cmocka_unit_test(numbers_are_exact_as_doubles),
        cmocka_unit_test(the_oldest_make_room_for_new_ones),
        cmocka_unit_test(they_are_bounded_in_bytes_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
