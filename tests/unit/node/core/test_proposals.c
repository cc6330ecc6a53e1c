/* test_proposals.c - from the open batch to the decided entry. */
#include "tests/unit/node/core/core_test.h"

#include "node/core/proposals.h"

enum { ANSWERS_MAX = 4096 };

struct answers {
    struct {
        uint64_t id;
        enum status status;
    } v[ANSWERS_MAX];
    unsigned n;
};

static void take_answer(void *arg, const struct waiter *w, struct result r)
{
    struct answers *a = arg;

    assert_true(a->n < ANSWERS_MAX);
    a->v[a->n].id = w->from.id;
    a->v[a->n++].status = r.status;
}

static uint64_t add(struct proposals *p, uint64_t id, uint64_t deadline)
{
    struct command c = {.slot = 1,
                        .operation = {.op = OP_SET, .key = slice_str("key"),
                                      .value = slice_str("value")}};
    struct waiter w = {{.conn = 1, .id = id}, OP_SET, {deadline}, false};

    return proposals_add(p, &c, &w);
}

/* One batch with one write, submitted. */
static uint64_t submit(struct proposals *p, uint64_t id, uint64_t index,
                       uint64_t term)
{
    uint64_t seq = add(p, id, 1000);

    proposals_submitted(p, index, term);
    return seq;
}

static void decide(struct proposals *p, uint64_t index, uint64_t term,
                   uint64_t id, struct answers *a)
{
    struct batch *b = proposals_match(p, index, term, take_answer, a);

    assert_non_null(b);
    assert_int_equal(b->waiters[0].from.id, id);
    proposals_decided(p, b);
}

/* Results would go to the wrong clients if commands and waiters parted. */
static void a_batch_keeps_commands_and_waiters_in_order(void **state)
{
    struct proposals p;
    struct entry_reader r;
    struct command c;
    struct blob *payload;
    struct batch *b;
    struct answers a = {0};

    (void)state;
    proposals_init(&p, ENTRY_BYTES_MAX);
    for (uint64_t i = 0; i < 40; i++) {
        char key[8] = {(char)('a' + i)};
        struct command one = {.slot = 7, .keyspace = 3,
                              .operation = {.op = OP_SET,
                                            .key = slice_str(key),
                                            .value = slice_str("v")}};
        struct waiter w = {{.conn = 1, .id = i}, OP_SET, {9}, false};
        assert_int_equal(proposals_add(&p, &one, &w), 1);
    }
    payload = proposals_payload(&p, 77);
    r = entry_reader_of(blob_slice(payload));
    assert_int_equal(r.clock_ms, 77);
    for (uint64_t i = 0; i < 40; i++) {
        assert_true(entry_next(&r, &c));
        assert_int_equal(c.operation.key.data[0], 'a' + i);
    }
    assert_false(entry_next(&r, &c));
    assert_int_equal(r.status, STATUS_OK);
    blob_unref(payload);
    proposals_submitted(&p, 5, 2);
    b = proposals_match(&p, 5, 2, take_answer, &a);
    assert_non_null(b);
    assert_int_equal(b->n, 40);
    for (uint64_t i = 0; i < 40; i++)
        assert_int_equal(b->waiters[i].from.id, i);
    proposals_decided(&p, b);
    assert_int_equal(p.waiting, 0);
    assert_int_equal(a.n, 0);
    proposals_release(&p);
}

/* An entry beyond the limits would be refused by the log. */
static void a_batch_is_bounded_in_bytes_and_commands(void **state)
{
    struct proposals p;

    (void)state;
    proposals_init(&p, ENTRY_BYTES_MAX);
    assert_true(proposals_fits(&p, VALUE_BYTES_MAX)); /* alone: any size */
    for (unsigned i = 0; i < ENTRY_COMMANDS_MAX; i++) {
        assert_true(proposals_fits(&p, COMMAND_HEADER_BYTES + 8));
        add(&p, i, 9);
    }
    assert_false(proposals_fits(&p, COMMAND_HEADER_BYTES + 8));
    proposals_submitted(&p, 1, 1);
    add(&p, 0, 9);
    assert_false(proposals_fits(&p, ENTRY_BYTES_MAX));
    assert_true(proposals_fits(&p, ENTRY_BYTES_MAX - proposals_open_bytes(&p)));
    proposals_release(&p);
}

/* A client told OK for an entry that another leader has replaced would have
 * lost its write. */
static void an_overwritten_entry_is_not_leader(void **state)
{
    struct proposals p;
    struct answers a = {0};

    (void)state;
    proposals_init(&p, ENTRY_BYTES_MAX);
    submit(&p, 10, 5, 2);
    submit(&p, 11, 6, 2);
    assert_null(proposals_match(&p, 5, 3, take_answer, &a));
    /* Behind an entry of term 3 nothing of term 2 can be committed: both. */
    assert_int_equal(a.n, 2);
    assert_int_equal(a.v[0].id, 10);
    assert_int_equal(a.v[1].id, 11);
    assert_int_equal(a.v[0].status, STATUS_NOT_LEADER);
    assert_int_equal(a.v[1].status, STATUS_NOT_LEADER);
    assert_int_equal(p.waiting, 0);
    proposals_release(&p);
}

/* Entries of others come before ours; nobody is answered early. */
static void entries_before_ours_decide_nothing(void **state)
{
    struct proposals p;
    struct answers a = {0};

    (void)state;
    proposals_init(&p, ENTRY_BYTES_MAX);
    submit(&p, 10, 5, 2);
    submit(&p, 11, 6, 2);
    assert_null(proposals_match(&p, 3, 1, take_answer, &a));
    assert_null(proposals_match(&p, 4, 2, take_answer, &a));
    assert_int_equal(a.n, 0);
    decide(&p, 5, 2, 10, &a);
    decide(&p, 6, 2, 11, &a);
    assert_int_equal(a.n, 0);
    proposals_release(&p);
}

/* Deposed with four in flight, back with a shorter log: the next submit comes
 * at an index that a dead batch had. The invariant (sorted by index) needs the
 * dead to be gone once the new term's barrier is applied. */
static void a_new_term_at_a_lower_index_finds_no_dead_batches(void **state)
{
    struct proposals p;
    struct answers a = {0};

    (void)state;
    proposals_init(&p, ENTRY_BYTES_MAX);
    for (unsigned i = 0; i < 4; i++)
        submit(&p, i, 10 + i, 2);
    assert_null(proposals_match(&p, 10, 3, take_answer, &a)); /* barriers */
    assert_null(proposals_match(&p, 11, 4, take_answer, &a));
    assert_int_equal(a.n, 4);
    assert_int_equal(proposals_in_flight(&p), 0);
    submit(&p, 9, 12, 4);
    decide(&p, 12, 4, 9, &a);
    proposals_release(&p);
}

/* An open batch was never proposed: refusing it is safe to retry. Those in
 * flight stay: the group decides them. */
static void losing_leadership_refuses_only_the_open_batch(void **state)
{
    struct proposals p;
    struct answers a = {0};
    uint64_t seq;

    (void)state;
    proposals_init(&p, ENTRY_BYTES_MAX);
    submit(&p, 1, 5, 2);
    seq = add(&p, 2, 1000);
    proposals_refuse_open(&p, STATUS_NOT_LEADER, take_answer, &a);
    assert_int_equal(a.n, 1);
    assert_int_equal(a.v[0].id, 2);
    assert_true(proposals_open_empty(&p));
    assert_true(p.done < seq); /* one before it is not decided */
    decide(&p, 5, 2, 1, &a);
    assert_true(p.done >= seq);
    proposals_release(&p);
}

/* A read behind a refused write must not wait for ever. */
static void a_refused_batch_with_nothing_before_it_is_done(void **state)
{
    struct proposals p;
    struct answers a = {0};
    uint64_t seq;

    (void)state;
    proposals_init(&p, ENTRY_BYTES_MAX);
    seq = add(&p, 1, 1000);
    assert_true(p.done < seq);
    proposals_refuse_open(&p, STATUS_NOT_LEADER, take_answer, &a);
    assert_true(p.done >= seq);
    assert_true(add(&p, 2, 1000) > seq);
    proposals_release(&p);
}

/* Done numbers that ran ahead would let a read overtake its own connection's
 * write. */
static void done_never_passes_an_undecided_batch(void **state)
{
    struct proposals p;
    struct answers a = {0};
    uint64_t seq[8], refused;

    (void)state;
    proposals_init(&p, ENTRY_BYTES_MAX);
    for (unsigned i = 0; i < 3; i++)
        seq[i] = submit(&p, i, 5 + i, 2);
    refused = add(&p, 100, 1000);
    proposals_refuse_open(&p, STATUS_BUSY, take_answer, &a);
    seq[3] = submit(&p, 3, 8, 2);
    for (unsigned i = 0; i < 4; i++) {
        assert_true(p.done < seq[i]);
        decide(&p, 5 + i, 2, i, &a);
        assert_true(p.done >= seq[i]);
    }
    assert_true(p.done > refused);
    proposals_release(&p);
}

/* What a snapshot jumped over may have been executed or not. */
static void jumped_entries_have_an_unknown_outcome(void **state)
{
    struct proposals p;
    struct answers a = {0};

    (void)state;
    proposals_init(&p, ENTRY_BYTES_MAX);
    for (unsigned i = 0; i < 3; i++)
        submit(&p, i, 5 + i, 2);
    proposals_jumped(&p, 6, take_answer, &a);
    assert_int_equal(a.n, 2);
    assert_int_equal(a.v[1].id, 1);
    assert_int_equal(a.v[1].status, STATUS_UNKNOWN);
    assert_int_equal(proposals_in_flight(&p), 1);
    decide(&p, 7, 2, 2, &a);
    proposals_release(&p);
}

/* Each waiter gets one answer: by its deadline or by the entry. */
static void who_expired_is_not_answered_again(void **state)
{
    struct proposals p;
    struct answers a = {0};
    struct batch *b;
    instant next;

    (void)state;
    proposals_init(&p, ENTRY_BYTES_MAX);
    add(&p, 1, 100);
    add(&p, 2, 300);
    proposals_submitted(&p, 5, 2);
    add(&p, 3, 200);
    next = proposals_expire(&p, (instant){99}, take_answer, &a);
    assert_int_equal(next.ms, 100);
    assert_int_equal(a.n, 0);
    next = proposals_expire(&p, (instant){100}, take_answer, &a);
    assert_int_equal(next.ms, 200);
    assert_int_equal(a.n, 1);
    assert_int_equal(a.v[0].id, 1);
    assert_int_equal(a.v[0].status, STATUS_UNKNOWN);
    next = proposals_expire(&p, (instant){250}, take_answer, &a);
    assert_int_equal(next.ms, 300);
    assert_int_equal(a.n, 2);
    b = proposals_match(&p, 5, 2, take_answer, &a);
    assert_non_null(b);
    assert_true(b->waiters[0].gone); /* the caller leaves it out */
    assert_false(b->waiters[1].gone);
    proposals_decided(&p, b);
    proposals_refuse_open(&p, STATUS_NOT_LEADER, take_answer, &a);
    assert_int_equal(a.n, 2); /* 3 had expired */
    assert_int_equal(p.waiting, 0);
    assert_int_equal(
        proposals_expire(&p, (instant){999}, take_answer, &a).ms,
        INSTANT_NEVER.ms);
    proposals_release(&p);
}

/* The ring wraps many times; batches reuse each other's arrays. */
static void the_ring_of_batches_goes_round(void **state)
{
    struct proposals p;
    struct answers a = {0};
    uint64_t submitted = 0, decided = 0;

    (void)state;
    proposals_init(&p, ENTRY_BYTES_MAX);
    while (decided < 500) {
        while (submitted - decided < BATCHES_IN_FLIGHT_MAX) {
            submit(&p, submitted, submitted + 1, 1);
            submitted++;
        }
        for (unsigned i = 0; i < 7; i++, decided++)
            decide(&p, decided + 1, 1, decided, &a);
    }
    assert_int_equal(a.n, 0);
    proposals_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_keeps_commands_and_waiters_in_order),
        cmocka_unit_test(a_batch_is_bounded_in_bytes_and_commands),
        cmocka_unit_test(an_overwritten_entry_is_not_leader),
        cmocka_unit_test(entries_before_ours_decide_nothing),
        cmocka_unit_test(a_new_term_at_a_lower_index_finds_no_dead_batches),
        cmocka_unit_test(losing_leadership_refuses_only_the_open_batch),
        cmocka_unit_test(a_refused_batch_with_nothing_before_it_is_done),
        cmocka_unit_test(done_never_passes_an_undecided_batch),
        cmocka_unit_test(jumped_entries_have_an_unknown_outcome),
        cmocka_unit_test(who_expired_is_not_answered_again),
        cmocka_unit_test(the_ring_of_batches_goes_round),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
