/* test_operation.c - operations, transactions, replies, sessions as bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/proto/operation_sample.h"

static struct rng rng;

static int setup(void **state)
{
    (void)state;
    rng_init(&rng, 7);
    sample_init(&rng);
    return 0;
}

/* Bytes in memory of their own: a sanitizer sees a read behind them. */
static uint8_t *tight(struct slice s, size_t n)
{
    uint8_t *copy = xmalloc(n ? n : 1);

    assert_non_null(copy);
    if (n)
        memcpy(copy, s.data, n);
    return copy;
}

/* Broken: a node would execute something else than the client asked for. */
static void an_operation_reads_back_as_it_was_written(void **state)
{
    struct buf b = {0};

    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        struct operation o = sample_operation(&rng), got;
        struct reader r;
        buf_clear(&b);
        operation_encode(&o, &b);
        assert_int_equal(b.size, operation_bytes(&o));
        r = reader_of(buf_slice(&b));
        assert_int_equal(operation_decode(&r, &got), STATUS_OK);
        assert_int_equal(reader_left(&r), 0);
        assert_true(operations_equal(&o, &got));
    }
    buf_release(&b);
}

/* Broken: a cut frame would be read behind its end, or half of it executed. */
static void an_operation_cut_anywhere_is_refused(void **state)
{
    struct buf b = {0};

    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        struct operation o = sample_operation(&rng), got;
        buf_clear(&b);
        operation_encode(&o, &b);
        for (size_t n = 0; n < b.size; n++) {
            uint8_t *copy = tight(buf_slice(&b), n);
            struct reader r = reader_of(slice_of(copy, n));
            assert_int_equal(operation_decode(&r, &got), STATUS_BAD_MESSAGE);
            assert_true(r.failed);
            free(copy);
        }
    }
    buf_release(&b);
}

static enum status damaged(size_t at, uint8_t byte)
{
    struct operation o = {.op = OP_SET, .key = slice_str("k"),
                          .value = slice_str("v")};
    struct buf b = {0};
    struct reader r;
    enum status st;

    operation_encode(&o, &b);
    b.data[at] = byte;
    r = reader_of(buf_slice(&b));
    st = operation_decode(&r, &o);
    buf_release(&b);
    return st;
}

/* Broken: an operation of a newer program would be taken for one we know. */
static void what_is_unknown_is_refused(void **state)
{
    (void)state;
    assert_int_equal(damaged(0, OP_SET), STATUS_OK);
    assert_int_equal(damaged(0, 0), STATUS_BAD_MESSAGE);
    assert_int_equal(damaged(0, OP_LAST + 1), STATUS_BAD_MESSAGE);
    assert_int_equal(damaged(1, 1), STATUS_BAD_MESSAGE);  /* must be 0 */
    assert_int_equal(damaged(6, 1), STATUS_BAD_MESSAGE);  /* a flag */
    assert_int_equal(damaged(11, 1), STATUS_BAD_MESSAGE); /* 16 MiB and more */
    assert_int_equal(damaged(2, 3), STATUS_BAD_MESSAGE);  /* a longer key */
}

static void sample_transaction(struct buf *b, struct compare *c,
                               struct operation *ops)
{
    buf_clear(b);
    transaction_begin(b, 2, 2, 1);
    for (unsigned i = 0; i < 2; i++) {
        c[i] = (struct compare){
            .what = i ? COMPARE_VALUE : COMPARE_VERSION,
            .relation = (enum operation_relation)(1 + rng_below(&rng, 4)),
            .key = sample_slice(&rng, 1, 20),
            .version = rng_next(&rng),
            .value = sample_slice(&rng, 0, 20),
        };
        transaction_compare_encode(b, &c[i]);
    }
    for (unsigned i = 0; i < 3; i++) {
        ops[i] = sample_operation(&rng);
        operation_encode(&ops[i], b);
    }
}

/* Broken: the wrong compares would decide, or the wrong list run. */
static void a_transaction_reads_back_in_its_order(void **state)
{
    struct buf b = {0};
    struct compare c[2], got_c;
    struct operation ops[3], got_o;
    struct transaction t;

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        sample_transaction(&b, c, ops);
        assert_int_equal(transaction_decode(buf_slice(&b), &t), STATUS_OK);
        assert_int_equal(t.n_compares, 2);
        assert_int_equal(t.n_then, 2);
        assert_int_equal(t.n_else, 1);
        for (unsigned k = 0; k < 2; k++) {
            assert_int_equal(transaction_compare(&t.compares, &got_c),
                             STATUS_OK);
            assert_int_equal(got_c.what, c[k].what);
            assert_int_equal(got_c.relation, c[k].relation);
            assert_int_equal(got_c.version, c[k].version);
            assert_true(slice_equal(got_c.key, c[k].key));
            assert_true(slice_equal(got_c.value, c[k].value));
        }
        for (unsigned k = 0; k < 3; k++) {
            assert_int_equal(operation_decode(&t.operations, &got_o),
                             STATUS_OK);
            assert_true(operations_equal(&got_o, &ops[k]));
        }
        assert_int_equal(reader_left(&t.operations), 0);
    }
    buf_release(&b);
}

/* Broken: a list's end would be read from somewhere else. */
static void a_transaction_cut_anywhere_is_refused(void **state)
{
    struct buf b = {0};
    struct compare c[2];
    struct operation ops[3], o;

    (void)state;
    sample_transaction(&b, c, ops);
    for (size_t n = 0; n < b.size; n++) {
        uint8_t *copy = tight(buf_slice(&b), n);
        struct transaction t;
        bool ok = transaction_decode(slice_of(copy, n), &t) == STATUS_OK;
        for (unsigned i = 0; ok && i < 3; i++)
            ok = operation_decode(&t.operations, &o) == STATUS_OK;
        assert_false(ok);
        free(copy);
    }
    buf_release(&b);
}

/* Broken: one command would keep every replica busy for long. */
static void a_transaction_of_too_many_is_refused(void **state)
{
    struct buf b = {0};
    struct transaction t;

    (void)state;
    transaction_begin(&b, 0, 100, 28);
    assert_int_equal(transaction_decode(buf_slice(&b), &t), STATUS_OK);
    put_u16(b.data + 4, 29);
    assert_int_equal(transaction_decode(buf_slice(&b), &t), STATUS_TOO_LARGE);
    put_u16(b.data + 4, 28);
    b.data[6] = 1;
    assert_int_equal(transaction_decode(buf_slice(&b), &t),
                     STATUS_BAD_MESSAGE);
    buf_release(&b);
}

/* Broken: clients would be told something else, or an empty value for none. */
static void a_reply_reads_back_as_it_was_written(void **state)
{
    struct buf b = {0};

    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        struct operation_reply m = {
            .status = (enum status)rng_below(&rng, 50),
            .version = rng_next(&rng),
            .expire_at = rng_next(&rng),
            .clock = rng_next(&rng),
            .argument = rng_next(&rng),
            .has_value = rng_below(&rng, 3) > 0,
        }, got;
        if (m.has_value)
            m.value = sample_slice(&rng, 0, 100);
        buf_clear(&b);
        operation_reply_encode(&m, &b);
        assert_int_equal(b.size, operation_reply_bytes(&m));
        assert_int_equal(operation_reply_decode(buf_slice(&b), &got),
                         STATUS_OK);
        assert_int_equal(got.status, m.status);
        assert_int_equal(got.version, m.version);
        assert_int_equal(got.expire_at, m.expire_at);
        assert_int_equal(got.clock, m.clock);
        assert_int_equal(got.argument, m.argument);
        assert_int_equal(got.has_value, m.has_value);
        assert_true(slice_equal(got.value, m.value));
        for (size_t n = 0; n < b.size; n++) {
            uint8_t *copy = tight(buf_slice(&b), n);
            assert_int_equal(operation_reply_decode(slice_of(copy, n), &got),
                             STATUS_BAD_MESSAGE);
            free(copy);
        }
        buf_u8(&b, 0);
        assert_int_equal(operation_reply_decode(buf_slice(&b), &got),
                         STATUS_BAD_MESSAGE);
    }
    buf_release(&b);
}

/* Broken: a retry would be taken for another client's, or for a new write. */
static void a_session_reads_back_as_it_was_written(void **state)
{
    struct session s = {.sequence = 9, .acknowledged = 7, .not_after = 1234},
                   got;
    struct buf b = {0};

    (void)state;
    for (unsigned i = 0; i < sizeof s.client; i++)
        s.client[i] = (uint8_t)(i + 1);
    session_encode(&s, &b);
    assert_int_equal(b.size, SESSION_BYTES);
    assert_int_equal(session_decode(buf_slice(&b), &got), STATUS_OK);
    assert_memory_equal(got.client, s.client, sizeof s.client);
    assert_int_equal(got.sequence, 9);
    assert_int_equal(got.acknowledged, 7);
    assert_int_equal(got.not_after, 1234);
    assert_int_equal(session_decode(slice_of("", 0), &got), STATUS_OK);
    assert_int_equal(got.sequence, 0);
    for (size_t n = 1; n < b.size; n++)
        assert_int_equal(session_decode(slice_of(b.data, n), &got),
                         STATUS_BAD_MESSAGE);
    put_u64(b.data + 24, 10); /* acknowledged what was never sent */
    assert_int_equal(session_decode(buf_slice(&b), &got), STATUS_INVALID);
    put_u64(b.data + 24, 0);
    put_u64(b.data + 16, 0);
    assert_int_equal(session_decode(buf_slice(&b), &got), STATUS_INVALID);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_operation_reads_back_as_it_was_written),
        cmocka_unit_test(an_operation_cut_anywhere_is_refused),
        cmocka_unit_test(what_is_unknown_is_refused),
        cmocka_unit_test(a_transaction_reads_back_in_its_order),
        cmocka_unit_test(a_transaction_cut_anywhere_is_refused),
        cmocka_unit_test(a_transaction_of_too_many_is_refused),
        cmocka_unit_test(a_reply_reads_back_as_it_was_written),
        cmocka_unit_test(a_session_reads_back_as_it_was_written),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
