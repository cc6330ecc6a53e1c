/* test_reads.c - reads from arrival over a confirmation to the store. */
#include "tests/unit/node/core/core_test.h"

#include "node/core/reads.h"

struct fixture {
    struct read_pool pool;
    struct reads reads;
    struct {
        uint64_t id;
        enum status why;
    } answers[32];
    unsigned n_answers;
};

static void init(struct fixture *f, unsigned max)
{
    *f = (struct fixture){0};
    read_pool_init(&f->pool, max, 200000);
    reads_init(&f->reads);
}

static void answer(void *arg, struct read *r, enum status why)
{
    struct fixture *f = arg;

    f->answers[f->n_answers].id = r->from.id;
    f->answers[f->n_answers++].why = why;
    read_free(&f->pool, r);
}

static void arrive(struct fixture *f, uint64_t id, uint64_t after,
                   uint64_t deadline)
{
    struct read *r = read_new(&f->pool, 5);

    assert_non_null(r);
    r->from = (struct origin){1, id};
    r->after = after;
    r->deadline = (instant){deadline};
    read_list_add(&f->reads.next, r);
}

static void runs(struct fixture *f, uint64_t applied, uint64_t done_seq,
                 uint64_t id)
{
    struct read *r = reads_runnable(&f->reads, applied, done_seq);

    assert_non_null(r);
    assert_int_equal(r->from.id, id);
    read_free(&f->pool, r);
}

static void end(struct fixture *f)
{
    reads_fail(&f->reads, STATUS_NOT_LEADER, answer, f);
    assert_int_equal(f->pool.out, 0);
    read_pool_release(&f->pool);
}

/* Unbounded reads would eat the memory of a node that waits for a quorum. */
static void the_pool_is_bounded_and_reused(void **state)
{
    struct fixture f;
    struct read *a, *b;

    (void)state;
    init(&f, 2);
    a = read_new(&f.pool, READ_KEY_INLINE);
    b = read_new(&f.pool, READ_KEY_INLINE + 1);
    assert_ptr_equal(a->key, a->inlined);
    assert_ptr_not_equal(b->key, b->inlined);
    memset(b->key, 1, READ_KEY_INLINE + 1);
    assert_null(read_new(&f.pool, 1));
    read_free(&f.pool, b);
    b = read_new(&f.pool, 100000);
    assert_non_null(b);
    memset(b->key, 1, 100000);
    read_free(&f.pool, a);
    read_free(&f.pool, b);
    end(&f);
}

/* A shard that ends while the store still reads: the sanitizer looks on. */
static void releasing_the_pool_frees_what_is_out(void **state)
{
    struct fixture f;
    struct read *kept[3];

    (void)state;
    init(&f, 8);
    for (unsigned i = 0; i < 3; i++)
        kept[i] = read_new(&f.pool, 50 * (i + 1));
    read_free(&f.pool, kept[1]);
    kept[1] = read_new(&f.pool, 1000);
    read_free(&f.pool, kept[0]);
    assert_int_equal(f.pool.out, 2);
    read_pool_release(&f.pool);
    assert_int_equal(f.pool.out, 0);
}

static void lists_keep_their_order_when_moved(void **state)
{
    struct fixture f;
    struct read_list to;

    (void)state;
    init(&f, 8);
    read_list_init(&to);
    arrive(&f, 1, 0, 9);
    read_list_move(&to, &f.reads.next);
    read_list_move(&to, &f.reads.next); /* an empty one changes nothing */
    arrive(&f, 2, 0, 9);
    arrive(&f, 3, 0, 9);
    read_list_move(&to, &f.reads.next);
    assert_int_equal(to.n, 3);
    assert_int_equal(f.reads.next.n, 0);
    for (uint64_t id = 1; id <= 3; id++) {
        struct read *r = read_list_pop(&to);
        assert_int_equal(r->from.id, id);
        read_free(&f.pool, r);
    }
    assert_null(read_list_pop(&to));
    end(&f);
}

/* The heart of ReadIndex: nothing is read before a majority has confirmed the
 * term after the read arrived. */
static void nothing_runs_before_a_majority_confirms(void **state)
{
    struct fixture f;
    uint64_t seq;

    (void)state;
    init(&f, 8);
    arrive(&f, 1, 0, 9);
    assert_null(reads_runnable(&f.reads, 100, 100));
    reads_start(&f.reads, (instant){1}, 7, 3, 2);
    seq = f.reads.asking_seq;
    assert_null(reads_runnable(&f.reads, 100, 100));
    assert_false(reads_confirm(&f.reads, seq, 1));
    assert_false(reads_confirm(&f.reads, seq, 1)); /* the same voter again */
    assert_false(reads_confirm(&f.reads, seq, 32)); /* no such voter */
    assert_null(reads_runnable(&f.reads, 100, 100));
    assert_true(reads_confirm(&f.reads, seq, 4));
    assert_false(reads_confirm(&f.reads, seq, 2)); /* enough already */
    runs(&f, 100, 100, 1);
    end(&f);
}

/* A confirmation of an earlier set says nothing about reads that came later. */
static void an_old_confirmation_does_not_count(void **state)
{
    struct fixture f;
    uint64_t old;

    (void)state;
    init(&f, 8);
    arrive(&f, 1, 0, 9);
    reads_start(&f.reads, (instant){1}, 7, 3, 1);
    old = f.reads.asking_seq;
    arrive(&f, 2, 0, 9);
    assert_true(reads_confirm(&f.reads, old, 1));
    runs(&f, 7, 0, 1);
    assert_null(reads_runnable(&f.reads, 100, 100)); /* 2 has not asked yet */
    reads_start(&f.reads, (instant){2}, 8, 3, 1);
    assert_false(reads_confirm(&f.reads, old, 2));
    assert_null(reads_runnable(&f.reads, 100, 100));
    assert_true(reads_confirm(&f.reads, old + 1, 2));
    runs(&f, 8, 0, 2);
    end(&f);
}

static void each_round_needs_its_own_majority(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, 8);
    arrive(&f, 1, 0, 9);
    reads_start(&f.reads, (instant){1}, 7, 3, 2);
    assert_false(reads_confirm(&f.reads, f.reads.asking_seq, 1));
    assert_true(reads_confirm(&f.reads, f.reads.asking_seq, 2));
    runs(&f, 7, 0, 1);
    arrive(&f, 2, 0, 9);
    reads_start(&f.reads, (instant){2}, 8, 3, 2);
    assert_false(reads_confirm(&f.reads, f.reads.asking_seq, 3));
    assert_null(reads_runnable(&f.reads, 100, 100));
    assert_true(reads_confirm(&f.reads, f.reads.asking_seq, 1));
    runs(&f, 8, 0, 2);
    end(&f);
}

static void a_sole_voter_needs_nobody(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, 8);
    arrive(&f, 1, 0, 9);
    reads_start(&f.reads, (instant){1}, 7, 3, 0);
    assert_null(reads_runnable(&f.reads, 6, 0)); /* not applied yet */
    runs(&f, 7, 0, 1);
    end(&f);
}

/* A read must see what was committed when it came, and its own connection's
 * writes; reads do not overtake each other. */
static void a_read_waits_for_its_index_and_its_own_writes(void **state)
{
    struct fixture f;

    (void)state;
    init(&f, 8);
    arrive(&f, 1, 5, 9);
    arrive(&f, 2, 0, 9);
    reads_start(&f.reads, (instant){1}, 7, 3, 0);
    assert_null(reads_runnable(&f.reads, 6, 9));
    assert_null(reads_runnable(&f.reads, 7, 4));
    runs(&f, 7, 5, 1);
    runs(&f, 7, 5, 2);
    end(&f);
}

static void who_expires_is_answered_in_every_state(void **state)
{
    struct fixture f;
    instant next;

    (void)state;
    init(&f, 8);
    arrive(&f, 1, 0, 100);
    arrive(&f, 2, 0, 400);
    reads_start(&f.reads, (instant){1}, 7, 3, 0); /* READY */
    arrive(&f, 3, 0, 100);
    arrive(&f, 4, 0, 300);
    reads_start(&f.reads, (instant){1}, 7, 3, 1); /* ASKING */
    arrive(&f, 5, 0, 100);
    arrive(&f, 6, 0, 500);
    assert_int_equal(reads_count(&f.reads), 6);
    next = reads_expire(&f.reads, (instant){99}, answer, &f);
    assert_int_equal(next.ms, 100);
    assert_int_equal(f.n_answers, 0);
    next = reads_expire(&f.reads, (instant){100}, answer, &f);
    assert_int_equal(next.ms, 300);
    assert_int_equal(f.n_answers, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(f.answers[i].why, STATUS_TIMEOUT);
        assert_int_equal(f.answers[i].id % 2, 1);
    }
    assert_int_equal(reads_count(&f.reads), 3);
    runs(&f, 7, 0, 2); /* the others go on */
    assert_true(reads_confirm(&f.reads, f.reads.asking_seq, 1));
    runs(&f, 7, 0, 4);
    end(&f);
    assert_int_equal(f.n_answers, 4); /* 6 failed at the end */
}

/* After losing leadership nobody confirms anything any more. */
static void losing_leadership_answers_all(void **state)
{
    struct fixture f;
    uint64_t seq;

    (void)state;
    init(&f, 8);
    arrive(&f, 1, 0, 9);
    reads_start(&f.reads, (instant){1}, 7, 3, 1);
    seq = f.reads.asking_seq;
    arrive(&f, 2, 0, 9);
    reads_fail(&f.reads, STATUS_NOT_LEADER, answer, &f);
    assert_int_equal(f.n_answers, 2);
    assert_int_equal(f.answers[0].why, STATUS_NOT_LEADER);
    assert_false(reads_confirm(&f.reads, seq, 1));
    assert_null(reads_runnable(&f.reads, 100, 100));
    end(&f);
}

/* Keys are up to 64 KiB: many reads of such ones are bounded in bytes. */
static void long_keys_are_bounded_in_bytes(void **state)
{
    struct fixture f;
    struct read *a, *b, *small;

    (void)state;
    init(&f, 100);
    a = read_new(&f.pool, 120000);
    b = read_new(&f.pool, 80000);
    small = read_new(&f.pool, READ_KEY_INLINE);
    assert_true(a && b && small);
    assert_null(read_new(&f.pool, READ_KEY_INLINE + 1));
    read_free(&f.pool, a);
    a = read_new(&f.pool, 119000);
    assert_non_null(a);
    read_free(&f.pool, a);
    read_free(&f.pool, b);
    read_free(&f.pool, small);
    assert_int_equal(f.pool.key_bytes, 0);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pool_is_bounded_and_reused),
        cmocka_unit_test(releasing_the_pool_frees_what_is_out),
        cmocka_unit_test(lists_keep_their_order_when_moved),
        cmocka_unit_test(nothing_runs_before_a_majority_confirms),
        cmocka_unit_test(an_old_confirmation_does_not_count),
        cmocka_unit_test(each_round_needs_its_own_majority),
        cmocka_unit_test(a_sole_voter_needs_nobody),
        cmocka_unit_test(a_read_waits_for_its_index_and_its_own_writes),
        cmocka_unit_test(who_expires_is_answered_in_every_state),
        cmocka_unit_test(losing_leadership_answers_all),
        cmocka_unit_test(long_keys_are_bounded_in_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
