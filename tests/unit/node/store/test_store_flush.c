/* test_store_flush.c - when to flush, what is flushed, when writes stall. */
#include "tests/unit/node/store/fixture.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include "node/store/store_private.h"

static uint64_t flushed_index(struct store *s)
{
    struct buf bytes = {0};
    struct group_record r = {0};
    enum status status = store_flushed_record(s, &bytes, &r);

    if (status == STATUS_NOT_FOUND)
        r.applied_index = 0;
    else
        assert_int_equal(status, STATUS_OK);
    buf_release(&bytes);
    return r.applied_index;
}

/* The log is cut at the flushed index: one that runs ahead of the tables loses
 * acknowledged writes. */
static void only_what_is_in_tables_counts_as_flushed(void **state)
{
    struct fixture *f = *state;

    put_record(f->store, 1);
    assert_int_equal(flushed_index(f->store), 0);
    assert_int_equal(store_flush_wait(f->store), STATUS_OK);
    assert_int_equal(flushed_index(f->store), 1);
    put_record(f->store, 2);
    put_record(f->store, 3);
    assert_int_equal(flushed_index(f->store), 1);
    fixture_reopen(f);
    assert_int_equal(flushed_index(f->store), 1);
}

/* The loop's way: begin, poll, read the record. */
static void a_background_flush_ends_and_moves_the_record(void **state)
{
    struct fixture *f = *state;
    struct store_stats stats;
    uint64_t bytes;

    put_record(f->store, 5);
    put_many(f->store, "k", 500);
    assert_int_equal(store_flush_begin(f->store), STATUS_OK);
    while (store_flush_busy(f->store))
        sched_yield();
    assert_int_equal(flushed_index(f->store), 5);
    store_stats(f->store, &stats);
    assert_int_equal(stats.unflushed_bytes, 0);
    assert_int_equal(stats.memtable_bytes, 0);
    bytes = stats.table_bytes;
    assert_true(stats.table_bytes > 400 * 1024);
    assert_true(stats.keys_estimate == 501);
    assert_int_equal(stats.background_errors, 0);
    assert_false(stats.write_stopped);
    assert_false(stats.flushing);
    /* Nothing to do is no error, and makes no table. */
    assert_int_equal(store_flush_begin(f->store), STATUS_OK);
    assert_false(store_flush_busy(f->store));
    store_stats(f->store, &stats);
    assert_int_equal(stats.table_bytes, bytes);
}

/* Without the group's rule its log would grow without bound. */
static void a_group_wants_a_flush_above_its_budget(void **state)
{
    struct store_env_options options = {.group_flush_bytes = 2 * 1024 * 1024};
    struct fixture f;

    (void)state;
    fixture_init(&f, &options);
    fixture_open(&f);
    assert_false(store_flush_wanted(f.store));
    put_many(f.store, "a", 500);
    assert_false(store_flush_wanted(f.store));
    put_many(f.store, "b", 1000);
    put_many(f.store, "c", 1000);
    assert_true(store_flush_wanted(f.store));
    assert_int_equal(store_flush_wait(f.store), STATUS_OK);
    assert_false(store_flush_wanted(f.store));
    fixture_release(&f);
}

/* Many groups below their own budget still fill the node's memory: the largest
 * has to go first, and only it, or all flush tiny tables. */
static void the_node_budget_flushes_the_largest_store(void **state)
{
    struct store_env_options options = {.node_flush_bytes = 4 * 1024 * 1024};
    struct fixture f, g;
    struct store_env *env_of_g;
    struct store_env_stats stats;

    (void)state;
    fixture_init(&f, &options);
    fixture_init(&g, NULL);
    env_of_g = g.env;
    g.env = f.env;
    fixture_open(&f);
    fixture_open(&g);
    put_many(f.store, "a", 1000);
    put_many(g.store, "a", 2000);
    assert_false(store_flush_wanted(g.store) && store_flush_wanted(f.store));
    put_many(g.store, "b", 2000);
    assert_true(store_flush_wanted(g.store));
    assert_false(store_flush_wanted(f.store));
    store_env_stats(f.env, &stats);
    assert_true(stats.memtable_bytes >= 4 * 1024 * 1024);
    assert_true(stats.largest_bytes > 3 * 1024 * 1024);
    assert_int_equal(store_flush_wait(g.store), STATUS_OK);
    assert_false(store_flush_wanted(g.store));
    assert_false(store_flush_wanted(f.store));
    store_env_stats(f.env, &stats);
    assert_true(stats.memtable_bytes < 2 * 1024 * 1024);
    store_close(g.store);
    g.store = NULL;
    g.env = env_of_g;
    fixture_release(&g);
    fixture_release(&f);
}

/* Writers faster than the disk must be told so, with nothing half written, and
 * go on after the flush; memory must not grow instead. */
static void apply_stalls_above_twice_the_node_budget(void **state)
{
    struct store_env_options options = {.node_flush_bytes = 1024 * 1024};
    struct fixture f;
    struct write_set w = {0};

    (void)state;
    fixture_init(&f, &options);
    fixture_open(&f);
    put_many(f.store, "a", 3000);
    write_set_put(&w, slice_str("k"), slice_str("v"));
    assert_int_equal(store_apply(f.store, &w), STATUS_STALLED);
    expect(f.store, NULL, "k", NULL);
    assert_true(store_flush_wanted(f.store));
    assert_int_equal(store_flush_begin(f.store), STATUS_OK);
    while (store_flush_busy(f.store))
        sched_yield();
    assert_int_equal(store_apply(f.store, &w), STATUS_OK);
    expect(f.store, NULL, "k", "v");
    write_set_release(&w);
    fixture_release(&f);
}

/* A store whose flush lags must not take all of the node's memory. */
static void apply_stalls_above_twice_the_groups_budget(void **state)
{
    struct store_env_options options = {.group_flush_bytes = 256 * 1024};
    struct fixture f;
    struct store_stats stats;
    struct write_set w = {0};

    (void)state;
    fixture_init(&f, &options);
    fixture_open(&f);
    put_many(f.store, "a", 600);
    write_set_put(&w, slice_str("k"), slice_str("v"));
    assert_int_equal(store_apply(f.store, &w), STATUS_STALLED);
    store_stats(f.store, &stats);
    assert_true(stats.write_stopped);
    assert_int_equal(store_flush_wait(f.store), STATUS_OK);
    assert_int_equal(store_apply(f.store, &w), STATUS_OK);
    write_set_release(&w);
    fixture_release(&f);
}

/* A key that is overwritten for ever does not fill the table, but it fills the
 * log, which only a flush can cut. */
static void a_table_that_does_not_grow_is_flushed_for_the_log(void **state)
{
    struct store_env_options options = {.group_flush_bytes = 64 * 1024};
    struct store_env_stats stats;
    struct fixture f;

    (void)state;
    fixture_init(&f, &options);
    fixture_open(&f);
    for (int i = 0; i < 20000 && !store_flush_wanted(f.store); i++)
        put(f.store, "counter", "0123456789");
    assert_true(store_flush_wanted(f.store));
    store_env_stats(f.env, &stats);
    assert_true(stats.memtable_bytes < 4096);
    assert_int_equal(store_flush_wait(f.store), STATUS_OK);
    assert_false(store_flush_wanted(f.store));
    fixture_release(&f);
}

/* Too many tables in L0 make every get slow: flushes are put off, then writes;
 * both are an answer, not a wait. This test would hang. */
static void too_many_tables_stall_flushes_and_then_writes(void **state)
{
    struct store_env_options options = {.stall_tables = 3,
                                        .group_flush_bytes = 64 * 1024,
                                        .no_compaction = true};
    struct fixture f;
    struct store_stats stats;
    struct write_set w = {0};
    static uint8_t value[16 * 1024];
    enum status status;

    (void)state;
    fixture_init(&f, &options);
    fixture_open(&f);
    for (;;) {
        put(f.store, "a", "1");
        store_stats(f.store, &stats);
        if (stats.tables_l0 == 3)
            break;
        assert_int_equal(store_flush_begin(f.store), STATUS_OK);
        while (store_flush_busy(f.store))
            sched_yield();
    }
    put(f.store, "a", "2");
    assert_int_equal(store_flush_begin(f.store), STATUS_STALLED);
    assert_false(store_flush_busy(f.store));
    for (unsigned i = 0;; i++) {
        char key[16];
        int n = snprintf(key, sizeof key, "b%u", i);
        write_set_clear(&w);
        write_set_put(&w, slice_of(key, (size_t)n),
                      slice_of(value, sizeof value));
        status = store_apply(f.store, &w);
        if (status == STATUS_STALLED)
            break;
        assert_int_equal(status, STATUS_OK);
    }
    store_stats(f.store, &stats);
    assert_true(stats.write_stopped);
    assert_int_equal(stats.background_errors, 0);
    expect(f.store, NULL, "a", "2");
    /* Who waits for a flush gets it: at the end of the process, for one. */
    assert_int_equal(store_flush_wait(f.store), STATUS_OK);
    assert_int_equal(store_apply(f.store, &w), STATUS_OK);
    write_set_release(&w);
    fixture_release(&f);
}

/* The account of a closed store must leave with it, or the node's budget
 * shrinks with every restart of a group. */
static void a_closed_store_leaves_the_account(void **state)
{
    struct fixture *f = *state;
    struct store_env_stats stats;

    put_many(f->store, "a", 1000);
    store_env_stats(f->env, &stats);
    assert_true(stats.memtable_bytes > 1000 * 1024);
    assert_int_equal(stats.largest_tag, 7);
    store_close(f->store);
    f->store = NULL;
    store_env_stats(f->env, &stats);
    assert_int_equal(stats.memtable_bytes, 0);
    assert_int_equal(stats.largest_bytes, 0);
}

#define WITH_STORE(t)                                                          \
    cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)

/* Would break: a flush at full speed beside every load, or one that is slower
 * than what comes in, until writes stall. */
static void a_flush_rests_the_less_the_more_comes_in_meanwhile(void **state)
{
    struct store_env_options group = {.group_flush_bytes = 4 * 1024 * 1024};
    struct store_env_options node = {.node_flush_bytes = 1024 * 1024};
    struct fixture f;
    unsigned most, less;

    (void)state;
    fixture_init(&f, &group);
    fixture_open(&f);
    most = store_flush_rest_us(f.store);
    put_many(f.store, "a", 1000);
    less = store_flush_rest_us(f.store);
    assert_true(less < most);
    assert_true(less > 0);
    put_many(f.store, "b", 2000);
    assert_int_equal(store_flush_rest_us(f.store), 0);
    fixture_release(&f);

    fixture_init(&f, &node);
    fixture_open(&f);
    assert_int_equal(store_flush_rest_us(f.store), most);
    put_many(f.store, "a", 1200);
    assert_int_equal(store_flush_rest_us(f.store), 0);
    fixture_release(&f);
}

struct rested {
    struct store *store;
    atomic_uint us;
};

static void note_rest(enum store_flush_step step, void *arg)
{
    struct rested *r = arg;

    if (step == STORE_FLUSH_WRITING)
        r->us = store_flush_rest_us(r->store);
}

/* Would break: a checkpoint or a stop would wait for rests. */
static void a_flush_that_somebody_waits_for_does_not_rest(void **state)
{
    struct rested r = {.us = 1};
    struct store_env_options options = {.on_flush_step = note_rest,
                                        .flush_step_arg = &r};
    struct fixture f;

    (void)state;
    fixture_init(&f, &options);
    fixture_open(&f);
    r.store = f.store;
    put(f.store, "k", "v");
    assert_int_equal(store_flush_begin(f.store), STATUS_OK);
    while (store_flush_busy(f.store))
        sched_yield();
    assert_true(r.us > 0);
    put(f.store, "k", "v");
    assert_int_equal(store_flush_wait(f.store), STATUS_OK);
    assert_int_equal(r.us, 0);
    assert_true(store_flush_rest_us(f.store) > 0); /* nobody does now */
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(only_what_is_in_tables_counts_as_flushed),
        WITH_STORE(a_background_flush_ends_and_moves_the_record),
        cmocka_unit_test(a_group_wants_a_flush_above_its_budget),
        cmocka_unit_test(the_node_budget_flushes_the_largest_store),
        cmocka_unit_test(apply_stalls_above_twice_the_node_budget),
        cmocka_unit_test(apply_stalls_above_twice_the_groups_budget),
        cmocka_unit_test(a_table_that_does_not_grow_is_flushed_for_the_log),
        cmocka_unit_test(too_many_tables_stall_flushes_and_then_writes),
        WITH_STORE(a_closed_store_leaves_the_account),
        cmocka_unit_test(
            a_flush_rests_the_less_the_more_comes_in_meanwhile),
        cmocka_unit_test(a_flush_that_somebody_waits_for_does_not_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
