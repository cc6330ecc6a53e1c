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

static void claim(uint64_t deadline, const char *key, uint64_t held)
{
    sweep_add(&value,
              &(struct sweep_line){
                  {deadline, LAYOUT_DATA, 0, slice_str(key)}, held});
}

static void line(uint64_t deadline, uint8_t kind, const char *key)
{
    sweep_add(&value, &(struct sweep_line){
                          {deadline, kind, 0, slice_str(key)},
                          SWEEP_UNKNOWN});
}

static struct operation sweep_op(uint64_t as_of)
{
    return (struct operation){.op = OP_SWEEP, .argument = as_of,
                              .value = buf_slice(&value)};
}

/* Gives how many records went. */
static uint64_t sweep_as_of(uint64_t as_of, uint64_t clock)
{
    rig_do(&r, clock, sweep_op(as_of));
    assert_int_equal(r.results[0].status, STATUS_OK);
    return r.results[0].argument;
}

static uint64_t sweep(uint64_t clock)
{
    return sweep_as_of(0, clock);
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
    struct operation o;

    (void)state;
    set("a", 100, 1000);
    set("b", 100, 1000);
    line(1100, LAYOUT_DATA, "a");
    line(1100, LAYOUT_DATA, "b");
    o = sweep_op(0);
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

/* ---- claims ---- */

/* Changes, lines and records are as if it had been read; `n` were. */
static void claimed(uint64_t clock, unsigned reads)
{
    struct change c;

    assert_int_equal(sweep_as_of(r.index, clock), 1);
    assert_int_equal(r.step.view.asked, reads);
    assert_int_equal(rig_changes(&r, &c), 1);
    assert_int_equal(c.kind, CHANGE_EXPIRE);
    assert_slice(c.key, "k");
    assert_true(c.version == rig_version(&r, 0));
    assert_int_equal(rig_lines(&r), 0);
    assert_int_equal(r.store.n, 0);
}

/* Broken: every replica reads a record at random for each key that expires,
 * and what others write waits for that. */
static void what_is_claimed_is_not_read(void **state)
{
    (void)state;
    sweep(1000); /* the table is made */
    set("k", 100, 1000);
    claim(1100, "k", 1100);
    claimed(1100, 0);
}

/* All that a claim can say: nothing is there, or another deadline, which may
 * have come, too. */
static void claims_do_what_reading_does(void **state)
{
    (void)state;
    sweep(1000);
    set("early", 100, 1000);
    set("forever", 0, 1000);
    set("later", 300, 1000);
    set("sooner", 50, 1000);
    claim(1100, "early", 1100);
    claim(1020, "forever", 0);
    claim(1020, "nothing", 0);
    claim(1020, "later", 1300);
    claim(1020, "sooner", 1050);
    assert_int_equal(sweep_as_of(r.index, 1060), 1);
    assert_int_equal(r.step.view.asked, 0);
    assert_true(rig_holds(&r, "early", "v"));
    assert_true(rig_holds(&r, "forever", "v"));
    assert_true(rig_holds(&r, "later", "v"));
    assert_int_equal(rig_lines(&r), 2);
    assert_true(r.m.expiry.next_due <= 1100);
}

/* Broken: who set it again just before it was due would lose it. */
static void a_claim_is_not_believed_about_what_was_written_since(void **state)
{
    uint64_t as_of;

    (void)state;
    sweep(1000);
    set("k", 100, 1000);
    as_of = r.index;
    set("k", 0, 1000);
    claim(1100, "k", 1100);
    assert_int_equal(sweep_as_of(as_of, 1100), 0);
    assert_int_equal(r.step.view.asked, 1);
    assert_true(rig_holds(&r, "k", "v"));
}

/* Nothing of a step is applied when it is asked what its entries need. */
static void entries_of_the_same_step_count_as_written(void **state)
{
    struct operation o = rig_op(OP_SET, "k", "new", 0);
    uint64_t as_of;

    (void)state;
    for (unsigned together = 0; together < 2; together++) {
        set("k", 100, 1000);
        as_of = r.index;
        sweep_begin(&value);
        claim(1100, "k", 1100);
        rig_add(&r, &o);
        if (!together) /* in the same entry, too */
            rig_close(&r, 1050);
        o = sweep_op(as_of);
        rig_add(&r, &o);
        rig_close(&r, 1100);
        rig_apply(&r);
        assert_int_equal(r.results[together].argument, 0);
        assert_true(rig_holds(&r, "k", "new"));
        o = rig_op(OP_SET, "k", "new", 0);
        r.clock = 1000;
    }
}

/* Broken: the table began with the entry, though not all of that was noted;
 * who set a key in it lost that to a claim as of just before. */
static void an_entry_may_write_before_it_makes_the_table(void **state)
{
    struct operation o = rig_op(OP_SET, "k", "new", 0);
    uint64_t as_of;

    (void)state;
    set("k", 100, 1000);
    as_of = r.index;
    rig_add(&r, &o);
    o = sweep_op(0);
    rig_add(&r, &o);
    rig_close(&r, 1050);
    rig_apply(&r);
    claim(1100, "k", 1100);
    assert_int_equal(sweep_as_of(as_of, 1100), 0);
    assert_true(rig_holds(&r, "k", "new"));
}

/* Its own, or those of a transaction that only compares: what is due goes when
 * it is looked at. */
static void looking_counts_as_writing(void **state)
{
    struct compare c = {.what = COMPARE_VERSION, .relation = RELATION_EQUAL,
                        .key = slice_str("k")};
    struct operation o = {.op = OP_TRANSACT, .key = slice_str("k")};
    struct buf body = {0};
    struct change last;
    uint64_t as_of;

    (void)state;
    sweep(1000);
    set("k", 100, 1000);
    as_of = r.index;
    transaction_begin(&body, 1, 0, 0);
    transaction_compare_encode(&body, &c);
    o.value = buf_slice(&body);
    rig_do(&r, 1100, o);
    assert_int_equal(rig_changes(&r, &last), 1);
    claim(1100, "k", 1100);
    claim(1100, "k", 1100);
    assert_int_equal(sweep_as_of(as_of, 1100), 0);
    assert_int_equal(rig_changes(&r, &last), 0);
    buf_release(&body);
}

/* A step that read too much is chosen anew. Broken: the table began with the
 * sweep, and the replica ended at an entry of before. */
static void entries_may_be_named_again(void **state)
{
    struct operation o = rig_op(OP_SET, "k", "v", OPERATION_DEADLINE);

    (void)state;
    o.expire = 1100;
    rig_add(&r, &o);
    rig_close(&r, 1000);
    claim(1100, "k", 0); /* as of before the set */
    o = sweep_op(r.index);
    rig_add(&r, &o);
    rig_close(&r, 1100);
    machine_step_begin(&r.step, &r.m, r.clock);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(machine_needs(&r.m, &r.step, r.index + 1 + i,
                                       buf_slice(&r.entries[i])),
                         STATUS_OK);
    rig_apply(&r);
    assert_int_equal(r.results[0].argument, 1);
    assert_int_equal(rig_lines(&r), 0);
}

static void one_line_twice_goes_once(void **state)
{
    (void)state;
    set("k", 100, 1000);
    claim(1100, "k", 1100);
    claim(1100, "k", 1100);
    claimed(1100, 1);
}

/* A restart, a snapshot: what came before was applied by somebody else. */
static void who_has_not_seen_all_since_reads(void **state)
{
    uint64_t as_of;

    (void)state;
    sweep(1000);
    set("k", 100, 1000);
    as_of = r.index;
    set("other", 0, 1000);
    written_forget(&r.m.written);
    claim(1100, "k", 1100);
    assert_int_equal(sweep_as_of(as_of, 1100), 1);
    assert_int_equal(r.step.view.asked, 1);
}

/* No leader that is right says so. */
static void a_claim_from_the_future_is_not_believed(void **state)
{
    (void)state;
    set("k", 0, 1000);
    claim(1100, "k", 1100);
    assert_int_equal(sweep_as_of(r.index + 1, 1100), 0);
    assert_true(rig_holds(&r, "k", "v"));
}

static void a_counted_keyspace_is_read(void **state)
{
    struct keyspace_limits l = {.keyspace = 0, .changed = 1, .keys_max = 9};
    struct buf limits = {0};

    (void)state;
    keyspace_limits_encode(&l, &limits);
    rig_do(&r, 1000, (struct operation){.op = OP_KEYSPACE,
                                        .value = buf_slice(&limits)});
    set("k", 100, 1000);
    assert_int_equal(keyspaces_find(&r.m.keyspaces, 0)->keys, 1);
    claim(1100, "k", 1100);
    assert_int_equal(sweep_as_of(r.index, 1100), 1);
    assert_int_equal(keyspaces_find(&r.m.keyspaces, 0)->keys, 0);
    buf_release(&limits);
}

static void a_keyspace_that_becomes_a_counted_one_is_read(void **state)
{
    struct keyspace_limits l = {.keyspace = 0, .changed = 1, .keys_max = 9};
    struct buf limits = {0};
    struct operation o;

    (void)state;
    keyspace_limits_encode(&l, &limits);
    claim(1100, "k", 0);
    o = (struct operation){.op = OP_KEYSPACE, .value = buf_slice(&limits)};
    rig_add(&r, &o);
    o = sweep_op(r.index);
    rig_add(&r, &o);
    rig_close(&r, 1100);
    rig_apply(&r);
    assert_int_equal(r.results[1].argument, 0);
    assert_int_equal(r.step.view.asked, 1);
    buf_release(&limits);
}

/* What a purge removed does not expire. */
static void a_purge_makes_claims_void(void **state)
{
    enum { KS = 5 };
    struct sweep_line told = {{1100, LAYOUT_DATA, KS, slice_str("k")}, 1100};
    struct command c = {.slot = slot_of(told.of.user_key), .keyspace = KS,
                        .operation = rig_op(OP_SET, "k", "v",
                                            OPERATION_DEADLINE)};
    struct buf purge = {0};
    struct change change;
    uint64_t as_of;

    (void)state;
    sweep(1000);
    c.operation.expire = 1100;
    entry_writer_add(&r.entry, &c);
    rig_close(&r, 1000);
    rig_apply(&r);
    as_of = r.index;
    keyspace_purge_encode(KS, &purge);
    rig_do(&r, 1000, (struct operation){.op = OP_PURGE,
                                        .value = buf_slice(&purge)});
    assert_int_equal(rig_lines(&r), 1); /* that stays behind */
    sweep_add(&value, &told);
    assert_int_equal(sweep_as_of(as_of, 1100), 0);
    assert_int_equal(rig_changes(&r, &change), 0);
    assert_int_equal(rig_lines(&r), 0);
    buf_release(&purge);
}

/* Broken: a replica that reads would cut off another command's value, and
 * differ from those that believe. */
static void reading_for_a_sweep_cuts_nothing_off(void **state)
{
    struct operation o = rig_op(OP_APPEND, "b", "x", 0);

    (void)state;
    set("a", 100, 1000);
    set("b", 0, 1000);
    line(1100, LAYOUT_DATA, "a");
    rig_add(&r, &(struct operation){.op = OP_SWEEP,
                                    .value = buf_slice(&value)});
    rig_add(&r, &o);
    rig_close(&r, 1100);
    rig_apply_within(&r, 20); /* what the append looks at, and no more */
    assert_int_equal(r.results[0].argument, 1);
    assert_int_equal(r.results[1].status, STATUS_OK);
    assert_true(rig_holds(&r, "b", "vx"));
}

static void what_cannot_be_read_stops_the_replica(void **state)
{
    struct operation o;

    (void)state;
    line(1, 'z', "k");
    o = sweep_op(0);
    rig_add(&r, &o);
    rig_close(&r, 10);
    machine_step_begin(&r.step, &r.m, 10);
    assert_int_equal(machine_needs(&r.m, &r.step, 2, buf_slice(&r.entries[0])),
                     STATUS_WRONG_VERSION);
    r.n = 0;
    o.value.size--;
    rig_add(&r, &o);
    rig_close(&r, 10);
    machine_step_begin(&r.step, &r.m, 10);
    assert_int_equal(machine_needs(&r.m, &r.step, 2, buf_slice(&r.entries[0])),
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
        CASE(what_is_claimed_is_not_read),
        CASE(claims_do_what_reading_does),
        CASE(a_claim_is_not_believed_about_what_was_written_since),
        CASE(entries_of_the_same_step_count_as_written),
        CASE(an_entry_may_write_before_it_makes_the_table),
        CASE(looking_counts_as_writing),
        CASE(entries_may_be_named_again),
        CASE(one_line_twice_goes_once),
        CASE(who_has_not_seen_all_since_reads),
        CASE(a_claim_from_the_future_is_not_believed),
        CASE(a_counted_keyspace_is_read),
        CASE(a_keyspace_that_becomes_a_counted_one_is_read),
        CASE(a_purge_makes_claims_void),
        CASE(reading_for_a_sweep_cuts_nothing_off),
        CASE(what_cannot_be_read_stops_the_replica),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
