/* test_machine_condition.c - IF_*, and fences. */
#include "tests/unit/node/core/machine_rig.h"

static struct rig r;

static int setup(void **state)
{
    (void)state;
    rig_init(&r, 6);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_release(&r);
    return 0;
}

static enum status set_if(uint32_t flags, uint64_t version, const char *value)
{
    struct operation o = rig_op(OP_SET, "k", "new", flags);

    o.if_version = version;
    o.if_value = slice_str(value);
    return rig_do(&r, 1, o)->status;
}

/* Broken: two clients that both saw "free" would both take it. */
static void conditions_hold_or_nothing_changes(void **state)
{
    uint64_t version;

    (void)state;
    assert_int_equal(set_if(OPERATION_IF_PRESENT, 0, ""), STATUS_NOT_MET);
    assert_int_equal(set_if(OPERATION_IF_VERSION, 7, ""), STATUS_NOT_MET);
    assert_int_equal(set_if(OPERATION_IF_VALUE, 0, ""), STATUS_NOT_MET);
    assert_int_equal(r.store.n, 0);
    assert_int_equal(set_if(OPERATION_IF_ABSENT, 0, ""), STATUS_OK);
    version = rig_version(&r, 0);
    assert_int_equal(set_if(OPERATION_IF_ABSENT, 0, ""), STATUS_NOT_MET);
    assert_true(r.results[0].version == version); /* who is there */
    assert_int_equal(set_if(OPERATION_IF_VERSION, 0, ""), STATUS_NOT_MET);
    assert_int_equal(set_if(OPERATION_IF_VERSION, version + 1, ""),
                     STATUS_NOT_MET);
    assert_int_equal(set_if(OPERATION_IF_VERSION, version, ""), STATUS_OK);
    assert_int_equal(set_if(OPERATION_IF_VERSION, version, ""),
                     STATUS_NOT_MET);
    assert_int_equal(set_if(OPERATION_IF_VALUE, 0, "ne"), STATUS_NOT_MET);
    assert_int_equal(set_if(OPERATION_IF_VALUE, 0, "newer"), STATUS_NOT_MET);
    assert_int_equal(set_if(OPERATION_IF_VALUE, 0, "nex"), STATUS_NOT_MET);
    assert_int_equal(set_if(OPERATION_IF_VALUE, 0, "new"), STATUS_OK);
    assert_int_equal(set_if(OPERATION_IF_VALUE | OPERATION_IF_VERSION, 1,
                            "new"),
                     STATUS_NOT_MET);
}

/* Broken: who lost the race would not learn to whom. */
static void a_condition_not_met_still_gives_the_previous_value(void **state)
{
    (void)state;
    rig_do(&r, 1, rig_op(OP_SET, "k", "old", 0));
    assert_int_equal(set_if(OPERATION_IF_ABSENT | OPERATION_PREVIOUS, 0, ""),
                     STATUS_NOT_MET);
    assert_slice(rig_value(&r, 0), "old");
    assert_true(rig_holds(&r, "k", "old"));
}

static enum status fenced(enum op op, uint64_t fence, uint64_t clock)
{
    struct operation o = rig_op(op, "k", op == OP_SET ? "v" : "",
                                OPERATION_IF_FENCE);

    o.fence = fence;
    return rig_do(&r, clock, o)->status;
}

/* Broken: a holder that slept through its lock's end would overwrite what the
 * next one wrote. */
static void a_stale_fence_is_refused(void **state)
{
    uint64_t day = 24 * 3600 * 1000;

    (void)state;
    assert_int_equal(fenced(OP_SET, 33, 1000), STATUS_OK);
    assert_int_equal(fenced(OP_SET, 33, 1000), STATUS_OK);
    assert_int_equal(fenced(OP_SET, 34, 1000), STATUS_OK);
    assert_int_equal(fenced(OP_SET, 33, 1000), STATUS_FENCED);
    assert_int_equal(fenced(OP_DELETE, 33, 1000), STATUS_FENCED);
    assert_int_equal(fenced(OP_DELETE, 34, 1000), STATUS_OK);
    assert_int_equal(fenced(OP_SET, 33, 1000 + day), STATUS_FENCED);
    assert_int_equal(fenced(OP_SET, 33, 1001 + 25 * day / 24), STATUS_OK);
    rig_do(&r, 1, rig_op(OP_SET, "k", "v", 0)); /* without one: free */
    assert_int_equal(r.results[0].status, STATUS_OK);
}

/* Broken: fences in use would be forgotten, or each use cost two writes. */
static void a_fence_in_use_is_renewed_now_and_then(void **state)
{
    uint64_t hour = 3600 * 1000;

    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(fenced(OP_DELETE, 5, i * hour + 1), STATUS_NOT_FOUND);
        assert_int_equal(rig_lines(&r), 1);
    }
    assert_int_equal(fenced(OP_DELETE, 4, 60 * hour), STATUS_FENCED);
    assert_int_equal(fenced(OP_DELETE, 5, 60 * hour), STATUS_NOT_FOUND);
    assert_true(write_set_count(&r.step.set) > 0);
    assert_int_equal(fenced(OP_DELETE, 5, 60 * hour + 1), STATUS_NOT_FOUND);
    assert_int_equal(write_set_count(&r.step.set), 0);
}

/* A token that was shown counts, whatever else was wrong with the request. */
static void a_fence_counts_also_when_a_condition_fails(void **state)
{
    struct operation o = rig_op(OP_SET, "k", "v", OPERATION_IF_FENCE |
                                                      OPERATION_IF_PRESENT);

    (void)state;
    o.fence = 9;
    assert_int_equal(rig_do(&r, 1, o)->status, STATUS_NOT_MET);
    assert_int_equal(fenced(OP_SET, 8, 1), STATUS_FENCED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(conditions_hold_or_nothing_changes,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_condition_not_met_still_gives_the_previous_value, setup,
            teardown),
        cmocka_unit_test_setup_teardown(a_stale_fence_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_fence_in_use_is_renewed_now_and_then, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_fence_counts_also_when_a_condition_fails, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
