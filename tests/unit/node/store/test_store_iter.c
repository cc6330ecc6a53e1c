/* test_store_iter.c - walks stop exactly at their bounds, in both ways. */
#include "tests/unit/node/store/fixture.h"

#include <stdio.h>

#include "node/store/store_iter.h"

static struct store_iter *iter(struct store *s, const char *lower,
                               const char *upper, enum store_tier tier)
{
    struct store_view *v = store_view_take(s);
    struct store_iter_options options = {
        .lower = slice_str(lower), .upper = slice_str(upper), .tier = tier};
    struct store_iter *it = store_iter_new(v, &options);

    /* The iterator keeps the view itself. */
    store_view_unref(v);
    assert_false(store_iter_valid(it));
    return it;
}

static void expect_key(struct store_iter *it, const char *key)
{
    if (!key) {
        assert_false(store_iter_valid(it));
        assert_int_equal(store_iter_status(it), STATUS_OK);
        return;
    }
    assert_true(store_iter_valid(it));
    assert_true(slice_equal(store_iter_key(it), slice_str(key)));
    assert_true(slice_equal(store_iter_value(it), slice_str(key)));
}

static int with_letters(void **state)
{
    fixture_setup(state);
    struct fixture *f = *state;

    put(f->store, "b", "b");
    put(f->store, "d", "d");
    assert_int_equal(store_flush_wait(f->store), STATUS_OK);
    put(f->store, "c", "c");
    put(f->store, "a", "a");
    put(f->store, "cc", "cc");
    return 0;
}

/* Memtable and tables have to be merged in order. */
static void walks_everything_in_both_directions(void **state)
{
    static const char *const keys[] = {"a", "b", "c", "cc", "d"};
    struct fixture *f = *state;
    struct store_iter *it = iter(f->store, "", "", STORE_ANY);
    int i = 0;

    for (store_iter_first(it); store_iter_valid(it); store_iter_next(it))
        expect_key(it, keys[i++]);
    assert_int_equal(i, 5);
    assert_int_equal(store_iter_status(it), STATUS_OK);
    for (store_iter_last(it); store_iter_valid(it); store_iter_prev(it))
        expect_key(it, keys[--i]);
    assert_int_equal(i, 0);
    assert_int_equal(store_iter_status(it), STATUS_OK);
    store_iter_free(it);
    store_iter_free(NULL);
}

/* A bound off by one shows a key of another keyspace or hides the last one. */
static void bounds_are_inclusive_below_and_exclusive_above(void **state)
{
    struct fixture *f = *state;
    struct store_iter *it = iter(f->store, "b", "cc", STORE_ANY);

    store_iter_first(it);
    expect_key(it, "b");
    store_iter_prev(it);
    expect_key(it, NULL);
    store_iter_last(it);
    expect_key(it, "c");
    store_iter_next(it);
    expect_key(it, NULL);
    store_iter_free(it);

    it = iter(f->store, "bb", "c", STORE_ANY);
    store_iter_first(it);
    expect_key(it, NULL);
    store_iter_last(it);
    expect_key(it, NULL);
    store_iter_free(it);
}

/* Seeks land on the key, on its neighbour, or within the bounds. */
static void seeks_find_the_nearest_key_within_bounds(void **state)
{
    struct fixture *f = *state;
    struct store_iter *it = iter(f->store, "b", "d", STORE_ANY);

    store_iter_seek(it, slice_str("c"));
    expect_key(it, "c");
    store_iter_seek(it, slice_str("ca"));
    expect_key(it, "cc");
    store_iter_seek(it, slice_str("a"));
    expect_key(it, "b");
    store_iter_seek(it, slice_str("ccc"));
    expect_key(it, NULL);
    store_iter_seek_back(it, slice_str("c"));
    expect_key(it, "c");
    store_iter_seek_back(it, slice_str("ca"));
    expect_key(it, "c");
    store_iter_seek_back(it, slice_str("zz"));
    expect_key(it, "cc");
    store_iter_seek_back(it, slice_str("a"));
    expect_key(it, NULL);
    store_iter_free(it);
}

/* A scan pages through a state; writes between pages must not show. */
static void an_iterator_does_not_see_later_writes(void **state)
{
    struct fixture *f = *state;
    struct store_iter *it = iter(f->store, "", "", STORE_ANY);

    store_iter_first(it);
    del(f->store, "b");
    put(f->store, "bb", "bb");
    store_iter_next(it);
    expect_key(it, "b");
    store_iter_next(it);
    expect_key(it, "c");
    store_iter_free(it);
}

/* On a loop a scan must stop with INCOMPLETE where the disk would be needed:
 * an OK there would cut the answer short. */
static void a_cold_scan_is_incomplete_not_empty(void **state)
{
    struct fixture *f = *state;
    struct store_iter *it;
    unsigned n = 0;

    put_many(f->store, "k", 100);
    assert_int_equal(store_flush_wait(f->store), STATUS_OK);
    fixture_reopen(f);
    it = iter(f->store, "k", "l", STORE_CACHE_ONLY);
    for (store_iter_first(it); store_iter_valid(it); store_iter_next(it))
        n++;
    assert_int_equal(store_iter_status(it), STATUS_INCOMPLETE);
    assert_true(n < 100);
    store_iter_free(it);
    it = iter(f->store, "k", "l", STORE_ANY);
    n = 0;
    for (store_iter_first(it); store_iter_valid(it); store_iter_next(it))
        n++;
    assert_int_equal(store_iter_status(it), STATUS_OK);
    assert_int_equal(n, 100);
    store_iter_free(it);
}

#define WITH_LETTERS(t)                                                        \
    cmocka_unit_test_setup_teardown(t, with_letters, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LETTERS(walks_everything_in_both_directions),
        WITH_LETTERS(bounds_are_inclusive_below_and_exclusive_above),
        WITH_LETTERS(seeks_find_the_nearest_key_within_bounds),
        WITH_LETTERS(an_iterator_does_not_see_later_writes),
        WITH_LETTERS(a_cold_scan_is_incomplete_not_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
