/* test_store_env.c - several stores share one budget and one account. */
#include "tests/unit/node/store/fixture.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A shutdown frees the env when no store is open: a wrong count frees it under
 * a running one, or waits for ever. */
static void the_count_follows_opens_and_closes(void **state)
{
    struct fixture f, g;
    struct store_env *env_of_g;

    (void)state;
    fixture_init(&f, NULL);
    fixture_init(&g, NULL);
    env_of_g = g.env;
    g.env = f.env;
    assert_int_equal(store_env_open_count(f.env), 0);
    fixture_open(&f);
    fixture_open(&g);
    assert_int_equal(store_env_open_count(f.env), 2);
    store_close(f.store);
    f.store = NULL;
    assert_int_equal(store_env_open_count(f.env), 1);
    expect(g.store, NULL, "k", NULL);
    store_close(g.store);
    g.store = NULL;
    assert_int_equal(store_env_open_count(f.env), 0);
    g.env = env_of_g;
    fixture_release(&g);
    fixture_release(&f);
    store_env_free(NULL);
}

/* The cache is the node's largest piece of memory: reading more than its
 * budget must not make it grow beyond. */
static void the_block_cache_keeps_its_budget(void **state)
{
    struct store_env_options options = {.cache_bytes = 512 * 1024};
    struct store_env_stats stats;
    struct store_value v;
    struct fixture f;
    char key[16];

    (void)state;
    fixture_init(&f, &options);
    fixture_open(&f);
    put_many(f.store, "k", 4000);
    assert_int_equal(store_flush_wait(f.store), STATUS_OK);
    for (int i = 0; i < 4000; i++) {
        snprintf(key, sizeof key, "k%04d", i);
        assert_int_equal(store_get(f.store, NULL, slice_str(key), STORE_ANY,
                                   &v), STATUS_OK);
        store_value_release(&v);
    }
    store_env_stats(f.env, &stats);
    assert_true(stats.cache_bytes > 100 * 1024);
    assert_true(stats.cache_bytes < 700 * 1024);
    fixture_release(&f);
}

/* A value stays whole while it is held, whatever the cache evicts. */
static void a_held_value_is_pinned(void **state)
{
    struct store_env_options options = {.cache_bytes = 64 * 1024};
    struct store_env_stats stats;
    struct store_value held, v;
    struct fixture f;
    char key[16];

    (void)state;
    fixture_init(&f, &options);
    fixture_open(&f);
    put_many(f.store, "k", 1000);
    assert_int_equal(store_flush_wait(f.store), STATUS_OK);
    assert_int_equal(store_get(f.store, NULL, slice_str("k0000"), STORE_ANY,
                               &held), STATUS_OK);
    for (int i = 1; i < 1000; i++) {
        snprintf(key, sizeof key, "k%04d", i);
        assert_int_equal(store_get(f.store, NULL, slice_str(key), STORE_ANY,
                                   &v), STATUS_OK);
        store_value_release(&v);
    }
    store_env_stats(f.env, &stats);
    assert_true(stats.cache_pinned_bytes > 0);
    assert_int_equal(held.bytes.size, 1024);
    for (size_t i = 0; i < held.bytes.size; i++)
        assert_int_equal(held.bytes.data[i], 'v');
    store_value_release(&held);
    fixture_release(&f);
}

/* The policy of the process's threads with this name; -1: they differ, or there
 * is none. */
static int policy_of(const char *name)
{
    DIR *d = opendir("/proc/self/task");
    struct dirent *e;
    int found = -1, n = 0;

    assert_non_null(d);
    while ((e = readdir(d))) {
        char path[300], is[32] = "";
        FILE *f;
        int policy;
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", e->d_name);
        f = fopen(path, "r");
        if (f && !fgets(is, sizeof is, f))
            is[0] = 0;
        if (f)
            fclose(f);
        if (strncmp(is, name, strlen(name)) != 0)
            continue;
        policy = sched_getscheduler((int)strtol(e->d_name, NULL, 10));
        found = n++ && policy != found ? -1 : policy;
    }
    closedir(d);
    return found;
}

/* Would break: compactions keep the loops from the processors, until the next
 * tick. */
static void compactions_are_patient_and_who_opens_a_store_is_not(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, NULL);
    fixture_open(&f);
    assert_int_equal(policy_of("rocksdb:low"), SCHED_BATCH);
    assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
    fixture_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_count_follows_opens_and_closes),
        cmocka_unit_test(the_block_cache_keeps_its_budget),
        cmocka_unit_test(a_held_value_is_pinned),
        cmocka_unit_test(
            compactions_are_patient_and_who_opens_a_store_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
