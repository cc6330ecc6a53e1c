/* test_merge.c - many sorted sources become one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "client/merge.h"
#include "proto/base/rng.h"

enum { SOURCES = 9, EACH = 60 };

static uint8_t keys[SOURCES][EACH][2];

static int forwards(const void *a, const void *b)
{
    return memcmp(a, b, 2);
}

static int backwards(const void *a, const void *b)
{
    return memcmp(b, a, 2);
}

static void everything_comes_once_and_in_order(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 1);
    for (unsigned round = 0; round < 40; round++) {
        bool reverse = round % 2;
        unsigned at[SOURCES] = {0}, sizes[SOURCES], total = 0, seen = 0;
        uint8_t last[2];
        struct merge m;
        merge_init(&m, SOURCES, reverse);
        for (uint32_t s = 0; s < SOURCES; s++) {
            sizes[s] = (unsigned)rng_below(&rng, EACH);
            for (unsigned k = 0; k < sizes[s]; k++)
                put_u16(keys[s][k], (uint16_t)rng_next(&rng));
            qsort(keys[s], sizes[s], 2, reverse ? backwards : forwards);
            total += sizes[s];
            if (sizes[s])
                merge_add(&m, slice_of(keys[s][0], 2), s);
        }
        while (m.n) {
            uint32_t s = merge_top(&m);
            uint8_t *key = keys[s][at[s]];
            if (seen++)
                assert_true((reverse ? backwards : forwards)(last, key) <= 0);
            memcpy(last, key, 2);
            if (++at[s] < sizes[s])
                merge_move(&m, slice_of(keys[s][at[s]], 2));
            else
                merge_pop(&m);
        }
        assert_int_equal(seen, total);
        merge_release(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_comes_once_and_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
