/* test_store_view.c - a view does not change and keeps its store alive. */
#include "tests/unit/node/store/fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/store/store_iter.h"

/* A linearizable read on a worker answers as of the moment it was allowed; a
 * later write must not show. */
static void a_view_survives_later_writes(void **state)
{
    struct fixture *f = *state;
    struct store_view *v;

    put(f->store, "a", "1");
    put(f->store, "b", "1");
    v = store_view_take(f->store);
    put(f->store, "a", "2");
    del(f->store, "b");
    put(f->store, "c", "2");
    del_range(f->store, "a", "b");
    for (int flushed = 0; flushed < 2; flushed++) {
        expect(f->store, v, "a", "1");
        expect(f->store, v, "b", "1");
        expect(f->store, v, "c", NULL);
        expect(f->store, NULL, "a", NULL);
        expect(f->store, NULL, "b", NULL);
        expect(f->store, NULL, "c", "2");
        assert_int_equal(store_flush_wait(f->store), STATUS_OK);
    }
    assert_ptr_equal(store_view_store(v), f->store);
    store_view_unref(v);
}

/* One snapshot per state, not one per read: taking one costs a mutex. */
static void views_are_shared_until_something_is_applied(void **state)
{
    struct fixture *f = *state;
    struct store_view *a = store_view_take(f->store);
    struct store_view *b = store_view_take(f->store);
    struct store_view *c;
    struct store_stats stats;

    assert_ptr_equal(a, b);
    store_stats(f->store, &stats);
    assert_int_equal(stats.snapshots, 1);
    put(f->store, "k", "v");
    c = store_view_take(f->store);
    assert_ptr_not_equal(c, a);
    expect(f->store, a, "k", NULL);
    expect(f->store, c, "k", "v");
    store_view_unref(a);
    store_view_unref(b);
    store_view_unref(c);
    store_view_unref(NULL);
    /* The store's own reference to the last one stays until the next write. */
    store_stats(f->store, &stats);
    assert_int_equal(stats.snapshots, 1);
    put(f->store, "k", "w");
    store_stats(f->store, &stats);
    assert_int_equal(stats.snapshots, 0);
}

/* The store keeps a view of its present state. When a flush ends meanwhile,
 * its thread must not be the one that gives the last reference back: closing
 * waits for that thread. The table must not stay in memory for it either. */
static void the_kept_view_does_not_disturb_a_flush(void **state)
{
    struct fixture *f = *state;
    struct store_stats stats;

    for (int i = 0; i < 20; i++) {
        put_many(f->store, "k", 50);
        store_view_unref(store_view_take(f->store));
        assert_int_equal(store_flush_begin(f->store), STATUS_OK);
        store_view_unref(store_view_take(f->store));
        if (i % 2)
            assert_int_equal(store_flush_wait(f->store), STATUS_OK);
        fixture_reopen(f);
    }
    put_many(f->store, "k", 50);
    store_view_unref(store_view_take(f->store));
    assert_int_equal(store_flush_wait(f->store), STATUS_OK);
    store_stats(f->store, &stats);
    assert_int_equal(stats.snapshots, 1);
    assert_false(store_flush_busy(f->store));
    store_stats(f->store, &stats);
    assert_int_equal(stats.snapshots, 0);
}

struct worker {
    struct store_view *view;
    pthread_barrier_t *closed;
};

static void *read_after_close(void *arg)
{
    struct worker *w = arg;
    struct store_value v;
    struct store_iter_options options = {.tier = STORE_ANY};
    struct store_iter *it;
    unsigned n = 0;
    bool ok;

    pthread_barrier_wait(w->closed);
    ok = store_get(store_view_store(w->view), w->view, slice_str("k0003"),
                   STORE_ANY, &v) == STATUS_OK;
    ok = ok && v.bytes.size == 1024;
    store_value_release(&v);
    it = store_iter_new(w->view, &options);
    for (store_iter_first(it); store_iter_valid(it); store_iter_next(it))
        n++;
    ok = ok && store_iter_status(it) == STATUS_OK && n == 100;
    store_iter_free(it);
    store_view_unref(w->view);
    return ok ? arg : NULL;
}

/* The group is closed (or its replica removed) while workers still read: they
 * must find the store open, and the last of them closes it. */
static void a_worker_never_outlives_the_store(void **state)
{
    enum { WORKERS = 4 };
    struct fixture f;
    pthread_t threads[WORKERS];
    pthread_barrier_t closed;
    struct worker w;
    void *result;

    (void)state;
    fixture_init(&f, NULL);
    fixture_open(&f);
    put_many(f.store, "k", 100);
    pthread_barrier_init(&closed, NULL, WORKERS + 1);
    w = (struct worker){store_view_take(f.store), &closed};
    for (int i = 0; i < WORKERS; i++) {
        store_view_ref(w.view);
        assert_int_equal(pthread_create(&threads[i], NULL, read_after_close,
                                        &w), 0);
    }
    store_view_unref(w.view);
    store_close(f.store);
    f.store = NULL;
    assert_int_equal(store_env_open_count(f.env), 1);
    pthread_barrier_wait(&closed);
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, &w);
    }
    assert_int_equal(store_env_open_count(f.env), 0);
    pthread_barrier_destroy(&closed);
    fixture_release(&f);
}

enum { STAMPED = 200 };

struct reading {
    _Atomic(struct store_view *) view;
    atomic_bool stop;
    atomic_uint rounds;
};

/* Every key of a view carries the same stamp, however it is read. */
static bool view_is_whole(struct store_view *v)
{
    struct store_iter_options options = {.tier = STORE_ANY};
    struct store_iter *it = store_iter_new(v, &options);
    uint64_t stamp = 0;
    unsigned n = 0;
    bool ok = true;

    for (store_iter_first(it); store_iter_valid(it); store_iter_next(it)) {
        uint64_t found = get_u64(store_iter_value(it).data);
        struct store_value got;
        stamp = n++ ? stamp : found;
        ok = ok && found == stamp;
        if (n % 16)
            continue;
        ok = ok && store_get(store_view_store(v), v, store_iter_key(it),
                             STORE_ANY, &got) == STATUS_OK;
        ok = ok && get_u64(got.bytes.data) == stamp;
        store_value_release(&got);
    }
    ok = ok && store_iter_status(it) == STATUS_OK && n == STAMPED;
    store_iter_free(it);
    return ok;
}

static void *read_along(void *arg)
{
    struct reading *r = arg;
    bool ok = true;

    while (ok && !atomic_load(&r->stop)) {
        struct store_view *v = atomic_exchange(&r->view, NULL);
        if (!v) {
            sched_yield();
            continue;
        }
        ok = view_is_whole(v);
        store_view_unref(v);
        atomic_fetch_add(&r->rounds, 1);
    }
    return ok ? arg : NULL;
}

static void flush_if_wanted(struct store *s)
{
    enum status status;

    if (!store_flush_wanted(s)) {
        sched_yield();
        return;
    }
    status = store_flush_begin(s);
    assert_true(status == STATUS_OK || status == STATUS_STALLED);
}

/* Tables are written, frozen, flushed and dropped under the readers' hands;
 * TSan sees what no comparison would. */
static void workers_read_whole_states_while_all_goes_on(void **state)
{
    enum { WORKERS = 2, ROUNDS = 150 };
    struct store_env_options options = {.group_flush_bytes = 128 * 1024};
    struct reading r = {0};
    struct write_set w = {0};
    struct fixture f;
    pthread_t threads[WORKERS];
    uint8_t value[200] = {0};
    char key[16];
    void *result;

    (void)state;
    fixture_init(&f, &options);
    fixture_open(&f);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_along, &r), 0);
    for (uint64_t n = 1; atomic_load(&r.rounds) < ROUNDS; n++) {
        enum status status;
        write_set_clear(&w);
        put_u64(value, n);
        if (n % 7 == 0)
            write_set_delete_range(&w, slice_str("k"), slice_str("l"));
        for (unsigned i = 0; i < STAMPED; i++) {
            int size = snprintf(key, sizeof key, "k%04u", i);
            write_set_put(&w, slice_of(key, (size_t)size),
                          slice_of(value, sizeof value));
        }
        do {
            status = store_apply(f.store, &w);
            assert_true(status == STATUS_OK || status == STATUS_STALLED);
            flush_if_wanted(f.store);
        } while (status == STATUS_STALLED);
        store_view_unref(atomic_exchange(&r.view, store_view_take(f.store)));
        store_flush_busy(f.store);
    }
    atomic_store(&r.stop, true);
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, &r);
    }
    store_view_unref(atomic_load(&r.view));
    write_set_release(&w);
    fixture_release(&f);
}

#define WITH_STORE(t)                                                          \
    cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(a_view_survives_later_writes),
        WITH_STORE(views_are_shared_until_something_is_applied),
        WITH_STORE(the_kept_view_does_not_disturb_a_flush),
        cmocka_unit_test(a_worker_never_outlives_the_store),
        cmocka_unit_test(workers_read_whole_states_while_all_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
