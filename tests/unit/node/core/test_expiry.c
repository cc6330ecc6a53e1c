/* test_expiry.c - the sweep's bytes; the bound is a bound; all gets swept. */
#include "tests/unit/node/core/core_test.h"

#include <stdio.h>

#include "node/core/expiry.h"
#include "proto/base/rng.h"
#include "tests/sim/mem_store.h"

static struct layout_deadline line(uint64_t deadline, const char *key)
{
    return (struct layout_deadline){deadline, LAYOUT_DATA, 3, slice_str(key)};
}

/* A line of each kind, and of each claim. */
static void sample_sweep(struct buf *b)
{
    const struct sweep_line lines[] = {
        {line(77, "first"), SWEEP_UNKNOWN},
        {{78, LAYOUT_FENCE, 3, slice_str("k")}, SWEEP_UNKNOWN},
        {line(79, "true"), 79},
        {line(80, "none"), 0},
        {line(81, "other"), 99},
    };

    sweep_begin(b);
    for (unsigned i = 0; i < ARRAY_LEN(lines); i++)
        sweep_add(b, &lines[i]);
}

static void a_sweep_reads_back_as_written(void **state)
{
    static const struct {
        uint64_t held;
        const char *key;
    } expected[] = {{SWEEP_UNKNOWN, "first"}, {SWEEP_UNKNOWN, "k"},
                    {79, "true"}, {0, "none"}, {99, "other"}};
    struct buf b = {0};
    struct sweep_line got;
    struct sweep_reader r;

    (void)state;
    sample_sweep(&b);
    r = sweep_reader_of(buf_slice(&b));
    for (unsigned i = 0; i < ARRAY_LEN(expected); i++) {
        assert_true(sweep_next(&r, &got));
        assert_int_equal(got.of.deadline, 77 + i);
        assert_int_equal(got.of.kind, i == 1 ? LAYOUT_FENCE : LAYOUT_DATA);
        assert_int_equal(got.of.keyspace, 3);
        assert_slice(got.of.user_key, expected[i].key);
        assert_true(got.held == expected[i].held);
    }
    assert_false(sweep_next(&r, &got));
    assert_int_equal(r.status, STATUS_OK);
    buf_release(&b);
}

static enum status read_all(struct slice sweep)
{
    struct sweep_reader r = sweep_reader_of(sweep);
    struct sweep_line got;

    while (sweep_next(&r, &got))
        ;
    return r.status;
}

static void a_damaged_sweep_is_told(void **state)
{
    struct buf b = {0};

    (void)state;
    sample_sweep(&b);
    for (size_t n = 0; n < b.size; n++) {
        struct slice cut = exact_copy(buf_slice(&b), n);
        assert_int_equal(read_all(cut), STATUS_CORRUPT);
        exact_free(cut);
    }
    assert_int_equal(read_all(buf_slice(&b)), STATUS_OK);
    buf_u8(&b, 0); /* too long */
    assert_int_equal(read_all(buf_slice(&b)), STATUS_CORRUPT);
    buf_release(&b);
}

/* The same has one way to be said, what is not known none. */
static void a_claim_is_said_in_one_way(void **state)
{
    enum { KIND_AT = 12, HELD_FROM_END = 8 };
    static const uint64_t wrong[] = {81, 0, SWEEP_UNKNOWN};
    struct sweep_line other = {line(81, "other"), 99};
    struct buf b = {0};

    (void)state;
    sweep_begin(&b);
    sweep_add(&b, &other);
    for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
        put_u64(b.data + b.size - HELD_FROM_END, wrong[i]);
        assert_int_equal(read_all(buf_slice(&b)), STATUS_CORRUPT);
    }
    other = (struct sweep_line){line(0, "k"), 0};
    sweep_begin(&b);
    sweep_add(&b, &other);
    b.data[KIND_AT] = 'D';
    assert_int_equal(read_all(buf_slice(&b)), STATUS_CORRUPT);
    b.data[KIND_AT] = 'E'; /* of a program to come */
    assert_int_equal(read_all(buf_slice(&b)), STATUS_WRONG_VERSION);
    buf_release(&b);
}

/* Before the first look nothing is known: anything may be due. */
static void unknown_means_that_anything_may_be_due(void **state)
{
    struct expiry x;

    (void)state;
    expiry_init(&x);
    assert_int_equal(x.next_due, 0);
    expiry_look(&x, false, UINT64_MAX, 1);
    expiry_looked(&x, 0, slice_of("", 0));
    assert_int_equal(x.next_due, UINT64_MAX);
    expiry_add(&x, 500);
    assert_int_equal(x.next_due, 500);
    expiry_add(&x, 600);
    assert_int_equal(x.next_due, 500);
    expiry_forget(&x);
    assert_int_equal(x.next_due, 0);
    expiry_release(&x);
}

/* ---- a replica with its store, and a leader that may lose its sweeps ---- */

enum { KEYS = 40, QUEUE = 8 };

struct world {
    struct expiry x;
    struct mem_table store;
    struct rng rng;
    uint64_t clock;
    /* executed, not in the store yet */
    struct write_set pending;
    uint64_t pending_min;
    /* the look that is out, with what it found */
    bool sweeping;
    struct buf found[QUEUE + 1];
    unsigned n_found;
    struct buf next;
    /* sweeps on their way, in order */
    struct buf sweeps[SWEEPS_IN_FLIGHT_MAX];
    unsigned n_sweeps;
    uint64_t swept;
};

static unsigned dice(struct world *w, unsigned n)
{
    return (unsigned)(rng_next(&w->rng) % n);
}

/* The lowest deadline of what the index has or is about to have. */
static uint64_t lowest(const struct world *w)
{
    uint64_t min = w->pending_min;

    if (w->store.n)
        min = MIN_OF(min, get_be64(mem_row_key(&w->store.v[0]).data + 1));
    return min;
}

static void settle(struct world *w)
{
    mem_table_apply(&w->store, &w->pending);
    write_set_clear(&w->pending);
    w->pending_min = UINT64_MAX;
}

static void write_some(struct world *w)
{
    struct buf key = {0};
    char name[16];
    struct layout_deadline d;

    snprintf(name, sizeof name, "k%u", dice(w, KEYS));
    /* Mostly ahead; a leader's look runs a little ahead of the clock, too. */
    d = line(w->clock + dice(w, dice(w, 3) ? 20 : 300), name);
    layout_deadline_key_append(&key, &d);
    write_set_put(&w->pending, buf_slice(&key), slice_of("", 0));
    w->pending_min = MIN_OF(w->pending_min, d.deadline);
    expiry_add(&w->x, d.deadline);
    buf_release(&key);
}

static void look(struct world *w, bool sweeping)
{
    struct slice from = expiry_from(&w->x, sweeping);
    unsigned max = sweeping ? 1 + dice(w, QUEUE) : 0;

    w->n_found = 0;
    buf_clear(&w->next);
    for (unsigned i = 0; i < w->store.n; i++) {
        struct slice key = mem_row_key(&w->store.v[i]);
        if (slice_compare(key, from) < 0)
            continue;
        if (w->n_found < max && get_be64(key.data + 1) <= w->clock) {
            struct buf *b = &w->found[w->n_found++];
            buf_clear(b);
            buf_append(b, key.data, key.size);
            continue;
        }
        buf_append(&w->next, key.data, key.size);
        break;
    }
    w->sweeping = sweeping;
    expiry_look(&w->x, sweeping, w->pending_min, 1);
}

static void looked(struct world *w)
{
    struct buf *sweep = &w->sweeps[w->n_sweeps];

    expiry_looked(&w->x, w->n_found, buf_slice(&w->next));
    if (!w->n_found)
        return;
    buf_clear(sweep);
    for (unsigned i = 0; i < w->n_found; i++) {
        buf_u32(sweep, (uint32_t)w->found[i].size);
        buf_append(sweep, w->found[i].data, w->found[i].size);
    }
    w->n_sweeps++;
    expiry_proposed(&w->x, buf_slice(&w->found[w->n_found - 1]));
}

static void decide(struct world *w, bool ok)
{
    struct buf first = w->sweeps[0];

    settle(w);
    if (ok) {
        struct reader r = reader_of(buf_slice(&first));
        while (reader_left(&r)) {
            struct slice key = reader_bytes(&r, reader_u32(&r));
            write_set_delete(&w->pending, key);
            w->swept++;
        }
        settle(w);
    }
    memmove(w->sweeps, w->sweeps + 1, sizeof w->sweeps - sizeof first);
    w->sweeps[SWEEPS_IN_FLIGHT_MAX - 1] = first;
    w->n_sweeps--;
    expiry_swept(&w->x, ok);
}

static void step(struct world *w, bool quiet)
{
    switch (dice(w, 10)) {
    case 0:
    case 1:
        if (!quiet)
            write_some(w);
        break;
    case 2:
        settle(w);
        break;
    case 3:
        w->clock += dice(w, 10);
        break;
    case 4:
    case 5:
    case 6:
        if (w->x.looking)
            looked(w);
        else if (w->n_sweeps < SWEEPS_IN_FLIGHT_MAX)
            look(w, dice(w, 4) != 0);
        break;
    case 7:
        if (!quiet && dice(w, 10) == 0)
            expiry_deposed(&w->x);
        break;
    default:
        if (w->n_sweeps)
            decide(w, quiet || dice(w, 6) != 0);
        break;
    }
    assert_true(w->x.next_due <= lowest(w));
}

static void the_bound_is_a_bound_and_all_is_swept(void **state)
{
    static struct world w;

    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        w = (struct world){.clock = 1000, .pending_min = UINT64_MAX};
        rng_init(&w.rng, seed);
        expiry_init(&w.x);
        for (unsigned i = 0; i < 2000; i++)
            step(&w, false);
        w.clock += 1000; /* everything is due */
        for (unsigned i = 0; i < 2000; i++)
            step(&w, true);
        settle(&w);
        assert_int_equal(w.store.n, 0);
        assert_int_equal(w.x.next_due, UINT64_MAX);
        assert_true(w.swept > 100);
        expiry_release(&w.x);
        mem_table_release(&w.store);
        write_set_release(&w.pending);
        for (unsigned i = 0; i <= QUEUE; i++)
            buf_release(&w.found[i]);
        for (unsigned i = 0; i < SWEEPS_IN_FLIGHT_MAX; i++)
            buf_release(&w.sweeps[i]);
        buf_release(&w.next);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sweep_reads_back_as_written),
        cmocka_unit_test(a_damaged_sweep_is_told),
        cmocka_unit_test(a_claim_is_said_in_one_way),
        cmocka_unit_test(unknown_means_that_anything_may_be_due),
        cmocka_unit_test(the_bound_is_a_bound_and_all_is_swept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
