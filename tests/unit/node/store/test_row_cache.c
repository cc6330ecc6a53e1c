/* test_row_cache.c - what is found is the truth, and memory has its bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/store/row_cache.h"
#include "proto/base/rng.h"

enum { KEYS = 20000, VALUE_MAX = 200, MIB = 1024 * 1024 };

static struct slice key_of(char *at, unsigned i)
{
    return slice_of(at, (size_t)snprintf(at, 32, "key:%u", i));
}

static struct slice value_of(char *at, uint32_t stamp)
{
    size_t n = stamp % VALUE_MAX;

    for (size_t i = 0; i < n; i++)
        at[i] = (char)(stamp + i);
    return slice_of(at, n);
}

static bool has(struct row_cache *c, unsigned i, uint32_t stamp)
{
    char k[32], want[VALUE_MAX];
    struct row_segment *pin;
    struct slice value;

    if (!row_cache_get(c, key_of(k, i), &value, &pin))
        return false;
    assert_true(slice_equal(value, value_of(want, stamp)));
    row_segment_unref(pin);
    return true;
}

static void put(struct row_cache *c, unsigned i, uint32_t stamp)
{
    char k[32], value[VALUE_MAX];

    row_cache_put(c, key_of(k, i), value_of(value, stamp));
}

/* What is likely here may be elsewhere for another key's sake; what is not
 * likely here is not here. */
static void expect_some(struct row_cache *c, struct rng *rng)
{
    char k[EXPECT_MAX][32];
    struct slice keys[EXPECT_MAX];
    unsigned here, n = (unsigned)rng_below(rng, EXPECT_MAX + 1);

    for (unsigned j = 0; j < n; j++)
        keys[j] = key_of(k[j], (unsigned)rng_below(rng, KEYS));
    here = row_cache_expect(c, keys, n);
    assert_int_equal(here >> n, 0);
    for (unsigned j = 0; j < n; j++) {
        struct row_segment *pin = NULL;
        struct slice value;
        bool found = row_cache_get(c, keys[j], &value, &pin);
        row_segment_unref(pin);
        assert_int_equal(found, here >> j & 1);
    }
}

/* A value of before the last write, or of another key, would be a wrong read
 * that nobody notices. With room for a part of the keys only, so that segments
 * go all the time. */
static void what_is_found_is_what_was_put_last(void **state)
{
    static uint32_t stamp[KEYS];
    static bool gone[KEYS];
    struct row_budget budget = {.bytes_max = 2 * MIB};
    struct row_cache *c = row_cache_new(&budget, 99);
    unsigned found = 0;
    struct rng rng;
    char k[32];

    (void)state;
    rng_init(&rng, 4);
    memset(gone, true, sizeof gone);
    for (unsigned n = 0; n < 400000; n++) {
        unsigned i = (unsigned)rng_below(&rng, KEYS);
        uint64_t dice = rng_below(&rng, 1000);

        if (dice < 300) {
            stamp[i] = (uint32_t)rng_next(&rng);
            gone[i] = false;
            put(c, i, stamp[i]);
        } else if (dice < 400) {
            gone[i] = true;
            row_cache_remove(c, key_of(k, i));
        } else if (dice < 410) {
            expect_some(c, &rng);
        } else if (has(c, i, stamp[i])) {
            assert_false(gone[i]);
            found++;
        }
        if (n % 100000 == 99999) {
            row_cache_clear(c);
            assert_int_equal(row_cache_count(c), 0);
            memset(gone, true, sizeof gone);
        }
        assert_true(atomic_load(&budget.bytes) <= budget.bytes_max);
    }
    /* More than half of the keys have room. */
    assert_true(found > 60000);
    row_cache_free(c);
    assert_int_equal(atomic_load(&budget.bytes), 0);
    row_cache_free(NULL);
}

/* Without a second chance a scan of cold keys would wash the hot ones out. */
static void what_is_read_stays_longer(void **state)
{
    enum { HOT = 500 };
    struct row_budget budget = {.bytes_max = 2 * MIB};
    struct row_cache *c = row_cache_new(&budget, 1);
    unsigned hot = 0, cold = 0;

    (void)state;
    for (unsigned i = 0; i < HOT; i++)
        put(c, i, i);
    for (unsigned i = HOT; i < 40000; i++) {
        put(c, i, i);
        if (i % 50 == 0)
            for (unsigned h = 0; h < HOT; h++)
                has(c, h, h);
    }
    for (unsigned i = 0; i < HOT; i++) {
        hot += has(c, i, i);
        cold += has(c, HOT + i, HOT + i);
    }
    assert_int_equal(hot, HOT);
    assert_int_equal(cold, 0);
    row_cache_free(c);
}

/* A reader holds a value while its segment is thrown out. */
static void a_pinned_value_outlives_its_segment(void **state)
{
    struct row_budget budget = {.bytes_max = 600 * 1024};
    struct row_cache *c = row_cache_new(&budget, 1);
    char k[32], want[VALUE_MAX];
    struct row_segment *pin;
    struct slice value;

    (void)state;
    put(c, 7, 150);
    assert_true(row_cache_get(c, key_of(k, 7), &value, &pin));
    row_cache_remove(c, key_of(k, 7));
    for (unsigned i = 100; i < 20000; i++)
        put(c, i, i);
    assert_false(has(c, 7, 150));
    row_cache_free(c);
    assert_true(slice_equal(value, value_of(want, 150)));
    row_segment_unref(pin);
    row_segment_unref(NULL);
}

/* One huge value must not push a thousand small ones out. */
static void large_values_are_not_kept(void **state)
{
    struct row_budget budget = {.bytes_max = MIB};
    struct row_cache *c = row_cache_new(&budget, 1);
    static uint8_t big[ROW_BYTES_MAX];
    char k[32];
    struct row_segment *pin;
    struct slice value;

    (void)state;
    put(c, 1, 5);
    row_cache_put(c, key_of(k, 1), slice_of(big, ROW_BYTES_MAX - 4));
    assert_int_equal(row_cache_count(c), 1);
    row_cache_put(c, slice_str("key"), slice_of(big, ROW_BYTES_MAX - 3));
    assert_true(row_cache_get(c, slice_str("key"), &value, &pin));
    assert_int_equal(value.size, ROW_BYTES_MAX - 3);
    row_segment_unref(pin);
    row_cache_free(c);
}

/* The first store to be read takes all; when another becomes hot it has to get
 * its part, and nothing is above the budget meanwhile. */
static void caches_share_the_budget(void **state)
{
    struct row_budget budget = {.bytes_max = 4 * MIB};
    struct row_cache *a = row_cache_new(&budget, 1);
    struct row_cache *b = row_cache_new(&budget, 1);
    uint64_t alone;

    (void)state;
    for (unsigned i = 0; i < 60000; i++)
        put(a, i, i);
    alone = row_cache_count(a);
    assert_true(alone > 20000);
    for (unsigned i = 0; i < 60000; i++) {
        put(b, i, i);
        row_cache_share(a);
        row_cache_share(b);
        assert_true(atomic_load(&budget.bytes) <= budget.bytes_max);
    }
    assert_true(row_cache_count(b) > alone / 4);
    assert_true(row_cache_count(a) > alone / 4);
    row_cache_free(a);
    row_cache_free(b);
    assert_int_equal(atomic_load(&budget.caches), 0);
}

/* No budget, no cache; and no crash. */
static void without_a_budget_nothing_is_kept(void **state)
{
    struct row_budget budget = {.bytes_max = 1000};
    struct row_cache *c = row_cache_new(&budget, 1);

    (void)state;
    put(c, 1, 5);
    assert_false(has(c, 1, 5));
    row_cache_share(c);
    assert_int_equal(atomic_load(&budget.bytes), 0);
    row_cache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_found_is_what_was_put_last),
        cmocka_unit_test(what_is_read_stays_longer),
        cmocka_unit_test(a_pinned_value_outlives_its_segment),
        cmocka_unit_test(large_values_are_not_kept),
        cmocka_unit_test(caches_share_the_budget),
        cmocka_unit_test(without_a_budget_nothing_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
