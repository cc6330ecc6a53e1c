/* test_machine_session.c - commands with a session run at most once. */
#include "tests/unit/node/core/machine_rig.h"

enum { SOON = 60000 };

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

static void add(uint64_t clock, uint64_t sequence, struct operation o)
{
    struct command c = {.slot = slot_of(o.key), .operation = o,
                        .session = {.sequence = sequence,
                                    .not_after = clock + SOON}};

    memset(c.session.client, 7, sizeof c.session.client);
    entry_writer_add(&r.entry, &c);
}

static const struct result *once(uint64_t clock, uint64_t sequence,
                                 struct operation o)
{
    add(clock, sequence, o);
    rig_close(&r, clock);
    rig_apply(&r);
    return &r.results[0];
}

static struct operation incr(int64_t by)
{
    return (struct operation){.op = OP_INCR, .key = slice_str("n"),
                              .argument = (uint64_t)by};
}

/* As after a restart, or with a snapshot. */
static void load_again(void)
{
    struct write_set kept = {0};

    mem_table_kept(&r.store, &kept);
    assert_int_equal(machine_load_kept(&r.m, &kept), STATUS_OK);
    write_set_release(&kept);
}

static void a_retried_increment_counts_once(void **state)
{
    uint64_t version;

    (void)state;
    assert_int_equal(once(1000, 1, incr(5))->status, STATUS_OK);
    assert_slice(rig_value(&r, 0), "5");
    version = r.results[0].version;
    for (unsigned i = 0; i < 3; i++) {
        once(2000 + i, 1, incr(5));
        assert_int_equal(r.results[0].status, STATUS_OK);
        assert_slice(rig_value(&r, 0), "5");
        assert_true(r.results[0].version == version);
        assert_int_equal(r.results[0].clock, 1000); /* the first one's */
        assert_true(rig_holds(&r, "n", "5"));
        load_again();
    }
    once(3000, 2, incr(5));
    assert_slice(rig_value(&r, 0), "10");
}

/* Sent again while the first is in flight. */
static void a_retry_in_the_same_step_gets_the_first_result(void **state)
{
    (void)state;
    add(1000, 1, incr(1));
    add(1000, 1, incr(1));
    rig_close(&r, 1000);
    add(1000, 1, incr(1));
    rig_close(&r, 1001);
    rig_apply(&r);
    assert_slice(rig_value(&r, 0), "1");
    assert_true(rig_holds(&r, "n", "1"));
}

/* What was before belongs to the first result, also when it is long gone. */
static void every_field_of_the_first_result_comes_back(void **state)
{
    struct operation set = rig_op(OP_SET, "k", "new",
                                  OPERATION_PREVIOUS | OPERATION_TTL);

    (void)state;
    set.expire = 500;
    rig_do(&r, 900, rig_op(OP_SET, "k", "old", 0));
    once(1000, 1, set);
    assert_slice(rig_value(&r, 0), "old");
    assert_int_equal(r.results[0].expire_at, 1500);
    rig_do(&r, 1100, rig_op(OP_SET, "k", "newer", 0));
    once(1200, 1, set);
    assert_slice(rig_value(&r, 0), "old");
    assert_int_equal(r.results[0].expire_at, 1500);
    assert_true(rig_holds(&r, "k", "newer"));
}

/* A few bytes of log must not become gigabytes of replies. */
static void repeated_results_are_bounded(void **state)
{
    static uint8_t large[10 << 20];
    struct operation set = rig_op(OP_SET, "k", "v", OPERATION_PREVIOUS);
    unsigned ok = 0;

    (void)state;
    rig_do(&r, 900, (struct operation){.op = OP_SET, .key = slice_str("k"),
                                       .value = slice_of(large,
                                                         sizeof large)});
    assert_int_equal(once(1000, 1, set)->status, STATUS_OK);
    for (unsigned i = 0; i < 10; i++)
        add(1000, 1, set);
    rig_close(&r, 1000);
    rig_apply(&r);
    for (unsigned i = 0; i < 10; i++) {
        assert_true(r.results[i].status == STATUS_OK ||
                    r.results[i].status == STATUS_BUSY);
        ok += r.results[i].status == STATUS_OK;
    }
    assert_int_equal(ok, MACHINE_WRITE_MAX / sizeof large);
    assert_int_equal(once(1001, 1, set)->status, STATUS_OK);
    assert_int_equal(rig_value(&r, 0).size, sizeof large);
}

/* A condition that failed stays failed; the state may be another one now. */
static void a_refusal_is_a_result_too(void **state)
{
    struct operation set = rig_op(OP_SET, "k", "v", OPERATION_IF_PRESENT);

    (void)state;
    assert_int_equal(once(1000, 1, set)->status, STATUS_NOT_MET);
    rig_do(&r, 1100, rig_op(OP_SET, "k", "there", 0));
    assert_int_equal(once(1200, 1, set)->status, STATUS_NOT_MET);
    assert_int_equal(once(1300, 2, set)->status, STATUS_OK);
}

/* What may be tried again was not executed: it must not stick. */
static void a_moved_slot_is_no_result(void **state)
{
    (void)state;
    memset(r.m.slots, 0, sizeof r.m.slots);
    assert_int_equal(once(1000, 1, incr(1))->status, STATUS_MOVED);
    memset(r.m.slots, 0xff, sizeof r.m.slots);
    assert_int_equal(once(1001, 1, incr(1))->status, STATUS_OK);
    assert_slice(rig_value(&r, 0), "1");
}

/* Another group's clock would make "too late" of what may yet be executed, and
 * its first results are of other requests. */
static void whose_the_slot_is_comes_before_the_session(void **state)
{
    (void)state;
    assert_int_equal(once(1000, 1, incr(1))->status, STATUS_OK);
    memset(r.m.slots, 0, sizeof r.m.slots);
    assert_int_equal(once(1001, 1, incr(1))->status, STATUS_MOVED);
    add(1001, 2, incr(1));
    rig_close(&r, 1002 + SOON);
    rig_apply(&r);
    assert_int_equal(r.results[0].status, STATUS_MOVED);
}

static void too_late_or_too_early_changes_nothing(void **state)
{
    (void)state;
    add(1000, 1, incr(1)); /* its time is over when it is applied */
    rig_close(&r, 1001 + SOON);
    rig_apply(&r);
    assert_int_equal(r.results[0].status, STATUS_EXPIRED);
    add(2000000, 2, incr(1));
    rig_close(&r, 1000000);
    rig_apply(&r);
    assert_int_equal(r.results[0].status, STATUS_INVALID);
    assert_false(rig_holds(&r, "n", "1"));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_retried_increment_counts_once),
        CASE(a_retry_in_the_same_step_gets_the_first_result),
        CASE(every_field_of_the_first_result_comes_back),
        CASE(repeated_results_are_bounded),
        CASE(a_refusal_is_a_result_too),
        CASE(a_moved_slot_is_no_result),
        CASE(whose_the_slot_is_comes_before_the_session),
        CASE(too_late_or_too_early_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
