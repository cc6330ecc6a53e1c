/* test_range_options.c - which keys a range on the command line means. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "tests/unit/client/cli/run_cli.h"

static const char *e; /* the endpoints */

#include "client/cli/range_options.h"

static void an_argument_is_a_prefix_or_a_pattern(void **state)
{
    struct range_options r = {0};
    struct coat_scan_options o;

    (void)state;
    assert_false(range_given(&r));
    range_take(&r, "user:");
    assert_string_equal(r.prefix, "user:");
    assert_true(range_given(&r));
    r = (struct range_options){.stale = true, .from = "a", .to = "b",
                               .tag = "{t}"};
    range_take(&r, "u*r");
    o = range_scan(&r);
    assert_int_equal(o.size, sizeof o);
    assert_null(o.prefix.data);
    assert_memory_equal(o.pattern.data, "u*r", 3);
    assert_memory_equal(o.begin.data, "a", 1);
    assert_memory_equal(o.end.data, "b", 1);
    assert_memory_equal(o.tag.data, "{t}", 3);
    assert_int_equal(o.consistency, COAT_STALE);
    e = "";
}

/* Broken: a slip would delete another range than was meant. */
static void ranges_of_del_are_exact(void **state)
{
    struct nodes *t = nodes_start(3);

    (void)state;
    e = t->f.endpoints;
    EXPECT(0, "5 written\n", "mset", "a1", "v", "a2", "v", "b1", "v", "b2", "v",
           "c", "v");
    EXPECT(0, "2 would be deleted\n", "del", "--prefix", "a", "--dry-run");
    EXPECT(0, "5\n", "count");
    EXPECT(0, "1 deleted\n", "del", "--match", "?1", "--from", "b");
    EXPECT(0, "a1\na2\nb2\nc\n", "scan", "--keys");
    EXPECT(0, "3 deleted\n", "del", "--from", "a1", "--to", "c");
    EXPECT(0, "c\n", "scan", "--keys");
    EXPECT(2, "", "del");
    EXPECT(2, "", "del", "k", "--prefix", "a");
    EXPECT(2, "", "del", "k", "--dry-run");
    EXPECT(2, "", "del", "--prefix", "a", "--if-present");
    /* An empty variable of a script: not all keys. */
    EXPECT(2, "", "del", "--prefix", "");
    EXPECT(2, "", "del", "--match", "");
    EXPECT(2, "", "del", "--from", "");
    EXPECT(2, "", "del", "--to", "");
    EXPECT(0, "c\n", "scan", "--keys");
    nodes_stop(t);
}

/* Broken: keys would be found, or deleted, that nobody meant. */
static void a_set_that_is_not_closed_is_refused_by_name(void **state)
{
    static const char *const lines[][3] = {
        {"scan", "x[a", NULL}, {"count", "x[a", NULL},
        {"del", "--match", "x[a"}, {"dump", "-", "--match=x[a"}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(lines); i++) {
        struct run *r = RUN("-e", "127.0.0.1:1", lines[i][0], lines[i][1],
                            lines[i][2]);
        assert_int_equal(r->code, 2);
        assert_has(r->err, "'x[a': a [ of the pattern has no ]");
        free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_argument_is_a_prefix_or_a_pattern),
        cmocka_unit_test(ranges_of_del_are_exact),
        cmocka_unit_test(a_set_that_is_not_closed_is_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
