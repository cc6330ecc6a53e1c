/* test_cmd_many.c - mget and mset. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "tests/unit/client/cli/run_cli.h"

static const char *e; /* the endpoints */

static void many_keys_are_written_and_read_in_order(void **state)
{
    struct nodes *t = nodes_start(3);
    struct run *r;

    (void)state;
    e = t->f.endpoints;
    EXPECT(0, "3 written\n", "mset", "a", "1", "b", "2", "c", "3");
    EXPECT(0, "c\t3\na\t1\nb\t2\n", "mget", "c", "a", "b");
    r = RUN("-e", e, "mget", "a", "nope", "b");
    assert_int_equal(r->code, 1);
    assert_string_equal(r->out, "a\t1\nb\t2\n");
    assert_has(r->err, "nope");
    free(r);
    r = RUN("-e", e, "-o", "json", "mget", "a", "nope");
    assert_has(r->out, "{\"key\":\"a\",\"status\":\"OK\",\"version\":\"");
    assert_has(r->out, "{\"key\":\"nope\",\"status\":\"NOT_FOUND\"}\n");
    free(r);
    EXPECT(1, "1 written\n", "mset", "--if-absent", "a", "9", "d", "4");
    EXPECT(2, "", "mset", "a");
    EXPECT(2, "", "mget");
    nodes_stop(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_keys_are_written_and_read_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
