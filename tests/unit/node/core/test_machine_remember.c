/* test_machine_remember.c - changes are listed with what was before. */
#include "tests/unit/node/core/machine_rig.h"

#include <stdio.h>

static struct rig r;

static int setup(void **state)
{
    (void)state;
    rig_init(&r, 11);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_release(&r);
    return 0;
}

static struct operation remember(uint64_t ms)
{
    return (struct operation){.op = OP_REMEMBER, .argument = ms};
}

static struct change last(unsigned of)
{
    struct change c = {0};

    assert_int_equal(rig_changes(&r, &c), of);
    return c;
}

static void assert_before(const char *previous)
{
    struct change c = last(1);

    assert_int_equal(c.flags, previous ? WATCH_HAD_PREVIOUS
                                       : WATCH_HAD_NOTHING);
    assert_slice(c.previous, previous ? previous : "");
}

/* The promise: whatever changes a key lists what was there. */
static void every_change_lists_what_was_before(void **state)
{
    struct operation ttl = rig_op(OP_SET, "k", "t", OPERATION_TTL);
    struct operation now = rig_op(OP_EXPIRE, "k", "", OPERATION_TTL);

    (void)state;
    rig_do(&r, 1000, rig_op(OP_SET, "k", "0", 0));
    assert_int_equal(last(1).flags, 0);
    rig_do(&r, 1000, remember(500));
    rig_do(&r, 1000, rig_op(OP_SET, "k", "plain", 0));
    assert_before("0");
    rig_do(&r, 1000, rig_op(OP_SET, "k", "if", OPERATION_IF_PRESENT));
    assert_before("plain");
    rig_do(&r, 1000, rig_op(OP_APPEND, "k", "more", 0));
    assert_before("if");
    rig_do(&r, 1000, rig_op(OP_DELETE, "k", "", 0));
    assert_before("ifmore");
    rig_do(&r, 1000, rig_op(OP_SET, "k", "", 0));
    assert_before(NULL);
    rig_do(&r, 1000, rig_op(OP_SET, "k", "7", 0));
    assert_before("");
    rig_do(&r, 1000, (struct operation){.op = OP_INCR, .argument = 5,
                                        .key = slice_str("k")});
    assert_before("7");
    ttl.expire = 10;
    rig_do(&r, 1000, ttl);
    assert_before("12");
    rig_do(&r, 1010, rig_op(OP_DELETE, "k", "", 0));
    assert_before("t");
    assert_int_equal(last(1).kind, CHANGE_EXPIRE);
    rig_do(&r, 1010, rig_op(OP_SET, "k", "soon", 0));
    rig_do(&r, 1010, now);
    assert_before("soon");
    assert_int_equal(last(1).kind, CHANGE_EXPIRE);
}

/* Broken: who watches a key that a SWEEP removes would not learn its value. */
static void a_swept_key_lists_its_value(void **state)
{
    struct operation set = rig_op(OP_SET, "k", "v", OPERATION_TTL);
    struct buf lines = {0};

    (void)state;
    set.expire = 100;
    rig_do(&r, 1000, remember(500));
    rig_do(&r, 1000, set);
    sweep_begin(&lines);
    /* It is claimed what there is: that is not enough. */
    sweep_add(&lines, &(struct sweep_line){
                          {1100, LAYOUT_DATA, 0, slice_str("k")}, 1100});
    rig_do(&r, 1100, (struct operation){.op = OP_SWEEP, .argument = r.index,
                                        .value = buf_slice(&lines)});
    assert_before("v");
    assert_int_equal(last(1).kind, CHANGE_EXPIRE);
    buf_release(&lines);
}

/* What one entry does to a key again and again is listed step by step. */
static void commands_of_one_entry_see_each_other(void **state)
{
    static const char *const values[] = {"a", "b", "c"};
    struct operation del = rig_op(OP_DELETE, "k", "", 0);
    const struct change *c;
    unsigned n;

    (void)state;
    rig_do(&r, 1, remember(500));
    for (unsigned i = 0; i < 3; i++) {
        struct operation o = rig_op(OP_SET, "k", values[i], 0);
        rig_add(&r, &o);
    }
    rig_add(&r, &del);
    rig_close(&r, 2);
    rig_apply(&r);
    c = machine_changes(&r.step, &n);
    assert_int_equal(n, 4);
    assert_int_equal(c[0].flags, WATCH_HAD_NOTHING);
    for (unsigned i = 1; i < 4; i++)
        assert_slice(c[i].previous, values[i - 1]);
}

/* Broken: replicas that put the same entries into other steps would list other
 * things; or the cost would never end. */
static void it_holds_from_the_next_entry_until_its_time(void **state)
{
    struct operation on = remember(100), o = rig_op(OP_SET, "k", "v", 0);
    static const unsigned flags[] = {0, WATCH_HAD_PREVIOUS,
                                     WATCH_HAD_PREVIOUS, 0};
    const struct change *c;
    unsigned n;

    (void)state;
    rig_add(&r, &on);
    rig_add(&r, &o);
    rig_close(&r, 1000);
    for (unsigned i = 0; i < 3; i++) {
        static const uint64_t clocks[] = {1000, 1099, 1100};
        rig_add(&r, &o);
        rig_close(&r, clocks[i]);
    }
    rig_apply(&r);
    c = machine_changes(&r.step, &n);
    assert_int_equal(n, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(c[i].flags, flags[i]);
    rig_do(&r, 1101, o);
    assert_true(view_empty(&r.step.view));
    assert_int_equal(last(1).flags, 0);
}

static void it_is_renewed_but_never_shortened(void **state)
{
    (void)state;
    rig_do(&r, 1000, remember(1000));
    rig_do(&r, 1500, remember(100));
    assert_int_equal(r.m.remember_until, 2000);
    rig_do(&r, 1500, remember(1000));
    assert_int_equal(r.m.remember_until, 2500);
}

/* Broken: a replica that was started again would list other things. */
static void it_is_part_of_the_state(void **state)
{
    struct write_set kept = {0};
    struct slice h = layout_single_key(LAYOUT_REMEMBER);

    (void)state;
    rig_do(&r, 1000, remember(1000));
    mem_table_kept(&r.store, &kept);
    assert_int_equal(kept.count, 1);
    assert_int_equal(machine_load_kept(&r.m, NULL), STATUS_OK);
    assert_int_equal(r.m.remember_until, 0);
    assert_int_equal(machine_load_kept(&r.m, &kept), STATUS_OK);
    assert_int_equal(r.m.remember_until, 2000);
    write_set_clear(&kept);
    write_set_put(&kept, h, slice_str("\x01short"));
    assert_int_equal(machine_load_kept(&r.m, &kept), STATUS_CORRUPT);
    write_set_clear(&kept);
    write_set_put(&kept, h, slice_str(""));
    assert_int_equal(machine_load_kept(&r.m, &kept), STATUS_CORRUPT);
    write_set_clear(&kept);
    write_set_put(&kept, h, slice_of("\x02 0123456789012345", 16));
    assert_int_equal(machine_load_kept(&r.m, &kept), STATUS_WRONG_VERSION);
    write_set_release(&kept);
}

static enum status named(struct operation o, uint32_t group)
{
    enum status st;

    r.m.group = group;
    rig_add(&r, &o);
    rig_close(&r, 1);
    machine_step_begin(&r.step, &r.m, 0);
    st = machine_needs(&r.m, &r.step, 2, buf_slice(&r.entries[0]));
    r.n = 0;
    return st;
}

static void what_makes_no_sense_stops_the_replica(void **state)
{
    (void)state;
    assert_int_equal(named(remember(0), 1), STATUS_WRONG_VERSION);
    assert_int_equal(named(remember(REMEMBER_MAX_MS + 1ul), 1),
                     STATUS_WRONG_VERSION);
    assert_int_equal(named(remember(1), 0), STATUS_WRONG_VERSION);
    assert_int_equal(named(remember(REMEMBER_MAX_MS), 1), STATUS_OK);
}

static void set_size(const char *key, size_t size)
{
    struct buf b = {0};

    memset(buf_grow(&b, size), 'x', size);
    rig_do(&r, 1, (struct operation){.op = OP_SET, .key = slice_str(key),
                                     .value = buf_slice(&b)});
    buf_release(&b);
}

/* Broken: what is too large to be told would be told as nothing, or in part. */
static void a_large_value_is_said_to_be_large(void **state)
{
    struct change c;

    (void)state;
    rig_do(&r, 1, remember(500));
    set_size("k", WATCH_PREVIOUS_BYTES_MAX);
    set_size("k", WATCH_PREVIOUS_BYTES_MAX + 1);
    c = last(1);
    assert_int_equal(c.flags, WATCH_HAD_PREVIOUS);
    assert_int_equal(c.previous.size, WATCH_PREVIOUS_BYTES_MAX);
    rig_do(&r, 1, rig_op(OP_SET, "k", "small", 0));
    c = last(1);
    assert_int_equal(c.flags, WATCH_HAD_LARGE);
    assert_int_equal(c.previous.size, 0);
}

/* Broken: an entry over many large values would take memory without bound, or
 * commands in it would fail because somebody watches. */
static void what_exceeds_an_entrys_bytes_is_said_to_be_large(void **state)
{
    static const char *const keys[] = {"a", "b", "c"};
    struct operation append = rig_op(OP_APPEND, "c", "!", 0);
    const struct change *c;
    unsigned n;

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        set_size(keys[i], 1000);
    rig_do(&r, 1, remember(500));
    for (unsigned i = 0; i < 2; i++) {
        struct operation o = rig_op(OP_SET, keys[i], "new", 0);
        rig_add(&r, &o);
    }
    rig_add(&r, &append);
    rig_close(&r, 2);
    rig_apply_within(&r, 1500); /* the append's value comes first, then one */
    assert_true(r.cut);
    c = machine_changes(&r.step, &n);
    assert_int_equal(n, 3);
    assert_int_equal(c[0].flags, WATCH_HAD_PREVIOUS);
    assert_int_equal(c[0].previous.size, 1000);
    assert_int_equal(c[1].flags, WATCH_HAD_LARGE);
    assert_int_equal(c[2].flags, WATCH_HAD_PREVIOUS);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(r.results[i].status, STATUS_OK);
    assert_int_equal(r.results[2].argument, 1001);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_change_lists_what_was_before),
        TEST(a_swept_key_lists_its_value),
        TEST(commands_of_one_entry_see_each_other),
        TEST(it_holds_from_the_next_entry_until_its_time),
        TEST(it_is_renewed_but_never_shortened),
        TEST(it_is_part_of_the_state),
        TEST(what_makes_no_sense_stops_the_replica),
        TEST(a_large_value_is_said_to_be_large),
        TEST(what_exceeds_an_entrys_bytes_is_said_to_be_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
