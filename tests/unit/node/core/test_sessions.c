/* test_sessions.c - first results come back; nothing runs twice. */
#include "tests/unit/node/core/core_test.h"

#include <stdio.h>

#include "node/core/sessions.h"
#include "node/store/layout.h"
#include "proto/base/rng.h"
#include "tests/sim/mem_store.h"

enum { MINUTE = 60000 };

/* A table and the store that its records went to. */
struct bench {
    struct sessions s;
    struct mem_table store;
    struct write_set set;
    uint64_t index, clock;
};

static void bench_init(struct bench *b)
{
    *b = (struct bench){.clock = 1000000, .index = 1};
    sessions_init(&b->s, 7);
}

static void bench_release(struct bench *b)
{
    sessions_release(&b->s);
    mem_table_release(&b->store);
    write_set_release(&b->set);
}

static struct session by(unsigned client, uint64_t sequence)
{
    struct session q = {.sequence = sequence};

    memset(q.client, 'a', sizeof q.client);
    put_u32(q.client, client);
    return q;
}

static enum status look(struct bench *b, const struct session *q,
                        struct slice *reply)
{
    return sessions_look(&b->s, q, b->clock, reply);
}

static void remember_as(struct bench *b, const struct session *q,
                        enum status status, struct slice value)
{
    const struct operation_reply m = {.status = status, .has_value = true,
                                      .value = value};

    operation_reply_encode(&m, sessions_remember(&b->s, q));
    sessions_remembered(&b->s, q);
}

static void remember(struct bench *b, const struct session *q,
                     struct slice value)
{
    remember_as(b, q, STATUS_OK, value);
}

/* The value of what was remembered. */
static struct slice value_in(struct slice reply)
{
    struct operation_reply m;

    assert_int_equal(operation_reply_decode(reply, &m), STATUS_OK);
    return m.value;
}

static void entry_end(struct bench *b)
{
    write_set_clear(&b->set);
    sessions_entry_end(&b->s, b->index++, b->clock, &b->set);
    mem_table_apply(&b->store, &b->set);
}

/* Forget the table and load it from the store. */
static void restart(struct bench *b)
{
    sessions_clear(&b->s);
    for (unsigned i = 0; i < b->store.n; i++)
        assert_int_equal(sessions_load(&b->s, mem_row_key(&b->store.v[i]),
                                       mem_row_value(&b->store.v[i])),
                         STATUS_OK);
}

/* One entry with one command; gives what sessions_look said. */
static enum status run(struct bench *b, struct session q, const char *reply)
{
    struct slice first;
    enum status st;

    if (!q.not_after)
        q.not_after = b->clock + MINUTE;
    st = look(b, &q, &first);
    if (st == STATUS_OK)
        remember(b, &q, slice_str(reply));
    else if (st == STATUS_EXISTS)
        assert_slice(value_in(first), reply);
    entry_end(b);
    return st;
}

static void a_retry_returns_the_first_reply(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    assert_int_equal(run(&b, by(1, 1), "one"), STATUS_OK);
    assert_int_equal(run(&b, by(1, 2), "two"), STATUS_OK);
    assert_int_equal(run(&b, by(2, 1), "other"), STATUS_OK);
    assert_int_equal(run(&b, by(1, 1), "one"), STATUS_EXISTS);
    restart(&b); /* a restart, or a snapshot */
    assert_int_equal(run(&b, by(1, 1), "one"), STATUS_EXISTS);
    assert_int_equal(run(&b, by(1, 2), "two"), STATUS_EXISTS);
    assert_int_equal(run(&b, by(2, 1), "other"), STATUS_EXISTS);
    bench_release(&b);
}

/* Sent again while the first is in flight: both may be in one entry. */
static void a_retry_in_the_same_entry_returns_the_first_reply(void **state)
{
    struct bench b;
    struct session q = by(1, 5);
    struct slice reply;

    (void)state;
    bench_init(&b);
    q.not_after = b.clock + 10;
    assert_int_equal(look(&b, &q, &reply), STATUS_OK);
    remember(&b, &q, slice_str(""));
    assert_int_equal(look(&b, &q, &reply), STATUS_EXISTS);
    assert_int_equal(value_in(reply).size, 0);
    entry_end(&b);
    assert_int_equal(b.set.count, 1);
    bench_release(&b);
}

static void a_late_request_is_expired_and_a_far_one_invalid(void **state)
{
    struct bench b;
    struct session q = by(1, 1);

    (void)state;
    bench_init(&b);
    q.not_after = b.clock - 1;
    assert_int_equal(run(&b, q, ""), STATUS_EXPIRED);
    q.not_after = b.clock + SESSION_AHEAD_MAX_MS + 1;
    assert_int_equal(run(&b, q, ""), STATUS_INVALID);
    q.not_after = b.clock + SESSION_AHEAD_MAX_MS;
    assert_int_equal(run(&b, q, ""), STATUS_OK);
    q.not_after = b.clock;
    q.sequence = 2;
    assert_int_equal(run(&b, q, ""), STATUS_OK);
    bench_release(&b);
}

/* What was acknowledged may have been forgotten: it must not run again. */
static void what_was_acknowledged_is_stale(void **state)
{
    struct bench b;
    struct session q;

    (void)state;
    bench_init(&b);
    for (uint64_t i = 1; i <= 4; i++)
        assert_int_equal(run(&b, by(1, i), "x"), STATUS_OK);
    q = by(1, 5);
    q.acknowledged = 4;
    assert_int_equal(run(&b, q, "five"), STATUS_OK);
    assert_int_equal(b.set.count, 3); /* its record, two old ones go */
    restart(&b);
    assert_int_equal(run(&b, by(1, 2), ""), STATUS_STALE_REQUEST);
    assert_int_equal(run(&b, by(1, 4), "x"), STATUS_EXISTS);
    assert_int_equal(run(&b, q, "five"), STATUS_EXISTS);
    bench_release(&b);
}

/* The store must not keep more than what is in use. */
static void a_client_that_acknowledges_keeps_few_records(void **state)
{
    struct bench b;
    size_t bytes;

    (void)state;
    bench_init(&b);
    for (uint64_t i = 1; i <= 1000; i++) {
        struct session q = by(1, i);
        q.acknowledged = i > 10 ? i - 10 : 0;
        assert_int_equal(run(&b, q, "reply"), STATUS_OK);
        assert_in_range(b.set.count, 1, 3);
        if (i == 100)
            bytes = b.s.bytes;
    }
    assert_int_equal(b.s.bytes, bytes);
    assert_in_range(b.store.n, 10, 12);
    bench_release(&b);
}

/* The newest record stays, so that old requests stay refused, until none can
 * come any more. */
static void a_silent_client_is_forgotten_when_its_time_is_over(void **state)
{
    struct bench b;
    struct session q = by(1, 9), early = by(1, 3);

    (void)state;
    bench_init(&b);
    early.not_after = b.clock + 4 * MINUTE;
    assert_int_equal(run(&b, early, "early"), STATUS_OK);
    q.acknowledged = 9;
    assert_int_equal(run(&b, q, "last"), STATUS_OK);
    b.clock += 2 * MINUTE; /* the last one's time is over */
    assert_int_equal(run(&b, by(2, 1), "2"), STATUS_OK);
    restart(&b);
    assert_int_equal(run(&b, early, ""), STATUS_STALE_REQUEST);
    b.clock = early.not_after + 1;
    assert_int_equal(run(&b, by(3, 1), "3"), STATUS_OK);
    assert_int_equal(run(&b, early, ""), STATUS_EXPIRED);
    assert_int_equal(b.s.n_clients, 1);
    assert_int_equal(b.store.n, 1);
    bench_release(&b);
}

/* Broken: sent again in the last millisecond in which it may be executed, a
 * write would run twice. */
static void a_first_result_stays_to_the_last_moment(void **state)
{
    struct bench b;
    struct session q = by(1, 1), short_lived = by(2, 1);

    (void)state;
    bench_init(&b);
    q.not_after = b.clock + MINUTE;
    short_lived.not_after = b.clock + 2;
    assert_int_equal(run(&b, q, "first"), STATUS_OK);
    assert_int_equal(run(&b, short_lived, "short"), STATUS_OK);
    b.clock = short_lived.not_after; /* neither by its client's next entry */
    assert_int_equal(run(&b, by(2, 2), "next"), STATUS_OK);
    assert_int_equal(run(&b, short_lived, "short"), STATUS_EXISTS);
    b.clock = q.not_after; /* ... nor as the client was silent for so long */
    assert_int_equal(run(&b, by(3, 1), "another client's"), STATUS_OK);
    assert_int_equal(run(&b, q, "first"), STATUS_EXISTS);
    bench_release(&b);
}

static void a_full_table_refuses_and_forgets_nothing(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b);
    b.s.clients_max = 10;
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(run(&b, by(i, 1), "x"), STATUS_OK);
    assert_int_equal(run(&b, by(10, 1), ""), STATUS_BUSY);
    assert_int_equal(run(&b, by(3, 2), "y"), STATUS_OK);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(run(&b, by(i, 1), "x"), STATUS_EXISTS);
    b.clock += MINUTE + 1;
    assert_int_equal(run(&b, by(10, 1), ""), STATUS_BUSY);
    assert_int_equal(run(&b, by(10, 1), "z"), STATUS_OK);
    bench_release(&b);
}

/* A client that fills its share can go on as soon as it acknowledges: also the
 * request that is refused says what has arrived. */
static void a_client_over_its_share_recovers_by_acknowledging(void **state)
{
    struct bench b;
    static char big[1000];
    struct session q;
    uint64_t i = 0;
    enum status st;

    (void)state;
    bench_init(&b);
    memset(big, 'v', sizeof big - 1);
    b.s.client_bytes_max = 20000;
    while ((st = run(&b, by(1, ++i), big)) == STATUS_OK)
        ;
    assert_int_equal(st, STATUS_BUSY);
    assert_in_range(i, 16, 20);
    assert_int_equal(run(&b, by(2, 1), big), STATUS_OK);
    q = by(1, i);
    q.acknowledged = i;
    assert_int_equal(run(&b, q, "in"), STATUS_BUSY);
    restart(&b);
    assert_int_equal(run(&b, q, "in"), STATUS_OK);
    assert_int_equal(run(&b, by(1, 1), ""), STATUS_STALE_REQUEST);
    bench_release(&b);
}

/* Records stay below what a store takes. */
static void many_large_replies_of_one_entry_are_split(void **state)
{
    struct bench b;
    struct buf big = {0};
    struct slice reply;

    (void)state;
    bench_init(&b);
    memset(buf_grow(&big, 300000), 'x', 300000);
    for (uint64_t i = 1; i <= 12; i++) {
        struct session q = by(1, i);
        q.not_after = b.clock + MINUTE;
        assert_int_equal(look(&b, &q, &reply), STATUS_OK);
        remember(&b, &q, buf_slice(&big));
    }
    entry_end(&b);
    assert_int_equal(b.set.count, 3);
    restart(&b);
    for (uint64_t i = 1; i <= 12; i++) {
        struct session q = by(1, i);
        q.not_after = b.clock + MINUTE;
        assert_int_equal(look(&b, &q, &reply), STATUS_EXISTS);
        assert_int_equal(value_in(reply).size, 300000);
    }
    buf_release(&big);
    bench_release(&b);
}

static void damaged_records_are_refused(void **state)
{
    struct bench b;
    struct sessions s;
    size_t at = 0;
    struct write_record r;

    (void)state;
    bench_init(&b);
    assert_int_equal(run(&b, by(1, 1), "reply"), STATUS_OK);
    assert_true(write_set_next(&b.set, &at, &r));
    for (size_t n = 0; n < r.value.size; n++) {
        struct slice cut = exact_copy(r.value, n);
        sessions_init(&s, 1);
        assert_int_equal(sessions_load(&s, r.key, cut), STATUS_CORRUPT);
        sessions_release(&s);
        exact_free(cut);
    }
    for (size_t n = 0; n < r.key.size; n++) {
        struct slice cut = exact_copy(r.key, n);
        sessions_init(&s, 1);
        assert_int_equal(sessions_load(&s, cut, r.value), STATUS_CORRUPT);
        sessions_release(&s);
        exact_free(cut);
    }
    sessions_init(&s, 1);
    assert_int_equal(sessions_load(&s, r.key, r.value), STATUS_OK);
    assert_int_equal(sessions_load(&s, r.key, r.value), STATUS_CORRUPT);
    sessions_release(&s);
    ((uint8_t *)(uintptr_t)r.value.data)[0] = 9;
    sessions_init(&s, 1);
    assert_int_equal(sessions_load(&s, r.key, r.value),
                     STATUS_WRONG_VERSION);
    sessions_release(&s);
    bench_release(&b);
}

/* Load a copy of `good` with one byte changed (at the end: `at` < 0). */
static enum status load_with(const struct write_record *good, long at,
                             uint8_t byte)
{
    struct slice copy = exact_copy(good->value, good->value.size);
    size_t place = at < 0 ? copy.size - (size_t)-at : (size_t)at;
    struct sessions s;
    enum status st;

    sessions_init(&s, 1);
    ((uint8_t *)(uintptr_t)copy.data)[place] = byte;
    st = sessions_load(&s, good->key, copy);
    sessions_release(&s);
    exact_free(copy);
    return st;
}

/* Would break: a damaged row would be taken in, and the replica would end (or
 * answer otherwise than the others) when its client sends again. */
static void what_cannot_have_been_remembered_is_refused(void **state)
{
    enum { HEADER = 24, RESULT = 20, REPLY = HEADER + RESULT };
    struct bench b;
    size_t at = 0;
    struct write_record r;

    (void)state;
    bench_init(&b);
    assert_int_equal(run(&b, by(1, 1), "12"), STATUS_OK);
    assert_true(write_set_next(&b.set, &at, &r));
    assert_int_equal(load_with(&r, -1, '3'), STATUS_OK);
    /* Reserved bytes; a sequence of 0; later than the record's latest. */
    assert_int_equal(load_with(&r, 1, 1), STATUS_CORRUPT);
    assert_int_equal(load_with(&r, 5, 1), STATUS_CORRUPT);
    assert_int_equal(load_with(&r, HEADER, 0), STATUS_CORRUPT);
    assert_int_equal(load_with(&r, HEADER + 15, 1), STATUS_CORRUPT);
    /* A status that nobody knows, one that is tried again instead. */
    assert_int_equal(load_with(&r, REPLY + 1, 0x77), STATUS_CORRUPT);
    assert_int_equal(load_with(&r, REPLY, STATUS_NOT_LEADER), STATUS_CORRUPT);
    assert_int_equal(load_with(&r, REPLY, STATUS_NOT_MET), STATUS_OK);
    /* Flags; a size that is not its value's. */
    assert_int_equal(load_with(&r, REPLY + 2, 0x80), STATUS_CORRUPT);
    assert_int_equal(load_with(&r, REPLY + 4, 1), STATUS_CORRUPT);
    bench_release(&b);
}

/* ---- two replicas, one of which is restored now and again ---- */

struct sent {
    struct session q;
    bool executed;
};
enum { SENT_MAX = 4000, CLIENTS = 12 };

struct storm {
    struct bench a, b; /* b starts again from its store at random */
    struct sent sent[SENT_MAX];
    unsigned n;
    struct rng rng;
    uint64_t sequence[CLIENTS], acknowledged[CLIENTS];
};

static unsigned dice(struct storm *t, unsigned n)
{
    return (unsigned)(rng_next(&t->rng) % n);
}

static void storm_command(struct storm *t)
{
    struct sent *x;
    struct slice first[2] = {{0}};
    enum status st[2];
    char text[64];

    if (t->n && (t->n == SENT_MAX || dice(t, 3) == 0)) {
        x = &t->sent[dice(t, t->n)];
        if (dice(t, 2)) /* mostly something young */
            x = &t->sent[t->n - 1 - dice(t, MIN_OF(t->n, 30u))];
    } else {
        unsigned c = dice(t, CLIENTS);
        x = &t->sent[t->n++];
        *x = (struct sent){by(c, ++t->sequence[c]), false};
        if (dice(t, 4) == 0)
            t->acknowledged[c] +=
                dice(t, (unsigned)(t->sequence[c] - t->acknowledged[c]));
        x->q.acknowledged = t->acknowledged[c];
        x->q.not_after = t->a.clock + dice(t, 3000);
    }
    snprintf(text, sizeof text, "reply to %u:%lu", get_u32(x->q.client),
             (unsigned long)x->q.sequence);
    st[0] = look(&t->a, &x->q, &first[0]);
    st[1] = look(&t->b, &x->q, &first[1]);
    assert_int_equal(st[0], st[1]);
    if (st[0] == STATUS_OK) {
        assert_false(x->executed); /* at most once */
        x->executed = true;
        remember(&t->a, &x->q, slice_str(text));
        remember(&t->b, &x->q, slice_str(text));
    } else if (st[0] == STATUS_EXISTS) {
        assert_true(x->executed);
        assert_slice(value_in(first[0]), text);
        assert_slice(value_in(first[1]), text);
    }
}

static void replicas_agree_and_nothing_runs_twice(void **state)
{
    static struct storm t;

    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        t = (struct storm){0};
        rng_init(&t.rng, seed);
        bench_init(&t.a);
        bench_init(&t.b);
        t.a.s.clients_max = t.b.s.clients_max = 9;
        t.a.s.bytes_max = t.b.s.bytes_max = 20000;
        t.a.s.client_bytes_max = t.b.s.client_bytes_max = 6000;
        t.b.s.seed = seed * 77;
        for (unsigned entry = 0; entry < 1500; entry++) {
            unsigned n = dice(&t, 8);
            t.a.clock = t.b.clock += dice(&t, 30);
            for (unsigned i = 0; i < n; i++)
                storm_command(&t);
            entry_end(&t.a);
            entry_end(&t.b);
            assert_int_equal(t.a.set.records.size, t.b.set.records.size);
            if (t.a.set.records.size)
                assert_memory_equal(t.a.set.records.data,
                                    t.b.set.records.data,
                                    t.a.set.records.size);
            assert_int_equal(t.a.s.bytes, t.b.s.bytes);
            assert_int_equal(t.a.s.n_clients, t.b.s.n_clients);
            if (dice(&t, 40) == 0)
                restart(&t.b);
        }
        bench_release(&t.a);
        bench_release(&t.b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_retry_returns_the_first_reply),
        cmocka_unit_test(a_retry_in_the_same_entry_returns_the_first_reply),
        cmocka_unit_test(a_late_request_is_expired_and_a_far_one_invalid),
        cmocka_unit_test(what_was_acknowledged_is_stale),
        cmocka_unit_test(a_client_that_acknowledges_keeps_few_records),
        cmocka_unit_test(a_silent_client_is_forgotten_when_its_time_is_over),
        cmocka_unit_test(a_first_result_stays_to_the_last_moment),
        cmocka_unit_test(a_full_table_refuses_and_forgets_nothing),
        cmocka_unit_test(a_client_over_its_share_recovers_by_acknowledging),
        cmocka_unit_test(many_large_replies_of_one_entry_are_split),
        cmocka_unit_test(damaged_records_are_refused),
        cmocka_unit_test(what_cannot_have_been_remembered_is_refused),
        cmocka_unit_test(replicas_agree_and_nothing_runs_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
