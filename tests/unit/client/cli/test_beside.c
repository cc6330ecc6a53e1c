/* test_beside.c - what is remembered beside a file. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "client/cli/beside.h"

static void what_was_written_last_is_read(void **state)
{
    char folder[] = "/tmp/coatcheck-beside-XXXXXX", file[100], text[100];
    char half[120];
    FILE *f;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/keys", folder);
    snprintf(half, sizeof half, "%s.loaded.new", file);
    assert_null(beside_open(file, "loaded"));
    assert_int_equal(errno, ENOENT);
    beside_write(file, "loaded", "%d %s\n", 1, "long ago");
    beside_write(file, "loaded", "%d\n", 2);
    f = beside_open(file, "loaded");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    assert_string_equal(text, "2\n");
    assert_null(fgets(text, sizeof text, f));
    fclose(f);
    assert_int_equal(access(half, F_OK), -1); /* nothing is left over */
    assert_null(beside_open(file, "dumped"));
    beside_drop(file, "loaded");
    beside_drop(file, "loaded");
    assert_null(beside_open(file, "loaded"));
    assert_int_equal(rmdir(folder), 0);
}

/* Broken: a name that is cut off would be another file's. */
static void a_name_that_is_too_long_is_no_file(void **state)
{
    char *file = calloc(1, PATH_MAX + 1);

    (void)state;
    memset(file, 'x', PATH_MAX - 3);
    beside_write(file, "loaded", "%d", 1);
    beside_drop(file, "loaded");
    assert_null(beside_open(file, "loaded"));
    assert_int_equal(errno, ENAMETOOLONG);
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_last_is_read),
        cmocka_unit_test(a_name_that_is_too_long_is_no_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
