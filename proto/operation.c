/* operation.c - operations, transactions, replies and sessions as bytes. See
 * operation.h; operation_check.c says which of them clients may ask for. */
#include "proto/operation.h"

#include <assert.h>

enum {
    COMPARE_HEADER_BYTES = 16,
    TRANSACTION_HEADER_BYTES = 8,
    REPLY_HEADER_BYTES = 40,
    REPLY_HAS_VALUE = 1,
};

static bool has_expire(uint32_t flags)
{
    return flags & (OPERATION_TTL | OPERATION_DEADLINE);
}

size_t operation_bytes(const struct operation *o)
{
    size_t n = OPERATION_HEADER_BYTES + o->key.size + o->value.size;

    n += has_expire(o->flags) ? 8 : 0;
    n += o->flags & OPERATION_IF_VERSION ? 8 : 0;
    n += o->flags & OPERATION_IF_FENCE ? 8 : 0;
    n += o->flags & OPERATION_IF_VALUE ? 4 + o->if_value.size : 0;
    return n;
}

static uint8_t *put_slice(uint8_t *at, struct slice s)
{
    if (s.size)
        memcpy(at, s.data, s.size);
    return at + s.size;
}

static uint8_t *put_number(uint8_t *at, uint64_t v)
{
    put_u64(at, v);
    return at + 8;
}

uint8_t *operation_write(const struct operation *o, uint8_t *at)
{
    assert(o->key.size <= KEY_BYTES_MAX && o->value.size <= VALUE_BYTES_MAX);
    at[0] = (uint8_t)o->op;
    at[1] = 0;
    put_u16(at + 2, (uint16_t)o->key.size);
    put_u32(at + 4, o->flags);
    put_u32(at + 8, (uint32_t)o->value.size);
    put_u64(at + 12, o->argument);
    at = put_slice(at + OPERATION_HEADER_BYTES, o->key);
    at = put_slice(at, o->value);
    if (has_expire(o->flags))
        at = put_number(at, o->expire);
    if (o->flags & OPERATION_IF_VERSION)
        at = put_number(at, o->if_version);
    if (o->flags & OPERATION_IF_FENCE)
        at = put_number(at, o->fence);
    if (o->flags & OPERATION_IF_VALUE) {
        put_u32(at, (uint32_t)o->if_value.size);
        at = put_slice(at + 4, o->if_value);
    }
    return at;
}

void operation_encode(const struct operation *o, struct buf *out)
{
    operation_write(o, buf_grow(out, operation_bytes(o)));
}

enum status operation_decode(struct reader *r, struct operation *out)
{
    struct slice header = reader_bytes(r, OPERATION_HEADER_BYTES);
    uint32_t value_size;
    uint8_t zero;

    *out = (struct operation){0};
    if (r->failed)
        return STATUS_BAD_MESSAGE;
    out->op = header.data[0];
    zero = header.data[1];
    out->flags = get_u32(header.data + 4);
    value_size = get_u32(header.data + 8);
    out->argument = get_u64(header.data + 12);
    out->key = reader_bytes(r, get_u16(header.data + 2));
    out->value = reader_bytes(r, value_size);
    if (has_expire(out->flags))
        out->expire = reader_u64(r);
    if (out->flags & OPERATION_IF_VERSION)
        out->if_version = reader_u64(r);
    if (out->flags & OPERATION_IF_FENCE)
        out->fence = reader_u64(r);
    if (out->flags & OPERATION_IF_VALUE)
        out->if_value = reader_bytes(r, reader_u32(r));
    if (r->failed || zero || out->flags & ~(uint32_t)OPERATION_FLAGS_ALL ||
        out->op < OP_GET || out->op > OP_LAST ||
        value_size > VALUE_BYTES_MAX ||
        out->if_value.size > VALUE_BYTES_MAX - value_size) {
        r->failed = true;
        return STATUS_BAD_MESSAGE;
    }
    return STATUS_OK;
}

/* ---- transactions ---- */

void transaction_begin(struct buf *out, unsigned compares, unsigned n_then,
                       unsigned n_else)
{
    buf_u16(out, (uint16_t)compares);
    buf_u16(out, (uint16_t)n_then);
    buf_u16(out, (uint16_t)n_else);
    buf_u16(out, 0);
}

void transaction_compare_encode(struct buf *out, const struct compare *c)
{
    uint8_t *at = buf_grow(out, COMPARE_HEADER_BYTES + c->key.size +
                                    c->value.size);

    assert(c->key.size <= KEY_BYTES_MAX && c->value.size <= VALUE_BYTES_MAX);
    at[0] = (uint8_t)c->what;
    at[1] = (uint8_t)c->relation;
    put_u16(at + 2, (uint16_t)c->key.size);
    put_u32(at + 4, (uint32_t)c->value.size);
    put_u64(at + 8, c->version);
    put_slice(put_slice(at + COMPARE_HEADER_BYTES, c->key), c->value);
}

enum status transaction_compare(struct reader *r, struct compare *out)
{
    struct slice header = reader_bytes(r, COMPARE_HEADER_BYTES);

    *out = (struct compare){0};
    if (r->failed)
        return STATUS_BAD_MESSAGE;
    out->what = header.data[0];
    out->relation = header.data[1];
    out->version = get_u64(header.data + 8);
    out->key = reader_bytes(r, get_u16(header.data + 2));
    out->value = reader_bytes(r, get_u32(header.data + 4));
    if (r->failed || out->what < COMPARE_VERSION ||
        out->what > COMPARE_VALUE || out->relation < RELATION_EQUAL ||
        out->relation > RELATION_GREATER) {
        r->failed = true;
        return STATUS_BAD_MESSAGE;
    }
    return STATUS_OK;
}

enum status transaction_decode(struct slice value, struct transaction *out)
{
    struct reader r = reader_of(value);
    struct compare c;

    *out = (struct transaction){0};
    out->n_compares = reader_u16(&r);
    out->n_then = reader_u16(&r);
    out->n_else = reader_u16(&r);
    if (reader_u16(&r) || r.failed)
        return STATUS_BAD_MESSAGE;
    if (out->n_compares + out->n_then + out->n_else >
        TRANSACT_OPERATIONS_MAX)
        return STATUS_TOO_LARGE;
    out->compares = r;
    for (unsigned i = 0; i < out->n_compares; i++)
        if (transaction_compare(&r, &c) != STATUS_OK)
            return STATUS_BAD_MESSAGE;
    out->operations = r;
    return STATUS_OK;
}

/* ---- what comes back ---- */

size_t operation_reply_bytes(const struct operation_reply *m)
{
    return REPLY_HEADER_BYTES + (m->has_value ? m->value.size : 0);
}

uint8_t *operation_reply_write(const struct operation_reply *m, uint8_t *at)
{
    struct slice value = m->has_value ? m->value : slice_of("", 0);

    put_u16(at, (uint16_t)m->status);
    at[2] = m->has_value ? REPLY_HAS_VALUE : 0;
    at[3] = 0;
    put_u32(at + 4, (uint32_t)value.size);
    put_u64(at + 8, m->version);
    put_u64(at + 16, m->expire_at);
    put_u64(at + 24, m->clock);
    put_u64(at + 32, m->argument);
    return put_slice(at + REPLY_HEADER_BYTES, value);
}

void operation_reply_encode(const struct operation_reply *m, struct buf *out)
{
    operation_reply_write(m, buf_grow(out, operation_reply_bytes(m)));
}

enum status operation_reply_decode(struct slice bytes,
                                   struct operation_reply *m)
{
    struct reader r = reader_of(bytes);
    uint8_t flags, zero;
    uint32_t size;

    *m = (struct operation_reply){0};
    m->status = (enum status)reader_u16(&r);
    flags = reader_u8(&r);
    zero = reader_u8(&r);
    size = reader_u32(&r);
    m->version = reader_u64(&r);
    m->expire_at = reader_u64(&r);
    m->clock = reader_u64(&r);
    m->argument = reader_u64(&r);
    m->value = reader_bytes(&r, size);
    m->has_value = flags & REPLY_HAS_VALUE;
    if (r.failed || reader_left(&r) || zero || flags & ~REPLY_HAS_VALUE ||
        (size && !m->has_value))
        return STATUS_BAD_MESSAGE;
    return STATUS_OK;
}

/* ---- exactly once ---- */

void session_encode(const struct session *s, struct buf *out)
{
    uint8_t *at = buf_grow(out, SESSION_BYTES);

    memcpy(at, s->client, sizeof s->client);
    put_u64(at + 16, s->sequence);
    put_u64(at + 24, s->acknowledged);
    put_u64(at + 32, s->not_after);
}

enum status session_decode(struct slice bytes, struct session *out)
{
    *out = (struct session){0};
    if (!bytes.size)
        return STATUS_OK;
    if (bytes.size != SESSION_BYTES)
        return STATUS_BAD_MESSAGE;
    memcpy(out->client, bytes.data, sizeof out->client);
    out->sequence = get_u64(bytes.data + 16);
    out->acknowledged = get_u64(bytes.data + 24);
    out->not_after = get_u64(bytes.data + 32);
    return out->sequence && out->acknowledged <= out->sequence
               ? STATUS_OK
               : STATUS_INVALID;
}
