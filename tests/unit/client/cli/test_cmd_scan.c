/* test_cmd_scan.c - scan and count. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "tests/unit/client/cli/run_cli.h"

static const char *e; /* the endpoints */

static void keys_come_in_order_and_within_the_range(void **state)
{
    struct nodes *t = nodes_start(3);
    struct run *r;

    (void)state;
    e = t->f.endpoints;
    EXPECT(0, "4 written\n", "mset", "u:2", "b", "u:1", "a", "x", "c", "u:3",
           "d\te");
    EXPECT(0, "u:1\ta\nu:2\tb\nu:3\td\\te\nx\tc\n", "scan");
    EXPECT(0, "u:1\ta\nu:2\tb\nu:3\td\te\n", "-o", "raw", "scan", "u:");
    EXPECT(0, "u:3\nu:2\n", "scan", "u:*", "--keys", "--reverse", "--limit",
           "2");
    EXPECT(0, "4\n", "count");
    EXPECT(0, "3\n", "count", "u:");
    EXPECT(0, "1\n", "count", "*2");
    r = RUN("-e", e, "-o", "json", "scan", "--limit", "1");
    assert_has(r->out, "{\"key\":\"u:1\",\"value\":\"a\",\"version\":\"");
    assert_one_line(r->out);
    free(r);
    EXPECT(0, "u:1\ta\nu:2\tb\n", "scan", "--limit-bytes", "5");
    EXPECT(0, "u:1\nu:2\n", "scan", "--limit-bytes", "6", "--keys");
    EXPECT(0, "u:1\ta\n", "scan", "--limit-bytes", "1");
    EXPECT(2, "", "scan", "--limit-bytes", "0");
    EXPECT(2, "", "scan", "u:", "--prefix", "u:1");
    EXPECT(2, "", "count", "--match", "*1", "u:");
    EXPECT(2, "", "scan", "--limit", "0");
    EXPECT(2, "", "scan", "a", "b");
    nodes_stop(t);
}

/* Broken: whoever was interrupted would have to begin anew. */
static void a_cursor_goes_on_where_a_scan_ended(void **state)
{
    struct nodes *t = nodes_start(3);
    struct run *r;
    char cursor[256];

    (void)state;
    e = t->f.endpoints;
    EXPECT(0, "3 written\n", "mset", "a", "1", "b", "2", "c", "3");
    r = RUN("-e", e, "scan", "--limit", "2", "--show-cursor");
    assert_string_equal(r->out, "a\t1\nb\t2\n");
    assert_int_equal(sscanf(r->err, "cursor: %255s", cursor), 1);
    free(r);
    EXPECT(0, "c\t3\n", "scan", "--cursor", cursor);
    EXPECT(4, "", "scan", "c", "--cursor", cursor);
    EXPECT(4, "", "scan", "--cursor", "nonsense");
    nodes_stop(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_come_in_order_and_within_the_range),
        cmocka_unit_test(a_cursor_goes_on_where_a_scan_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
