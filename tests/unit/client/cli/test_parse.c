/* test_parse.c - numbers, durations and moments as people type them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "client/cli/parse.h"

/* Broken: a slip of the finger would be taken for a number. */
static void only_whole_numbers_in_range_are_numbers(void **state)
{
    uint64_t u;
    int64_t i;

    (void)state;
    assert_true(parse_u64("18446744073709551615", &u));
    assert_true(u == UINT64_MAX);
    assert_false(parse_u64("18446744073709551616", &u));
    assert_false(parse_u64("-1", &u));
    assert_false(parse_u64("", &u));
    assert_false(parse_u64(" 1", &u));
    assert_false(parse_u64("1x", &u));
    assert_true(parse_i64("-9223372036854775808", &i));
    assert_true(i == INT64_MIN);
    assert_false(parse_i64("9223372036854775808", &i));
    assert_false(parse_i64("-", &i));
    assert_false(parse_i64("1.5", &i));
}

static void floating_numbers_are_finite_decimals(void **state)
{
    double d;

    (void)state;
    assert_true(parse_double("-1.5e3", &d));
    assert_true(d == -1500);
    assert_false(parse_double("inf", &d));
    assert_false(parse_double("0x10", &d));
    assert_false(parse_double("1e999", &d));
    assert_false(parse_double("1,5", &d));
    assert_false(parse_double("", &d));
    assert_false(parse_double("1.5.2", &d));
}

/* Broken: "5m" would be five milliseconds, or five months. */
static void durations_have_units(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {{"1", 1},          {"1500", 1500},     {"20ms", 20},
                {"90s", 90000},    {"1.5s", 1500},     {"30m", 1800000},
                {"2min", 120000},  {"12h", 43200000},  {"7d", 604800000}};
    static const char *const bad[] = {"",   "0",  "s",     "-1",  "1 s", "1w",
                                      "1e3", "0.1ms", "99999d", "1..5s"};
    uint64_t ms;

    (void)state;
    for (unsigned i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(parse_duration(good[i].text, &ms));
        assert_int_equal(ms, good[i].ms);
    }
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(parse_duration(bad[i], &ms));
}

static void moments_are_milliseconds_or_dates(void **state)
{
    uint64_t ms;

    (void)state;
    assert_true(parse_moment("1700000000123", &ms));
    assert_int_equal(ms, 1700000000123);
    assert_true(parse_moment("1970-01-02T00:00:01Z", &ms));
    assert_int_equal(ms, 86401000);
    assert_true(parse_moment("1970-01-02T00:00:01.25Z", &ms));
    assert_int_equal(ms, 86401250);
    assert_false(parse_moment("1970-01-02T00:00:01", &ms));
    assert_false(parse_moment("1970-01-02", &ms));
    assert_false(parse_moment("0", &ms));
    assert_false(parse_moment("tomorrow", &ms));
    assert_true(parse_moment("2028-02-29T00:00:00Z", &ms));
    assert_false(parse_moment("2027-02-29T00:00:00Z", &ms));
    assert_false(parse_moment("2030-04-31T00:00:00Z", &ms));
}

/* Broken: 3G would be three bytes, or an overflow a small number. */
static void sizes_are_bytes_or_have_a_letter(void **state)
{
    uint64_t n;

    (void)state;
    assert_true(parse_size("0", &n) && n == 0);
    assert_true(parse_size("1500000", &n) && n == 1500000);
    assert_true(parse_size("64K", &n) && n == 65536);
    assert_true(parse_size("3G", &n) && n == UINT64_C(3) << 30);
    assert_false(parse_size("", &n));
    assert_false(parse_size("K", &n));
    assert_false(parse_size("5X", &n));
    assert_false(parse_size("-1", &n));
    assert_false(parse_size("17000000T", &n));
    assert_false(parse_size("18446744073709551616", &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_whole_numbers_in_range_are_numbers),
        cmocka_unit_test(floating_numbers_are_finite_decimals),
        cmocka_unit_test(durations_have_units),
        cmocka_unit_test(moments_are_milliseconds_or_dates),
        cmocka_unit_test(sizes_are_bytes_or_have_a_letter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
