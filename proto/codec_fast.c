/* codec_fast.c - get, set, delete and their replies, written by hand.
 *
 * These are most of what a node decodes and encodes: nothing is allocated, and
 * slices point into the frame. The bytes are those of protobuf-c, which a
 * differential test holds them to. See codec.h. */
#include "proto/codec.h"
#include "proto/codec_parts.h"
#include "proto/limits.h"

static size_t hint_size(const struct hint *h)
{
    size_t n = 0;

    if (h->group)
        n += 1 + wire_varint_size(h->group);
    if (h->node)
        n += 1 + wire_varint_size(h->node);
    if (h->address.size)
        n += 1 + wire_varint_size(h->address.size) + h->address.size;
    if (h->epoch)
        n += 1 + wire_varint_size(h->epoch);
    return n;
}

uint8_t *hint_put(uint8_t *at, uint32_t number, const struct hint *h)
{
    size_t size = hint_size(h);

    if (!size)
        return at;
    at = wire_put_varint(at, number << 3 | WIRE_BYTES);
    at = wire_put_varint(at, size);
    if (h->group)
        at = wire_put_number(at, 1, h->group);
    if (h->node)
        at = wire_put_number(at, 2, h->node);
    at = wire_put_text(at, 3, h->address);
    if (h->epoch)
        at = wire_put_number(at, 4, h->epoch);
    return at;
}

bool hint_get(struct slice bytes, struct hint *h)
{
    struct reader r = reader_of(bytes);
    struct wire_field f;

    while (wire_next(&r, &f)) {
        switch (f.number) {
        case 1:
            wire_take_u32(&r, &f, &h->group);
            break;
        case 2:
            wire_take_u32(&r, &f, &h->node);
            break;
        case 3:
            wire_take_bytes(&r, &f, &h->address);
            break;
        case 4:
            wire_take_u64(&r, &f, &h->epoch);
            break;
        }
    }
    return !r.failed;
}

/* ---- requests ---- */

void get_request_encode(const struct get_request *m, struct buf *out)
{
    uint8_t *at = buf_reserve(out, m->keyspace.size + m->key.size +
                                       3 * WIRE_FIELD_MAX);

    at = wire_put_text(at, 1, m->keyspace);
    at = wire_put_bytes(at, 2, m->key);
    if (m->consistency != CONSISTENCY_LINEARIZABLE)
        at = wire_put_number(at, 3, m->consistency);
    encode_end(out, at);
}

void set_request_encode(const struct set_request *m, struct buf *out)
{
    uint8_t *at = buf_reserve(out, m->keyspace.size + m->key.size +
                                       m->value.size + 3 * WIRE_FIELD_MAX);

    at = wire_put_text(at, 1, m->keyspace);
    at = wire_put_bytes(at, 2, m->key);
    at = wire_put_bytes(at, 3, m->value);
    encode_end(out, at);
}

void delete_request_encode(const struct delete_request *m, struct buf *out)
{
    uint8_t *at = buf_reserve(out, m->keyspace.size + m->key.size +
                                       2 * WIRE_FIELD_MAX);

    at = wire_put_text(at, 1, m->keyspace);
    at = wire_put_bytes(at, 2, m->key);
    encode_end(out, at);
}

/* What all requests carry, and which fields were seen. */
struct request_fields {
    struct slice keyspace, key, value;
    uint64_t consistency;
    bool has_key, has_value;
};

/* `third` is the type of field 3: GetRequest has an enum there, SetRequest the
 * value, DeleteRequest nothing (-1: skipped like any unknown field). */
static bool request_fields_get(struct slice bytes, int third,
                               struct request_fields *m)
{
    struct reader r = reader_of(bytes);
    struct wire_field f;

    *m = (struct request_fields){0};
    while (wire_next(&r, &f)) {
        if (f.number == 1) {
            wire_take_bytes(&r, &f, &m->keyspace);
        } else if (f.number == 2) {
            wire_take_bytes(&r, &f, &m->key);
            m->has_key = true;
        } else if (f.number == 3 && third == WIRE_VARINT) {
            wire_take_u64(&r, &f, &m->consistency);
        } else if (f.number == 3 && third == WIRE_BYTES) {
            wire_take_bytes(&r, &f, &m->value);
            m->has_value = true;
        }
    }
    return !r.failed && m->has_key;
}

static enum status request_fields_check(const struct request_fields *m)
{
    enum status rv = keyspace_check(m->keyspace);

    return rv ? rv : key_check(m->key);
}

enum status get_request_decode(struct slice bytes, struct get_request *m)
{
    struct request_fields f;

    if (!request_fields_get(bytes, WIRE_VARINT, &f))
        return STATUS_BAD_MESSAGE;
    if (f.consistency > CONSISTENCY_STALE)
        return STATUS_INVALID;
    *m = (struct get_request){f.keyspace, f.key,
                              (enum consistency)f.consistency};
    return request_fields_check(&f);
}

enum status set_request_decode(struct slice bytes, struct set_request *m)
{
    struct request_fields f;
    enum status rv;

    if (!request_fields_get(bytes, WIRE_BYTES, &f) || !f.has_value)
        return STATUS_BAD_MESSAGE;
    *m = (struct set_request){f.keyspace, f.key, f.value};
    rv = request_fields_check(&f);
    return rv ? rv : value_check(f.value);
}

enum status delete_request_decode(struct slice bytes, struct delete_request *m)
{
    struct request_fields f;

    if (!request_fields_get(bytes, -1, &f))
        return STATUS_BAD_MESSAGE;
    *m = (struct delete_request){f.keyspace, f.key};
    return request_fields_check(&f);
}

/* ---- replies ---- */

void get_reply_encode(const struct get_reply *m, struct buf *out)
{
    uint8_t *at = buf_reserve(out, m->value.size + m->detail.size +
                                       hint_bound(&m->hint) +
                                       6 * WIRE_FIELD_MAX);

    at = wire_put_number(at, 1, m->status);
    if (m->status == STATUS_OK)
        at = wire_put_bytes(at, 2, m->value);
    if (m->version)
        at = wire_put_number(at, 3, m->version);
    at = hint_put(at, 4, &m->hint);
    at = wire_put_text(at, 5, m->detail);
    if (m->expire_at) {
        at = wire_put_number(at, 6, m->expire_at);
        at = wire_put_number(at, 7, m->clock);
    }
    encode_end(out, at);
}

void write_reply_encode(const struct write_reply *m, struct buf *out)
{
    uint8_t *at = buf_reserve(out, m->detail.size + hint_bound(&m->hint) +
                                       3 * WIRE_FIELD_MAX);

    at = wire_put_number(at, 1, m->status);
    if (m->version)
        at = wire_put_number(at, 2, m->version);
    at = hint_put(at, 3, &m->hint);
    at = wire_put_text(at, 4, m->detail);
    encode_end(out, at);
}

enum status reply_take(struct slice message, enum status *status,
                       const struct reply_parts *p)
{
    struct reader r = reader_of(message);
    struct wire_field f;
    bool has_status = false;
    uint32_t number = 0;

    while (wire_next(&r, &f)) {
        if (f.number == 1) {
            wire_take_u32(&r, &f, &number);
            has_status = true;
        } else if (f.number == p->bytes_at) {
            wire_take_bytes(&r, &f, p->bytes);
        } else if (f.number == p->version_at) {
            wire_take_u64(&r, &f, p->version);
        } else if (f.number == p->hint_at) {
            wire_take_hint(&r, &f, p->hint);
        } else if (f.number == p->detail_at) {
            wire_take_bytes(&r, &f, p->detail);
        } else if (f.number == p->expire_at) {
            wire_take_u64(&r, &f, p->expire);
        } else if (f.number == p->clock_at) {
            wire_take_u64(&r, &f, p->clock);
        }
    }
    *status = (enum status)number;
    return r.failed || !has_status ? STATUS_BAD_MESSAGE : STATUS_OK;
}

enum status get_reply_decode(struct slice bytes, struct get_reply *m)
{
    const struct reply_parts p = {2, 3, 4, 5, 6, 7, &m->value, &m->version,
                                  &m->hint, &m->detail, &m->expire_at,
                                  &m->clock};

    *m = (struct get_reply){0};
    return reply_take(bytes, &m->status, &p);
}

enum status write_reply_decode(struct slice bytes, struct write_reply *m)
{
    const struct reply_parts p = {.version_at = 2, .version = &m->version,
                                  .hint_at = 3, .hint = &m->hint,
                                  .detail_at = 4, .detail = &m->detail};

    *m = (struct write_reply){0};
    return reply_take(bytes, &m->status, &p);
}

void error_reply_encode(const struct error_reply *m, struct buf *out)
{
    uint8_t *at = buf_reserve(out, m->detail.size + hint_bound(&m->hint) +
                                       2 * WIRE_FIELD_MAX);

    at = wire_put_number(at, 1, m->status);
    at = wire_put_text(at, 2, m->detail);
    at = hint_put(at, 3, &m->hint);
    encode_end(out, at);
}

enum status error_reply_decode(struct slice bytes, struct error_reply *m)
{
    const struct reply_parts p = {.detail_at = 2, .detail = &m->detail,
                                  .hint_at = 3, .hint = &m->hint};

    *m = (struct error_reply){0};
    return reply_take(bytes, &m->status, &p);
}
