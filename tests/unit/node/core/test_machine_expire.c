/* test_machine_expire.c - EXPIRE, and keys whose deadline has come. */
#include "tests/unit/node/core/machine_rig.h"

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

static enum status expire(uint32_t flags, uint64_t when, uint64_t clock)
{
    struct operation o = rig_op(OP_EXPIRE, "k", "", flags);

    o.expire = when;
    return rig_do(&r, clock, o)->status;
}

static void set_ttl(const char *key, uint64_t ttl, uint64_t clock)
{
    struct operation o = rig_op(OP_SET, key, "v", ttl ? OPERATION_TTL : 0);

    o.expire = ttl;
    rig_do(&r, clock, o);
}

/* Broken: a changed deadline would look like a changed value, or lose it. */
static void a_deadline_moves_and_nothing_else(void **state)
{
    struct layout_value v;
    struct change c;
    uint64_t version;

    (void)state;
    set_ttl("k", 0, 10);
    version = rig_version(&r, 0);
    assert_int_equal(expire(OPERATION_TTL, 90, 10), STATUS_OK);
    assert_int_equal(r.results[0].expire_at, 100);
    assert_true(r.results[0].version == version);
    assert_int_equal(rig_changes(&r, &c), 0);
    assert_true(rig_record(&r, "k", &v));
    assert_int_equal(v.expire_at_ms, 100);
    assert_true(v.version == version);
    assert_slice(v.bytes, "v");
    assert_int_equal(rig_lines(&r), 1);
    assert_int_equal(expire(OPERATION_DEADLINE, 200, 10), STATUS_OK);
    assert_int_equal(rig_lines(&r), 1);
    assert_int_equal(expire(OPERATION_PERSIST | OPERATION_PREVIOUS, 0, 10),
                     STATUS_OK);
    assert_slice(rig_value(&r, 0), "v");
    assert_int_equal(r.results[0].expire_at, 0);
    assert_int_equal(rig_lines(&r), 0);
    assert_true(rig_record(&r, "k", &v));
    assert_int_equal(v.expire_at_ms, 0);
}

static void the_conditions_of_expire_hold(void **state)
{
    const uint32_t nx = OPERATION_TTL | OPERATION_EXPIRE_NX;
    const uint32_t xx = OPERATION_TTL | OPERATION_EXPIRE_XX;
    const uint32_t gt = OPERATION_TTL | OPERATION_EXPIRE_GT;
    const uint32_t lt = OPERATION_TTL | OPERATION_EXPIRE_LT;

    (void)state;
    assert_int_equal(expire(OPERATION_TTL, 5, 1), STATUS_NOT_FOUND);
    set_ttl("k", 0, 1);
    assert_int_equal(expire(xx, 50, 1), STATUS_NOT_MET);
    assert_int_equal(expire(gt, 50, 1), STATUS_NOT_MET); /* none is latest */
    assert_int_equal(expire(OPERATION_PERSIST | OPERATION_EXPIRE_XX, 0, 1),
                     STATUS_NOT_MET);
    assert_int_equal(expire(lt, 50, 1), STATUS_OK);
    assert_int_equal(expire(nx, 50, 1), STATUS_NOT_MET);
    assert_int_equal(r.results[0].expire_at, 51);
    assert_int_equal(expire(gt, 50, 1), STATUS_NOT_MET);
    assert_int_equal(expire(gt, 60, 1), STATUS_OK);
    assert_int_equal(expire(lt, 60, 1), STATUS_NOT_MET);
    assert_int_equal(expire(lt, 40, 1), STATUS_OK);
    assert_int_equal(expire(xx, 45, 1), STATUS_OK);
    assert_int_equal(expire(OPERATION_PERSIST, 0, 1), STATUS_OK);
    assert_int_equal(expire(nx, 50, 1), STATUS_OK);
}

/* Watchers have to see that it ended, and readers that it is gone. */
static void a_deadline_in_the_past_removes_at_once(void **state)
{
    struct change c;

    (void)state;
    set_ttl("k", 1000, 10);
    assert_int_equal(expire(OPERATION_DEADLINE, 10, 10), STATUS_OK);
    assert_int_equal(r.store.n, 0);
    assert_int_equal(rig_changes(&r, &c), 1);
    assert_int_equal(c.kind, CHANGE_EXPIRE);
    assert_slice(c.key, "k");
    set_ttl("k", 1000, 10);
    rig_do(&r, 10, (struct operation){.op = OP_SET, .key = slice_str("k"),
                                      .flags = OPERATION_TTL});
    assert_int_equal(r.results[0].status, STATUS_OK);
    assert_int_equal(r.store.n, 0);
    assert_int_equal(rig_changes(&r, &c), 1);
    assert_int_equal(c.kind, CHANGE_EXPIRE);
    rig_do(&r, 10, (struct operation){.op = OP_SET, .key = slice_str("k"),
                                      .flags = OPERATION_DEADLINE,
                                      .expire = 9});
    assert_int_equal(rig_changes(&r, &c), 0); /* there was nothing */
}

/* The sweep may come late: to everybody the key is gone all the same. */
static void what_has_expired_is_not_there(void **state)
{
    static const uint32_t if_absent = OPERATION_IF_ABSENT;
    struct change c;
    unsigned n;

    (void)state;
    set_ttl("k", 100, 1000);
    rig_do(&r, 1099, rig_op(OP_SET, "k", "w", if_absent));
    assert_int_equal(r.results[0].status, STATUS_NOT_MET);
    rig_do(&r, 1100, rig_op(OP_DELETE, "k", "", 0));
    assert_int_equal(r.results[0].status, STATUS_NOT_FOUND);
    assert_int_equal(rig_changes(&r, &c), 1);
    assert_int_equal(c.kind, CHANGE_EXPIRE);
    assert_int_equal(r.store.n, 0);

    set_ttl("k", 100, 2000);
    rig_do(&r, 2100, rig_op(OP_SET, "k", "w", if_absent));
    assert_int_equal(r.results[0].status, STATUS_OK);
    assert_int_equal(machine_changes(&r.step, &n)[0].kind, CHANGE_EXPIRE);
    assert_int_equal(n, 2);
    assert_int_equal(machine_changes(&r.step, &n)[1].kind, CHANGE_PUT);
    assert_int_equal(rig_lines(&r), 0);
}

/* Broken: a plain set over an expired key would hide that it had ended; or all
 * sets would have to look. */
static void a_plain_set_looks_only_when_something_may_be_due(void **state)
{
    struct change c;

    (void)state;
    set_ttl("k", 100, 1000);
    rig_do(&r, 1099, rig_op(OP_SET, "other", "v", 0));
    assert_true(view_empty(&r.step.view));
    rig_do(&r, 1100, rig_op(OP_SET, "k", "v", 0));
    assert_int_equal(r.step.view.n, 1);
    assert_int_equal(rig_changes(&r, &c), 2);
    assert_int_equal(rig_lines(&r), 0);
    /* Blind before, and in the step in which the deadline was set. */
    r.m.expiry.next_due = UINT64_MAX;
    rig_add(&r, &(struct operation){.op = OP_SET, .key = slice_str("a"),
                                    .flags = OPERATION_TTL, .expire = 5});
    rig_close(&r, 2000);
    rig_add(&r, &(struct operation){.op = OP_SET, .key = slice_str("a")});
    rig_close(&r, 2005);
    rig_apply(&r);
    assert_int_equal(rig_changes(&r, &c), 3);
    assert_int_equal(rig_lines(&r), 0);
}

/* Clocks of entries may go back when leaders change; the state's does not. */
static void the_clock_never_goes_back(void **state)
{
    (void)state;
    set_ttl("k", 100, 1000);
    rig_do(&r, 1100, rig_op(OP_SET, "other", "v", 0));
    rig_do(&r, 900, rig_op(OP_EXPIRE, "k", "", OPERATION_PERSIST));
    assert_int_equal(r.results[0].status, STATUS_NOT_FOUND);
    assert_int_equal(r.results[0].clock, 1100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_deadline_moves_and_nothing_else,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(the_conditions_of_expire_hold, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_deadline_in_the_past_removes_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_has_expired_is_not_there, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_plain_set_looks_only_when_something_may_be_due, setup, teardown),
        cmocka_unit_test_setup_teardown(the_clock_never_goes_back, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
