/* test_status.c - the public names of outcomes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "client/coatcheck.h"
#include "proto/base/macros.h"
#include "proto/base/status.h"

/* Broken: the library and the servers would mean different things. */
static void every_status_is_public_with_its_number_and_advice(void **state)
{
    (void)state;
#define X(name, wire, retry, text)                                             \
    assert_int_equal(COAT_##name, wire);                                       \
    assert_string_equal(coat_status_name(COAT_##name), #name);                 \
    assert_string_equal(coat_status_text(COAT_##name), text);                  \
    assert_int_equal((int)coat_status_retry(COAT_##name), (int)retry);
    STATUS_LIST(X)
#undef X
}

/* Broken: a newer server's answer would be repeated although unknown. */
static void an_unlisted_status_is_unsafe(void **state)
{
    (void)state;
    assert_int_equal(coat_status_retry((enum coat_status)4711),
                     COAT_RETRY_UNSAFE);
    assert_string_equal(coat_status_name((enum coat_status)4711), "UNLISTED");
}

/* Broken: the version in the header would not be the library's. */
static void the_version_is_the_headers(void **state)
{
    char text[32];

    (void)state;
    snprintf(text, sizeof text, "%d.%d.%d", COAT_VERSION_MAJOR,
             COAT_VERSION_MINOR, COAT_VERSION_PATCH);
    assert_string_equal(coat_version(), text);
    assert_int_equal(COAT_STR("abc").size, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_is_public_with_its_number_and_advice),
        cmocka_unit_test(an_unlisted_status_is_unsafe),
        cmocka_unit_test(the_version_is_the_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
