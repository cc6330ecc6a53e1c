/* test_write_options.c - conditions and deadlines on the command line. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "tests/unit/client/cli/run_cli.h"

static const char *e; /* the endpoints */

/* Broken: a condition would be forgotten between the shell and the cluster. */
static void conditions_decide_what_is_written(void **state)
{
    struct nodes *t = nodes_start(3);

    (void)state;
    e = t->f.endpoints;
    EXPECT(0, "ok\n", "set", "k", "1", "--if-absent");
    EXPECT(1, "", "set", "k", "2", "--if-absent");
    EXPECT(1, "1", "set", "k", "2", "--if-absent", "--previous");
    EXPECT(0, "1", "set", "k", "2", "--if-value", "1", "--previous");
    EXPECT(1, "", "set", "k", "3", "--if-version", "99");
    EXPECT(0, "ok\n", "set", "k", "3", "--if-version", "2", "--if-present");
    EXPECT(1, "0 deleted\n", "del", "k", "--if-value", "x");
    EXPECT(0, "3", "del", "k", "--if-value", "3", "--previous");
    nodes_stop(t);
}

static void deadlines_are_set_kept_and_dropped(void **state)
{
    struct nodes *t = nodes_start(1);

    (void)state;
    e = t->f.endpoints;
    EXPECT(0, "ok\n", "set", "k", "v", "--ttl", "1.5s");
    EXPECT(0, "1500\n", "ttl", "k");
    EXPECT(0, "ok\n", "set", "k", "w", "--keep-ttl");
    EXPECT(0, "1500\n", "ttl", "k");
    EXPECT(0, "ok\n", "set", "k", "w", "--deadline", "1970-01-01T00:20:00Z");
    EXPECT(0, "200000\n", "ttl", "k");
    EXPECT(0, "ok\n", "set", "k", "w");
    EXPECT(0, "never\n", "ttl", "k");
    nodes_stop(t);
}

/* Broken: a typing error would write something else than was meant. */
static void nonsense_is_refused_with_a_reason(void **state)
{
    (void)state;
    e = "127.0.0.1:1";
    EXPECT(2, "", "set", "k", "v", "--ttl", "soon");
    EXPECT(2, "", "set", "k", "v", "--ttl", "1s", "--deadline", "5");
    EXPECT(2, "", "set", "k", "v", "--ttl", "1s", "--keep-ttl");
    EXPECT(2, "", "set", "k", "v", "--deadline", "5pm");
    EXPECT(2, "", "set", "k", "v", "--if-version", "x");
    EXPECT(2, "", "set", "k", "v", "--if-fence", "0");
    EXPECT(2, "", "set", "k", "v", "--if-absent", "--if-present");
    EXPECT(2, "", "get", "k", "--ttl", "1s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_decide_what_is_written),
        cmocka_unit_test(deadlines_are_set_kept_and_dropped),
        cmocka_unit_test(nonsense_is_refused_with_a_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
