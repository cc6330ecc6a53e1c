/* test_store_ingest.c - a flush that fails keeps everything and heals. */
#include "tests/unit/node/store/fixture.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/store/store_iter.h"

static uint64_t flushed_index(struct store *s)
{
    struct buf bytes = {0};
    struct group_record r = {0};

    if (store_flushed_record(s, &bytes, &r) != STATUS_OK)
        r.applied_index = 0;
    buf_release(&bytes);
    return r.applied_index;
}

static void part_path(const struct fixture *f, char *path, size_t size)
{
    snprintf(path, size, "%s/flush.part", f->dir);
}

/* Writes go on above a flush that fails, reads see all of it, and once the
 * disk is well again the next flush takes everything along. */
static void a_failed_flush_loses_nothing_and_heals(void **state)
{
    struct fixture *f = *state;
    struct store_stats stats;
    struct store_view *v;
    char path[400];

    part_path(f, path, sizeof path);
    assert_int_equal(mkdir(path, 0700), 0); /* where the file would be */
    put(f->store, "a", "1");
    put(f->store, "b", "1");
    put_record(f->store, 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(store_flush_wait(f->store), STATUS_IO_ERROR);
    assert_int_equal(flushed_index(f->store), 0);
    store_stats(f->store, &stats);
    assert_int_equal(stats.background_errors, 3);
    assert_false(stats.flushing);
    put(f->store, "a", "2");
    del(f->store, "b");
    put_record(f->store, 2);
    v = store_view_take(f->store);
    assert_int_equal(store_flush_wait(f->store), STATUS_IO_ERROR);
    expect(f->store, v, "a", "2");
    expect(f->store, NULL, "b", NULL);

    assert_int_equal(rmdir(path), 0);
    assert_int_equal(store_flush_wait(f->store), STATUS_OK);
    assert_int_equal(flushed_index(f->store), 2);
    expect(f->store, v, "a", "2");
    store_view_unref(v);
    fixture_reopen(f);
    expect(f->store, NULL, "a", "2");
    expect(f->store, NULL, "b", NULL);
}

/* The disk is full in the middle of the file: no part of it stays, writes stop
 * with the reason when the memory's budget is used up, and all goes on by
 * itself when there is room. */
static void a_full_disk_heals_without_opening_again(void **state)
{
    struct store_env_options options = {.group_flush_bytes = 512 * 1024};
    struct rlimit before, small;
    struct fixture f;
    struct write_set w = {0};
    char path[400];
    enum status status = STATUS_OK;

    (void)state;
    fixture_init(&f, &options);
    fixture_open(&f);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){200 * 1024, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    put_many(f.store, "k", 600);
    put_record(f.store, 1);
    assert_int_equal(store_flush_wait(f.store), STATUS_IO_ERROR);
    part_path(&f, path, sizeof path);
    assert_int_equal(access(path, F_OK), -1);
    for (int i = 0; i < 3; i++) {
        char prefix[8];
        snprintf(prefix, sizeof prefix, "x%d", i);
        put_many(f.store, prefix, 400);
    }
    write_set_put(&w, slice_str("late"), slice_str("1"));
    status = store_apply(f.store, &w);
    assert_int_equal(status, STATUS_IO_ERROR);
    expect(f.store, NULL, "late", NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(store_flush_wait(f.store), STATUS_OK);
    assert_int_equal(store_apply(f.store, &w), STATUS_OK);
    assert_int_equal(flushed_index(f.store), 1);
    fixture_reopen(&f);
    assert_int_equal(flushed_index(f.store), 1);
    write_set_release(&w);
    fixture_release(&f);
}

/* The loop's way to try again: wanted after a while, not at once. */
static void a_failed_flush_is_wanted_again(void **state)
{
    struct fixture *f = *state;
    char path[400];

    part_path(f, path, sizeof path);
    assert_int_equal(mkdir(path, 0700), 0);
    put_record(f->store, 1);
    assert_int_equal(store_flush_wait(f->store), STATUS_IO_ERROR);
    assert_int_equal(rmdir(path), 0);
    assert_false(store_flush_busy(f->store));
    while (!store_flush_wanted(f->store))
        usleep(1000);
    assert_int_equal(store_flush_begin(f->store), STATUS_OK);
    assert_int_equal(store_flush_wait(f->store), STATUS_OK);
    assert_int_equal(flushed_index(f->store), 1);
}

/* A walk that is under way must go on over the table that it began with. */
static void an_open_walk_does_not_see_the_flush(void **state)
{
    struct fixture *f = *state;
    struct store_iter_options options = {.tier = STORE_ANY};
    struct store_view *v;
    struct store_iter *it;
    unsigned n = 0;

    put_many(f->store, "a", 300);
    v = store_view_take(f->store);
    it = store_iter_new(v, &options);
    store_view_unref(v);
    for (store_iter_first(it); store_iter_valid(it); store_iter_next(it)) {
        assert_int_equal(store_iter_value(it).size, 1024);
        if (++n % 100 == 50) {
            del_range(f->store, "a", "b");
            put_many(f->store, "b", 100);
            assert_int_equal(store_flush_wait(f->store), STATUS_OK);
        }
    }
    assert_int_equal(store_iter_status(it), STATUS_OK);
    assert_int_equal(n, 300);
    store_iter_free(it);
}

/* What a crash left of a file must neither count nor stay. */
static void a_half_written_file_is_removed_at_open(void **state)
{
    struct fixture *f = *state;
    char path[400];
    FILE *file;

    put_record(f->store, 1);
    assert_int_equal(store_flush_wait(f->store), STATUS_OK);
    part_path(f, path, sizeof path);
    store_close(f->store);
    f->store = NULL;
    file = fopen(path, "w");
    assert_non_null(file);
    fputs("half", file);
    fclose(file);
    fixture_open(f);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(flushed_index(f->store), 1);
}

#define WITH_STORE(t)                                                          \
    cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(a_failed_flush_loses_nothing_and_heals),
        cmocka_unit_test(a_full_disk_heals_without_opening_again),
        WITH_STORE(a_failed_flush_is_wanted_again),
        WITH_STORE(an_open_walk_does_not_see_the_flush),
        WITH_STORE(a_half_written_file_is_removed_at_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
