/* test_cmd_load.c - loading JSON lines, stopping at a bad one, going on. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "tests/unit/client/cli/run_cli.h"

static const char *e; /* the endpoints */

static char path[] = "test_cmd_load.XXXXXX", loaded[64];

static void file_write(const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* Broken: an import would lose keys, or end without saying that it did not
 * finish. */
static void a_load_goes_on_where_it_stopped(void **state)
{
    static const char good[] = "{\"key\":\"a\",\"value\":\"1\"}\n"
                               "{\"key\":\"b\",\"value\":\"2\","
                               "\"ttl_ms\":900}\n";
    static char text[512];
    struct nodes *t = nodes_start(3);
    struct run *r;

    (void)state;
    e = t->f.endpoints;
    assert_true(mkstemp(path) >= 0);
    snprintf(loaded, sizeof loaded, "%s.loaded", path);
    snprintf(text, sizeof text, "%snonsense\n", good);
    file_write(text);
    r = RUN("-e", e, "load", path);
    assert_int_equal(r->code, 2);
    assert_has(r->err, "line 3");
    assert_has(r->err, "2 keys in");
    free(r);
    assert_int_equal(access(loaded, F_OK), 0);
    EXPECT(0, "900\n", "ttl", "b");
    snprintf(text, sizeof text, "%s{\"key\":\"c\",\"value\":\"3\"}\n", good);
    file_write(text);
    RUN_CODE(0, "-e", e, "del", "a"); /* shows that it is not loaded again */
    r = RUN("-e", e, "load", path, "--resume");
    assert_int_equal(r->code, 0);
    free(r);
    EXPECT(1, "b\t2\nc\t3\n", "mget", "a", "b", "c");
    assert_int_not_equal(access(loaded, F_OK), 0);
    file_write("");
    FILE *f = fopen(loaded, "w");
    fputs("9 999 999\n", f);
    fclose(f);
    r = RUN("-e", e, "load", path, "--resume");
    assert_int_equal(r->code, 2);
    assert_has(r->err, "does not fit");
    free(r);
    unlink(loaded);
    unlink(path);
    nodes_stop(t);
}

static void many_lines_come_from_standard_input(void **state)
{
    static char text[400000];
    struct nodes *t = nodes_start(3);
    struct run *r;
    size_t n = 0;

    (void)state;
    e = t->f.endpoints;
    for (unsigned i = 0; i < 4000; i++)
        n += (size_t)snprintf(text + n, sizeof text - n,
                              "{\"key\":\"k%u\",\"value\":\"v%u\"}\n", i, i);
    r = run_cli_input(text, n, false,
                      (const char *const[]){"-e", e, "load", "--window", "64",
                                            "-", NULL});
    assert_int_equal(r->code, 0);
    assert_has(r->err, "4000 keys in");
    free(r);
    EXPECT(0, "k0\tv0\nk3999\tv3999\n", "mget", "k0", "k3999");
    nodes_stop(t);
}

static void what_cannot_be_loaded_is_named(void **state)
{
    struct run *r;

    (void)state;
    e = "127.0.0.1:1";
    r = RUN("-e", e, "load", "/no/such/file");
    assert_int_equal(r->code, 2);
    assert_has(r->err, "/no/such/file");
    free(r);
    EXPECT(2, "", "load");
    EXPECT(2, "", "load", "-", "--resume");
    EXPECT(2, "", "load", "x", "--window", "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_load_goes_on_where_it_stopped),
        cmocka_unit_test(many_lines_come_from_standard_input),
        cmocka_unit_test(what_cannot_be_loaded_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
