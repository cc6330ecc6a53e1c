/* test_types.c - the list of message types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/base/macros.h"
#include "rpc/types.h"

/* Two processes of different builds would misread each other if a number ever
 * changed: these stand in released binaries. */
static void numbers_on_the_wire_stay_what_they_are(void **state)
{
    (void)state;
    assert_int_equal(MESSAGE_GET, 0x0001);
    assert_int_equal(MESSAGE_GET_REPLY, 0x0002);
    assert_int_equal(MESSAGE_SET, 0x0003);
    assert_int_equal(MESSAGE_DELETE, 0x0004);
    assert_int_equal(MESSAGE_WRITE_REPLY, 0x0005);
    assert_int_equal(MESSAGE_OPERATE, 0x0006);
    assert_int_equal(MESSAGE_OPERATE_REPLY, 0x0007);
    assert_int_equal(MESSAGE_ERROR, 0x00ff);
    assert_int_equal(MESSAGE_HELLO, 0x0100);
    assert_int_equal(MESSAGE_ITEMS, 0x0110);
    assert_int_equal(FRAME_REQUEST, 1);
    assert_int_equal(FRAME_REPLY, 2);
    assert_int_equal(FRAME_ONEWAY, 4);
}

/* Two messages with one number would be taken for each other. */
static void no_number_is_used_twice(void **state)
{
    static const uint16_t numbers[] = {
#define X(name, number, kind) number,
        MESSAGE_LIST(X)
#undef X
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
        assert_int_not_equal(numbers[i], 0);
        for (unsigned k = 0; k < i; k++)
            assert_int_not_equal(numbers[i], numbers[k]);
    }
}

/* Logs would show the wrong message. */
static void each_type_has_its_own_name(void **state)
{
    (void)state;
    assert_string_equal(message_name(MESSAGE_GET), "GET");
    assert_string_equal(message_name(MESSAGE_ITEMS),
                        "ITEMS");
    assert_string_equal(message_name(0), "UNLISTED");
    assert_string_equal(message_name(0xffff), "UNLISTED");
}

/* A reply where a request belongs would be answered, or waited for. */
static void a_type_fits_only_its_own_kind(void **state)
{
    (void)state;
    assert_true(message_fits(MESSAGE_GET, FRAME_REQUEST));
    assert_false(message_fits(MESSAGE_GET, FRAME_REPLY));
    assert_true(message_fits(MESSAGE_GET_REPLY, FRAME_REPLY));
    assert_true(message_fits(MESSAGE_ITEMS, FRAME_ONEWAY));
    assert_false(message_fits(MESSAGE_ITEMS, FRAME_REQUEST));
    assert_true(message_fits(MESSAGE_WATCH_PART, FRAME_PART));
    assert_false(message_fits(MESSAGE_WATCH_PART, FRAME_REPLY));
    assert_false(message_fits(0x7777, FRAME_REQUEST));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_on_the_wire_stay_what_they_are),
        cmocka_unit_test(no_number_is_used_twice),
        cmocka_unit_test(each_type_has_its_own_name),
        cmocka_unit_test(a_type_fits_only_its_own_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
