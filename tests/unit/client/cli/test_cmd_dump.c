/* test_cmd_dump.c - dumping keys, and loading them again. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>

#include "tests/unit/client/cli/run_cli.h"

static const char *e; /* the endpoints */

static char path[] = "test_cmd_dump.XXXXXX", dumped[64];

static void assert_file(const char *text)
{
    char got[512];
    FILE *f = fopen(path, "r");
    size_t n = fread(got, 1, sizeof got - 1, f);

    got[n] = 0;
    fclose(f);
    assert_string_equal(got, text);
}

/* Broken: a backup would not be one. */
static void what_is_dumped_can_be_loaded(void **state)
{
    struct nodes *t = nodes_start(3);
    struct run *r;

    (void)state;
    e = t->f.endpoints;
    assert_true(mkstemp(path) >= 0);
    EXPECT(0, "3 written\n", "mset", "a", "1", "b", "2", "c", "3");
    r = RUN("-e", e, "dump", path);
    assert_int_equal(r->code, 0);
    assert_has(r->err, "3 keys in");
    free(r);
    assert_file("{\"key\":\"a\",\"value\":\"1\"}\n"
                "{\"key\":\"b\",\"value\":\"2\"}\n"
                "{\"key\":\"c\",\"value\":\"3\"}\n");
    EXPECT(0, "3 deleted\n", "del", "a", "b", "c");
    RUN_CODE(0, "-e", e, "load", path);
    EXPECT(0, "b\t2\n", "scan", "b");
    EXPECT(0, "{\"key\":\"b\",\"value\":\"2\"}\n", "dump", "--prefix", "b",
           "-");
    unlink(path);
    nodes_stop(t);
}

/* Broken: a dump that was interrupted would have lines twice, or gaps. */
static void a_dump_goes_on_where_it_ended(void **state)
{
    struct nodes *t = nodes_start(3);
    struct run *r;
    char cursor[256];
    FILE *f;

    (void)state;
    e = t->f.endpoints;
    snprintf(dumped, sizeof dumped, "%s.dumped", path);
    EXPECT(0, "2 written\n", "mset", "a", "1", "b", "2");
    r = RUN("-e", e, "scan", "--limit", "1", "--show-cursor");
    assert_int_equal(sscanf(r->err, "cursor: %255s", cursor), 1);
    free(r);
    f = fopen(path, "w");
    fputs("{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"half", f);
    fclose(f);
    f = fopen(dumped, "w");
    fprintf(f, "24 1 %s\n", cursor);
    fclose(f);
    r = RUN("-e", e, "dump", path, "--resume");
    assert_int_equal(r->code, 0);
    free(r);
    assert_file("{\"key\":\"a\",\"value\":\"1\"}\n"
                "{\"key\":\"b\",\"value\":\"2\"}\n");
    assert_int_not_equal(access(dumped, F_OK), 0);
    f = fopen(dumped, "w");
    fputs("9999 1 x\n", f);
    fclose(f);
    EXPECT(2, "", "dump", path, "--resume");
    unlink(dumped);
    unlink(path);
    EXPECT(2, "", "dump");
    EXPECT(2, "", "dump", "-", "--resume");
    EXPECT(2, "", "dump", "/no/such/folder/file");
    nodes_stop(t);
}

/* Broken: a backup would be gone because the cluster is not there. */
static void a_dump_that_cannot_begin_leaves_the_file_alone(void **state)
{
    FILE *f = fopen(path, "w");

    (void)state;
    fputs("kept", f);
    fclose(f);
    e = "127.0.0.1:1";
    EXPECT(3, "", "--timeout", "200", "dump", path);
    assert_file("kept");
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_dumped_can_be_loaded),
        cmocka_unit_test(a_dump_goes_on_where_it_ended),
        cmocka_unit_test(a_dump_that_cannot_begin_leaves_the_file_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
