/* test_store.c - opening, closing and applying to one store. */
#include "tests/unit/node/store/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static enum status open_mode(struct fixture *f, enum store_mode mode,
                             struct store **out, char *error, size_t size)
{
    struct store_options options = {.dir = f->dir, .mode = mode, .tag = 1};

    return store_open(f->env, &options, out, error, size);
}

/* An ACTIVE replica that is missing must be reported lost, not recreated
 * empty; a CREATING one must not take over an old store. */
static void open_modes_never_create_or_reuse_by_accident(void **state)
{
    struct fixture f;
    struct store *s;
    char error[256] = "";

    (void)state;
    fixture_init(&f, NULL);
    assert_int_equal(open_mode(&f, STORE_OPEN, &s, error, sizeof error),
                     STATUS_NOT_FOUND);
    assert_null(s);
    assert_string_not_equal(error, "");
    assert_int_equal(access(f.dir, F_OK), -1);
    assert_int_equal(open_mode(&f, STORE_CREATE, &s, NULL, 0), STATUS_OK);
    store_close(s);
    assert_int_equal(open_mode(&f, STORE_CREATE, &s, NULL, 0), STATUS_EXISTS);
    assert_null(s);
    assert_int_equal(open_mode(&f, STORE_OPEN, &s, NULL, 0), STATUS_OK);
    store_close(s);
    assert_int_equal(open_mode(&f, STORE_OPEN_OR_CREATE, &s, NULL, 0),
                     STATUS_OK);
    store_close(s);
    assert_int_equal(store_env_open_count(f.env), 0);
    fixture_release(&f);
}

/* Two processes in one directory would destroy it. */
static void a_second_open_is_busy(void **state)
{
    struct fixture *f = *state;
    struct store *s;
    char error[256] = "";

    assert_int_equal(open_mode(f, STORE_OPEN, &s, error, sizeof error),
                     STATUS_BUSY);
    assert_null(s);
    assert_string_not_equal(error, "");
}

/* Tables without CURRENT are damage: creating a new store over them would
 * lose acknowledged data without a word. */
static void tables_without_current_are_not_created_over(void **state)
{
    struct fixture *f = *state;
    char path[320];
    struct store *s;

    put(f->store, "k", "v");
    assert_int_equal(store_flush_wait(f->store), STATUS_OK);
    store_close(f->store);
    f->store = NULL;
    snprintf(path, sizeof path, "%s/CURRENT", f->dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(open_mode(f, STORE_OPEN_OR_CREATE, &s, NULL, 0),
                     STATUS_CORRUPT);
    assert_int_equal(open_mode(f, STORE_CREATE, &s, NULL, 0), STATUS_CORRUPT);
    assert_int_equal(open_mode(f, STORE_OPEN, &s, NULL, 0), STATUS_CORRUPT);
}

/* A damaged manifest has to quarantine the replica. */
static void a_store_with_a_damaged_manifest_is_corrupt(void **state)
{
    struct fixture *f = *state;
    char path[320];
    struct store *s;
    FILE *file;

    store_close(f->store);
    f->store = NULL;
    snprintf(path, sizeof path, "%s/CURRENT", f->dir);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs("no manifest", file);
    fclose(file);
    assert_int_equal(open_mode(f, STORE_OPEN, &s, NULL, 0), STATUS_CORRUPT);
    assert_null(s);
}

/* Put, delete and range delete in one set: the later record wins. */
static void a_write_set_is_applied_in_order(void **state)
{
    struct fixture *f = *state;
    struct write_set w = {0};

    put(f->store, "old", "1");
    write_set_put(&w, slice_str("a"), slice_str("1"));
    write_set_put(&w, slice_str("a"), slice_str("2"));
    write_set_put(&w, slice_str("b"), slice_str("1"));
    write_set_delete(&w, slice_str("b"));
    write_set_put(&w, slice_str("n"), slice_str("gone"));
    write_set_delete_range(&w, slice_str("n"), slice_str("p"));
    write_set_put(&w, slice_str("nn"), slice_str(""));
    assert_int_equal(store_apply(f->store, &w), STATUS_OK);
    expect(f->store, NULL, "a", "2");
    expect(f->store, NULL, "b", NULL);
    expect(f->store, NULL, "n", NULL);
    expect(f->store, NULL, "nn", "");
    expect(f->store, NULL, "old", NULL);
    write_set_clear(&w);
    assert_int_equal(store_apply(f->store, &w), STATUS_OK);
    write_set_release(&w);
}

/* The largest key and value that the doors let through have to fit. */
static void the_largest_record_is_stored(void **state)
{
    struct fixture *f = *state;
    uint8_t *key = xcalloc(1, LAYOUT_KEY_BYTES_MAX);
    uint8_t *value = xcalloc(1, LAYOUT_VALUE_BYTES_MAX);
    struct slice k = slice_of(key, LAYOUT_KEY_BYTES_MAX);
    struct write_set w = {0};
    struct store_value v;

    key[0] = 'd';
    value[LAYOUT_VALUE_BYTES_MAX - 1] = 9;
    write_set_put(&w, k, slice_of(value, LAYOUT_VALUE_BYTES_MAX));
    assert_int_equal(store_apply(f->store, &w), STATUS_OK);
    put(f->store, "after", "1");
    assert_int_equal(store_flush_wait(f->store), STATUS_OK);
    assert_int_equal(store_get(f->store, NULL, k, STORE_ANY, &v), STATUS_OK);
    assert_int_equal(v.bytes.size, LAYOUT_VALUE_BYTES_MAX);
    assert_memory_equal(v.bytes.data, value, v.bytes.size);
    store_value_release(&v);
    store_value_release(&v);
    expect(f->store, NULL, "after", "1");
    write_set_release(&w);
    free(key);
    free(value);
}

/* close() is a crash to the data: no flush may sneak in, or a failed replica
 * could write after it was given up. */
static void closing_does_not_flush(void **state)
{
    struct fixture *f = *state;

    put(f->store, "flushed", "1");
    assert_int_equal(store_flush_wait(f->store), STATUS_OK);
    put(f->store, "not", "1");
    fixture_reopen(f);
    expect(f->store, NULL, "flushed", "1");
    expect(f->store, NULL, "not", NULL);
}

static void count_closed(void *arg)
{
    ++*(unsigned *)arg;
}

/* The node deletes the directory when on_closed comes: too early would delete
 * under a reader. */
static void on_closed_comes_with_the_last_reference(void **state)
{
    struct fixture f;
    unsigned closed = 0;
    struct store *s;

    (void)state;
    fixture_init(&f, NULL);
    struct store_options options = {.dir = f.dir, .mode = STORE_CREATE,
                                    .tag = 9, .on_closed = count_closed,
                                    .arg = &closed};
    assert_int_equal(store_open(f.env, &options, &s, NULL, 0), STATUS_OK);
    assert_true(store_tag(s) == 9);
    assert_string_equal(store_dir(s), f.dir);
    store_ref(s);
    store_close(s);
    assert_int_equal(closed, 0);
    assert_int_equal(store_env_open_count(f.env), 1);
    store_unref(s);
    assert_int_equal(closed, 1);
    assert_int_equal(store_env_open_count(f.env), 0);
    fixture_release(&f);
}

/* A removed replica gives its space back; an open one must not be removed, and
 * foreign files are not ours to delete. */
static void destroy_removes_closed_stores_only(void **state)
{
    struct fixture *f = *state;
    char path[320], error[256] = "";
    FILE *file;

    put(f->store, "k", "v");
    assert_int_equal(store_flush_wait(f->store), STATUS_OK);
    assert_int_equal(store_destroy(f->dir, NULL, 0), STATUS_BUSY);
    expect(f->store, NULL, "k", "v");
    store_close(f->store);
    f->store = NULL;
    snprintf(path, sizeof path, "%s/precious", f->dir);
    file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(store_destroy(f->dir, error, sizeof error),
                     STATUS_IO_ERROR);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(store_destroy(f->dir, NULL, 0), STATUS_OK);
    assert_int_equal(access(f->dir, F_OK), -1);
    assert_int_equal(store_destroy(f->dir, NULL, 0), STATUS_OK);
}

#define WITH_STORE(t)                                                          \
    cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_modes_never_create_or_reuse_by_accident),
        WITH_STORE(a_second_open_is_busy),
        WITH_STORE(tables_without_current_are_not_created_over),
        WITH_STORE(a_store_with_a_damaged_manifest_is_corrupt),
        WITH_STORE(a_write_set_is_applied_in_order),
        WITH_STORE(the_largest_record_is_stored),
        WITH_STORE(closing_does_not_flush),
        cmocka_unit_test(on_closed_comes_with_the_last_reference),
        WITH_STORE(destroy_removes_closed_stores_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
