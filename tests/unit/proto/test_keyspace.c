/* test_keyspace.c - keyspaces come, change and go in the map. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto/keyspace.h"
#include "tests/unit/proto/map_sample.h"

static struct cluster_map *m;

static int begin(void **state)
{
    (void)state;
    m = sample_map(3, 4, 3);
    return 0;
}

static int end(void **state)
{
    (void)state;
    /* Whatever happened: the map is a legal one and survives its codec. */
    struct buf a = {0}, b = {0};
    struct cluster_map *copy;
    assert_int_equal(map_check(m, NULL), STATUS_OK);
    map_encode(m, &a);
    assert_int_equal(map_decode(buf_slice(&a), &copy), STATUS_OK);
    map_encode(copy, &b);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    assert_int_equal(copy->n_keyspaces, m->n_keyspaces);
    assert_memory_equal(copy->keyspaces, m->keyspaces,
                        m->n_keyspaces * sizeof *m->keyspaces);
    assert_int_equal(copy->n_purged, m->n_purged);
    assert_int_equal(copy->next_keyspace, m->next_keyspace);
    buf_release(&a);
    buf_release(&b);
    map_free(copy);
    map_free(m);
    return 0;
}

static uint32_t id;

static enum status change(const char *name, enum keyspace_action action,
                          uint32_t set, uint64_t keys, uint64_t bytes,
                          uint64_t ttl)
{
    struct keyspace_change c = {action, set, keys, bytes, ttl, 0, 0};

    return keyspace_apply(m, slice_str(name), &c, &id);
}

static enum status purged(uint32_t keyspace, uint32_t group)
{
    struct keyspace_change c = {.action = KEYSPACE_PURGED,
                                .keyspace = keyspace, .group = group};

    return keyspace_apply(m, slice_str("x"), &c, &id);
}

static void creating_twice_changes_nothing(void **state)
{
    uint64_t epoch = m->epoch;

    (void)state;
    assert_int_equal(change("carts", KEYSPACE_CREATE, 7, 100, 0, 5000),
                     STATUS_OK);
    assert_int_equal(id, 1);
    assert_int_equal(m->epoch, epoch + 1);
    assert_int_equal(change("carts", KEYSPACE_CREATE, 7, 100, 0, 5000),
                     STATUS_OK);
    assert_int_equal(id, 1);
    assert_int_equal(m->epoch, epoch + 1);
    assert_int_equal(change("carts", KEYSPACE_CREATE, 0, 0, 0, 0),
                     STATUS_EXISTS);
    assert_int_equal(map_keyspace_named(m, slice_str("carts"))->keys_max, 100);
    assert_int_equal(map_keyspace_find(m, 1)->default_ttl_ms, 5000);
    assert_int_equal(map_keyspace_find(m, 1)->changed, m->epoch);
    assert_null(map_keyspace_find(m, 2));
}

static void bad_names_and_too_many_are_refused(void **state)
{
    char name[KEYSPACE_NAME_MAX + 2];

    (void)state;
    assert_int_equal(change("a b", KEYSPACE_CREATE, 0, 0, 0, 0),
                     STATUS_INVALID);
    assert_int_equal(change("", KEYSPACE_CREATE, 0, 0, 0, 0), STATUS_INVALID);
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = 0;
    assert_int_equal(change(name, KEYSPACE_CREATE, 0, 0, 0, 0),
                     STATUS_INVALID);
    name[KEYSPACE_NAME_MAX] = 0;
    assert_int_equal(change(name, KEYSPACE_CREATE, 0, 0, 0, 0), STATUS_OK);
    for (unsigned i = m->n_keyspaces; i < KEYSPACE_COUNT_MAX; i++) {
        snprintf(name, sizeof name, "k%u", i);
        assert_int_equal(change(name, KEYSPACE_CREATE, 0, 0, 0, 0),
                         STATUS_OK);
    }
    assert_int_equal(change("more", KEYSPACE_CREATE, 0, 0, 0, 0),
                     STATUS_TOO_LARGE);
}

/* Nobody has counted the keys of a keyspace that was created without limits. */
static void limits_change_only_where_keys_are_counted(void **state)
{
    (void)state;
    assert_int_equal(change("free", KEYSPACE_CREATE, 0, 0, 0, 0), STATUS_OK);
    assert_int_equal(change("free", KEYSPACE_ALTER, KEYSPACE_SET_KEYS, 5, 0,
                            0), STATUS_INVALID);
    assert_int_equal(map_keyspace_named(m, slice_str("free"))->keys_max, 0);
    assert_int_equal(change("free", KEYSPACE_ALTER, KEYSPACE_SET_TTL, 5, 0,
                            9), STATUS_OK);
    assert_int_equal(map_keyspace_named(m, slice_str("free"))->default_ttl_ms,
                     9);
    assert_int_equal(change("full", KEYSPACE_CREATE, KEYSPACE_SET_BYTES, 0, 5,
                            0), STATUS_OK);
    assert_int_equal(change("full", KEYSPACE_ALTER, KEYSPACE_SET_BYTES, 0, 0,
                            0), STATUS_OK); /* none for a while */
    assert_int_equal(change("full", KEYSPACE_ALTER, KEYSPACE_SET_KEYS, 7, 0,
                            0), STATUS_OK);
    assert_int_equal(map_keyspace_named(m, slice_str("full"))->keys_max, 7);
    assert_int_equal(change("none", KEYSPACE_ALTER, 0, 0, 0, 0),
                     STATUS_NO_KEYSPACE);
}

/* Its name is free at once; its id is never given again; the map remembers it
 * until every group has removed the data. */
static void a_dropped_keyspace_is_forgotten_when_all_have_purged(void **state)
{
    (void)state;
    assert_int_equal(change("a", KEYSPACE_CREATE, 0, 0, 0, 0), STATUS_OK);
    assert_int_equal(change("a", KEYSPACE_DROP, 0, 0, 0, 0), STATUS_OK);
    assert_null(map_keyspace_named(m, slice_str("a")));
    assert_int_equal(map_keyspace_find(m, 1)->state, KEYSPACE_DROPPING);
    assert_int_equal(change("a", KEYSPACE_DROP, 0, 0, 0, 0),
                     STATUS_NO_KEYSPACE);
    assert_int_equal(change("a", KEYSPACE_CREATE, 0, 0, 0, 0), STATUS_OK);
    assert_int_equal(id, 2);
    assert_int_equal(map_check(m, NULL), STATUS_OK);
    assert_int_equal(purged(2, 1), STATUS_OK); /* is not being dropped */
    assert_int_equal(m->n_purged, 0);
    for (uint32_t g = 1; g <= 4; g++) {
        assert_non_null(map_keyspace_find(m, 1));
        assert_int_equal(purged(1, g), STATUS_OK);
        assert_int_equal(purged(1, g), STATUS_OK);
        assert_int_equal(map_check(m, NULL), STATUS_OK);
    }
    assert_null(map_keyspace_find(m, 1));
    assert_int_equal(m->n_purged, 0);
    assert_non_null(map_keyspace_find(m, 2));
}

static void default_stays(void **state)
{
    (void)state;
    assert_int_equal(change("default", KEYSPACE_DROP, 0, 0, 0, 0),
                     STATUS_INVALID);
    assert_int_equal(change("nobody", KEYSPACE_DROP, 0, 0, 0, 0),
                     STATUS_NO_KEYSPACE);
    assert_int_equal(change("default", KEYSPACE_ALTER, KEYSPACE_SET_TTL, 0, 0,
                            60000), STATUS_OK);
}

static void only_some_are_dropped_at_the_same_time(void **state)
{
    char name[16];

    (void)state;
    for (unsigned i = 0; i <= KEYSPACE_DROPPING_MAX; i++) {
        snprintf(name, sizeof name, "k%u", i);
        assert_int_equal(change(name, KEYSPACE_CREATE, 0, 0, 0, 0),
                         STATUS_OK);
        assert_int_equal(change(name, KEYSPACE_DROP, 0, 0, 0, 0),
                         i < KEYSPACE_DROPPING_MAX ? STATUS_OK : STATUS_BUSY);
    }
}

static void changes_read_back_as_written(void **state)
{
    struct keyspace_change c = {KEYSPACE_PURGED, 7, 1, 2, 3, 4, 5}, got;
    struct buf b = {0};

    (void)state;
    keyspace_change_encode(&c, &b);
    assert_int_equal(keyspace_change_decode(buf_slice(&b), false, &got),
                     STATUS_OK);
    assert_memory_equal(&c, &got, sizeof c);
    assert_int_equal(keyspace_change_decode(buf_slice(&b), true, &got),
                     STATUS_INVALID); /* no client says so */
    for (size_t n = 0; n < b.size; n++)
        assert_int_not_equal(keyspace_change_decode(slice_of(b.data, n),
                                                    false, &got),
                             STATUS_OK);
    b.data[0] = 9;
    b.size -= 8;
    assert_int_equal(keyspace_change_decode(buf_slice(&b), false, &got),
                     STATUS_INVALID);
    buf_release(&b);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(creating_twice_changes_nothing),
        CASE(bad_names_and_too_many_are_refused),
        CASE(limits_change_only_where_keys_are_counted),
        CASE(a_dropped_keyspace_is_forgotten_when_all_have_purged),
        CASE(default_stays),
        CASE(only_some_are_dropped_at_the_same_time),
        CASE(changes_read_back_as_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
