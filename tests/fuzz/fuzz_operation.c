/* fuzz_operation.c - any bytes as an operation, a transaction, a reply, a
 * session.
 *
 * What is read has to be written as the same bytes; what operation_check()
 * accepts keeps to the limits, inside of a transaction too. */
#include <stdlib.h>

#include "proto/operation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
    if (!ok)
        abort();
}

static void check_limits(const struct operation *o)
{
    const char *why = NULL;
    struct transaction t;
    struct operation inside;

    if (operation_check(o, &why) != STATUS_OK)
        return;
    need(!why && o->key.size > 0);
    need(o->value.size + o->if_value.size <= VALUE_BYTES_MAX);
    if (o->op != OP_TRANSACT)
        return;
    need(o->value.size <= TRANSACT_BYTES_MAX);
    need(transaction_decode(o->value, &t) == STATUS_OK);
    for (unsigned i = 0; i < t.n_then + t.n_else; i++) {
        need(operation_decode(&t.operations, &inside) == STATUS_OK);
        need(inside.key.size > 0 && inside.op != OP_TRANSACT);
    }
    need(!reader_left(&t.operations));
}

static void as_operation(struct slice bytes)
{
    struct reader r = reader_of(bytes);
    struct operation o;
    struct buf b = {0};

    if (operation_decode(&r, &o) != STATUS_OK)
        return;
    operation_encode(&o, &b);
    need(b.size == bytes.size - reader_left(&r));
    need(!memcmp(b.data, bytes.data, b.size));
    check_limits(&o);
    buf_release(&b);
}

static void as_transaction(struct slice bytes)
{
    struct operation o = {.op = OP_TRANSACT, .key = slice_of("k", 1),
                          .value = bytes};
    struct transaction t;
    struct compare c;
    struct buf b = {0};

    check_limits(&o);
    if (transaction_decode(bytes, &t) != STATUS_OK)
        return;
    transaction_begin(&b, t.n_compares, t.n_then, t.n_else);
    for (unsigned i = 0; i < t.n_compares; i++) {
        need(transaction_compare(&t.compares, &c) == STATUS_OK);
        transaction_compare_encode(&b, &c);
    }
    need(!memcmp(b.data, bytes.data, b.size));
    buf_release(&b);
}

static void as_reply(struct slice bytes)
{
    struct operation_reply m;
    struct buf b = {0};

    if (operation_reply_decode(bytes, &m) != STATUS_OK)
        return;
    operation_reply_encode(&m, &b);
    need(slice_equal(buf_slice(&b), bytes));
    buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_of(data, size);
    struct session s;
    struct buf b = {0};

    as_operation(bytes);
    as_transaction(bytes);
    as_reply(bytes);
    if (session_decode(bytes, &s) == STATUS_OK && size) {
        session_encode(&s, &b);
        need(slice_equal(buf_slice(&b), bytes));
        buf_release(&b);
    }
    return 0;
}
