/* test_keyspaces.c - counts, shares and tombstones of keyspaces in a group. */
#include "tests/unit/node/core/core_test.h"

#include "node/core/keyspaces.h"
#include "node/store/layout.h"

static void limit(struct keyspaces *k, uint32_t id, uint64_t changed,
                  uint64_t keys_max, uint64_t bytes_max)
{
    keyspaces_limit(k, &(struct keyspace_limits){id, changed, keys_max,
                                                 bytes_max, 0});
}

static bool room(struct group_keyspace *g, int64_t keys, int64_t bytes)
{
    return keyspaces_room(g, keys, bytes) == STATUS_OK;
}

static void limits_of_an_older_map_are_passed_over(void **state)
{
    struct keyspaces k = {0};

    (void)state;
    limit(&k, 3, 7, 10, 0);
    limit(&k, 3, 6, 99, 0);
    assert_int_equal(keyspaces_find(&k, 3)->keys_max, 10);
    limit(&k, 3, 8, 20, 5);
    assert_int_equal(keyspaces_find(&k, 3)->keys_max, 20);
    assert_null(keyspaces_find(&k, 2));
    keyspaces_release(&k);
}

/* A share that is full lets go, and lets nothing more in. */
static void what_does_not_grow_is_always_allowed(void **state)
{
    struct keyspaces k = {0};
    struct group_keyspace *g;

    (void)state;
    limit(&k, 1, 1, 2, 100);
    g = keyspaces_find(&k, 1);
    assert_true(room(g, 1, 100));
    assert_false(room(g, 1, 101));
    keyspaces_count(&k, g, 2, 90);
    assert_false(room(g, 1, 1));
    assert_true(room(g, 0, 10));
    assert_false(room(g, 0, 11));
    limit(&k, 1, 2, 1, 50); /* lower than what it has */
    assert_true(room(g, 0, 0));
    assert_true(room(g, 0, -5));
    assert_true(room(g, -1, -40));
    assert_false(room(g, 0, 1));
    keyspaces_count(&k, g, -2, -90);
    assert_int_equal(g->keys, 0);
    assert_int_equal(g->bytes, 0);
    keyspaces_release(&k);
}

/* Would break: a write would be refused for good while there is room in other
 * groups; or would be asked for again and again when there is none. */
static void over_a_share_is_busy_while_there_is_more(void **state)
{
    struct keyspaces k = {0};
    struct keyspace_limits l = {1, 1, 2, 0, KEYSPACE_MORE_KEYS};
    struct group_keyspace *g;

    (void)state;
    keyspaces_limit(&k, &l);
    g = keyspaces_find(&k, 1);
    keyspaces_count(&k, g, 2, 10);
    assert_int_equal(keyspaces_room(g, 0, 1000), STATUS_OK); /* no limit */
    assert_int_equal(keyspaces_room(g, 1, 1), STATUS_BUSY);
    assert_int_equal(g->wanted_keys, 3);
    keyspaces_limit(&k, &(struct keyspace_limits){1, 1, 3, 20, 0});
    assert_int_equal(g->wanted_keys, 0);
    assert_int_equal(keyspaces_room(g, 1, 1), STATUS_OK);
    assert_int_equal(keyspaces_room(g, 1, 11), STATUS_QUOTA);
    /* Bytes may be had, keys not: it is of no use to wait. */
    l = (struct keyspace_limits){1, 1, 2, 10, KEYSPACE_MORE_BYTES};
    keyspaces_limit(&k, &l);
    assert_int_equal(keyspaces_room(g, 1, 5), STATUS_QUOTA);
    assert_int_equal(keyspaces_room(g, 0, 5), STATUS_BUSY);
    assert_int_equal(g->wanted_bytes, 15);
    keyspaces_release(&k);
}

/* Would break: a write larger than all that is left would be BUSY until its
 * client gives up, or a small one refused together with it. */
static void beyond_all_there_may_be_is_no_room(void **state)
{
    struct keyspaces k = {0};
    struct keyspace_limits l = {
        .keyspace = 1, .changed = 1, .keys_max = 2, .bytes_max = 20,
        .flags = KEYSPACE_MORE_KEYS | KEYSPACE_MORE_BYTES,
        .keys_most = 5, .bytes_most = 50};
    struct group_keyspace *g;

    (void)state;
    keyspaces_limit(&k, &l);
    g = keyspaces_find(&k, 1);
    assert_int_equal(keyspaces_room(g, 2, 20), STATUS_OK);
    assert_int_equal(keyspaces_room(g, 2, 51), STATUS_QUOTA);
    assert_int_equal(keyspaces_room(g, 6, 20), STATUS_QUOTA);
    assert_int_equal(g->wanted_keys, 0);
    assert_int_equal(g->wanted_bytes, 0);
    assert_int_equal(keyspaces_room(g, 5, 50), STATUS_BUSY);
    assert_int_equal(g->wanted_keys, 5);
    assert_int_equal(g->wanted_bytes, 50);
    keyspaces_release(&k);
}

/* A share of nothing is not the same as no limit. */
static void a_share_may_be_nothing(void **state)
{
    struct keyspaces k = {0};
    struct keyspace_limits l = {1, 1, 0, 0, KEYSPACE_NO_KEYS};

    (void)state;
    keyspaces_limit(&k, &l);
    assert_int_equal(keyspaces_room(keyspaces_find(&k, 1), 1, 1),
                     STATUS_QUOTA);
    l.flags = KEYSPACE_NO_BYTES | KEYSPACE_MORE_BYTES;
    keyspaces_limit(&k, &l);
    assert_int_equal(keyspaces_room(keyspaces_find(&k, 1), 1, 1),
                     STATUS_BUSY);
    l.flags = 0;
    keyspaces_limit(&k, &l);
    assert_int_equal(keyspaces_room(keyspaces_find(&k, 1), 1, 1), STATUS_OK);
    keyspaces_release(&k);
}

/* Late limits of another leader must not bring a purged keyspace back. */
static void a_purged_keyspace_stays_purged(void **state)
{
    struct keyspaces k = {0};

    (void)state;
    limit(&k, 1, 1, 2, 100);
    keyspaces_purged(&k, 1);
    limit(&k, 1, 9, 2, 100);
    assert_true(keyspaces_find(&k, 1)->purged);
    assert_int_equal(keyspaces_find(&k, 1)->keys_max, 0);
    keyspaces_release(&k);
}

static void records_load_as_written_and_only_changed_ones_are(void **state)
{
    struct keyspaces k = {0}, back = {0};
    struct write_set set = {0};
    struct write_record r;
    size_t at = 0;

    (void)state;
    keyspaces_write(&k, &set);
    assert_int_equal(set.count, 0);
    for (uint32_t id = 300; id > 0; id -= 100)
        keyspaces_limit(&k, &(struct keyspace_limits){
                                id, id, id * 2, id * 3,
                                KEYSPACE_MORE_KEYS, id * 4, id * 5});
    keyspaces_count(&k, keyspaces_find(&k, 200), 5, 50);
    keyspaces_purged(&k, 300);
    keyspaces_write(&k, &set);
    assert_int_equal(set.count, 3);
    while (write_set_next(&set, &at, &r)) {
        assert_int_equal(keyspaces_load(&back, r.key, r.value), STATUS_OK);
        for (size_t n = 0; n < r.value.size; n++) /* 48: as it once was */
            assert_int_equal(keyspaces_load(&back, r.key,
                                            slice_of(r.value.data, n)),
                             n == 48 ? STATUS_OK : STATUS_CORRUPT);
        ((uint8_t *)(uintptr_t)r.value.data)[0] = 9;
        assert_int_equal(keyspaces_load(&back, r.key, r.value),
                         STATUS_WRONG_VERSION);
        assert_int_equal(keyspaces_load(&back, slice_of("d\0\0\0\1", 5),
                                        r.value), STATUS_CORRUPT);
    }
    assert_int_equal(back.n, 3);
    for (unsigned i = 0; i < 3; i++) {
        const struct group_keyspace *a = &k.v[i], *b = &back.v[i];
        assert_int_equal(a->id, b->id);
        assert_int_equal(a->purged, b->purged);
        assert_int_equal(a->changed, b->changed);
        assert_int_equal(a->keys_max, b->keys_max);
        assert_int_equal(a->bytes_max, b->bytes_max);
        assert_int_equal(a->keys, b->keys);
        assert_int_equal(a->bytes, b->bytes);
        assert_int_equal(a->flags, b->flags);
        assert_int_equal(a->keys_most, b->keys_most);
        assert_int_equal(a->bytes_most, b->bytes_most);
    }
    write_set_clear(&set);
    keyspaces_count(&k, keyspaces_find(&k, 100), 1, 1);
    keyspaces_write(&k, &set);
    assert_int_equal(set.count, 1);
    write_set_release(&set);
    keyspaces_release(&k);
    keyspaces_release(&back);
}

static void commands_read_back_as_written(void **state)
{
    struct keyspace_limits l = {1, 2, 3, 4, KEYSPACE_MORE_BYTES, 5, 6}, got;
    const size_t none = 28, flags = 29; /* sizes that once were all */
    struct buf b = {0};
    uint32_t id;

    (void)state;
    keyspace_limits_encode(&l, &b);
    assert_int_equal(keyspace_limits_decode(buf_slice(&b), &got), STATUS_OK);
    assert_int_equal(got.keyspace, l.keyspace);
    assert_int_equal(got.changed, l.changed);
    assert_int_equal(got.keys_max, l.keys_max);
    assert_int_equal(got.bytes_max, l.bytes_max);
    assert_int_equal(got.flags, KEYSPACE_MORE_BYTES);
    assert_int_equal(got.keys_most, 5);
    assert_int_equal(got.bytes_most, 6);
    for (size_t n = 0; n < b.size; n++)
        assert_int_equal(
            keyspace_limits_decode(slice_of(b.data, n), &got) == STATUS_OK,
            n == none || n == flags);
    /* As earlier versions wrote it. */
    assert_int_equal(keyspace_limits_decode(slice_of(b.data, flags), &got),
                     STATUS_OK);
    assert_int_equal(got.flags, KEYSPACE_MORE_BYTES);
    assert_int_equal(got.keys_most, 0);
    assert_int_equal(keyspace_limits_decode(slice_of(b.data, none), &got),
                     STATUS_OK);
    assert_int_equal(got.flags, 0);
    b.data[none] = KEYSPACE_LIMIT_FLAGS + 1;
    assert_int_not_equal(keyspace_limits_decode(buf_slice(&b), &got),
                         STATUS_OK);
    buf_clear(&b);
    keyspace_purge_encode(7, &b);
    assert_int_equal(keyspace_purge_decode(buf_slice(&b), &id), STATUS_OK);
    assert_int_equal(id, 7);
    buf_u8(&b, 0);
    assert_int_not_equal(keyspace_purge_decode(buf_slice(&b), &id), STATUS_OK);
    buf_clear(&b);
    keyspace_purge_encode(0, &b); /* never the default keyspace */
    assert_int_not_equal(keyspace_purge_decode(buf_slice(&b), &id), STATUS_OK);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_of_an_older_map_are_passed_over),
        cmocka_unit_test(what_does_not_grow_is_always_allowed),
        cmocka_unit_test(over_a_share_is_busy_while_there_is_more),
        cmocka_unit_test(beyond_all_there_may_be_is_no_room),
        cmocka_unit_test(a_share_may_be_nothing),
        cmocka_unit_test(a_purged_keyspace_stays_purged),
        cmocka_unit_test(records_load_as_written_and_only_changed_ones_are),
        cmocka_unit_test(commands_read_back_as_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
