/* test_cmd_txn.c - transactions as clauses. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "tests/unit/client/cli/run_cli.h"

static const char *e; /* the endpoints */

static void the_right_list_runs(void **state)
{
    static const char lines[] =
        "# a comment\n\nif present {a}x\nthen del {a}x\n";
    struct nodes *t = nodes_start(3);
    struct run *r;

    (void)state;
    e = t->f.endpoints;
    EXPECT(0, "{a}x\tset\n{a}n\tincr\t1\n", "txn", "if absent {a}x",
           "then set {a}x \"5 6\"", "then incr {a}n", "else get {a}x");
    EXPECT(1, "{a}x\tget\t5 6\n", "txn", "if absent {a}x",
           "then set {a}x 7", "else get {a}x");
    EXPECT(0, "{a}n\tincr\t0\n", "txn", "if value {a}x = '5 6'",
           "if version {a}n > 0", "then incr {a}n -1");
    EXPECT(0, "{a}f\tincr\t1\n", "txn", "if fence {a}l 7", "then incr {a}f");
    EXPECT(4, "", "txn", "if fence {a}l 6", "then incr {a}f");
    r = run_cli_input(lines, sizeof lines - 1, false,
                      (const char *const[]){"-e", e, "-o", "json", "txn", "-",
                                            NULL});
    assert_int_equal(r->code, 0);
    assert_has(r->out, "\"ran\": \"then\"");
    free(r);
    nodes_stop(t);
}

static void clauses_that_are_none_are_refused(void **state)
{
    static const char *const bad[] = {
        "when x",          "if absent",      "if version k = x", "if fence k",
        "if fence k 0",    "if fence k x",
        "if value k ~ v",  "then",           "then jump k",
        "then set k",      "then incr k x",  "then expire k soon",
        "then set \"k",    "then set k v ttl never"};
    struct run *r;

    (void)state;
    e = "127.0.0.1:1";
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        r = RUN("-e", e, "txn", bad[i]);
        assert_int_equal(r->code, 2);
        assert_one_line(r->err);
        free(r);
    }
    r = RUN("-e", e, "txn", "then get k", "if absent k");
    assert_has(r->err, "conditions come before");
    free(r);
    r = RUN("-e", e, "txn", "else get k", "then get k");
    assert_has(r->err, "in this order");
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_list_runs),
        cmocka_unit_test(clauses_that_are_none_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
