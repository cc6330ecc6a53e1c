/* wire.h - the protobuf wire format, as far as codec_*.c write it by hand.
 *
 * Reading walks a message field by field and borrows from it; writing goes to
 * memory that was reserved for the worst case. Groups (wire types 3 and 4) are
 * malformed here, as they are for protobuf-c.
 * Source: Protocol Buffers documentation, "Encoding". */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include <stdint.h>

#include "proto/base/bytes.h"

enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* Bytes that a tag (or a length), an integer, and both take at most. */
enum { WIRE_TAG_MAX = 5, WIRE_VARINT_MAX = 10, WIRE_FIELD_MAX = 15 };

struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t varint;    /* of WIRE_VARINT */
    struct slice bytes; /* of WIRE_BYTES */
};

/* A varint of at most `bytes_max` (up to 10) bytes; what does not fit into 64
 * bits is lost, as the format wants it. Sets `failed`. */
static inline uint64_t wire_get_varint(struct reader *r, unsigned bytes_max)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 7 * bytes_max && r->at < r->end;
         shift += 7) {
        uint8_t byte = *r->at++;
        v |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
        if (byte < 0x80)
            return v;
    }
    r->failed = true;
    r->at = r->end;
    return 0;
}

/* The next field of a message. False at the end, or on malformed bytes: then
 * `r->failed` is set. */
static inline bool wire_next(struct reader *r, struct wire_field *f)
{
    uint64_t tag, size;

    if (r->failed || r->at == r->end)
        return false;
    tag = wire_get_varint(r, WIRE_TAG_MAX);
    f->number = (uint32_t)(tag >> 3);
    f->type = (enum wire_type)(tag & 7);
    if (tag >> 32 || !f->number) {
        r->failed = true;
        return false;
    }
    switch (f->type) {
    case WIRE_VARINT:
        f->varint = wire_get_varint(r, WIRE_VARINT_MAX);
        break;
    case WIRE_BYTES:
        size = wire_get_varint(r, WIRE_TAG_MAX);
        if (size > reader_left(r))
            r->failed = true;
        else
            f->bytes = reader_bytes(r, (size_t)size);
        break;
    case WIRE_64:
        (void)reader_bytes(r, 8);
        break;
    case WIRE_32:
        (void)reader_bytes(r, 4);
        break;
    default:
        r->failed = true;
    }
    return !r->failed;
}

/* The writers give the place behind what they wrote. */
static inline uint8_t *wire_put_varint(uint8_t *at, uint64_t v)
{
    while (v >= 0x80) {
        *at++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *at++ = (uint8_t)v;
    return at;
}

static inline uint8_t *wire_put_number(uint8_t *at, uint32_t field, uint64_t v)
{
    return wire_put_varint(wire_put_varint(at, field << 3 | WIRE_VARINT), v);
}

static inline uint8_t *wire_put_bytes(uint8_t *at, uint32_t field,
                                      struct slice s)
{
    at = wire_put_varint(at, field << 3 | WIRE_BYTES);
    at = wire_put_varint(at, s.size);
    if (s.size)
        memcpy(at, s.data, s.size);
    return at + s.size;
}

/* Only if there is something: for optional fields whose absence means that. */
static inline uint8_t *wire_put_text(uint8_t *at, uint32_t field,
                                     struct slice s)
{
    return s.size ? wire_put_bytes(at, field, s) : at;
}

static inline unsigned wire_varint_size(uint64_t v)
{
    return (unsigned)((63 - __builtin_clzll(v | 1)) / 7 + 1);
}

#endif
