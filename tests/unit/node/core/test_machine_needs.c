/* test_machine_needs.c - what is looked at is all that matters.
 *
 * Replicas cut the log into steps as it comes, cannot agree on what may be due,
 * believe what sweeps claim or read it, and fetch no byte more than they have
 * to: still they have to be equal. */
#include "tests/unit/node/core/machine_rig.h"

#include <stdio.h>

#include "proto/base/rng.h"

enum { KEYS = 6 };

static struct rng rng;
static char names[KEYS][8];
static char text[3000];

static struct slice random_text(size_t max)
{
    size_t at = (size_t)rng_below(&rng, 100);

    return slice_of(text + at, (size_t)rng_below(&rng, max));
}

static struct operation random_operation(bool inside)
{
    static const enum op ops[] = {OP_SET, OP_SET, OP_SET, OP_DELETE, OP_INCR,
                                  OP_INCR_FLOAT, OP_APPEND, OP_SET_RANGE,
                                  OP_EXPIRE, OP_EXPIRE, OP_GET};
    static const uint32_t flags[] = {
        OPERATION_IF_ABSENT, OPERATION_IF_PRESENT, OPERATION_IF_VALUE,
        OPERATION_IF_FENCE,  OPERATION_PREVIOUS,   OPERATION_KEEP_TTL,
        OPERATION_TTL,       OPERATION_DEADLINE,   OPERATION_PERSIST,
        OPERATION_EXPIRE_XX, OPERATION_META};
    double delta = 0.5;

    for (;;) {
        struct operation o = {
            .op = ops[rng_below(&rng, ARRAY_LEN(ops) - (inside ? 0 : 1))],
            .key = slice_str(names[rng_below(&rng, KEYS)]),
            .expire = rng_below(&rng, 40),
            .fence = 1 + rng_below(&rng, 5),
        };
        for (unsigned i = (unsigned)rng_below(&rng, 3); i; i--)
            o.flags |= flags[rng_below(&rng, ARRAY_LEN(flags))];
        if (o.flags & OPERATION_DEADLINE)
            o.expire = rng_below(&rng, 3000);
        if (o.flags & OPERATION_IF_VALUE)
            o.if_value = rng_below(&rng, 2) ? slice_str("1") : random_text(9);
        if (o.op == OP_SET && rng_below(&rng, 2))
            o.value = slice_str("1");
        else if (o.op == OP_SET || o.op == OP_APPEND || o.op == OP_SET_RANGE)
            o.value = random_text(rng_below(&rng, 9) ? 40 : 2900);
        if (o.op == OP_INCR)
            o.argument = rng_below(&rng, 9);
        if (o.op == OP_SET_RANGE)
            o.argument = rng_below(&rng, 60);
        if (o.op == OP_INCR_FLOAT)
            memcpy(&o.argument, &delta, sizeof delta);
        if (operation_check(&o, NULL) == STATUS_OK &&
            !(inside && o.flags & OPERATION_IF_FENCE))
            return o;
    }
}

static void random_transaction(struct buf *b)
{
    unsigned compares = (unsigned)rng_below(&rng, 3);
    unsigned n_then = 1 + (unsigned)rng_below(&rng, 4);
    unsigned n_else = (unsigned)rng_below(&rng, 3);

    buf_clear(b);
    transaction_begin(b, compares, n_then, n_else);
    for (unsigned i = 0; i < compares; i++) {
        struct compare c = {
            .what = (enum operation_compare)(1 + rng_below(&rng, 2)),
            .relation = (enum operation_relation)(1 + rng_below(&rng, 4)),
            .key = slice_str(names[rng_below(&rng, KEYS)]),
            .value = random_text(5),
        };
        transaction_compare_encode(b, &c);
    }
    for (unsigned i = 0; i < n_then + n_else; i++) {
        struct operation o = random_operation(true);
        operation_encode(&o, b);
    }
}

/* What an entry did, as bytes: results with their values, changes. */
static void note(struct rig *r, unsigned n, bool entries, struct buf *out)
{
    unsigned changes;
    const struct change *c = machine_changes(&r->step, &changes);

    for (unsigned i = 0; i < n; i++) {
        const struct result *x = &r->results[i];
        struct slice value = rig_value(r, i);
        buf_u64(out, x->status);
        buf_u64(out, x->version);
        buf_u64(out, x->expire_at);
        buf_u64(out, x->clock);
        buf_u64(out, x->argument);
        buf_u8(out, x->value.where != PIECE_NONE);
        buf_append(out, value.data, value.size);
    }
    for (unsigned i = 0; entries && i < changes; i++) {
        buf_u8(out, (uint8_t)c[i].kind);
        buf_u8(out, (uint8_t)c[i].flags);
        buf_u64(out, c[i].version);
        buf_append(out, c[i].key.data, c[i].key.size);
        buf_append(out, c[i].value.data, c[i].value.size);
        buf_append(out, c[i].previous.data, c[i].previous.size);
    }
}

/* ---- sweeps, with what some replica found there before ---- */

enum { SEEN = 8 };

/* Until when each key was kept, at some indexes of the log. */
struct seen {
    uint64_t index[SEEN];
    uint64_t held[SEEN][KEYS];
    unsigned n;
};

static void see(struct seen *x, const struct rig *r)
{
    unsigned at = x->n++ % SEEN;
    struct layout_value v;

    x->index[at] = r->index;
    for (unsigned k = 0; k < KEYS; k++)
        x->held[at][k] =
            rig_record(r, names[k], &v) ? v.expire_at_ms : 0;
}

/* Below `max`, mostly small. */
static unsigned few(unsigned max)
{
    return (unsigned)rng_below(&rng, 1 + rng_below(&rng, max));
}

/* Half the time one of the last two: what was written in the entry that made
 * the table matters to claims as of just before it. */
static unsigned any_look(const struct seen *x)
{
    unsigned back = (unsigned)rng_below(&rng, rng_below(&rng, 2) ? 2 : SEEN);

    return (x->n - 1 - MIN_OF(back, x->n - 1)) % SEEN;
}

/* Claims of one look, as of its index or of any before it. */
static struct operation random_sweep(const struct seen *x, uint64_t clock,
                                     struct buf *b)
{
    unsigned look = any_look(x), earlier = any_look(x);

    sweep_begin(b);
    for (unsigned i = few(2 * KEYS); i; i--) {
        unsigned k = (unsigned)rng_below(&rng, KEYS);
        uint64_t held = x->held[look][k];
        struct sweep_line l = {
            .of = {.deadline = held && rng_below(&rng, 3)
                                   ? held
                                   : 1 + clock - rng_below(&rng, clock),
                   .kind = LAYOUT_DATA,
                   .user_key = slice_str(names[k])},
            .held = rng_below(&rng, 4) ? held : SWEEP_UNKNOWN,
        };
        sweep_add(b, &l);
    }
    return (struct operation){.op = OP_SWEEP,
                              .argument = MIN_OF(x->index[look],
                                                 x->index[earlier]),
                              .value = buf_slice(b)};
}

/* Apply what waits in `r` entry by entry. Changes go to `changes`, the last
 * entry's results to `results`. */
static void one_by_one(struct rig *r, unsigned n, struct buf *changes,
                       struct buf *results)
{
    struct buf all[RIG_ENTRIES];
    unsigned entries = r->n;

    memcpy(all, r->entries, sizeof all);
    memset(r->entries, 0, sizeof r->entries);
    for (unsigned i = 0; i < entries; i++) {
        r->entries[0] = all[i];
        r->n = 1;
        rig_apply(r);
        note(r, 0, true, changes);
        memset(&r->entries[0], 0, sizeof r->entries[0]);
    }
    note(r, n, false, results);
    for (unsigned i = 0; i < RIG_ENTRIES; i++)
        buf_release(&all[i]);
}

static void storm(uint64_t seed)
{
    struct rig a, b;
    struct buf body[6][5] = {0}, ca = {0}, cb = {0}, ra = {0}, rb = {0};
    struct seen seen = {0};
    uint64_t clock = 1;

    rng_init(&rng, seed);
    rig_init(&a, 1);
    rig_init(&b, 2);
    b.m.expiry.next_due = 0; /* it knows nothing: looks at everything */
    written_begin(&b.m.written, 1, 2);
    b.m.written.from = UINT64_MAX; /* ... and believes nothing */
    for (unsigned round = 0; round < 60; round++) {
        unsigned entries = 1 + few(6), n = 0;
        see(&seen, &b);
        if (!rng_below(&rng, 3)) /* it starts again, or gets a snapshot */
            written_forget(&a.m.written);
        for (unsigned e = 0; e < entries; e++) {
            n = 1 + few(5);
            clock += rng_below(&rng, 30);
            for (unsigned i = 0; i < n; i++) {
                struct operation o = random_operation(false);
                if (!rng_below(&rng, 100)) { /* for some entries */
                    o = (struct operation){
                        .op = OP_REMEMBER,
                        .argument = 1 + rng_below(&rng, 300)};
                    rig_add(&a, &o);
                    rig_add(&b, &o);
                    continue;
                }
                if (!rng_below(&rng, 6)) {
                    o = random_sweep(&seen, clock, &body[e][i]);
                    rig_add(&a, &o);
                    rig_add(&b, &o);
                    continue;
                }
                if (!rng_below(&rng, 5)) {
                    random_transaction(&body[e][i]);
                    o = (struct operation){.op = OP_TRANSACT, .key = o.key,
                                           .value = buf_slice(&body[e][i])};
                }
                assert_int_equal(operation_check(&o, NULL), STATUS_OK);
                rig_add(&a, &o);
                rig_add(&b, &o);
            }
            rig_close(&a, clock);
            rig_close(&b, clock);
        }
        buf_clear(&ca);
        buf_clear(&cb);
        buf_clear(&ra);
        buf_clear(&rb);
        rig_apply(&a);
        note(&a, n, false, &ra);
        note(&a, 0, true, &ca);
        one_by_one(&b, n, &cb, &rb);
        assert_true(slice_equal(buf_slice(&ra), buf_slice(&rb)));
        assert_true(slice_equal(buf_slice(&ca), buf_slice(&cb)));
        assert_true(a.store.digest == b.store.digest);
        assert_true(a.clock == b.clock);
    }
    rig_release(&a);
    rig_release(&b);
    for (unsigned i = 0; i < ARRAY_LEN(body); i++)
        for (unsigned k = 0; k < ARRAY_LEN(body[i]); k++)
            buf_release(&body[i][k]);
    buf_release(&ca);
    buf_release(&cb);
    buf_release(&ra);
    buf_release(&rb);
}

/* Broken: two replicas of one log would differ, for ever. */
static void steps_and_hints_change_nothing(void **state)
{
    (void)state;
    for (unsigned i = 0; i < KEYS; i++)
        snprintf(names[i], sizeof names[i], "key %u", i);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i % 26);
    for (uint64_t seed = 1; seed <= 300; seed++)
        storm(seed);
}

/* Broken: a replica that looks in vain at what a plain set overwrites would cut
 * off another command's value, and differ from those that do not look. */
static void looking_in_vain_cuts_nothing_off(void **state)
{
    struct rig r;
    struct operation fill = {.op = OP_SET,
                             .value = slice_of(text, 100)};
    struct operation o[] = {
        rig_op(OP_SET, "key 0", "plain", 0),
        rig_op(OP_APPEND, "key 1", "v", 0),
        rig_op(OP_APPEND, "key 2", "v", 0),
        rig_op(OP_APPEND, "key 0", "v", 0),
    };

    (void)state;
    for (unsigned vain = 0; vain < 2; vain++) {
        for (unsigned n = 3; n <= ARRAY_LEN(o); n++) {
            rig_init(&r, 3);
            for (unsigned i = 0; i < 3; i++) {
                fill.key = o[i].key;
                rig_do(&r, 1, fill);
            }
            if (vain)
                r.m.expiry.next_due = 0;
            for (unsigned i = 0; i < n; i++)
                rig_add(&r, &o[i]);
            rig_close(&r, 1);
            rig_apply_within(&r, 130); /* room for one, and a little */
            for (unsigned i = 0; i < n; i++)
                assert_int_equal(r.results[i].status, STATUS_OK);
            assert_int_equal(r.step.view.n, vain || n > 3 ? 3 : 2);
            rig_release(&r);
        }
    }
}

/* Broken: every conditional write would drag its value through memory. */
static void only_what_matters_is_fetched(void **state)
{
    struct rig r;
    struct operation o[] = {
        rig_op(OP_SET, "0", "v", OPERATION_IF_VERSION),
        rig_op(OP_SET, "1", "v", OPERATION_IF_VALUE),
        rig_op(OP_SET, "2", "v", OPERATION_PREVIOUS),
        rig_op(OP_DELETE, "3", "", 0),
        rig_op(OP_INCR, "4", "", 0),
        rig_op(OP_APPEND, "5", "v", 0),
        rig_op(OP_EXPIRE, "6", "", OPERATION_PERSIST),
    };
    static const uint32_t want[] = {20, 30, VIEW_WHOLE, 20, 84, VIEW_WHOLE,
                                    VIEW_WHOLE};

    (void)state;
    rig_init(&r, 3);
    o[1].if_value = slice_str("ten bytes.");
    for (unsigned i = 0; i < ARRAY_LEN(o); i++)
        rig_add(&r, &o[i]);
    rig_close(&r, 1);
    rig_apply(&r);
    assert_int_equal(r.step.view.n, ARRAY_LEN(o));
    for (unsigned i = 0; i < ARRAY_LEN(o); i++) {
        assert_int_equal(view_wants(&r.step.view)[i], want[i]);
        assert_int_equal(view_keys(&r.step.view)[i].data[5], '0' + i);
    }
    rig_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_and_hints_change_nothing),
        cmocka_unit_test(looking_in_vain_cuts_nothing_off),
        cmocka_unit_test(only_what_matters_is_fetched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
