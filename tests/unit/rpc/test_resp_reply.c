/* test_resp_reply.c - replies as RESP2 and RESP3 write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rpc/resp.h"

#define MUST_WRITE(call, text)                                                 \
    do {                                                                       \
        struct buf out = {0};                                                  \
        call;                                                                  \
        assert_int_equal(out.size, sizeof(text) - 1);                          \
        assert_memory_equal(out.data, text, sizeof(text) - 1);                 \
        buf_release(&out);                                                     \
    } while (0)

/* Would break: every client. */
static void the_types_of_both_versions_are_written_alike(void **state)
{
    (void)state;
    MUST_WRITE(resp_simple(&out, "OK"), "+OK\r\n");
    MUST_WRITE(resp_integer(&out, 0), ":0\r\n");
    MUST_WRITE(resp_integer(&out, 1234), ":1234\r\n");
    MUST_WRITE(resp_integer(&out, INT64_MIN), ":-9223372036854775808\r\n");
    MUST_WRITE(resp_bulk(&out, slice_of("", 0)), "$0\r\n\r\n");
    MUST_WRITE(resp_bulk(&out, slice_of("a\r\n\0b", 5)),
               "$5\r\na\r\n\0b\r\n");
    MUST_WRITE(resp_bulk_text(&out, "hello worlds"),
               "$12\r\nhello worlds\r\n");
    MUST_WRITE(resp_array(&out, 12), "*12\r\n");
}

/* Would break: an error text with the client's own bytes in it would look like
 * a reply of its own. */
static void an_error_is_one_line_whatever_is_in_it(void **state)
{
    (void)state;
    MUST_WRITE(resp_error(&out, slice_str("ERR no 'a\r\n+OK\r\n'")),
               "-ERR no 'a  +OK  '\r\n");
}

/* Would break: RESP2 clients meet types that they do not know, RESP3 clients
 * get lists where they expect maps. */
static void each_version_has_its_own_types(void **state)
{
    (void)state;
    MUST_WRITE(resp_null(&out, 2), "$-1\r\n");
    MUST_WRITE(resp_null(&out, 3), "_\r\n");
    MUST_WRITE(resp_map(&out, 2, 3), "*6\r\n");
    MUST_WRITE(resp_map(&out, 3, 3), "%3\r\n");
    MUST_WRITE(resp_set(&out, 2, 3), "*3\r\n");
    MUST_WRITE(resp_set(&out, 3, 3), "~3\r\n");
    MUST_WRITE(resp_boolean(&out, 2, true), ":1\r\n");
    MUST_WRITE(resp_boolean(&out, 3, true), "#t\r\n");
    MUST_WRITE(resp_boolean(&out, 3, false), "#f\r\n");
    MUST_WRITE(resp_verbatim(&out, 2, slice_str("hi")), "$2\r\nhi\r\n");
    MUST_WRITE(resp_verbatim(&out, 3, slice_str("hi")), "=6\r\ntxt:hi\r\n");
    MUST_WRITE(resp_double(&out, 2, 0.5), "$3\r\n0.5\r\n");
    MUST_WRITE(resp_double(&out, 3, 0.5), ",0.5\r\n");
    MUST_WRITE(resp_double(&out, 3, 1e308 * 10), ",inf\r\n");
    MUST_WRITE(resp_double(&out, 3, -1e308 * 10), ",-inf\r\n");
    MUST_WRITE(resp_double(&out, 3, 0), ",0\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_types_of_both_versions_are_written_alike),
        cmocka_unit_test(an_error_is_one_line_whatever_is_in_it),
        cmocka_unit_test(each_version_has_its_own_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
