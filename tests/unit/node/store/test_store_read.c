/* test_store_read.c - point reads through tables, RocksDB's memory and disk. */
#include "tests/unit/node/store/fixture.h"

#include <stdio.h>

/* The loop reads with CACHE_ONLY: it must say INCOMPLETE instead of waiting,
 * never "not found", and find what a worker brought into the cache. */
static void a_cold_key_is_incomplete_until_read_from_disk(void **state)
{
    struct fixture *f = *state;
    struct slice key = slice_str("k0007");
    struct store_value v;

    put_many(f->store, "k", 100);
    assert_int_equal(store_get(f->store, NULL, key, STORE_CACHE_ONLY, &v),
                     STATUS_OK);
    store_value_release(&v);
    assert_int_equal(store_flush_wait(f->store), STATUS_OK);
    fixture_reopen(f);
    assert_int_equal(store_get(f->store, NULL, key, STORE_CACHE_ONLY, &v),
                     STATUS_INCOMPLETE);
    assert_null(v.pin);
    assert_int_equal(store_get(f->store, NULL, key, STORE_ANY, &v), STATUS_OK);
    assert_int_equal(v.bytes.size, 1024);
    store_value_release(&v);
    assert_int_equal(store_get(f->store, NULL, key, STORE_CACHE_ONLY, &v),
                     STATUS_OK);
    store_value_release(&v);
}

/* Answers must stand at their own keys, whatever order the keys have and
 * however many there are. */
static void multi_get_answers_each_key(void **state)
{
    enum { N = 150 };
    struct fixture *f = *state;
    static char names[N][16];
    struct slice keys[N];
    struct store_value values[N];
    enum status statuses[N];

    put_many(f->store, "k", 100);
    put(f->store, "k0042", "other");
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "k%04d", (i * 37) % N);
        keys[i] = slice_str(names[i]);
    }
    for (int round = 0; round < 2; round++) {
        store_expect(f->store, keys, N); /* changes nothing */
        assert_int_equal(store_multi_get(f->store, NULL, keys, N, STORE_ANY,
                                         values, statuses), STATUS_OK);
        for (int i = 0; i < N; i++) {
            int k = (i * 37) % N;
            assert_int_equal(statuses[i],
                             k < 100 ? STATUS_OK : STATUS_NOT_FOUND);
            assert_int_equal(values[i].bytes.size,
                             k == 42 ? 5 : k < 100 ? 1024 : 0);
            store_value_release(&values[i]);
        }
        /* The second round reads tables. */
        assert_int_equal(store_flush_wait(f->store), STATUS_OK);
    }
    assert_int_equal(store_multi_get(f->store, NULL, keys, 0, STORE_ANY,
                                     values, statuses), STATUS_OK);
}

/* As for one key: cold ones are INCOMPLETE each, and so is the sum. RocksDB's
 * own batched read waits for the disk here, on a loop. */
static void multi_get_is_incomplete_where_a_key_is_cold(void **state)
{
    struct fixture *f = *state;
    struct slice keys[] = {slice_str("hot"), slice_str("k0001")};
    struct store_value values[2];
    enum status statuses[2];

    put_many(f->store, "k", 100);
    assert_int_equal(store_flush_wait(f->store), STATUS_OK);
    fixture_reopen(f);
    put(f->store, "hot", "1");
    assert_int_equal(store_multi_get(f->store, NULL, keys, 2,
                                     STORE_CACHE_ONLY, values, statuses),
                     STATUS_INCOMPLETE);
    assert_int_equal(statuses[0], STATUS_OK);
    assert_int_equal(statuses[1], STATUS_INCOMPLETE);
    store_value_release(&values[0]);
    store_value_release(&values[1]);
}

/* Where to continue after a restart: absent, right, or known as damaged. */
static void the_group_record_is_read_and_checked(void **state)
{
    struct fixture *f = *state;
    struct group_record r;
    struct buf bytes = {0};

    assert_int_equal(store_group_record(f->store, NULL, &bytes, &r),
                     STATUS_NOT_FOUND);
    put_record(f->store, 41);
    put_record(f->store, 42);
    assert_int_equal(store_group_record(f->store, NULL, &bytes, &r),
                     STATUS_OK);
    assert_true(r.applied_index == 42);
    assert_true(slice_equal(r.members, slice_str("members")));
    put(f->store, "g", "damaged");
    assert_int_equal(store_group_record(f->store, NULL, &bytes, &r),
                     STATUS_CORRUPT);
    buf_release(&bytes);
}

/* A value that is held must not change or vanish, whatever happens to the
 * table that it lies in. */
static void a_held_value_survives_writes_and_flushes(void **state)
{
    struct fixture *f = *state;
    struct store_value v;

    put(f->store, "k", "first");
    assert_int_equal(store_get(f->store, NULL, slice_str("k"),
                               STORE_CACHE_ONLY, &v), STATUS_OK);
    put(f->store, "k", "other");
    del_range(f->store, "a", "z");
    assert_int_equal(store_flush_wait(f->store), STATUS_OK);
    put_many(f->store, "x", 2000);
    assert_int_equal(store_flush_wait(f->store), STATUS_OK);
    assert_true(slice_equal(v.bytes, slice_str("first")));
    store_value_release(&v);
    expect(f->store, NULL, "k", NULL);
}

/* What a younger layer deleted must not be found in an older one. */
static void deletes_hide_what_lies_below(void **state)
{
    struct fixture *f = *state;

    put(f->store, "a", "1");
    put(f->store, "b", "1");
    put(f->store, "c", "1");
    assert_int_equal(store_flush_wait(f->store), STATUS_OK);
    for (int round = 0; round < 2; round++) {
        del(f->store, "a");
        del_range(f->store, "b", "d");
        put(f->store, "c", "2");
        expect(f->store, NULL, "a", NULL);
        expect(f->store, NULL, "b", NULL);
        expect(f->store, NULL, "c", "2");
        /* In the second round it is in RocksDB's tables. */
        assert_int_equal(store_flush_wait(f->store), STATUS_OK);
    }
    fixture_reopen(f);
    expect(f->store, NULL, "a", NULL);
    expect(f->store, NULL, "b", NULL);
    expect(f->store, NULL, "c", "2");
}

/* A key in the row cache that is written, deleted, or in a deleted range: the
 * old value would come back as soon as the table that hides it is flushed. */
static void the_row_cache_forgets_what_is_written(void **state)
{
    struct fixture *f = *state;
    struct store_env_stats stats;

    put(f->store, "a", "1");
    put(f->store, "b", "1");
    put(f->store, "c", "1");
    put(f->store, "d", "1");
    assert_int_equal(store_flush_wait(f->store), STATUS_OK);
    for (int i = 0; i < 2; i++) {
        expect(f->store, NULL, "a", "1");
        expect(f->store, NULL, "b", "1");
        expect(f->store, NULL, "c", "1");
        expect(f->store, NULL, "d", "1");
    }
    store_env_stats(f->env, &stats);
    assert_true(stats.row_cache_bytes > 0);
    put(f->store, "a", "2");
    del(f->store, "b");
    for (int i = 0; i < 2; i++) {
        expect(f->store, NULL, "a", "2");
        expect(f->store, NULL, "b", NULL);
        expect(f->store, NULL, "d", "1");
        if (i == 0)
            assert_int_equal(store_flush_wait(f->store), STATUS_OK);
    }
    del_range(f->store, "c", "d");
    assert_int_equal(store_flush_wait(f->store), STATUS_OK);
    expect(f->store, NULL, "c", NULL);
    expect(f->store, NULL, "d", "1");
}

/* A worker's answer comes back when the key has been written meanwhile, and
 * perhaps flushed: it was right for its view only. */
static void a_workers_value_is_kept_only_while_it_is_true(void **state)
{
    struct fixture *f = *state;
    struct slice k = slice_str("k"), old = slice_str("old");
    struct store_view *v;
    struct store_value got;

    for (int written = 0; written < 2; written++) {
        for (int flushed = 0; flushed < 2; flushed++) {
            put(f->store, "k", "old");
            assert_int_equal(store_flush_wait(f->store), STATUS_OK);
            v = store_view_take(f->store);
            if (written)
                put(f->store, "k", "new");
            if (flushed)
                assert_int_equal(store_flush_wait(f->store), STATUS_OK);
            store_keep(f->store, v, k, old);
            store_view_unref(v);
            assert_int_equal(store_get(f->store, NULL, k, STORE_ANY, &got),
                             STATUS_OK);
            assert_true(slice_equal(got.bytes, written ? slice_str("new")
                                                       : old));
            store_value_release(&got);
        }
    }
}

/* Once it is kept no disk is needed. */
static void a_kept_value_is_read_from_memory(void **state)
{
    struct fixture *f = *state;
    struct slice k = slice_str("k0007");
    struct store_view *v;
    struct store_value got;

    put_many(f->store, "k", 100);
    assert_int_equal(store_flush_wait(f->store), STATUS_OK);
    fixture_reopen(f);
    assert_int_equal(store_get(f->store, NULL, k, STORE_CACHE_ONLY, &got),
                     STATUS_INCOMPLETE);
    v = store_view_take(f->store);
    store_keep(f->store, v, k, slice_str("what a worker read"));
    store_view_unref(v);
    assert_int_equal(store_get(f->store, NULL, k, STORE_CACHE_ONLY, &got),
                     STATUS_OK);
    assert_true(slice_equal(got.bytes, slice_str("what a worker read")));
    store_value_release(&got);
}

#define WITH_STORE(t)                                                          \
    cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(a_cold_key_is_incomplete_until_read_from_disk),
        WITH_STORE(multi_get_answers_each_key),
        WITH_STORE(multi_get_is_incomplete_where_a_key_is_cold),
        WITH_STORE(the_group_record_is_read_and_checked),
        WITH_STORE(a_held_value_survives_writes_and_flushes),
        WITH_STORE(deletes_hide_what_lies_below),
        WITH_STORE(the_row_cache_forgets_what_is_written),
        WITH_STORE(a_workers_value_is_kept_only_while_it_is_true),
        WITH_STORE(a_kept_value_is_read_from_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
