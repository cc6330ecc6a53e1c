/* test_rocks_error.c - RocksDB's texts become the right statuses. */
#include "tests/unit/node/store/fixture.h"

#include <dirent.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/store/rocks_error.h"
#include "proto/base/log.h"

static unsigned lines;

static void count_line(enum log_level level, const char *line)
{
    assert_int_equal(level, LOG_LEVEL_ERROR);
    assert_non_null(strstr(line, "store=5"));
    lines++;
}

/* A stall taken for a failure would take a healthy replica out; a failure
 * taken for a stall would be repeated for ever. */
static void texts_become_statuses(void **state)
{
    static const struct {
        const char *text;
        enum status status;
    } cases[] = {
        {NULL, STATUS_OK},
        {"NotFound: ", STATUS_NOT_FOUND},
        {"Result incomplete: no blocking io", STATUS_INCOMPLETE},
        {"Result incomplete: Write stall", STATUS_STALLED},
        {"Corruption: block checksum mismatch", STATUS_CORRUPT},
        {"IO error: No space left on device: While appending to file: "
         "/x/000009.sst: No space left on device", STATUS_DISK_FULL},
        {"IO error: While fsync: /x/9.sst: Input/output error",
         STATUS_IO_ERROR},
        {"IO error: While lock file: /x/LOCK: Resource temporarily "
         "unavailable", STATUS_BUSY},
        {"IO error: lock hold by current process, acquire time 1 acquiring "
         "thread 2: /x/LOCK: No locks available", STATUS_BUSY},
        {"Invalid argument: /x: exists (error_if_exists is true)",
         STATUS_EXISTS},
        {"Invalid argument: /x: does not exist (create_if_missing is false)",
         STATUS_NOT_FOUND},
        {"Invalid argument: something", STATUS_INTERNAL},
        {"Not implemented: Not supported operation in read only mode.",
         STATUS_INTERNAL},
        {"Shutdown in progress: ", STATUS_CLOSED},
        {"A text of a later RocksDB", STATUS_IO_ERROR},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(rocks_status(cases[i].text), cases[i].status);
}

/* A failing store is asked thousands of times a second: one line, until the
 * kind of failure changes. */
static void a_repeated_error_is_logged_once(void **state)
{
    atomic_int last = STATUS_OK;
    struct rocks_place place = {"/x", 5, &last};
    char text[64] = "";

    (void)state;
    lines = 0;
    log_set(count_line, LOG_LEVEL_INFO);
    for (int i = 0; i < 3; i++)
        assert_int_equal(rocks_error(place, "apply", strdup("IO error: bad"),
                                     text, sizeof text), STATUS_IO_ERROR);
    assert_string_equal(text, "IO error: bad");
    assert_int_equal(lines, 1);
    assert_int_equal(rocks_error(place, "get", strdup("Corruption: x"), NULL,
                                 0), STATUS_CORRUPT);
    assert_int_equal(lines, 2);
    assert_int_equal(rocks_error(place, "get",
                                 strdup("Result incomplete: no blocking io"),
                                 NULL, 0), STATUS_INCOMPLETE);
    assert_int_equal(lines, 2);
    assert_int_equal(rocks_error(place, "get", NULL, text, sizeof text),
                     STATUS_OK);
    log_set(NULL, LOG_LEVEL_INFO);
}

/* ---- what the RocksDB that is linked really says ---- */

static rocksdb_options_t *options_new(void)
{
    rocksdb_options_t *o = rocksdb_options_create();
    rocksdb_block_based_table_options_t *t =
        rocksdb_block_based_options_create();

    rocksdb_options_set_create_if_missing(o, 1);
    rocksdb_block_based_options_set_format_version(t, 5); /* as our stores */
    rocksdb_options_set_block_based_table_factory(o, t);
    rocksdb_block_based_options_destroy(t);
    return o;
}

/* A database of one table. */
static void make(const rocksdb_options_t *o, const char *dir)
{
    char *error = NULL;
    rocksdb_t *db = rocksdb_open(o, dir, &error);
    rocksdb_writeoptions_t *w = rocksdb_writeoptions_create();
    rocksdb_flushoptions_t *f = rocksdb_flushoptions_create();

    assert_non_null(db);
    rocksdb_put(db, w, "k", 1, "v", 1, &error);
    assert_null(error);
    rocksdb_flush(db, f, &error);
    assert_null(error);
    rocksdb_flushoptions_destroy(f);
    rocksdb_writeoptions_destroy(w);
    rocksdb_close(db);
}

/* Let the tables in `dir` be of a format that nobody knows yet. */
static void make_newer(const char *dir)
{
    enum { BEHIND_VERSION = 12 }; /* it and the magic number end the file */
    static const uint8_t version[] = {99, 0, 0, 0};
    DIR *d = opendir(dir);
    struct dirent *e;
    unsigned tables = 0;

    assert_non_null(d);
    while ((e = readdir(d))) {
        char path[600];
        FILE *f;
        if (!strstr(e->d_name, ".sst"))
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        f = fopen(path, "r+");
        assert_non_null(f);
        assert_int_equal(fseek(f, -BEHIND_VERSION, SEEK_END), 0);
        assert_int_equal(fwrite(version, sizeof version, 1, f), 1);
        fclose(f);
        tables++;
    }
    closedir(d);
    assert_int_equal(tables, 1);
}

/* Broken: a table that cannot be read would be taken for something else than
 * damage, and its replica would go on. */
static void a_table_of_a_newer_format_is_corruption(void **state)
{
    rocksdb_options_t *o = options_new();
    char root[256], dir[300], *error = NULL;

    (void)state;
    temp_root(root, sizeof root);
    snprintf(dir, sizeof dir, "%s/db", root);
    make(o, dir);
    make_newer(dir);
    assert_null(rocksdb_open(o, dir, &error));
    assert_non_null(strstr(error, "format_version"));
    assert_int_equal(rocks_status(error), STATUS_CORRUPT);
    rocksdb_free(error);
    rocksdb_options_destroy(o);
    remove_tree(root);
}

/* Broken: a mistake of ours would be told as files of another version. */
static void what_rocksdb_cannot_do_is_our_mistake(void **state)
{
    rocksdb_options_t *o = options_new();
    rocksdb_writeoptions_t *w = rocksdb_writeoptions_create();
    char root[256], dir[300], *error = NULL;
    rocksdb_t *db;

    (void)state;
    temp_root(root, sizeof root);
    snprintf(dir, sizeof dir, "%s/db", root);
    make(o, dir);
    db = rocksdb_open_for_read_only(o, dir, 0, &error);
    assert_non_null(db);
    rocksdb_put(db, w, "k", 1, "w", 1, &error);
    assert_non_null(error);
    assert_int_equal(strncmp(error, "Not implemented", 15), 0);
    assert_int_equal(rocks_status(error), STATUS_INTERNAL);
    rocksdb_free(error);
    rocksdb_close(db);
    rocksdb_writeoptions_destroy(w);
    rocksdb_options_destroy(o);
    remove_tree(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_become_statuses),
        cmocka_unit_test(a_repeated_error_is_logged_once),
        cmocka_unit_test(a_table_of_a_newer_format_is_corruption),
        cmocka_unit_test(what_rocksdb_cannot_do_is_our_mistake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
