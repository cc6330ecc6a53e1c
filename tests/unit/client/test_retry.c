/* test_retry.c - which refusals are repeated, and when. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "client/retry.h"
#include "proto/base/macros.h"

static const enum status all[] = {
#define X(name, wire, retry, text) STATUS_##name,
    STATUS_LIST(X)
#undef X
};

/* Broken: a write could be executed twice. */
static void only_safe_statuses_repeat_a_write(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(all); i++)
        if (status_retry(all[i]) != RETRY_SAFE)
            assert_int_equal(retry_verdict(all[i], false), VERDICT_DONE);
    assert_int_equal(retry_verdict((enum status)999, false), VERDICT_DONE);
    assert_int_equal(retry_verdict(STATUS_BUSY, false), VERDICT_WAIT);
    assert_int_equal(retry_verdict(STATUS_NOT_LEADER, false), VERDICT_ROUTE);
}

/* Broken: reads would fail where a second try helps, or go on without end. */
static void reads_repeat_what_may_change(void **state)
{
    (void)state;
    assert_int_equal(retry_verdict(STATUS_UNKNOWN, true), VERDICT_ROUTE);
    assert_int_equal(retry_verdict(STATUS_CONNECTION, true), VERDICT_ROUTE);
    assert_int_equal(retry_verdict(STATUS_INVALID, true), VERDICT_DONE);
    assert_int_equal(retry_verdict(STATUS_NOT_INITIALISED, true),
                     VERDICT_DONE);
}

/* Broken: all clients would come back at the same moment, or too often. */
static void pauses_grow_and_differ(void **state)
{
    struct rng rng;
    bool differ = false;

    (void)state;
    rng_init(&rng, 1);
    for (unsigned attempt = 1; attempt <= 20; attempt++) {
        uint64_t full = 4u << (attempt - 1 < 7 ? attempt - 1 : 7);
        uint64_t first = retry_pause(attempt, &rng).ms;
        for (unsigned i = 0; i < 50; i++) {
            uint64_t ms = retry_pause(attempt, &rng).ms;
            assert_in_range(ms, full / 2, full);
            differ |= ms != first;
        }
    }
    assert_true(differ);
    assert_in_range(retry_pause(0, &rng).ms, 2, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_safe_statuses_repeat_a_write),
        cmocka_unit_test(reads_repeat_what_may_change),
        cmocka_unit_test(pauses_grow_and_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
