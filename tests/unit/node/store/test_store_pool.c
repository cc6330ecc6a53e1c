/* test_store_pool.c - flushes queue up; closing takes one out or waits. */
#include "tests/unit/node/store/fixture.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

/* Holds the first flush that comes at its first step. */
struct gate {
    sem_t arrived, open;
    atomic_bool used;
};

static void hold(enum store_flush_step step, void *arg)
{
    struct gate *g = arg;

    if (step != STORE_FLUSH_WRITING || atomic_exchange(&g->used, true))
        return;
    sem_post(&g->arrived);
    sem_wait(&g->open);
}

struct two {
    struct gate gate;
    struct fixture a, b;
    struct store_env *env_of_b;
};

/* Two stores on one thread: the flush of `a` is held, that of `b` waits. */
static void two_init(struct two *t)
{
    struct store_env_options options = {.on_flush_step = hold,
                                        .flush_step_arg = &t->gate};

    *t = (struct two){0};
    sem_init(&t->gate.arrived, 0, 0);
    sem_init(&t->gate.open, 0, 0);
    fixture_init(&t->a, &options);
    fixture_init(&t->b, NULL);
    t->env_of_b = t->b.env;
    t->b.env = t->a.env;
    fixture_open(&t->a);
    fixture_open(&t->b);
    put_record(t->a.store, 1);
    put_many(t->a.store, "k", 1000);
    put_record(t->b.store, 1);
    assert_int_equal(store_flush_begin(t->a.store), STATUS_OK);
    sem_wait(&t->gate.arrived);
    assert_int_equal(store_flush_begin(t->b.store), STATUS_OK);
    assert_true(store_flush_busy(t->a.store));
    assert_true(store_flush_busy(t->b.store));
    assert_int_equal(store_flush_begin(t->b.store), STATUS_STALLED);
}

static void two_release(struct two *t)
{
    store_close(t->b.store);
    t->b.store = NULL;
    t->b.env = t->env_of_b;
    fixture_release(&t->b);
    fixture_release(&t->a);
    sem_destroy(&t->gate.arrived);
    sem_destroy(&t->gate.open);
}

/* One slow disk operation must not lose another group's flush. */
static void flushes_are_carried_out_one_after_the_other(void **state)
{
    struct two t;
    struct store_stats stats;

    (void)state;
    two_init(&t);
    sem_post(&t.gate.open);
    assert_int_equal(store_flush_wait(t.b.store), STATUS_OK);
    assert_int_equal(store_flush_wait(t.a.store), STATUS_OK);
    store_stats(t.a.store, &stats);
    assert_true(stats.table_bytes > 1000 * 1024);
    assert_int_equal(stats.memtable_bytes, 0);
    two_release(&t);
}

/* What is queued is given up at once: the thread is busy with another store,
 * perhaps for long. */
static void closing_takes_a_waiting_flush_back(void **state)
{
    struct two t;
    struct store_stats stats;

    (void)state;
    two_init(&t);
    store_close(t.b.store);
    t.b.store = NULL;
    assert_int_equal(store_env_open_count(t.a.env), 1);
    fixture_open(&t.b);
    store_stats(t.b.store, &stats);
    assert_int_equal(stats.table_bytes, 0);
    put_record(t.b.store, 2);
    assert_int_equal(store_flush_begin(t.b.store), STATUS_OK);
    sem_post(&t.gate.open);
    assert_int_equal(store_flush_wait(t.b.store), STATUS_OK);
    two_release(&t);
}

static void *close_it(void *arg)
{
    store_close(arg);
    return NULL;
}

/* A running flush is given up in the middle: closing waits for that, but not
 * for the whole table; the half written file goes. */
static void closing_gives_a_running_flush_up(void **state)
{
    struct gate gate = {0};
    struct store_env_options options = {.on_flush_step = hold,
                                        .flush_step_arg = &gate};
    struct fixture f;
    char path[400];
    pthread_t closer;

    (void)state;
    sem_init(&gate.arrived, 0, 0);
    sem_init(&gate.open, 0, 0);
    fixture_init(&f, &options);
    fixture_open(&f);
    put_many(f.store, "k", 2000);
    assert_int_equal(store_flush_begin(f.store), STATUS_OK);
    sem_wait(&gate.arrived);
    assert_int_equal(pthread_create(&closer, NULL, close_it, f.store), 0);
    /* Either order of these two has to end well. */
    sem_post(&gate.open);
    assert_int_equal(pthread_join(closer, NULL), 0);
    f.store = NULL;
    assert_int_equal(store_env_open_count(f.env), 0);
    snprintf(path, sizeof path, "%s/flush.part", f.dir);
    assert_int_equal(access(path, F_OK), -1);
    fixture_open(&f);
    fixture_release(&f);
    sem_destroy(&gate.arrived);
    sem_destroy(&gate.open);
}

static void note_policy(enum store_flush_step step, void *arg)
{
    atomic_int *policy = arg;

    if (step == STORE_FLUSH_WRITING)
        *policy = sched_getscheduler(0);
}

/* Would break: a flush of tens of MiB keeps the loops from the processors,
 * until the next tick. */
static void flushes_are_patient(void **state)
{
    atomic_int policy = -1;
    struct store_env_options options = {.on_flush_step = note_policy,
                                        .flush_step_arg = &policy};
    struct fixture f;

    (void)state;
    fixture_init(&f, &options);
    fixture_open(&f);
    put(f.store, "k", "v");
    assert_int_equal(store_flush_wait(f.store), STATUS_OK);
    assert_int_equal(policy, SCHED_BATCH);
    assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flushes_are_carried_out_one_after_the_other),
        cmocka_unit_test(closing_takes_a_waiting_flush_back),
        cmocka_unit_test(closing_gives_a_running_flush_up),
        cmocka_unit_test(flushes_are_patient),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
