/* test_machine_number.c - INCR and INCR_FLOAT. */
#include "tests/unit/node/core/machine_rig.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/rng.h"

static struct rig r;

static int setup(void **state)
{
    (void)state;
    rig_init(&r, 7);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_release(&r);
    return 0;
}

static void put(const char *text)
{
    rig_do(&r, 1, rig_op(OP_SET, "n", text, 0));
}

static enum status incr(int64_t delta)
{
    struct operation o = rig_op(OP_INCR, "n", "", 0);

    o.argument = (uint64_t)delta;
    return rig_do(&r, 1, o)->status;
}

static enum status incr_float(double delta)
{
    struct operation o = rig_op(OP_INCR_FLOAT, "n", "", 0);

    memcpy(&o.argument, &delta, sizeof delta);
    return rig_do(&r, 1, o)->status;
}

/* Broken: a counter would skip or repeat numbers. */
static void a_missing_counter_begins_at_zero(void **state)
{
    (void)state;
    assert_int_equal(incr(5), STATUS_OK);
    assert_slice(rig_value(&r, 0), "5");
    assert_int_equal(incr(-7), STATUS_OK);
    assert_slice(rig_value(&r, 0), "-2");
    assert_true(rig_holds(&r, "n", "-2"));
    assert_int_equal(incr(0), STATUS_OK);
    assert_slice(rig_value(&r, 0), "-2");
}

static void all_of_an_entrys_increments_count(void **state)
{
    struct operation o = rig_op(OP_INCR, "n", "", 0);
    char text[8];

    (void)state;
    o.argument = 1;
    for (unsigned e = 0; e < 3; e++) {
        for (unsigned i = 0; i < 100; i++)
            rig_add(&r, &o);
        rig_close(&r, 1);
    }
    rig_apply(&r);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "%u", 201 + i);
        assert_slice(rig_value(&r, i), text);
    }
    assert_true(rig_holds(&r, "n", "300"));
}

/* Broken: a counter would wrap around silently. */
static void beyond_64_bits_is_an_overflow(void **state)
{
    (void)state;
    put("9223372036854775806");
    assert_int_equal(incr(1), STATUS_OK);
    assert_slice(rig_value(&r, 0), "9223372036854775807");
    assert_int_equal(incr(1), STATUS_OVERFLOW);
    assert_true(rig_holds(&r, "n", "9223372036854775807"));
    put("-9223372036854775808");
    assert_int_equal(incr(-1), STATUS_OVERFLOW);
    assert_int_equal(incr(1), STATUS_OK);
    assert_slice(rig_value(&r, 0), "-9223372036854775807");
    assert_int_equal(incr(INT64_MIN), STATUS_OVERFLOW);
}

static void what_is_no_integer_is_refused(void **state)
{
    static const char *bad[] = {
        "", "-", "+1", " 1", "1 ", "01", "-0", "00", "1.0", "1e3", "0x10",
        "a", "1a", "--1", "9223372036854775808", "-9223372036854775809",
        "99999999999999999999", "18446744073709551616",
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        put(bad[i]);
        assert_int_equal(incr(1), STATUS_NOT_A_NUMBER);
        assert_true(rig_holds(&r, "n", bad[i]));
        assert_int_equal(r.results[0].value.where, PIECE_NONE);
    }
    put("0");
    assert_int_equal(incr(1), STATUS_OK);
}

static void assert_float(const char *from, double delta, const char *want)
{
    put(from);
    assert_int_equal(incr_float(delta), STATUS_OK);
    assert_slice(rig_value(&r, 0), want);
    assert_true(rig_holds(&r, "n", want));
}

/* Broken: replicas on other machines, or people, would read another number. */
static void floats_are_written_in_their_shortest_form(void **state)
{
    (void)state;
    assert_float("10.5", 0.1, "10.6");
    assert_float("5.0e3", 2.0e2, "5200");
    assert_float("0.1", 0.2, "0.30000000000000004");
    assert_float("3", -1.5, "1.5");
    assert_float("-1", 1, "0");
    assert_float("0", -0.0, "0");
    assert_float("1e20", 0, "100000000000000000000");
    assert_float("1e21", 0, "1e+21");
    assert_float("123456789012345680000", 0, "123456789012345680000");
    assert_float("1e-7", 0, "0.0000001");
    assert_float("1.5e-8", 0, "1.5e-8");
    assert_float("-2.5e-7", 0, "-0.00000025");
    assert_float("1.7976931348623157e308", 0, "1.7976931348623157e+308");
    assert_float("5e-324", 0, "5e-324");
    assert_float("+7.", 0, "7");
    assert_float(".5", 0, "0.5");
    assert_float("100", 0, "100");
    assert_float("1234.5", 0, "1234.5");
    r.n = 0;
    rig_do(&r, 1, rig_op(OP_DELETE, "n", "", 0));
    assert_int_equal(incr_float(2.25), STATUS_OK);
    assert_slice(rig_value(&r, 0), "2.25");
}

static void what_is_no_float_is_refused(void **state)
{
    static const char *bad[] = {
        "", ".", "-", "e5", "1e", "1e+", "1.2.3", "nan", "inf", "-inf", "0x1p3",
        " 1", "1 ", "1,5", "1e400", "abc",
        "1000000000000000000000000000000000000000000000000000000000000000000",
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        put(bad[i]);
        assert_int_equal(incr_float(1), STATUS_NOT_A_NUMBER);
        assert_true(rig_holds(&r, "n", bad[i]));
    }
    put("1.7e308");
    assert_int_equal(incr_float(1.7e308), STATUS_OVERFLOW);
    assert_true(rig_holds(&r, "n", "1.7e308"));
    rig_do(&r, 1, (struct operation){.op = OP_SET, .key = slice_str("n"),
                                     .value = slice_of("1\0", 2)});
    assert_int_equal(incr_float(1), STATUS_NOT_A_NUMBER);
}

/* Whatever double it is: its text is that double, and no shorter one is. */
static void a_float_reads_back_as_itself(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 3);
    for (unsigned i = 0; i < 3000; i++) {
        uint64_t bits = rng_next(&rng);
        double v, back;
        char text[80] = {0};
        struct slice s;
        memcpy(&v, &bits, sizeof v);
        if (i % 2)
            v = (double)(int64_t)rng_below(&rng, 1u << 30) / 1000;
        if (!isfinite(v))
            continue;
        rig_do(&r, 1, rig_op(OP_DELETE, "n", "", 0));
        assert_int_equal(incr_float(v), STATUS_OK);
        s = rig_value(&r, 0);
        assert_true(s.size < sizeof text);
        memcpy(text, s.data, s.size);
        back = strtod(text, NULL);
        assert_true(back == v);
        assert_int_equal(incr_float(0), STATUS_OK); /* we read it too */
        assert_slice(rig_value(&r, 0), text);
    }
}

/* Broken: a counter with a deadline would live for ever. */
static void the_deadline_stays(void **state)
{
    struct operation o = rig_op(OP_INCR, "n", "", OPERATION_TTL);

    (void)state;
    o.argument = 1;
    o.expire = 50;
    rig_do(&r, 100, o);
    assert_int_equal(r.results[0].expire_at, 150);
    o.flags = 0;
    rig_do(&r, 149, o);
    assert_int_equal(r.results[0].expire_at, 150);
    assert_slice(rig_value(&r, 0), "2");
    rig_do(&r, 150, o); /* expired: it begins anew */
    assert_slice(rig_value(&r, 0), "1");
    assert_int_equal(r.results[0].expire_at, 0);
    o.flags = OPERATION_TTL;
    o.expire = 0;
    rig_do(&r, 150, o); /* ends at once; the number is told all the same */
    assert_slice(rig_value(&r, 0), "2");
    assert_int_equal(r.store.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_missing_counter_begins_at_zero,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(all_of_an_entrys_increments_count,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(beyond_64_bits_is_an_overflow, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_no_integer_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            floats_are_written_in_their_shortest_form, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_float_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_float_reads_back_as_itself, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_deadline_stays, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
