/* test_machine_write.c - SET, DELETE, APPEND, SET_RANGE. */
#include "tests/unit/node/core/machine_rig.h"

#include <stdio.h>
#include <stdlib.h>

static struct rig r;

static int setup(void **state)
{
    (void)state;
    rig_init(&r, 5);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_release(&r);
    return 0;
}

/* Broken: every write would cost a read. */
static void a_plain_set_looks_at_nothing(void **state)
{
    struct change c = {0};

    (void)state;
    rig_do(&r, 10, rig_op(OP_SET, "k", "v", 0));
    assert_true(view_empty(&r.step.view));
    assert_int_equal(r.results[0].status, STATUS_OK);
    assert_int_equal(r.results[0].version, rig_version(&r, 0));
    assert_int_equal(r.results[0].clock, 10);
    assert_int_equal(rig_changes(&r, &c), 1);
    assert_int_equal(c.kind, CHANGE_PUT);
    assert_int_equal(c.flags, 0);
    assert_slice(c.key, "k");
    assert_slice(c.value, "v");
    assert_true(c.version == rig_version(&r, 0));
    rig_do(&r, 10, (struct operation){.op = OP_SET, .key = slice_str("t"),
                                      .flags = OPERATION_TTL, .expire = 5});
    assert_true(view_empty(&r.step.view));
    assert_int_equal(rig_lines(&r), 1);
}

/* Broken: a caller that asked for the old value would get another's. */
static void the_previous_value_comes_back(void **state)
{
    struct change c;

    (void)state;
    rig_do(&r, 1, rig_op(OP_SET, "k", "new", OPERATION_PREVIOUS));
    assert_int_equal(r.results[0].value.where, PIECE_NONE);
    rig_do(&r, 1, rig_op(OP_SET, "k", "newer", OPERATION_PREVIOUS));
    assert_slice(rig_value(&r, 0), "new");
    assert_int_equal(rig_changes(&r, &c), 1);
    assert_int_equal(c.flags, 0); /* no watch has asked */
    assert_slice(c.value, "newer");
    rig_do(&r, 1, rig_op(OP_DELETE, "k", "", OPERATION_PREVIOUS));
    assert_int_equal(r.results[0].status, STATUS_OK);
    assert_slice(rig_value(&r, 0), "newer");
    assert_int_equal(rig_changes(&r, &c), 1);
    assert_int_equal(c.kind, CHANGE_DELETE);
    assert_false(rig_holds(&r, "k", "newer"));
    rig_do(&r, 1, rig_op(OP_SET, "k", "", 0));
    rig_do(&r, 1, rig_op(OP_SET, "k", "x", OPERATION_PREVIOUS));
    assert_int_equal(r.results[0].value.where, PIECE_AT); /* empty, not none */
    assert_int_equal(r.results[0].value.size, 0);
}

static void a_delete_of_nothing_is_not_found(void **state)
{
    struct change c;

    (void)state;
    rig_do(&r, 1, rig_op(OP_DELETE, "k", "", 0));
    assert_int_equal(r.results[0].status, STATUS_NOT_FOUND);
    assert_int_equal(rig_changes(&r, &c), 0);
}

/* Broken: two appends of one batch would lose one of them. */
static void appends_of_one_step_see_each_other(void **state)
{
    struct operation a = rig_op(OP_APPEND, "k", "ab", 0);

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        rig_add(&r, &a);
    rig_close(&r, 1);
    rig_add(&r, &a);
    rig_close(&r, 1);
    rig_apply(&r);
    assert_true(rig_holds(&r, "k", "abababab"));
    assert_int_equal(r.results[0].argument, 8);
    assert_int_equal(r.results[0].value.where, PIECE_NONE);
    rig_do(&r, 1, rig_op(OP_APPEND, "k", "", 0));
    assert_int_equal(r.results[0].argument, 8);
    rig_do(&r, 1, rig_op(OP_APPEND, "empty", "", 0));
    assert_true(rig_holds(&r, "empty", ""));
}

static void a_range_is_padded_with_zeroes(void **state)
{
    struct operation o = rig_op(OP_SET_RANGE, "k", "xy", 0);
    struct layout_value v;

    (void)state;
    o.argument = 3;
    rig_do(&r, 1, o);
    assert_int_equal(r.results[0].argument, 5);
    assert_true(rig_record(&r, "k", &v));
    assert_int_equal(v.bytes.size, 5);
    assert_memory_equal(v.bytes.data, "\0\0\0xy", 5);
    o.argument = 1;
    rig_do(&r, 1, o);
    assert_true(rig_record(&r, "k", &v));
    assert_memory_equal(v.bytes.data, "\0xyxy", 5);
    assert_int_equal(v.bytes.size, 5);
    o = rig_op(OP_SET_RANGE, "none", "", 0);
    o.argument = 9;
    rig_do(&r, 1, o);
    assert_int_equal(r.results[0].argument, 0);
    assert_false(rig_record(&r, "none", &v));
    o.key = slice_str("k");
    rig_do(&r, 1, o);
    assert_int_equal(r.results[0].argument, 5);
}

/* Broken: a value would grow beyond what a frame or the log can carry. */
static void a_value_does_not_grow_beyond_its_limit(void **state)
{
    uint8_t *large = xcalloc(1, VALUE_BYTES_MAX);
    struct operation o = {.op = OP_SET, .key = slice_str("k"),
                          .value = slice_of(large, VALUE_BYTES_MAX - 1)};
    struct layout_value v;

    (void)state;
    rig_do(&r, 1, o);
    rig_do(&r, 1, rig_op(OP_APPEND, "k", "a", 0));
    assert_int_equal(r.results[0].status, STATUS_OK);
    rig_do(&r, 1, rig_op(OP_APPEND, "k", "a", 0));
    assert_int_equal(r.results[0].status, STATUS_VALUE_TOO_LARGE);
    assert_true(rig_record(&r, "k", &v));
    assert_int_equal(v.bytes.size, VALUE_BYTES_MAX);
    free(large);
}

/* A few bytes of log must not become gigabytes of writes. What does not fit is
 * refused, and by the same rule everywhere: it depends on the entry alone. */
static void an_entry_writes_only_so_much(void **state)
{
    struct operation o = rig_op(OP_SET_RANGE, "", "x", 0);
    unsigned ok = 0;
    char key[8];

    (void)state;
    o.argument = VALUE_BYTES_MAX - 1;
    for (unsigned i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "%u", i);
        o.key = slice_str(key);
        rig_add(&r, &o);
    }
    rig_close(&r, 1);
    rig_apply(&r);
    for (unsigned i = 0; i < 20; i++) {
        assert_true(r.results[i].status == STATUS_OK ||
                    r.results[i].status == STATUS_BUSY);
        ok += r.results[i].status == STATUS_OK;
    }
    assert_int_equal(ok, MACHINE_WRITE_MAX / VALUE_BYTES_MAX - 1);
    assert_true(machine_step_full(&r.step));
}

/* Records behind the bound are cut off: who needs them is refused, who needs
 * only what stands first is not. */
static void what_was_cut_off_is_not_guessed(void **state)
{
    struct operation append = rig_op(OP_APPEND, "b", "!", 0);
    struct operation cond = rig_op(OP_SET, "c", "new", OPERATION_IF_VALUE);
    struct operation present = rig_op(OP_SET, "d", "new",
                                      OPERATION_IF_PRESENT);
    struct operation previous = rig_op(OP_SET, "e", "new",
                                       OPERATION_PREVIOUS);
    struct operation first = rig_op(OP_APPEND, "a", "!", 0);
    static const char *keys[] = {"a", "b", "c", "d", "e"};
    char text[1000];

    (void)state;
    memset(text, 'x', sizeof text);
    for (unsigned i = 0; i < ARRAY_LEN(keys); i++)
        rig_do(&r, 1, (struct operation){
                          .op = OP_SET, .key = slice_str(keys[i]),
                          .value = slice_of(text, sizeof text)});
    cond.if_value = slice_of(text, sizeof text);
    rig_add(&r, &first);
    rig_add(&r, &append);
    rig_add(&r, &cond);
    rig_add(&r, &present);
    rig_add(&r, &previous);
    rig_close(&r, 1);
    rig_apply_within(&r, 500);
    assert_true(r.cut);
    assert_int_equal(r.results[0].status, STATUS_OK);
    assert_int_equal(r.results[0].argument, 1001);
    assert_int_equal(r.results[1].status, STATUS_BUSY);
    assert_int_equal(r.results[2].status, STATUS_BUSY);
    assert_int_equal(r.results[3].status, STATUS_OK);
    assert_int_equal(r.results[4].status, STATUS_BUSY);
    assert_true(rig_holds(&r, "d", "new"));
    assert_false(rig_holds(&r, "e", "new"));
    assert_int_equal(r.results[4].value.where, PIECE_NONE);
}

/* Broken: the index of deadlines would miss one, or keep dead ones for ever. */
static void deadlines_are_kept_and_dropped_with_their_records(void **state)
{
    struct operation ttl = rig_op(OP_SET, "k", "v", OPERATION_TTL);
    struct layout_value v;

    (void)state;
    ttl.expire = 100;
    rig_do(&r, 1000, ttl);
    assert_int_equal(r.results[0].expire_at, 1100);
    assert_int_equal(r.m.expiry.next_due, 1100);
    rig_do(&r, 1000, rig_op(OP_APPEND, "k", "w", 0));
    assert_int_equal(r.results[0].expire_at, 1100); /* kept */
    assert_int_equal(rig_lines(&r), 1);
    rig_do(&r, 1000, rig_op(OP_SET, "k", "x", OPERATION_KEEP_TTL));
    assert_true(rig_record(&r, "k", &v));
    assert_int_equal(v.expire_at_ms, 1100);
    ttl.op = OP_APPEND;
    ttl.expire = 200;
    rig_do(&r, 1000, ttl);
    assert_int_equal(rig_lines(&r), 1);
    rig_do(&r, 1000, rig_op(OP_SET, "k", "x", OPERATION_IF_PRESENT));
    assert_int_equal(rig_lines(&r), 0);
    rig_do(&r, 1000, ttl);
    rig_do(&r, 1000, rig_op(OP_DELETE, "k", "", 0));
    assert_int_equal(rig_lines(&r), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_plain_set_looks_at_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_previous_value_comes_back, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_delete_of_nothing_is_not_found,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(appends_of_one_step_see_each_other,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_range_is_padded_with_zeroes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_value_does_not_grow_beyond_its_limit,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(an_entry_writes_only_so_much, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_was_cut_off_is_not_guessed,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            deadlines_are_kept_and_dropped_with_their_records, setup,
            teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
