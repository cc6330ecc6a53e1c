/* test_machine_sweep.c - what is due goes, stale lines go, nothing else. */
#include "tests/unit/node/core/machine_rig.h"

static struct rig r;
static struct buf value;

static int setup(void **state)
{
    (void)state;
    rig_init(&r, 8);
    sweep_begin(&value);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_release(&r);
    buf_release(&value);
    return 0;
}

static void set(const char *key, uint64_t ttl, uint64_t clock)
{
    struct operation o = rig_op(OP_SET, key, "v", ttl ? OPERATION_TTL : 0);

    o.expire = ttl;
    rig_do(&r, clock, o);
}

static void line(uint64_t deadline, uint8_t kind, const char *key)
{
    sweep_add(&value, &(struct layout_deadline){deadline, kind, 0,
                                                slice_str(key)});
}

/* Gives how many records went. */
static uint64_t sweep(uint64_t clock)
{
    rig_do(&r, clock, (struct operation){.op = OP_SWEEP,
                                         .value = buf_slice(&value)});
    assert_int_equal(r.results[0].status, STATUS_OK);
    return r.results[0].argument;
}

static void each_due_key_is_one_expire_event(void **state)
{
    struct layout_value v;
    const struct change *c;
    unsigned n;

    (void)state;
    set("a", 100, 1000);
    set("b", 150, 1000);
    set("c", 200, 1000);
    line(1100, LAYOUT_DATA, "a");
    line(1150, LAYOUT_DATA, "b");
    assert_int_equal(sweep(1150), 2);
    assert_false(rig_record(&r, "a", &v));
    assert_false(rig_record(&r, "b", &v));
    assert_true(rig_record(&r, "c", &v));
    assert_int_equal(rig_lines(&r), 1);
    c = machine_changes(&r.step, &n);
    assert_int_equal(n, 2);
    assert_int_equal(c[0].kind, CHANGE_EXPIRE);
    assert_slice(c[0].key, "a");
    assert_slice(c[1].key, "b");
    assert_true(c[0].version == rig_version(&r, 0));
    /* and not a second time */
    assert_int_equal(sweep(1160), 0);
    machine_changes(&r.step, &n);
    assert_int_equal(n, 0);
}

/* A blind set leaves a line behind; what it wrote has nothing to do with it. */
static void a_line_that_is_stale_goes_silently(void **state)
{
    unsigned n;

    (void)state;
    set("k", 100, 1000);
    set("k", 0, 1010);
    assert_int_equal(rig_lines(&r), 1);
    line(1100, LAYOUT_DATA, "k");
    assert_int_equal(sweep(1100), 0);
    assert_int_equal(rig_lines(&r), 0);
    assert_true(rig_holds(&r, "k", "v"));
    machine_changes(&r.step, &n);
    assert_int_equal(n, 0);
}

/* A leader whose clock was ahead, or an old line: the entry's clock decides. */
static void what_is_not_due_stays_with_its_line(void **state)
{
    (void)state;
    set("k", 100, 1000);
    line(1100, LAYOUT_DATA, "k");
    assert_int_equal(sweep(1099), 0);
    assert_int_equal(rig_lines(&r), 1);
    assert_true(rig_holds(&r, "k", "v"));
    assert_int_equal(sweep(1100), 1);
    assert_int_equal(rig_lines(&r), 0);
}

/* A stamp may be lower than the leader thought when it looked: the median of
 * the clocks went back. Broken: the record would stay while it leads. */
static void who_swept_too_early_comes_back(void **state)
{
    struct layout_deadline early = {1100, LAYOUT_DATA, 0, slice_str("k")};
    struct expiry *x = &r.m.expiry;
    struct buf key = {0};

    (void)state;
    set("k", 100, 1000);
    layout_deadline_key_append(&key, &early);
    expiry_look(x, true, UINT64_MAX, r.index);
    expiry_looked(x, 1, slice_of("", 0));
    expiry_proposed(x, buf_slice(&key));
    assert_true(slice_compare(expiry_from(x, true), buf_slice(&key)) > 0);
    line(1100, LAYOUT_DATA, "k");
    assert_int_equal(sweep(1099), 0);
    expiry_swept(x, true);
    assert_true(slice_compare(expiry_from(x, true), buf_slice(&key)) <= 0);
    assert_true(slice_compare(expiry_from(x, false), buf_slice(&key)) <= 0);
    assert_true(x->next_due <= 1100);
    buf_release(&key);
}

static void a_moved_deadline_is_not_the_old_one(void **state)
{
    struct operation o = rig_op(OP_EXPIRE, "k", "", OPERATION_TTL);

    (void)state;
    set("k", 100, 1000);
    o.expire = 500;
    rig_do(&r, 1000, o);
    line(1100, LAYOUT_DATA, "k");
    assert_int_equal(sweep(1200), 0);
    assert_true(rig_holds(&r, "k", "v"));
    assert_int_equal(rig_lines(&r), 1);
}

static void fences_go_when_their_day_is_over(void **state)
{
    struct operation o = rig_op(OP_SET, "lock", "v", OPERATION_IF_FENCE);
    struct layout_deadline d;
    uint64_t deadline = 0;

    (void)state;
    o.fence = 7;
    rig_do(&r, 1000, o);
    for (unsigned i = 0; i < r.store.n; i++)
        if (layout_deadline_key_parse(mem_row_key(&r.store.v[i]), &d) ==
            STATUS_OK)
            deadline = d.deadline;
    assert_true(deadline > 1000);
    line(deadline, LAYOUT_FENCE, "lock");
    assert_int_equal(sweep(deadline - 1), 0);
    assert_int_equal(rig_lines(&r), 1);
    assert_int_equal(sweep(deadline), 1);
    assert_int_equal(rig_lines(&r), 0);
    for (unsigned i = 0; i < r.store.n; i++)
        assert_int_not_equal(mem_row_key(&r.store.v[i]).data[0],
                             LAYOUT_FENCE);
    assert_true(rig_holds(&r, "lock", "v"));
}

/* The same keys in commands before and behind it, in one step. */
static void a_sweep_sees_what_its_step_did_before(void **state)
{
    struct operation o = {.op = OP_SWEEP};

    (void)state;
    set("a", 100, 1000);
    set("b", 100, 1000);
    line(1100, LAYOUT_DATA, "a");
    line(1100, LAYOUT_DATA, "b");
    o.value = buf_slice(&value);
    rig_add(&r, &(struct operation){.op = OP_DELETE, .key = slice_str("a")});
    rig_add(&r, &o);
    rig_add(&r, &(struct operation){.op = OP_SET, .key = slice_str("b"),
                                    .flags = OPERATION_IF_ABSENT});
    rig_close(&r, 1100);
    rig_apply(&r);
    /* The clock has come: the delete found nothing any more. */
    assert_int_equal(r.results[0].status, STATUS_NOT_FOUND);
    assert_int_equal(r.results[1].argument, 1);
    assert_int_equal(r.results[2].status, STATUS_OK);
    assert_int_equal(rig_lines(&r), 0);
}

static void what_cannot_be_read_stops_the_replica(void **state)
{
    struct operation o = {.op = OP_SWEEP};

    (void)state;
    line(1, 'z', "k");
    o.value = buf_slice(&value);
    rig_add(&r, &o);
    rig_close(&r, 10);
    machine_step_begin(&r.step, &r.m, 10);
    assert_int_equal(machine_needs(&r.m, &r.step, buf_slice(&r.entries[0])),
                     STATUS_WRONG_VERSION);
    r.n = 0;
    o.value.size--;
    rig_add(&r, &o);
    rig_close(&r, 10);
    machine_step_begin(&r.step, &r.m, 10);
    assert_int_equal(machine_needs(&r.m, &r.step, buf_slice(&r.entries[0])),
                     STATUS_CORRUPT);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(each_due_key_is_one_expire_event),
        CASE(a_line_that_is_stale_goes_silently),
        CASE(what_is_not_due_stays_with_its_line),
        CASE(who_swept_too_early_comes_back),
        CASE(a_moved_deadline_is_not_the_old_one),
        CASE(fences_go_when_their_day_is_over),
        CASE(a_sweep_sees_what_its_step_did_before),
        CASE(what_cannot_be_read_stops_the_replica),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
