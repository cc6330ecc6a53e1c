/* test_store_files.c - checkpoints are whole stores; damage is found. */
#include "tests/unit/node/store/fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/store/store_files.h"

static void put_data(struct store *s, const char *user_key, uint64_t version)
{
    struct layout_value v = {.version = version};
    uint8_t value[LAYOUT_VALUE_HEADER_BYTES];
    struct write_set w = {0};
    struct buf key = {0};

    layout_data_key_append(&key, 1, slice_str(user_key));
    layout_value_header(value, &v);
    write_set_put(&w, buf_slice(&key), slice_of(value, sizeof value));
    assert_int_equal(store_apply(s, &w), STATUS_OK);
    buf_release(&key);
    write_set_release(&w);
}

static void fill(struct store *s)
{
    char key[16];

    for (int i = 0; i < 300; i++) {
        snprintf(key, sizeof key, "key%d", i);
        put_data(s, key, (uint64_t)i);
    }
    put_record(s, 300);
}

static struct store_digest digest(struct store *s)
{
    struct store_view *v = store_view_take(s);
    struct store_digest d;

    assert_int_equal(store_verify(v, &d), STATUS_OK);
    store_view_unref(v);
    return d;
}

/* A snapshot sent to another node is a checkpoint: it has to be the same
 * state, and stay it while the source goes on. */
static void a_checkpoint_is_an_equal_store(void **state)
{
    struct fixture *f = *state;
    struct store_digest before, after, copy;
    struct group_record r;
    struct buf bytes = {0};
    struct store *c;
    char dir[320];

    fill(f->store);
    before = digest(f->store);
    assert_int_equal(before.records, 301);
    snprintf(dir, sizeof dir, "%s/checkpoint", f->root);
    assert_int_equal(store_checkpoint(f->store, dir, NULL, 0), STATUS_OK);
    assert_int_equal(store_checkpoint(f->store, dir, NULL, 0), STATUS_EXISTS);
    put_data(f->store, "key5", 1000);
    put_record(f->store, 301);
    after = digest(f->store);
    assert_true(after.hash != before.hash);

    assert_int_equal(store_read_record(f->env, dir, &bytes, &r, NULL, 0),
                     STATUS_OK);
    assert_true(r.applied_index == 300);
    struct store_options options = {.dir = dir, .mode = STORE_OPEN};
    assert_int_equal(store_open(f->env, &options, &c, NULL, 0), STATUS_OK);
    copy = digest(c);
    assert_true(copy.hash == before.hash);
    assert_int_equal(copy.records, before.records);
    assert_int_equal(copy.bytes, before.bytes);
    store_close(c);
    buf_release(&bytes);
}

/* Reading a record must not change the files that are being streamed. */
static void reading_a_record_changes_no_file(void **state)
{
    struct fixture *f = *state;
    struct store_file *a, *b;
    struct group_record r;
    struct buf bytes = {0};
    size_t n, m;
    char dir[320];

    fill(f->store);
    snprintf(dir, sizeof dir, "%s/checkpoint", f->root);
    assert_int_equal(store_checkpoint(f->store, dir, NULL, 0), STATUS_OK);
    assert_int_equal(store_file_list(dir, &a, &n), STATUS_OK);
    assert_int_equal(store_read_record(f->env, dir, &bytes, &r, NULL, 0),
                     STATUS_OK);
    assert_int_equal(store_file_list(dir, &b, &m), STATUS_OK);
    assert_int_equal(n, m);
    assert_memory_equal(a, b, n * sizeof *a);
    free(a);
    free(b);
    buf_release(&bytes);
}

/* No store and no record are answers, not crashes. */
static void a_missing_record_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct group_record r;
    struct buf bytes = {0};
    char dir[320], error[256] = "";

    snprintf(dir, sizeof dir, "%s/none", f->root);
    assert_int_equal(store_read_record(f->env, dir, &bytes, &r, error,
                                       sizeof error), STATUS_NOT_FOUND);
    assert_string_not_equal(error, "");
    put(f->store, "x", "1");
    snprintf(dir, sizeof dir, "%s/checkpoint", f->root);
    assert_int_equal(store_checkpoint(f->store, dir, NULL, 0), STATUS_OK);
    assert_int_equal(store_read_record(f->env, dir, &bytes, &r, NULL, 0),
                     STATUS_NOT_FOUND);
    buf_release(&bytes);
}

static void copy_file(const char *from, const char *to, uint64_t size)
{
    FILE *in = fopen(from, "r"), *out = fopen(to, "w");
    uint64_t n = 0;
    int c;

    assert_non_null(in);
    assert_non_null(out);
    while ((c = fgetc(in)) != EOF) {
        fputc(c, out);
        n++;
    }
    assert_true(n == size);
    fclose(in);
    fclose(out);
}

/* What the list names is enough to rebuild the store elsewhere. */
static void the_listed_files_make_up_the_store(void **state)
{
    struct fixture *f = *state;
    struct store_digest before;
    struct store_file *files;
    struct store *c;
    size_t n;
    char from[400], to[400], dir[320];

    fill(f->store);
    before = digest(f->store);
    snprintf(dir, sizeof dir, "%s/checkpoint", f->root);
    assert_int_equal(store_checkpoint(f->store, dir, NULL, 0), STATUS_OK);
    assert_int_equal(store_file_list(dir, &files, &n), STATUS_OK);
    snprintf(to, sizeof to, "%s/copy", f->root);
    assert_int_equal(mkdir(to, 0700), 0);
    for (size_t i = 0; i < n; i++) {
        assert_true(store_file_name_valid(files[i].name));
        assert_true(i == 0 || strcmp(files[i - 1].name, files[i].name) < 0);
        snprintf(from, sizeof from, "%s/%s", dir, files[i].name);
        snprintf(to, sizeof to, "%s/copy/%s", f->root, files[i].name);
        copy_file(from, to, files[i].size);
    }
    free(files);
    snprintf(to, sizeof to, "%s/copy", f->root);
    struct store_options options = {.dir = to, .mode = STORE_OPEN};
    assert_int_equal(store_open(f->env, &options, &c, NULL, 0), STATUS_OK);
    assert_true(digest(c).hash == before.hash);
    store_close(c);
}

/* A directory that is no store must not be streamed as one. */
static void foreign_files_are_refused(void **state)
{
    struct fixture *f = *state;
    struct store_file *files;
    size_t n;
    char path[320];

    snprintf(path, sizeof path, "%s/none", f->root);
    assert_int_equal(store_file_list(path, &files, &n), STATUS_NOT_FOUND);
    assert_int_equal(store_file_list(f->dir, &files, &n), STATUS_OK);
    free(files);
    snprintf(path, sizeof path, "%s/sub", f->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(store_file_list(f->dir, &files, &n), STATUS_CORRUPT);
    assert_null(files);
    assert_int_equal(rmdir(path), 0);
    snprintf(path, sizeof path, "%s/readme.txt", f->dir);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(store_file_list(f->dir, &files, &n), STATUS_CORRUPT);
}

/* Names come from a peer: one with a slash would write outside the store. */
static void only_names_that_rocksdb_makes_are_valid(void **state)
{
    static const char *const good[] = {"CURRENT", "IDENTITY",
                                       "MANIFEST-000004", "OPTIONS-000007",
                                       "000012.sst", "000013.log"};
    static const char *const bad[] = {
        "", ".", "..", "/etc/passwd", "../CURRENT", "a/b", "MANIFEST-",
        "MANIFEST-1/2", "OPTIONS-x", ".sst", "1x.sst", "LOCK", "LOG",
        "CURRENT ", "0000000000000000000000000000000000000000000000000000000"
        "00000000000.sst"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(store_file_name_valid(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(store_file_name_valid(bad[i]));
}

static enum status verify(struct fixture *f)
{
    struct store_view *v = store_view_take(f->store);
    enum status status = store_verify(v, NULL);

    store_view_unref(v);
    return status;
}

/* Records that the layout does not allow are found, each kind of them. */
static void verify_finds_malformed_records(void **state)
{
    struct fixture *f = *state;

    fill(f->store);
    put(f->store, "zkind", "of a later version");
    assert_int_equal(verify(f), STATUS_OK);
    put(f->store, "d123", "key too short");
    assert_int_equal(verify(f), STATUS_CORRUPT);
    del(f->store, "d123");
    assert_int_equal(verify(f), STATUS_OK);
    put(f->store, "d1234key", "short");
    assert_int_equal(verify(f), STATUS_CORRUPT);
    put(f->store, "d1234key", "\x07 format of a later version");
    assert_int_equal(verify(f), STATUS_WRONG_VERSION);
    del(f->store, "d1234key");
    put(f->store, "g", "no record");
    assert_int_equal(verify(f), STATUS_CORRUPT);
    put_record(f->store, 1);
    put(f->store, "g2", "there is only one");
    assert_int_equal(verify(f), STATUS_CORRUPT);
}

/* A bit flipped on disk must be an error to every reader, never a value. */
static void a_damaged_block_is_corrupt_to_readers(void **state)
{
    struct fixture *f = *state;
    struct store_file *files;
    struct store_value v;
    size_t n, tables = 0;
    char path[400];
    int fd;
    uint8_t byte;

    put_many(f->store, "k", 200);
    assert_int_equal(store_flush_wait(f->store), STATUS_OK);
    fixture_close(f);
    assert_int_equal(store_file_list(f->dir, &files, &n), STATUS_OK);
    for (size_t i = 0; i < n; i++) {
        if (!strstr(files[i].name, ".sst"))
            continue;
        tables++;
        snprintf(path, sizeof path, "%s/%s", f->dir, files[i].name);
        fd = open(path, O_RDWR);
        assert_int_equal(pread(fd, &byte, 1, 100), 1);
        byte ^= 4;
        assert_int_equal(pwrite(fd, &byte, 1, 100), 1);
        close(fd);
    }
    free(files);
    assert_int_equal(tables, 1);
    fixture_open(f);
    assert_int_equal(store_get(f->store, NULL, slice_str("k0000"), STORE_ANY,
                               &v), STATUS_CORRUPT);
    assert_null(v.pin);
    assert_int_equal(store_get(f->store, NULL, slice_str("k0199"), STORE_ANY,
                               &v), STATUS_OK);
    store_value_release(&v);
    assert_int_equal(verify(f), STATUS_CORRUPT);
}

#define WITH_STORE(t)                                                          \
    cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(a_checkpoint_is_an_equal_store),
        WITH_STORE(reading_a_record_changes_no_file),
        WITH_STORE(a_missing_record_is_not_found),
        WITH_STORE(the_listed_files_make_up_the_store),
        WITH_STORE(foreign_files_are_refused),
        cmocka_unit_test(only_names_that_rocksdb_makes_are_valid),
        WITH_STORE(verify_finds_malformed_records),
        WITH_STORE(a_damaged_block_is_corrupt_to_readers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
