/* test_bench.c - the load generator. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "client/cli/bench.h"
#include "tests/unit/client/cli/run_cli.h"

/* Broken: --load would leave keys out and write others twice. */
static void shuffled_numbers_are_a_permutation(void **state)
{
    static const uint64_t sizes[] = {1, 2, 3, 10, 97, 1000, 4096};

    (void)state;
    for (unsigned k = 0; k < ARRAY_LEN(sizes); k++)
        for (uint64_t seed = 0; seed < 20; seed++) {
            uint8_t seen[4096] = {0};
            for (uint64_t i = 0; i < sizes[k]; i++) {
                uint64_t n = bench_shuffled(i, sizes[k], seed);
                assert_true(n < sizes[k]);
                assert_int_equal(seen[n]++, 0);
            }
        }
}

/* Broken: two numbers would be one key. */
static void keys_are_fixed_width_numbers(void **state)
{
    char key[BENCH_KEY_MAX];

    (void)state;
    assert_int_equal(bench_key(0, key), 16);
    assert_memory_equal(key, "key:000000000000", 16);
    assert_int_equal(bench_key(123456789012, key), 16);
    assert_memory_equal(key, "key:123456789012", 16);
}

static struct bench_plan plan_for(struct nodes *t)
{
    struct bench_plan p = {
        .op = BENCH_SET, .clients = 3, .pipeline = 2, .connections = 3,
        .threads = 1, .keys = 100, .value_size = 10, .seed = 1,
        .options = COAT_OPTIONS};

    p.options.endpoints = t->f.endpoints;
    return p;
}

/* Broken: after loading, gets would miss. */
static void loading_writes_every_key_once(void **state)
{
    struct nodes *t = nodes_start(3);
    struct bench_plan p = plan_for(t);
    struct bench_result *r = calloc(1, sizeof *r);
    char error[COAT_ERROR_MAX], key[BENCH_KEY_MAX + 1];
    double seconds;

    (void)state;
    p.load = true;
    p.threads = 2;
    assert_true(bench_run(&p, NULL, NULL, r, &seconds, error));
    assert_int_equal(r->operations, 100);
    assert_int_equal(r->latency.count, 100);
    assert_int_equal(bench_errors(r), 0);
    assert_int_equal(t->f.n_log, 100);
    for (uint64_t i = 0; i < 100; i++) {
        key[bench_key(i, key)] = 0;
        assert_int_equal(strlen(fake_value(&t->f, key)), 10);
    }
    free(r);
    nodes_stop(t);
}

/* Broken: figures would count what failed, or hide it. */
static void errors_are_counted_by_status(void **state)
{
    struct nodes *t = nodes_prepare(1);
    struct bench_plan p = plan_for(t);
    struct bench_result *r = calloc(1, sizeof *r);
    char error[COAT_ERROR_MAX];
    double seconds;

    (void)state;
    t->f.nodes[0].mode = FAKE_REFUSE;
    t->f.nodes[0].refusal = STATUS_DISK_FULL;
    t->f.nodes[0].refusals = 7;
    fake_thread_start(&t->f);
    p.load = true;
    assert_true(bench_run(&p, NULL, NULL, r, &seconds, error));
    assert_int_equal(r->errors[COAT_DISK_FULL], 7);
    assert_int_equal(bench_errors(r), 7);
    assert_int_equal(r->operations, 93);
    free(r);
    nodes_stop(t);
}

/* Broken: a run would not end, or not do what it was told to. */
static void a_run_reads_and_writes_for_its_time(void **state)
{
    struct nodes *t = nodes_prepare(1);
    struct bench_plan p = plan_for(t);
    struct bench_result *r = calloc(1, sizeof *r);
    char error[COAT_ERROR_MAX];
    double seconds;

    (void)state;
    fake_thread_start(&t->f);
    p.op = BENCH_GET;
    p.seconds = 0.5;
    assert_true(bench_run(&p, NULL, NULL, r, &seconds, error));
    assert_true(r->operations > 0);
    assert_true(r->misses == r->operations); /* nothing is there */
    assert_int_equal(t->f.n_log, 0);
    p.op = BENCH_MIXED;
    p.reads_percent = 95;
    p.rate = 2000;
    assert_true(bench_run(&p, NULL, NULL, r, &seconds, error));
    assert_true(r->operations > 0 && r->operations <= 1001);
    free(r);
    nodes_stop(t);
}

/* Broken: a mistake in the options would abort the program. */
static void wrong_options_are_an_error(void **state)
{
    struct nodes *t = nodes_start(1);
    struct bench_plan p = plan_for(t);
    struct bench_result *r = calloc(1, sizeof *r);
    char error[COAT_ERROR_MAX] = "";
    double seconds;

    (void)state;
    p.options.endpoints = "a:b";
    assert_false(bench_run(&p, NULL, NULL, r, &seconds, error));
    assert_true(error[0]);
    free(r);
    nodes_stop(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shuffled_numbers_are_a_permutation),
        cmocka_unit_test(keys_are_fixed_width_numbers),
        cmocka_unit_test(loading_writes_every_key_once),
        cmocka_unit_test(errors_are_counted_by_status),
        cmocka_unit_test(a_run_reads_and_writes_for_its_time),
        cmocka_unit_test(wrong_options_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
