/* test_table_ranges.c - deleted ranges stay disjoint and cover what they did.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "node/store/table_ranges.h"
#include "proto/base/rng.h"

static struct table_ranges *ranges(unsigned cap)
{
    struct table_ranges *r = xcalloc(1, table_ranges_bytes(cap));

    r->cap = cap;
    return r;
}

static void add(struct table_ranges *r, const char *begin, const char *end)
{
    table_ranges_add(r, (struct table_range){slice_str(begin),
                                             slice_str(end)});
}

static void is(const struct table_ranges *r, unsigned i, const char *begin,
               const char *end)
{
    assert_true(i < r->count);
    assert_true(slice_equal(r->v[i].begin, slice_str(begin)));
    assert_true(slice_equal(r->v[i].end, slice_str(end)));
}

/* Every way in which a new range can lie to the ones that are there. */
static void overlapping_and_touching_ranges_are_joined(void **state)
{
    struct table_ranges *r = ranges(8);

    (void)state;
    add(r, "c", "e");
    add(r, "m", "p");
    add(r, "a", "b");
    assert_int_equal(r->count, 3);
    is(r, 0, "a", "b");
    add(r, "b", "c"); /* touches both */
    assert_int_equal(r->count, 2);
    is(r, 0, "a", "e");
    add(r, "b", "d"); /* inside */
    is(r, 0, "a", "e");
    add(r, "n", "q"); /* longer at the end */
    is(r, 1, "m", "q");
    add(r, "l", "n"); /* longer at the begin */
    is(r, 1, "l", "q");
    assert_int_equal(r->count, 2);
    add(r, "g", "h");
    add(r, "f", "z"); /* over several */
    assert_int_equal(r->count, 2);
    is(r, 0, "a", "e");
    is(r, 1, "f", "z");
    add(r, "0", "zz");
    assert_int_equal(r->count, 1);
    is(r, 0, "0", "zz");
    free(r);
}

static void bounds_are_inclusive_below_and_exclusive_above(void **state)
{
    struct table_ranges *r = ranges(8);

    (void)state;
    assert_null(table_ranges_find(NULL, slice_str("a")));
    assert_null(table_ranges_find(r, slice_str("a")));
    add(r, "b", "d");
    assert_null(table_ranges_find(r, slice_str("a")));
    assert_ptr_equal(table_ranges_find(r, slice_str("b")), &r->v[0]);
    assert_ptr_equal(table_ranges_find(r, slice_str("czz")), &r->v[0]);
    assert_null(table_ranges_find(r, slice_str("d")));
    free(r);
}

static void ranges_equal_an_array_of_flags(void **state)
{
    enum { N = 250 };
    static uint8_t letters[N];
    struct rng rng;

    (void)state;
    rng_init(&rng, 3);
    for (unsigned i = 0; i < N; i++)
        letters[i] = (uint8_t)i;
    for (int round = 0; round < 200; round++) {
        struct table_ranges *r = ranges(N);
        bool covered[N] = {false};
        for (int n = 0; n < 40; n++) {
            unsigned a = (unsigned)rng_below(&rng, N - 1);
            unsigned b = a + 1 + (unsigned)rng_below(&rng, 12);
            b = MIN_OF(b, (unsigned)N - 1);
            if (a == b)
                continue;
            table_ranges_add(r, (struct table_range){
                                    slice_of(&letters[a], 1),
                                    slice_of(&letters[b], 1)});
            for (unsigned i = a; i < b; i++)
                covered[i] = true;
        }
        for (unsigned i = 0; i < N; i++)
            assert_int_equal(
                table_ranges_find(r, slice_of(&letters[i], 1)) != NULL,
                covered[i]);
        for (unsigned i = 1; i < r->count; i++)
            assert_true(slice_compare(r->v[i - 1].end, r->v[i].begin) < 0);
        free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overlapping_and_touching_ranges_are_joined),
        cmocka_unit_test(bounds_are_inclusive_below_and_exclusive_above),
        cmocka_unit_test(ranges_equal_an_array_of_flags),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
