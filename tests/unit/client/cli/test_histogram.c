/* test_histogram.c - buckets and percentiles. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "client/cli/histogram.h"
#include "proto/base/rng.h"

/* Broken: figures would be off by more than they say. */
static void a_percentile_is_off_by_less_than_two_percent(void **state)
{
    struct histogram *h = calloc(1, sizeof *h);

    (void)state;
    for (uint64_t v = 1; v < (uint64_t)1 << 46; v = v * 3 / 2 + 1) {
        histogram_clear(h);
        histogram_add(h, v);
        histogram_add(h, v * 2); /* so that the maximum does not clip it */
        assert_true(histogram_percentile(h, 50) >= v);
        assert_true(histogram_percentile(h, 50) <= v + v / 60 + 1);
    }
    free(h);
}

static int compare(const void *x, const void *y)
{
    const uint64_t *a = x, *b = y;

    return *a < *b ? -1 : *a > *b;
}

/* Broken: p99 would be another percentile. */
static void percentiles_agree_with_sorted_values(void **state)
{
    enum { N = 20000 };
    static const double want[] = {0, 1, 50, 90, 99, 99.9, 100};
    uint64_t *v = calloc(N, sizeof *v);
    struct histogram *h = calloc(1, sizeof *h);
    struct rng rng;

    (void)state;
    rng_init(&rng, 9);
    for (unsigned i = 0; i < N; i++) {
        v[i] = rng_next(&rng) >> (24 + rng_below(&rng, 30));
        histogram_add(h, v[i]);
    }
    qsort(v, N, sizeof *v, compare);
    for (unsigned i = 0; i < sizeof want / sizeof want[0]; i++) {
        double rank = want[i] / 100 * N;
        uint64_t exact = v[rank < 1 ? 0 : (unsigned)(rank + 0.999999) - 1];
        uint64_t got = histogram_percentile(h, want[i]);
        assert_true(got >= exact && got <= exact + exact / 60 + 1);
    }
    assert_true(h->max == v[N - 1]);
    assert_true(histogram_percentile(h, 100) == v[N - 1]);
    free(v);
    free(h);
}

/* Broken: threads' figures would not add up to the whole. */
static void merged_is_as_if_recorded_in_one(void **state)
{
    struct histogram *a = calloc(3, sizeof *a), *b = a + 1, *all = a + 2;
    struct rng rng;

    (void)state;
    rng_init(&rng, 10);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t v = rng_next(&rng) >> 20;
        histogram_add(i % 3 ? a : b, v);
        histogram_add(all, v);
    }
    histogram_merge(a, b);
    assert_memory_equal(a, all, sizeof *a);
    assert_true(histogram_mean(a) == all->sum / 1000);
    free(a);
}

/* Broken: an empty or an absurd measurement would crash. */
static void the_ends_of_the_range_are_safe(void **state)
{
    struct histogram *h = calloc(1, sizeof *h);

    (void)state;
    assert_int_equal(histogram_percentile(h, 50), 0);
    assert_int_equal(histogram_mean(h), 0);
    histogram_add(h, 0);
    assert_int_equal(histogram_percentile(h, 100), 0);
    histogram_add(h, UINT64_MAX);
    assert_true(histogram_percentile(h, 100) == UINT64_MAX);
    free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_percentile_is_off_by_less_than_two_percent),
        cmocka_unit_test(percentiles_agree_with_sorted_values),
        cmocka_unit_test(merged_is_as_if_recorded_in_one),
        cmocka_unit_test(the_ends_of_the_range_are_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
