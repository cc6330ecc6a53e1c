/* test_operands.c - negative numbers among options. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "client/cli/operands.h"
#include "client/cli/words.h"

static const struct argp_option inner_options[] = {
    {"timeout", 't', "MS", 0, "", 0},
    {0},
};
static const struct argp inner = {.options = inner_options};
static const struct argp_child children[] = {{&inner, 0, NULL, 0}, {0}};
static const struct argp_option options[] = {
    {"limit-all", 'a', NULL, 0, "", 0},
    {"limit", 'l', "N", 0, "", 0},
    {"maybe", 'm', "N", OPTION_ARG_OPTIONAL, "", 0},
    {0},
};
static const struct argp argp = {.options = options, .children = children};

/* The line's words in the order that operands_last() gives them. */
static void check(const char *line, const char *want)
{
    char *argv[32], *out[34], text[256] = "";
    struct words w = {0};
    int n;

    assert_null(words_split(&w, slice_str(line)));
    for (unsigned i = 0; i < w.n; i++)
        argv[i] = word_text(&w, i);
    n = operands_last(&argp, (int)w.n, argv, out);
    assert_null(out[n]);
    for (int i = 0; i < n; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s",
                 i ? " " : "", out[i]);
    assert_string_equal(text, want);
    words_release(&w);
}

static void a_minus_and_a_digit_begin_a_number(void **state)
{
    (void)state;
    assert_true(operand_is_negative("-5"));
    assert_true(operand_is_negative("-.5"));
    assert_true(operand_is_negative("-5 apples"));
    assert_false(operand_is_negative("5"));
    assert_false(operand_is_negative(""));
    assert_false(operand_is_negative("-"));
    assert_false(operand_is_negative("--"));
    assert_false(operand_is_negative("--5"));
    assert_false(operand_is_negative("-x5"));
    assert_false(operand_is_negative("-.x"));
}

/* Broken: the key and the number would change places. */
static void operands_keep_their_order_behind_the_options(void **state)
{
    (void)state;
    check("incr k -5", "incr -- k -5");
    check("incr -5 -a k -6 --limit-all", "incr -a --limit-all -- -5 k -6");
    check("set k - -1", "set -- k - -1");
}

/* Broken: the number behind an option would become a value. */
static void what_an_option_takes_stays_with_it(void **state)
{
    (void)state;
    check("c -l -5 k", "c -l -5 -- k");
    check("c -l5 -5", "c -l5 -- -5");
    check("c -al -5 -6", "c -al -5 -- -6");
    check("c --limit -5 k -6", "c --limit -5 -- k -6");
    check("c --limit=-5 k -6", "c --limit=-5 -- k -6");
    check("c --time -5 k", "c --time -5 -- k");
    check("c -t -5 k", "c -t -5 -- k");
    check("c -m -5", "c -m -- -5");
    check("c k -5 --limit", "c --limit -- k -5");
}

static void behind_two_dashes_all_are_operands(void **state)
{
    (void)state;
    check("c -5 -a -- -a -- -6", "c -a -- -5 -a -- -6");
}

/* Broken: a mistyped option would be written as a value. */
static void unknown_options_stay_options(void **state)
{
    (void)state;
    check("c k -x -5 --what", "c -x --what -- k -5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minus_and_a_digit_begin_a_number),
        cmocka_unit_test(operands_keep_their_order_behind_the_options),
        cmocka_unit_test(what_an_option_takes_stays_with_it),
        cmocka_unit_test(behind_two_dashes_all_are_operands),
        cmocka_unit_test(unknown_options_stay_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
