/* test_cmd_change.c - incr, append, expire, persist and ttl. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "tests/unit/client/cli/run_cli.h"

static const char *e; /* the endpoints */

static void numbers_and_texts_grow(void **state)
{
    struct nodes *t = nodes_start(3);

    (void)state;
    e = t->f.endpoints;
    EXPECT(0, "1\n", "incr", "n");
    EXPECT(0, "6\n", "incr", "n", "5");
    EXPECT(0, "-4\n", "incr", "n", "--", "-10");
    EXPECT(0, "-6\n", "incr", "n", "-2", "--timeout", "4000");
    EXPECT(2, "", "incr", "n", "-x");
    EXPECT(0, "2\n", "append", "signed", "-5");
    EXPECT(2, "", "incr", "n", "five");
    EXPECT(2, "", "incr", "n", "1", "2");
    EXPECT(0, "3\n", "append", "s", "abc");
    EXPECT(0, "5\n", "append", "s", "de");
    EXPECT(2, "", "append", "s");
    EXPECT(4, "", "incr", "s");
    nodes_stop(t);
}

static void deadlines_come_and_go(void **state)
{
    struct nodes *t = nodes_start(1);
    struct run *r;

    (void)state;
    e = t->f.endpoints;
    EXPECT(1, "", "expire", "k", "5s");
    EXPECT(1, "", "ttl", "k");
    EXPECT(0, "ok\n", "set", "k", "value");
    EXPECT(0, "ok\n", "expire", "k", "5s");
    EXPECT(0, "5000\n", "ttl", "k");
    r = RUN("-e", e, "-o", "json", "ttl", "k");
    assert_has(r->out, "\"ttl_ms\": 5000");
    assert_has(r->out, "\"size\": 5");
    free(r);
    EXPECT(0, "ok\n", "persist", "k");
    EXPECT(0, "never\n", "ttl", "k");
    EXPECT(2, "", "expire", "k");
    EXPECT(2, "", "expire", "k", "soon");
    EXPECT(2, "", "expire", "k", "5s", "--deadline", "99");
    EXPECT(2, "", "persist", "k", "l");
    nodes_stop(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_texts_grow),
        cmocka_unit_test(deadlines_come_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
