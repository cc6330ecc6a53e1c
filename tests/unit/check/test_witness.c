/* test_witness.c - the order that a system claims: what it explains, and what
 * it cannot. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/check/text.h"
#include "tests/check/witness.h"
#include "tests/unit/check/generate.h"

static enum check_verdict verdict_of(const char *const *lines,
                                     struct check_report *report)
{
    struct check_history h = {0};
    char error[CHECK_ERROR_MAX];
    enum check_verdict verdict;

    *report = (struct check_report){0};
    for (size_t i = 0; lines[i]; i++)
        if (check_text_parse(lines[i], &h, error))
            fail_msg("%s", error);
    verdict = check_witness(&h, report);
    check_history_release(&h);
    return verdict;
}

#define ASSERT_GOOD(...)                                                       \
    assert_int_equal(                                                          \
        verdict_of((const char *const[]){__VA_ARGS__, NULL}, &report),         \
        CHECK_LINEARIZABLE)
#define ASSERT_BAD(text_part, ...)                                             \
    do {                                                                       \
        assert_int_equal(                                                      \
            verdict_of((const char *const[]){__VA_ARGS__, NULL}, &report),     \
            CHECK_VIOLATION);                                                  \
        assert_non_null(strstr(report.text, text_part));                       \
    } while (0)

/* Broken: a read of the state before an acknowledged write would pass. */
static void a_read_that_does_not_follow_is_found(void **state)
{
    struct check_report report;

    (void)state;
    ASSERT_GOOD("set 1 0 1 2 yes value=5 at=1/10/0",
                "get 1 1 3 4 yes seen=5 at=1/10/last",
                "delete 1 0 5 6 yes at=1/11/0",
                "get 1 1 7 8 yes seen=absent at=1/12/last");
    ASSERT_BAD("does not follow", "set 1 0 1 2 yes value=5 at=1/10/0",
               "set 1 0 3 4 yes value=6 at=1/11/0",
               "get 1 1 5 6 yes seen=5 at=1/11/last");
    ASSERT_BAD("does not follow", "get 1 1 5 6 yes seen=5 at=1/11/last");
}

/* Broken: a deposed leader's read at its old index would pass, also when it is
 * of another key. */
static void a_place_before_what_had_returned_is_found(void **state)
{
    struct check_report report;

    (void)state;
    ASSERT_BAD("after it had returned", "set 1 0 1 2 yes value=5 at=1/10/0",
               "set 2 0 5 6 yes value=6 at=1/9/0");
    ASSERT_BAD("after it had returned", "set 1 0 1 2 yes value=5 at=1/10/0",
               "get 2 0 5 6 yes seen=absent at=1/8/last");
    /* Another group has an order of its own; so have keys by versions. */
    ASSERT_GOOD("set 1 0 1 2 yes value=5 at=1/10/0",
                "set 2 0 5 6 yes value=6 at=2/9/0");
    ASSERT_GOOD("places version", "set 1 0 1 2 yes value=5 at=1/10/0",
                "set 2 0 5 6 yes value=6 at=1/9/0");
    ASSERT_BAD("after it had returned", "places version",
               "set 1 0 1 2 yes value=5 at=1/10/0",
               "set 1 0 5 6 yes value=6 at=1/9/0");
}

/* Broken: one entry's commands would be taken for one another. */
static void two_writes_at_one_place_are_found(void **state)
{
    struct check_report report;

    (void)state;
    ASSERT_GOOD("set 1 0 1 9 yes value=5 at=1/10/0",
                "set 1 1 1 9 yes value=6 at=1/10/1",
                "get 1 2 1 9 yes seen=6 at=1/10/last");
    ASSERT_BAD("one place", "set 1 0 1 9 yes value=5 at=1/10/0",
               "set 1 1 1 9 yes value=6 at=1/10/0");
}

/* Broken: a write whose reply was lost would count as a violation when it is
 * seen later; or explain what was seen before it was called. */
static void unknown_writes_explain_what_is_seen_later(void **state)
{
    struct check_report report;

    (void)state;
    ASSERT_GOOD("set 1 0 1 2 yes value=5 at=1/10/0",
                "set 1 1 3 - unknown value=6",
                "get 1 2 7 8 yes seen=6 at=1/12/last",
                "get 1 2 9 10 yes seen=6 at=1/12/last");
    ASSERT_GOOD("set 1 0 1 2 yes value=5 at=1/10/0", "delete 1 1 3 - unknown",
                "get 1 2 7 8 yes seen=absent at=1/12/last");
    ASSERT_BAD("does not follow", "set 1 0 1 2 yes value=5 at=1/10/0",
               "set 1 1 9 - unknown value=6",
               "get 1 2 7 8 yes seen=6 at=1/12/last");
    /* Once. */
    ASSERT_BAD("does not follow", "set 1 1 3 - unknown value=6",
               "get 1 2 7 8 yes seen=6 at=1/12/last",
               "set 1 0 9 10 yes value=5 at=1/13/0",
               "get 1 2 11 12 yes seen=6 at=1/14/last");
}

/* Broken: the always-on check would blame good runs, or see no bad ones. */
static void what_really_happened_is_accepted_and_a_swap_is_not(void **state)
{
    struct check_report report;
    size_t found = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct check_history h = {0};
        struct rng rng;
        uint64_t index;
        rng_init(&rng, seed);
        generate(&rng, &(struct shape){.operations = 300, .processes = 5,
                                       .kinds = (1 << CHECK_KINDS) - 1,
                                       .unique = true, .unknown = 5,
                                       .places = true}, 1, &h);
        if (check_witness(&h, &report))
            fail_msg("seed %llu: %s", (unsigned long long)seed, report.text);
        index = h.v[20].index;
        h.v[20].index = h.v[250].index;
        h.v[250].index = index;
        found += check_witness(&h, &report) == CHECK_VIOLATION;
        check_history_release(&h);
    }
    assert_true(found > 150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_that_does_not_follow_is_found),
        cmocka_unit_test(a_place_before_what_had_returned_is_found),
        cmocka_unit_test(two_writes_at_one_place_are_found),
        cmocka_unit_test(unknown_writes_explain_what_is_seen_later),
        cmocka_unit_test(what_really_happened_is_accepted_and_a_swap_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
