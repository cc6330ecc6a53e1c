/* codec_parts.h - what the codec_*.c files share; nobody else includes it. */
#ifndef PROTO_CODEC_PARTS_H
#define PROTO_CODEC_PARTS_H

#include "proto/message.h"
#include "proto/wire.h"

/* Upper bound of an encoded hint with its own tag and length. */
static inline size_t hint_bound(const struct hint *h)
{
    return h->address.size + 5 * WIRE_FIELD_MAX;
}

/* Write `h` as field `number`; nothing if it is all zero. */
uint8_t *hint_put(uint8_t *at, uint32_t number, const struct hint *h);

/* Read one Hint into `h`, over what is there already (as protobuf merges a
 * message that occurs twice). False: malformed. */
MUST_CHECK bool hint_get(struct slice bytes, struct hint *h);

/* Finish an encoding that began at `out->data + out->size`. */
static inline void encode_end(struct buf *out, const uint8_t *end)
{
    out->size = (size_t)(end - out->data);
}

/* A field of the wrong wire type makes the message malformed. */
static inline bool wire_is(struct reader *r, const struct wire_field *f,
                           enum wire_type type)
{
    if (f->type == type)
        return true;
    r->failed = true;
    return false;
}

/* Assign a field's value if it has the right wire type. */
static inline void wire_take_u32(struct reader *r, const struct wire_field *f,
                                 uint32_t *v)
{
    if (wire_is(r, f, WIRE_VARINT))
        *v = (uint32_t)f->varint;
}
static inline void wire_take_u64(struct reader *r, const struct wire_field *f,
                                 uint64_t *v)
{
    if (wire_is(r, f, WIRE_VARINT))
        *v = f->varint;
}
static inline void wire_take_bytes(struct reader *r,
                                   const struct wire_field *f, struct slice *s)
{
    if (wire_is(r, f, WIRE_BYTES))
        *s = f->bytes;
}
static inline void wire_take_hint(struct reader *r, const struct wire_field *f,
                                  struct hint *h)
{
    if (wire_is(r, f, WIRE_BYTES) && !hint_get(f->bytes, h))
        r->failed = true;
}

/* What replies have in common: a status in field 1, without which they are
 * malformed, and some of these, each in a field of its own number (0: it has
 * none). Unknown fields are passed over. */
struct reply_parts {
    uint32_t bytes_at, version_at, hint_at, detail_at, expire_at, clock_at;
    struct slice *bytes;
    uint64_t *version;
    struct hint *hint;
    struct slice *detail;
    uint64_t *expire;
    uint64_t *clock;
};
MUST_CHECK enum status reply_take(struct slice message, enum status *status,
                                  const struct reply_parts *p);

#endif
