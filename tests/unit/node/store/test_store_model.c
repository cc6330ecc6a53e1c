/* test_store_model.c - the store against a sorted array, random operations.
 *
 * Puts, deletes, range deletes in batches, flushes, reopening, checkpoints of
 * the truth by views held for a while; after each round everything readable is
 * compared in every way there is to read it. One seed gives one run; a failure
 * prints it. */
#include "tests/unit/node/store/fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/store/store_iter.h"
#include "proto/base/rng.h"

enum { KEYS = 300, VALUE_MAX = 300, ROUNDS = 400 };

/* Key number i is "k%03d": the array's order is key order. */
struct model {
    bool present[KEYS];
    uint32_t stamp[KEYS]; /* decides value and its size */
};

static struct slice key_of(char *at, unsigned i)
{
    return slice_of(at, (size_t)snprintf(at, 16, "k%03u", i));
}

static struct slice value_of(char *at, uint32_t stamp)
{
    size_t n = stamp % VALUE_MAX;

    for (size_t i = 0; i < n; i++)
        at[i] = (char)(stamp + i);
    return slice_of(at, n);
}

static void check_value(const struct model *m, unsigned i, struct slice got)
{
    char want[VALUE_MAX];

    assert_true(slice_equal(got, value_of(want, m->stamp[i])));
}

static void change(struct rng *rng, struct model *m, struct store *s,
                   struct write_set *w)
{
    char k[16], k2[16], value[VALUE_MAX];
    unsigned n = 1 + (unsigned)rng_below(rng, 20);

    write_set_clear(w);
    while (n--) {
        unsigned i = (unsigned)rng_below(rng, KEYS);
        unsigned j = i + (unsigned)rng_below(rng, 30);
        uint64_t dice = rng_below(rng, 100);

        if (dice < 70) {
            m->present[i] = true;
            m->stamp[i] = (uint32_t)rng_next(rng);
            write_set_put(w, key_of(k, i), value_of(value, m->stamp[i]));
        } else if (dice < 95) {
            m->present[i] = false;
            write_set_delete(w, key_of(k, i));
        } else {
            write_set_delete_range(w, key_of(k, i), key_of(k2, j));
            for (unsigned d = i; d < j && d < KEYS; d++)
                m->present[d] = false;
        }
    }
    assert_int_equal(store_apply(s, w), STATUS_OK);
}

static void check_gets(const struct model *m, struct store *s,
                       struct store_view *v)
{
    static char names[KEYS][16];
    struct slice keys[KEYS];
    struct store_value values[KEYS], one;
    enum status statuses[KEYS];

    for (unsigned i = 0; i < KEYS; i++)
        keys[i] = key_of(names[i], i);
    assert_int_equal(store_multi_get(s, v, keys, KEYS, STORE_ANY, values,
                                     statuses), STATUS_OK);
    for (unsigned i = 0; i < KEYS; i++) {
        enum status want = m->present[i] ? STATUS_OK : STATUS_NOT_FOUND;

        assert_int_equal(statuses[i], want);
        assert_int_equal(store_get(s, v, keys[i], STORE_ANY, &one), want);
        if (m->present[i]) {
            check_value(m, i, values[i].bytes);
            check_value(m, i, one.bytes);
        }
        store_value_release(&one);
        store_value_release(&values[i]);
    }
}

/* From a random seek within random bounds to the end, either way. */
static void check_scan(struct rng *rng, const struct model *m,
                       struct store_view *v)
{
    unsigned low = (unsigned)rng_below(rng, KEYS);
    unsigned high = low + (unsigned)rng_below(rng, KEYS - low + 1);
    unsigned from = low + (unsigned)rng_below(rng, high - low + 1);
    bool back = rng_below(rng, 2);
    char a[16], b[16], c[16];
    struct store_iter_options options = {
        .lower = key_of(a, low), .upper = key_of(b, high), .tier = STORE_ANY,
        .keep_cache = rng_below(rng, 2)};
    struct store_iter *it = store_iter_new(v, &options);

    if (back) {
        store_iter_seek_back(it, key_of(c, from));
        for (unsigned i = MIN_OF(from + 1, high); i-- > low;) {
            if (!m->present[i])
                continue;
            assert_true(store_iter_valid(it));
            assert_true(slice_equal(store_iter_key(it), key_of(c, i)));
            check_value(m, i, store_iter_value(it));
            store_iter_prev(it);
        }
    } else {
        store_iter_seek(it, key_of(c, from));
        for (unsigned i = from; i < high; i++) {
            if (!m->present[i])
                continue;
            assert_true(store_iter_valid(it));
            assert_true(slice_equal(store_iter_key(it), key_of(c, i)));
            check_value(m, i, store_iter_value(it));
            store_iter_next(it);
        }
    }
    assert_false(store_iter_valid(it));
    assert_int_equal(store_iter_status(it), STATUS_OK);
    store_iter_free(it);
}

/* A random walk, turning round wherever it likes. */
static void check_wander(struct rng *rng, const struct model *m,
                         struct store_view *v)
{
    struct store_iter_options options = {.tier = STORE_ANY};
    struct store_iter *it = store_iter_new(v, &options);
    int at = (int)rng_below(rng, KEYS);
    char c[16];

    store_iter_seek(it, key_of(c, (unsigned)at));
    while (at < KEYS && !m->present[at])
        at++;
    for (int n = 0; n < 60 && at >= 0 && at < KEYS; n++) {
        int step = rng_below(rng, 2) ? 1 : -1;

        assert_true(store_iter_valid(it));
        assert_true(slice_equal(store_iter_key(it), key_of(c, (unsigned)at)));
        check_value(m, (unsigned)at, store_iter_value(it));
        if (step > 0)
            store_iter_next(it);
        else
            store_iter_prev(it);
        do
            at += step;
        while (at >= 0 && at < KEYS && !m->present[at]);
    }
    assert_int_equal(store_iter_valid(it), at >= 0 && at < KEYS);
    store_iter_free(it);
}

static void check_all(struct rng *rng, const struct model *m, struct store *s,
                      struct store_view *v)
{
    check_gets(m, s, v);
    for (int i = 0; i < 4; i++) {
        check_scan(rng, m, v);
        check_wander(rng, m, v);
    }
}

static void run(uint64_t seed)
{
    struct store_env_options options = {.group_flush_bytes = 256 * 1024,
                                        .cache_bytes = 256 * 1024};
    struct model now = {0}, held_model = {0};
    struct store_view *held = NULL;
    struct write_set w = {0};
    struct fixture f;
    struct rng rng;

    print_message("seed %llu\n", (unsigned long long)seed);
    rng_init(&rng, seed);
    fixture_init(&f, &options);
    fixture_open(&f);
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t dice = rng_below(&rng, 100);
        struct store_view *v;

        for (uint64_t n = 1 + rng_below(&rng, 5); n--;)
            change(&rng, &now, f.store, &w);
        if (dice < 20) {
            enum status status = store_flush_begin(f.store);
            assert_true(status == STATUS_OK || status == STATUS_STALLED);
        } else if (dice < 30) {
            assert_int_equal(store_flush_wait(f.store), STATUS_OK);
        } else if (dice < 35 && !held) {
            assert_int_equal(store_flush_wait(f.store), STATUS_OK);
            fixture_reopen(&f);
        } else if (dice < 45 && !held) {
            held = store_view_take(f.store);
            held_model = now;
        } else if (dice < 50 && held) {
            check_all(&rng, &held_model, f.store, held);
            store_view_unref(held);
            held = NULL;
        }
        v = store_view_take(f.store);
        check_all(&rng, &now, f.store, v);
        store_view_unref(v);
        if (round % 8 == 0)
            check_gets(&now, f.store, NULL);
    }
    store_view_unref(held);
    write_set_release(&w);
    fixture_release(&f);
}

/* Anything that a reader could see wrong. */
static void the_store_equals_a_sorted_array(void **state)
{
    (void)state;
    run(1);
    run(20260729);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_store_equals_a_sorted_array),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
