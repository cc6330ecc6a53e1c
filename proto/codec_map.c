/* codec_map.c - the envelopes of map and init by hand, where the map itself
 * stays opaque bytes: a node encodes its map once per epoch and answers every
 * request with these bytes. The map's own codec is in map_codec.c. See
 * codec.h. */
#include "proto/codec.h"
#include "proto/codec_parts.h"
#include "proto/limits.h"

void map_request_encode(const struct map_request *m, struct buf *out)
{
    uint8_t *at = buf_reserve(out, WIRE_FIELD_MAX);

    if (m->epoch_known)
        at = wire_put_number(at, 1, m->epoch_known);
    encode_end(out, at);
}

enum status map_request_decode(struct slice bytes, struct map_request *m)
{
    struct reader r = reader_of(bytes);
    struct wire_field f;

    *m = (struct map_request){0};
    while (wire_next(&r, &f))
        if (f.number == 1)
            wire_take_u64(&r, &f, &m->epoch_known);
    return r.failed ? STATUS_BAD_MESSAGE : STATUS_OK;
}

/* ---- MapReply ---- */

static uint8_t *leader_put(uint8_t *at, const struct group_leader *l)
{
    at = wire_put_varint(at, 3 << 3 | WIRE_BYTES);
    at = wire_put_varint(at, 2 + wire_varint_size(l->group) +
                                 wire_varint_size(l->node));
    at = wire_put_number(at, 1, l->group);
    return wire_put_number(at, 2, l->node);
}

void map_reply_encode(const struct map_reply *m, struct buf *out)
{
    uint8_t *at = buf_reserve(
        out, m->map.size + m->detail.size +
                 (size_t)m->n_leaders * 3 * WIRE_FIELD_MAX +
                 4 * WIRE_FIELD_MAX);

    at = wire_put_number(at, 1, m->status);
    at = wire_put_text(at, 2, m->map);
    for (unsigned i = 0; i < m->n_leaders; i++)
        at = leader_put(at, &m->leaders[i]);
    at = wire_put_text(at, 4, m->detail);
    if (m->clock_ms)
        at = wire_put_number(at, 5, m->clock_ms);
    encode_end(out, at);
}

static bool leader_get(struct slice bytes, struct group_leader *l)
{
    struct reader r = reader_of(bytes);
    struct wire_field f;
    unsigned seen = 0;

    *l = (struct group_leader){0};
    while (wire_next(&r, &f)) {
        if (f.number == 1)
            wire_take_u32(&r, &f, &l->group);
        else if (f.number == 2)
            wire_take_u32(&r, &f, &l->node);
        if (f.number <= 2)
            seen |= f.number;
    }
    return !r.failed && seen == 3;
}

enum status map_reply_decode(struct slice bytes, struct arena *arena,
                             struct map_reply *m)
{
    struct reader r = reader_of(bytes);
    struct wire_field f;
    struct group_leader *leaders;
    unsigned n = 0;
    bool has_status = false;
    uint32_t status = 0;

    *m = (struct map_reply){0};
    while (wire_next(&r, &f)) {
        switch (f.number) {
        case 1:
            wire_take_u32(&r, &f, &status);
            has_status = true;
            break;
        case 2:
            wire_take_bytes(&r, &f, &m->map);
            break;
        case 3:
            n += wire_is(&r, &f, WIRE_BYTES);
            break;
        case 4:
            wire_take_bytes(&r, &f, &m->detail);
            break;
        case 5:
            wire_take_u64(&r, &f, &m->clock_ms);
            break;
        }
    }
    if (r.failed || !has_status || n > GROUP_COUNT_MAX + 1)
        return STATUS_BAD_MESSAGE;
    leaders = arena_alloc(arena, n * sizeof *leaders);
    if (!leaders)
        return STATUS_BAD_MESSAGE;
    r = reader_of(bytes);
    while (wire_next(&r, &f))
        if (f.number == 3 && !leader_get(f.bytes, &leaders[m->n_leaders++]))
            return STATUS_BAD_MESSAGE;
    m->status = (enum status)status;
    m->leaders = leaders;
    return STATUS_OK;
}

/* ---- init ---- */

void init_request_encode(const struct init_request *m, struct buf *out)
{
    uint8_t *at = buf_reserve(out, m->map.size + 2 * WIRE_FIELD_MAX);

    at = wire_put_number(at, 1, m->step);
    at = wire_put_bytes(at, 2, m->map);
    encode_end(out, at);
}

enum status init_request_decode(struct slice bytes, struct init_request *m)
{
    struct reader r = reader_of(bytes);
    struct wire_field f;
    bool has_step = false, has_map = false;
    uint64_t step = 0;

    *m = (struct init_request){0};
    while (wire_next(&r, &f)) {
        if (f.number == 1) {
            wire_take_u64(&r, &f, &step);
            has_step = true;
        } else if (f.number == 2) {
            wire_take_bytes(&r, &f, &m->map);
            has_map = true;
        }
    }
    if (r.failed || !has_step || !has_map)
        return STATUS_BAD_MESSAGE;
    m->step = (enum init_step)step;
    return step > INIT_ACTIVATE ? STATUS_INVALID : STATUS_OK;
}

void init_reply_encode(const struct init_reply *m, struct buf *out)
{
    uint8_t *at = buf_reserve(out, m->map.size + m->detail.size +
                                       3 * WIRE_FIELD_MAX);

    at = wire_put_number(at, 1, m->status);
    at = wire_put_text(at, 2, m->detail);
    at = wire_put_text(at, 3, m->map);
    encode_end(out, at);
}

enum status init_reply_decode(struct slice bytes, struct init_reply *m)
{
    const struct reply_parts p = {.detail_at = 2, .detail = &m->detail,
                                  .bytes_at = 3, .bytes = &m->map};

    *m = (struct init_reply){0};
    return reply_take(bytes, &m->status, &p);
}
