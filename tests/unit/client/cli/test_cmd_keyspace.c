/* test_cmd_keyspace.c - keyspace create, alter, drop and list. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "tests/unit/client/cli/run_cli.h"

static const char *e; /* the endpoints */

static void keyspaces_come_and_go(void **state)
{
    struct nodes *t = nodes_start(3);
    struct run *r;

    (void)state;
    e = t->f.endpoints;
    EXPECT(0, "ok\n", "keyspace", "create", "carts", "--bytes-max", "20M",
           "--default-ttl", "30m");
    r = RUN("-e", e, "keyspace", "list");
    assert_has(r->out, "carts");
    assert_has(r->out, "20.0 MiB");
    assert_has(r->out, "30m");
    free(r);
    EXPECT(0, "ok\n", "keyspace", "alter", "carts", "--keys-max", "5");
    r = RUN("-e", e, "-o", "json", "keyspace", "list");
    assert_has(r->out, "\"keys_max\": \"5\"");
    assert_has(r->out, "\"bytes_max\": \"20971520\"");
    free(r);
    EXPECT(0, "ok\n", "keyspace", "drop", "carts");
    EXPECT(2, "", "keyspace", "drop", "carts");
    EXPECT(2, "", "keyspace", "drop", "default");
    nodes_stop(t);
}

static void nonsense_is_a_usage_error(void **state)
{
    (void)state;
    e = "127.0.0.1:1";
    EXPECT(2, "", "keyspace");
    EXPECT(2, "", "keyspace", "paint", "x");
    EXPECT(2, "", "keyspace", "create");
    EXPECT(2, "", "keyspace", "list", "x");
    EXPECT(2, "", "keyspace", "alter", "x");
    EXPECT(2, "", "keyspace", "drop", "x", "--keys-max", "5");
    EXPECT(2, "", "keyspace", "create", "x", "--bytes-max", "20Q");
    EXPECT(2, "", "keyspace", "create", "x", "--bytes-max", "9999999999999G");
    EXPECT(2, "", "keyspace", "create", "x", "--keys-max", "-1");
    EXPECT(2, "", "keyspace", "create", "x", "--default-ttl", "soon");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keyspaces_come_and_go),
        cmocka_unit_test(nonsense_is_a_usage_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
