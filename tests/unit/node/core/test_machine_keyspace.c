/* test_machine_keyspace.c - quotas, purges, and the map's changes. */
#include "tests/unit/node/core/machine_rig.h"

#include "proto/keyspace.h"
#include "proto/base/rng.h"
#include "tests/unit/proto/map_sample.h"

enum { KS = 5 };

static struct rig r;

static int setup(void **state)
{
    (void)state;
    rig_init(&r, 8);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_release(&r);
    return 0;
}

static void add(uint32_t keyspace, struct operation o)
{
    struct command c = {.slot = slot_of(o.key), .keyspace = keyspace,
                        .operation = o};

    entry_writer_add(&r.entry, &c);
}

static void apply(void)
{
    rig_close(&r, 1000 + r.index);
    rig_apply(&r);
}

static enum status in(uint32_t keyspace, enum op op, const char *key,
                      const char *value, uint32_t flags)
{
    add(keyspace, rig_op(op, key, value, flags));
    apply();
    return r.results[0].status;
}

static void add_limits(uint64_t changed, uint64_t keys, uint64_t bytes)
{
    struct keyspace_limits l = {KS, changed, keys, bytes};
    struct buf b = {0};

    keyspace_limits_encode(&l, &b);
    add(0, (struct operation){.op = OP_KEYSPACE, .value = buf_slice(&b)});
    buf_release(&b);
}

static void purge(uint32_t keyspace)
{
    struct buf b = {0};

    keyspace_purge_encode(keyspace, &b);
    add(0, (struct operation){.op = OP_PURGE, .value = buf_slice(&b)});
    buf_release(&b);
}

static void load_again(void)
{
    struct write_set kept = {0};

    mem_table_kept(&r.store, &kept);
    assert_int_equal(machine_load_kept(&r.m, &kept), STATUS_OK);
    write_set_release(&kept);
}

static void over_the_share_is_quota_and_changes_nothing(void **state)
{
    (void)state;
    add_limits(1, 2, 10);
    apply();
    assert_int_equal(in(KS, OP_SET, "a", "123", 0), STATUS_OK);
    assert_int_equal(in(KS, OP_SET, "b", "123", 0), STATUS_OK);
    assert_int_equal(in(KS, OP_SET, "c", "", 0), STATUS_QUOTA); /* keys */
    assert_int_equal(in(KS, OP_SET, "a", "123456", 0), STATUS_QUOTA);
    assert_int_equal(in(KS, OP_APPEND, "a", "456", 0), STATUS_QUOTA);
    load_again();
    assert_int_equal(in(KS, OP_APPEND, "a", "45", 0), STATUS_OK);
    assert_int_equal(in(KS, OP_SET, "a", "1", 0), STATUS_OK);
    assert_int_equal(in(KS, OP_DELETE, "b", "", 0), STATUS_OK);
    assert_int_equal(in(KS, OP_SET, "c", "1234567", 0), STATUS_OK);
    assert_int_equal(in(0, OP_SET, "free", "of all limits", 0), STATUS_OK);
    assert_int_equal(keyspaces_find(&r.m.keyspaces, KS)->keys, 2);
    assert_int_equal(keyspaces_find(&r.m.keyspaces, KS)->bytes, 10);
}

/* The leader tells the limits in the entry of the first command. */
static void limits_hold_from_the_same_entry_on(void **state)
{
    (void)state;
    add_limits(1, 1, 0);
    add(KS, rig_op(OP_SET, "a", "1", 0));
    add(KS, rig_op(OP_SET, "b", "1", 0));
    add(KS, rig_op(OP_SET, "a", "2", 0));
    apply();
    assert_int_equal(r.results[1].status, STATUS_OK);
    assert_int_equal(r.results[2].status, STATUS_QUOTA);
    assert_int_equal(r.results[3].status, STATUS_OK);
}

/* A transaction that fails is not counted. */
static void a_transaction_taken_back_is_not_counted(void **state)
{
    struct buf t = {0};
    struct operation a = rig_op(OP_SET, "{x}a", "1", 0);
    struct operation b = rig_op(OP_SET, "{x}b", "1", 0);
    struct operation c = rig_op(OP_SET, "{x}c", "1", 0);
    struct operation o = {.op = OP_TRANSACT, .key = slice_str("{x}a")};

    (void)state;
    add_limits(1, 2, 0);
    apply();
    transaction_begin(&t, 0, 3, 0);
    operation_encode(&a, &t);
    operation_encode(&b, &t);
    operation_encode(&c, &t);
    o.value = buf_slice(&t);
    add(KS, o);
    apply();
    assert_int_equal(r.results[0].status, STATUS_QUOTA);
    assert_int_equal(r.results[0].argument, 2);
    assert_int_equal(keyspaces_find(&r.m.keyspaces, KS)->keys, 0);
    assert_int_equal(in(KS, OP_SET, "{x}c", "1", 0), STATUS_OK);
    buf_release(&t);
}

static void expired_keys_make_room(void **state)
{
    struct operation o = rig_op(OP_SET, "a", "1", OPERATION_TTL);

    (void)state;
    add_limits(1, 1, 0);
    apply();
    o.expire = 10;
    add(KS, o);
    apply();
    assert_int_equal(in(KS, OP_SET, "b", "1", 0), STATUS_QUOTA);
    r.index += 100; /* the clock */
    assert_int_equal(in(KS, OP_SET, "a", "again", 0), STATUS_OK);
    assert_int_equal(keyspaces_find(&r.m.keyspaces, KS)->keys, 1);
    assert_int_equal(keyspaces_find(&r.m.keyspaces, KS)->bytes, 6);
}

static void a_purge_removes_that_keyspace_only_and_for_good(void **state)
{
    struct operation fenced = rig_op(OP_SET, "f", "v", OPERATION_IF_FENCE);
    unsigned before;

    (void)state;
    in(0, OP_SET, "stays", "v", 0);
    in(KS + 1, OP_SET, "stays", "v", 0);
    before = r.store.n;
    add_limits(1, 10, 0);
    add(KS, rig_op(OP_SET, "a", "1", 0));
    fenced.fence = 1;
    add(KS, fenced);
    apply();
    purge(KS);
    apply();
    assert_int_equal(r.results[0].status, STATUS_OK);
    /* its tombstone, and the fence's line of the index */
    assert_int_equal(r.store.n, before + 2);
    load_again();
    assert_int_equal(in(KS, OP_SET, "late", "v", 0), STATUS_NO_KEYSPACE);
    add_limits(9, 10, 0);
    apply();
    assert_int_equal(in(KS, OP_SET, "late", "v", 0), STATUS_NO_KEYSPACE);
    purge(KS); /* again */
    apply();
    assert_int_equal(r.store.n, before + 2);
    assert_int_equal(in(0, OP_SET, "stays", "v", OPERATION_IF_PRESENT),
                     STATUS_OK);
}

/* In one step with commands before and behind it. */
static void a_purge_hides_what_its_step_knows(void **state)
{
    (void)state;
    in(KS, OP_SET, "a", "1", 0);
    add(KS, rig_op(OP_SET, "b", "1", OPERATION_IF_ABSENT));
    purge(KS);
    add(KS, rig_op(OP_SET, "a", "2", OPERATION_IF_PRESENT));
    apply();
    assert_int_equal(r.results[0].status, STATUS_OK);
    assert_int_equal(r.results[2].status, STATUS_NO_KEYSPACE);
    assert_int_equal(r.store.n, 1); /* the tombstone */
}

static void the_meta_groups_map_changes(void **state)
{
    struct keyspace_change c = {.action = KEYSPACE_CREATE,
                                .set = KEYSPACE_SET_TTL,
                                .default_ttl_ms = 5};
    struct cluster_map *map = sample_map(3, 4, 3);
    struct buf b = {0};
    uint64_t epoch = map->epoch;

    (void)state;
    r.m.group = 0;
    r.m.map = map;
    keyspace_change_encode(&c, &b);
    add(0, (struct operation){.op = OP_KEYSPACE, .key = slice_str("carts"),
                              .value = buf_slice(&b)});
    apply();
    assert_int_equal(r.results[0].status, STATUS_OK);
    assert_int_equal(r.results[0].argument, 1);
    assert_int_equal(r.results[0].version, epoch + 1);
    assert_true(r.step.map_changed);
    add(0, (struct operation){.op = OP_KEYSPACE, .key = slice_str("carts"),
                              .value = buf_slice(&b)});
    apply();
    assert_int_equal(r.results[0].status, STATUS_OK);
    assert_false(r.step.map_changed);
    assert_int_equal(map_keyspace_named(map, slice_str("carts"))->id, 1);
    buf_release(&b);
}

/* Whatever is done: the counts are what is there. */
static void counts_are_true_after_anything(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 4);
    add_limits(1, 12, 80);
    apply();
    for (unsigned i = 0; i < 3000; i++) {
        static const enum op ops[] = {OP_SET, OP_SET, OP_DELETE, OP_APPEND,
                                      OP_EXPIRE, OP_SET_RANGE};
        char key[2] = {(char)('a' + rng_next(&rng) % 20), 0};
        struct operation o = {.op = ops[rng_next(&rng) % ARRAY_LEN(ops)],
                              .key = slice_str(key)};
        const struct group_keyspace *g;
        uint64_t keys = 0, bytes = 0;
        if (o.op != OP_DELETE && o.op != OP_EXPIRE)
            o.value = slice_of("0123456789", rng_next(&rng) % 10);
        if (o.op == OP_EXPIRE || rng_next(&rng) % 3 == 0) {
            o.flags = o.op == OP_DELETE ? 0 : OPERATION_TTL;
            o.expire = o.flags ? rng_next(&rng) % 30 : 0;
        }
        add(KS, o);
        if (rng_next(&rng) % 3)
            continue;
        apply();
        g = keyspaces_find(&r.m.keyspaces, KS);
        for (unsigned k = 0; k < r.store.n; k++) {
            struct slice at = mem_row_key(&r.store.v[k]);
            if (at.data[0] != LAYOUT_DATA)
                continue;
            keys++;
            bytes += at.size - LAYOUT_DATA_PREFIX_BYTES +
                     mem_row_value(&r.store.v[k]).size -
                     LAYOUT_VALUE_HEADER_BYTES;
        }
        assert_int_equal(g->keys, keys);
        assert_int_equal(g->bytes, bytes);
        assert_true(keys <= 12 && bytes <= 80);
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(over_the_share_is_quota_and_changes_nothing),
        CASE(limits_hold_from_the_same_entry_on),
        CASE(a_transaction_taken_back_is_not_counted),
        CASE(expired_keys_make_room),
        CASE(a_purge_removes_that_keyspace_only_and_for_good),
        CASE(a_purge_hides_what_its_step_knows),
        CASE(the_meta_groups_map_changes),
        CASE(counts_are_true_after_anything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
