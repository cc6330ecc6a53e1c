/* test_machine_transact.c - compare, then or else, or nothing at all. */
#include "tests/unit/node/core/machine_rig.h"

#include <stdio.h>

static struct rig r;
static struct buf bytes; /* of the transaction */

static int setup(void **state)
{
    (void)state;
    rig_init(&r, 9);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_release(&r);
    buf_release(&bytes);
    return 0;
}

static void begin(unsigned compares, unsigned n_then, unsigned n_else)
{
    buf_clear(&bytes);
    transaction_begin(&bytes, compares, n_then, n_else);
}

static void compare(enum operation_compare what,
                    enum operation_relation relation, const char *key,
                    uint64_t version, const char *value)
{
    struct compare c = {what, relation, slice_str(key), version,
                        slice_str(value)};

    transaction_compare_encode(&bytes, &c);
}

static void step(enum op op, const char *key, const char *value,
                 uint32_t flags)
{
    struct operation o = rig_op(op, key, value, flags);

    operation_encode(&o, &bytes);
}

static void add(const char *key, int64_t delta)
{
    struct operation o = rig_op(OP_INCR, key, "", 0);

    o.argument = (uint64_t)delta;
    operation_encode(&o, &bytes);
}

static struct operation whole(void)
{
    return (struct operation){.op = OP_TRANSACT, .key = slice_str("a"),
                              .value = buf_slice(&bytes)};
}

static enum status run(void)
{
    return rig_do(&r, 1, whole())->status;
}

/* The reply at `place`; its list in `*first`. */
static struct operation_reply reply(unsigned place, bool *first)
{
    struct reader in = reader_of(rig_value(&r, 0));
    struct operation_reply m = {0};
    unsigned n;

    *first = reader_u8(&in);
    reader_u8(&in);
    n = reader_u16(&in);
    assert_true(place < n);
    for (unsigned i = 0; i <= place; i++) {
        struct slice one = reader_bytes(&in, reader_u32(&in));
        assert_int_equal(operation_reply_decode(one, &m), STATUS_OK);
    }
    return m;
}

/* Broken: money would be made or lost. */
static void the_list_that_the_compares_choose_runs(void **state)
{
    struct operation_reply m;
    bool first;

    (void)state;
    begin(2, 3, 1);
    compare(COMPARE_VERSION, RELATION_EQUAL, "a", 0, "");
    compare(COMPARE_VALUE, RELATION_NOT_EQUAL, "b", 0, "taken");
    add("a", 5);
    add("a", 6);
    step(OP_GET, "a", "", 0);
    step(OP_DELETE, "a", "", 0);
    assert_int_equal(run(), STATUS_OK);
    m = reply(1, &first);
    assert_true(first);
    assert_slice(m.value, "11"); /* each sees those before it */
    assert_true(m.version == rig_version(&r, 0));
    assert_slice(reply(2, &first).value, "11");
    assert_true(rig_holds(&r, "a", "11"));
    assert_int_equal(run(), STATUS_OK); /* the other way now */
    m = reply(0, &first);
    assert_false(first);
    assert_int_equal(m.status, STATUS_OK);
    assert_int_equal(r.store.n, 0);
}

static bool holds(enum operation_compare what,
                  enum operation_relation relation, const char *key,
                  uint64_t version, const char *value)
{
    bool first;

    begin(1, 1, 1);
    compare(what, relation, key, version, value);
    step(OP_GET, "a", "", OPERATION_META);
    step(OP_GET, "a", "", OPERATION_META);
    assert_int_equal(run(), STATUS_OK);
    reply(0, &first);
    return first;
}

static void every_relation_means_what_it_says(void **state)
{
    uint64_t v;

    (void)state;
    rig_do(&r, 1, rig_op(OP_SET, "k", "mm", 0));
    v = rig_version(&r, 0);
    assert_true(holds(COMPARE_VERSION, RELATION_EQUAL, "k", v, ""));
    assert_false(holds(COMPARE_VERSION, RELATION_EQUAL, "k", v + 1, ""));
    assert_true(holds(COMPARE_VERSION, RELATION_NOT_EQUAL, "k", v + 1, ""));
    assert_true(holds(COMPARE_VERSION, RELATION_LESS, "k", v + 1, ""));
    assert_false(holds(COMPARE_VERSION, RELATION_LESS, "k", v, ""));
    assert_true(holds(COMPARE_VERSION, RELATION_GREATER, "k", v - 1, ""));
    assert_true(holds(COMPARE_VERSION, RELATION_EQUAL, "none", 0, ""));
    assert_true(holds(COMPARE_VALUE, RELATION_EQUAL, "k", 0, "mm"));
    assert_false(holds(COMPARE_VALUE, RELATION_EQUAL, "k", 0, "m"));
    assert_false(holds(COMPARE_VALUE, RELATION_EQUAL, "k", 0, "mmm"));
    assert_true(holds(COMPARE_VALUE, RELATION_GREATER, "k", 0, "m"));
    assert_true(holds(COMPARE_VALUE, RELATION_LESS, "k", 0, "mmm"));
    assert_true(holds(COMPARE_VALUE, RELATION_LESS, "k", 0, "n"));
    assert_true(holds(COMPARE_VALUE, RELATION_GREATER, "k", 0, ""));
    assert_false(holds(COMPARE_VALUE, RELATION_EQUAL, "none", 0, ""));
    assert_true(holds(COMPARE_VALUE, RELATION_NOT_EQUAL, "none", 0, ""));
    assert_false(holds(COMPARE_VALUE, RELATION_LESS, "none", 0, "z"));
}

/* Broken: half a transfer. */
static void a_failed_operation_undoes_all(void **state)
{
    struct mem_table before = {0};
    struct change c;
    unsigned writes;

    (void)state;
    rig_do(&r, 1, rig_op(OP_SET, "text", "abc", 0));
    rig_do(&r, 1, rig_op(OP_SET, "a", "1", 0));
    mem_table_copy(&before, &r.store);
    begin(0, 5, 0);
    add("a", 1);
    step(OP_DELETE, "a", "", 0);
    step(OP_SET, "new", "v", OPERATION_PREVIOUS);
    add("text", 1);
    add("a", 1);
    /* What the same entry does before and after it stays. */
    rig_add(&r, &(struct operation){.op = OP_INCR, .key = slice_str("a"),
                                    .argument = 1});
    rig_add(&r, &(struct operation){.op = OP_TRANSACT, .key = slice_str("a"),
                                    .value = buf_slice(&bytes)});
    rig_add(&r, &(struct operation){.op = OP_INCR, .key = slice_str("a"),
                                    .argument = 1});
    rig_close(&r, 1);
    rig_apply(&r);
    assert_int_equal(r.results[1].status, STATUS_NOT_A_NUMBER);
    assert_int_equal(r.results[1].argument, 3);
    assert_int_equal(r.results[1].value.where, PIECE_NONE);
    assert_slice(rig_value(&r, 0), "2");
    assert_slice(rig_value(&r, 2), "3");
    writes = write_set_count(&r.step.set);
    assert_int_equal(writes, 2);
    assert_int_equal(rig_changes(&r, &c), 2);
    assert_int_equal(r.store.n, before.n);
    mem_table_release(&before);
}

static void what_is_absent_fails_nothing(void **state)
{
    bool first;

    (void)state;
    begin(0, 3, 0);
    step(OP_DELETE, "none", "", 0);
    step(OP_GET, "none", "", 0);
    step(OP_SET, "a", "v", 0);
    assert_int_equal(run(), STATUS_OK);
    assert_int_equal(reply(0, &first).status, STATUS_NOT_FOUND);
    assert_int_equal(reply(1, &first).status, STATUS_NOT_FOUND);
    assert_false(reply(1, &first).has_value);
    assert_true(rig_holds(&r, "a", "v"));
}

/* Broken: half of it would run in one group, and nowhere the rest. */
static void keys_of_another_group_are_refused(void **state)
{
    uint16_t slot = slot_of(slice_str("b"));

    (void)state;
    r.m.slots[slot / 8] &= (uint8_t)~(1u << (slot % 8));
    begin(0, 2, 0);
    step(OP_SET, "a", "v", 0);
    step(OP_SET, "b", "v", 0);
    assert_int_equal(run(), STATUS_CROSS_GROUP);
    assert_int_equal(r.results[0].argument, 1);
    begin(1, 1, 0);
    compare(COMPARE_VERSION, RELATION_EQUAL, "b", 0, "");
    step(OP_SET, "a", "v", 0);
    assert_int_equal(run(), STATUS_CROSS_GROUP);
    assert_int_equal(r.store.n, 0);
    begin(0, 1, 1); /* whatever the data: the other list counts too */
    step(OP_SET, "a", "v", 0);
    step(OP_SET, "b", "v", 0);
    assert_int_equal(run(), STATUS_CROSS_GROUP);
    assert_int_equal(r.results[0].argument, 0);
    assert_int_equal(r.store.n, 0);
}

static void a_stale_fence_stops_a_transaction(void **state)
{
    struct operation o;

    (void)state;
    begin(0, 1, 0);
    step(OP_SET, "a", "v", 0);
    o = whole();
    o.flags = OPERATION_IF_FENCE;
    o.fence = 10;
    assert_int_equal(rig_do(&r, 1, o)->status, STATUS_OK);
    o.fence = 9;
    assert_int_equal(rig_do(&r, 1, o)->status, STATUS_FENCED);
}

/* Broken: one small command would make gigabytes of replies. */
static void replies_are_bounded(void **state)
{
    static uint8_t large[1 << 20];
    unsigned ok = 0;

    (void)state;
    rig_do(&r, 1, (struct operation){.op = OP_SET, .key = slice_str("a"),
                                     .value = slice_of(large,
                                                       sizeof large)});
    begin(0, 17, 0);
    for (unsigned i = 0; i < 17; i++)
        step(OP_GET, "a", "", 0);
    assert_int_equal(run(), STATUS_TOO_LARGE);
    begin(0, 8, 0);
    for (unsigned i = 0; i < 8; i++)
        step(OP_GET, "a", "", 0);
    for (unsigned i = 0; i < 20; i++)
        rig_add(&r, &(struct operation){.op = OP_TRANSACT,
                                        .key = slice_str("a"),
                                        .value = buf_slice(&bytes)});
    rig_close(&r, 1);
    rig_apply(&r);
    for (unsigned i = 0; i < 20; i++) {
        assert_true(r.results[i].status == STATUS_OK ||
                    r.results[i].status == STATUS_BUSY);
        ok += r.results[i].status == STATUS_OK;
    }
    assert_int_equal(ok, MACHINE_WRITE_MAX / (8 << 20) - 1);
}

/* All keys of a transaction change at one moment. */
static void all_of_it_has_one_version(void **state)
{
    struct layout_value a, b;
    struct change c;

    (void)state;
    begin(0, 3, 0);
    step(OP_SET, "a", "v", 0);
    step(OP_SET, "b", "v", 0);
    add("c", 1);
    assert_int_equal(run(), STATUS_OK);
    assert_true(rig_record(&r, "a", &a) && rig_record(&r, "b", &b));
    assert_true(a.version == b.version);
    assert_true(r.results[0].version == a.version);
    assert_int_equal(rig_changes(&r, &c), 3);
    assert_true(c.version == a.version);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_list_that_the_compares_choose_runs,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(every_relation_means_what_it_says,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_operation_undoes_all, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_absent_fails_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(keys_of_another_group_are_refused,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_stale_fence_stops_a_transaction,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(replies_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(all_of_it_has_one_version, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
