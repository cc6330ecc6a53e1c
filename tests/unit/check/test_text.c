/* test_text.c - the text format of histories, and what the model makes of each
 * kind of operation. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "tests/check/model.h"
#include "tests/check/text.h"
#include "tests/unit/check/generate.h"

/* Broken: a recorded history would not be the one that happened. */
static void what_is_written_is_read_back(void **state)
{
    struct check_history h = {0}, again = {0};
    char line[CHECK_LINE_MAX], error[CHECK_ERROR_MAX];
    struct rng rng;

    (void)state;
    rng_init(&rng, 4);
    generate(&rng, &(struct shape){.operations = 500, .processes = 5,
                                   .kinds = (1 << CHECK_KINDS) - 1,
                                   .unknown = 10, .either = 10,
                                   .places = true}, 9, &h);
    for (size_t i = 0; i < h.n; i++) {
        struct check_operation a = h.v[i], *b;
        check_text_write(&a, line);
        if (check_text_parse(line, &again, error))
            fail_msg("%s", error);
        b = &again.v[again.n - 1];
        assert_int_equal(a.called, b->called);
        assert_int_equal(a.returned, b->returned);
        assert_int_equal(a.kind, b->kind);
        assert_int_equal(a.outcome, b->outcome);
        assert_int_equal(a.process, b->process);
        assert_int_equal(a.key, b->key);
        assert_int_equal(a.seen, b->seen);
        assert_int_equal(a.index, b->index);
        assert_int_equal(a.position, b->position);
        if (a.kind != CHECK_GET && a.kind != CHECK_DELETE)
            assert_int_equal(a.value, b->value);
        if (a.kind == CHECK_CAS)
            assert_int_equal(a.expect, b->expect);
    }
    check_history_release(&again);
    check_history_release(&h);
}

/* Broken: a garbled record would be checked as something else. */
static void lines_that_are_wrong_are_refused_with_the_reason(void **state)
{
    static const char *const bad[][2] = {
        {"get 1 2 3", "fewer"},
        {"fetch 1 2 3 4 yes", "kind"},
        {"get x 2 3 4 yes", "numbers"},
        {"get 4294967296 2 3 4 yes", "numbers"},
        {"get 1 2 3 x yes", "return"},
        {"get 1 2 9 4 yes", "before"},
        {"get 1 2 3 4 maybe", "outcome"},
        {"get 1 2 3 4 yes seen=", "seen="},
        {"get 1 2 3 4 yes seen", "seen="},
        {"get 1 2 3 4 yes at=1/2", "at="},
        {"get 1 2 3 4 yes at=1/x/2", "at="},
        {"set 1 2 3 4 yes value=9223372036854775809", "value="},
        {"set 1 2 3 4 yes a=1 b=1 c=1 d=1 e=1 f=1 g=1", "words"},
        {"places nowhere", "places"},
    };
    struct check_history h = {0};
    char error[CHECK_ERROR_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(check_text_parse(bad[i][0], &h, error),
                         STATUS_INVALID);
        if (!strstr(error, bad[i][1]))
            fail_msg("'%s' was refused with: %s", bad[i][0], error);
    }
    assert_int_equal(check_text_parse("", &h, error), STATUS_OK);
    assert_int_equal(check_text_parse("# get", &h, error), STATUS_OK);
    assert_int_equal(h.n, 0);
}

/* Does the line's operation fit a key that holds `before`, leaving `after`? */
static bool fits(const char *line, uint64_t before, uint64_t after)
{
    struct check_history h = {0};
    char error[CHECK_ERROR_MAX];
    uint64_t next;
    bool ok;

    assert_int_equal(check_text_parse(line, &h, error), STATUS_OK);
    ok = check_model_step(&h.v[0], before, &next) && next == after;
    check_history_release(&h);
    return ok;
}

/* Broken: all checkers would agree on something that is not so. */
static void the_model_does_what_each_kind_means(void **state)
{
    (void)state;
    assert_true(fits("get 1 0 1 2 yes seen=5", 5, 5));
    assert_false(fits("get 1 0 1 2 yes seen=5", 6, 6));
    assert_true(fits("get 1 0 1 2 yes seen=absent", CHECK_ABSENT,
                     CHECK_ABSENT));
    assert_true(fits("set 1 0 1 2 yes value=5", CHECK_ABSENT, 5));
    assert_true(fits("delete 1 0 1 2 yes", 5, CHECK_ABSENT));
    assert_false(fits("delete 1 0 1 2 yes", CHECK_ABSENT, CHECK_ABSENT));
    assert_true(fits("delete 1 0 1 2 no", CHECK_ABSENT, CHECK_ABSENT));
    assert_false(fits("delete 1 0 1 2 no", 5, CHECK_ABSENT));
    assert_true(fits("delete 1 0 1 2 either", 5, CHECK_ABSENT));
    assert_true(fits("add 1 0 1 2 yes value=3 seen=3", CHECK_ABSENT, 3));
    assert_true(fits("add 1 0 1 2 yes value=-3 seen=4", 7, 4));
    assert_false(fits("add 1 0 1 2 yes value=3 seen=3", 7, 10));
    assert_true(fits("add 1 0 1 - unknown value=3", 7, 10));
    assert_true(fits("cas 1 0 1 2 yes expect=5 value=6", 5, 6));
    assert_false(fits("cas 1 0 1 2 yes expect=5 value=6", 7, 7));
    assert_true(fits("cas 1 0 1 2 no expect=5 value=6 seen=7", 7, 7));
    assert_false(fits("cas 1 0 1 2 no expect=5 value=6 seen=8", 7, 7));
    assert_false(fits("cas 1 0 1 2 no expect=5 value=6", 5, 6));
    assert_true(fits("cas 1 0 1 2 yes expect=present value=absent", 5,
                     CHECK_ABSENT));
    assert_true(fits("cas 1 0 1 2 yes expect=absent value=6", CHECK_ABSENT,
                     6));
    assert_true(fits("cas 1 0 1 2 either expect=5 value=6", 7, 7));
    assert_true(fits("swap 1 0 1 2 yes value=6 seen=5", 5, 6));
    assert_false(fits("swap 1 0 1 2 yes value=6 seen=5", 7, 6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(lines_that_are_wrong_are_refused_with_the_reason),
        cmocka_unit_test(the_model_does_what_each_kind_means),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
