/* test_cmd_bench.c - bench's options and report. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "tests/unit/client/cli/run_cli.h"

/* Broken: scripts that compare figures would read other names. */
static void json_has_the_figures(void **state)
{
    struct nodes *t = nodes_start(3);
    struct run *r = RUN("-e", t->f.endpoints, "-o", "json", "bench", "--load",
                        "--keys", "50", "-d", "0.5", "-c", "2", "--op",
                        "get", "--value-size", "9");
    json_t *j = json_loads(r->out, 0, NULL), *latency;

    (void)state;
    assert_int_equal(r->code, 0);
    assert_non_null(j);
    assert_true(json_integer_value(json_object_get(j, "operations")) > 0);
    assert_int_equal(json_integer_value(json_object_get(j, "errors")), 0);
    assert_int_equal(json_integer_value(json_object_get(j, "misses")), 0);
    assert_true(json_real_value(json_object_get(j, "ops_per_second")) > 0);
    latency = json_object_get(j, "latency_us");
    assert_true(json_real_value(json_object_get(latency, "p50")) > 0);
    assert_non_null(json_object_get(latency, "p99"));
    assert_non_null(json_object_get(latency, "p99.9"));
    assert_non_null(json_object_get(latency, "max"));
    assert_int_equal(
        json_integer_value(
            json_object_get(json_object_get(j, "load"), "operations")),
        50);
    assert_string_equal(json_string_value(json_object_get(j, "op")), "get");
    json_decref(j);
    free(r);
    nodes_stop(t);
}

/* Broken: loading alone would also measure. */
static void load_without_duration_only_loads(void **state)
{
    struct nodes *t = nodes_start(1);
    struct run *r = RUN("-e", t->f.endpoints, "bench", "--load", "--keys",
                        "20", "--duration", "0", "--value-size", "3");

    (void)state;
    assert_int_equal(r->code, 0);
    assert_has(r->out, "load: 20 operations");
    assert_null(strstr(r->out, "bench:"));
    free(r);
    fake_thread_pause(&t->f);
    assert_int_equal(t->f.n_log, 20);
    nodes_stop(t);
}

/* Broken: a run against nothing would look like a slow cluster. */
static void a_run_without_any_answer_fails(void **state)
{
    struct nodes *t = nodes_start(1);
    char gone[300];
    struct run *r;

    (void)state;
    snprintf(gone, sizeof gone, "%.290s", t->f.endpoints);
    nodes_stop(t);
    r = RUN("-e", gone, "--timeout", "100", "bench", "-d", "0.1", "-c", "1");
    assert_int_equal(r->code, 3);
    assert_has(r->err, "nothing succeeded");
    free(r);
}

/* Broken: a mistyped number would measure something else. */
static void numbers_out_of_range_are_refused(void **state)
{
    (void)state;
    RUN_CODE(2, "bench", "--clients", "0");
    RUN_CODE(2, "bench", "--clients", "1.5");
    RUN_CODE(2, "bench", "--pipeline", "x");
    RUN_CODE(2, "bench", "--keys", "0");
    RUN_CODE(2, "bench", "--value-size", "99999999");
    RUN_CODE(2, "bench", "--rate", "-1");
    RUN_CODE(2, "bench", "--reads", "101");
    RUN_CODE(2, "bench", "--consistency", "some");
    RUN_CODE(2, "bench", "--duration", "nan");
    RUN_CODE(2, "bench", "more");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_has_the_figures),
        cmocka_unit_test(load_without_duration_only_loads),
        cmocka_unit_test(a_run_without_any_answer_fails),
        cmocka_unit_test(numbers_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
