/* test_status.c - the one list of outcomes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "proto/base/macros.h"
#include "proto/base/status.h"

static const enum status all[] = {
#define X(name, wire, retry, text) STATUS_##name,
    STATUS_LIST(X)
#undef X
};

/* Broken: two outcomes would be one on the wire. */
static void every_status_has_its_own_number_and_name(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(all); i++) {
        assert_true(status_known(all[i]));
        assert_true(status_text(all[i])[0]);
        for (unsigned j = 0; j < i; j++) {
            assert_int_not_equal(all[i], all[j]);
            assert_string_not_equal(status_name(all[i]), status_name(all[j]));
        }
    }
}

/* Broken: old clients would take one outcome for another. */
static void numbers_on_the_wire_never_change(void **state)
{
    (void)state;
    assert_int_equal(STATUS_OK, 0);
    assert_int_equal(STATUS_NOT_FOUND, 1);
    assert_int_equal(STATUS_KEY_EMPTY, 4);
    assert_int_equal(STATUS_NOT_LEADER, 8);
    assert_int_equal(STATUS_BUSY, 10);
    assert_int_equal(STATUS_UNKNOWN, 13);
    assert_int_equal(STATUS_BAD_MESSAGE, 22);
}

/* Broken: a write that may have been executed would be executed twice. */
static void what_we_do_not_know_is_never_safe_to_repeat(void **state)
{
    (void)state;
    assert_int_equal(status_retry(STATUS_UNKNOWN), RETRY_UNSAFE);
    assert_int_equal(status_retry((enum status)9999), RETRY_UNSAFE);
    assert_int_equal(status_retry(STATUS_OK), RETRY_NO);
    assert_int_equal(status_retry(STATUS_BUSY), RETRY_SAFE);
    assert_false(status_known(9999));
    assert_string_equal(status_name((enum status)9999), "UNLISTED");
    assert_string_equal(status_text((enum status)9999), "unlisted status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_its_own_number_and_name),
        cmocka_unit_test(numbers_on_the_wire_never_change),
        cmocka_unit_test(what_we_do_not_know_is_never_safe_to_repeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
