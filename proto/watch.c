/* watch.c - see watch.h. */
#include "proto/watch.h"

#include <assert.h>

void watch_encode(const struct watch_request *m, struct buf *out)
{
    uint8_t *at = buf_grow(out, WATCH_HEADER_BYTES);

    at[0] = (uint8_t)m->flags;
    at[1] = (uint8_t)m->kind;
    put_u16(at + 2, (uint16_t)(m->progress_ms / 10));
    put_u32(at + 4, m->group);
    put_u64(at + 8, m->after);
    put_u32(at + 16, (uint32_t)m->begin.size);
    put_u32(at + 20, (uint32_t)m->end.size);
    buf_append(out, m->begin.data, m->begin.size);
    buf_append(out, m->end.data, m->end.size);
}

static enum status check(const struct watch_request *m)
{
    if (m->flags & ~(unsigned)WATCH_FLAGS_ALL || !m->group ||
        m->group > GROUP_COUNT_MAX ||
        m->progress_ms < WATCH_PROGRESS_MIN_MS ||
        m->progress_ms > WATCH_PROGRESS_MAX_MS)
        return STATUS_INVALID;
    switch (m->kind) {
    case WATCH_KEY:
        if (m->end.size)
            return STATUS_INVALID;
        if (!m->begin.size)
            return STATUS_KEY_EMPTY;
        return m->begin.size > KEY_BYTES_MAX ? STATUS_KEY_TOO_LARGE
                                             : STATUS_OK;
    case WATCH_PREFIX:
        if (m->end.size)
            return STATUS_INVALID;
        return m->begin.size > KEY_BYTES_MAX ? STATUS_KEY_TOO_LARGE
                                             : STATUS_OK;
    case WATCH_RANGE:
        return m->begin.size > KEY_BYTES_MAX + 1u ||
                       m->end.size > KEY_BYTES_MAX + 1u
                   ? STATUS_KEY_TOO_LARGE
                   : STATUS_OK;
    default:
        return STATUS_INVALID;
    }
}

enum status watch_decode(struct slice bytes, struct watch_request *out)
{
    struct reader r = reader_of(bytes);
    uint32_t begin_size, end_size;

    *out = (struct watch_request){.flags = reader_u8(&r)};
    out->kind = (enum watch_kind)reader_u8(&r);
    out->progress_ms = reader_u16(&r) * 10u;
    out->group = reader_u32(&r);
    out->after = reader_u64(&r);
    begin_size = reader_u32(&r);
    end_size = reader_u32(&r);
    out->begin = reader_bytes(&r, begin_size);
    out->end = reader_bytes(&r, end_size);
    if (r.failed || reader_left(&r))
        return STATUS_BAD_MESSAGE;
    if (!out->progress_ms)
        out->progress_ms = WATCH_PROGRESS_DEFAULT_MS;
    return check(out);
}

/* ---- parts ---- */

void watch_event_encode(const struct watch_event *e, struct buf *out)
{
    uint8_t *at = buf_grow(out, WATCH_EVENT_BYTES);

    at[0] = (uint8_t)e->kind;
    at[1] = (uint8_t)e->flags;
    put_u16(at + 2, (uint16_t)e->key.size);
    put_u32(at + 4, (uint32_t)e->value.size);
    put_u32(at + 8, (uint32_t)e->previous.size);
    put_u32(at + 12, 0);
    put_u64(at + 16, e->version);
    buf_append(out, e->key.data, e->key.size);
    buf_append(out, e->value.data, e->value.size);
    buf_append(out, e->previous.data, e->previous.size);
}

size_t watch_part_begin(struct buf *out)
{
    size_t begun = out->size;

    buf_grow(out, WATCH_PART_HEADER_BYTES);
    return begun;
}

void watch_part_end(struct buf *out, size_t begun, uint64_t through,
                    uint64_t clock_ms, uint32_t events)
{
    uint8_t *at = out->data + begun;

    assert(out->size >= begun + WATCH_PART_HEADER_BYTES);
    put_u64(at, through);
    put_u64(at + 8, clock_ms);
    put_u32(at + 16, events);
    put_u32(at + 20, 0);
}

enum status watch_part_decode(struct slice bytes, struct watch_part *out)
{
    out->rows = reader_of(bytes);
    out->through = reader_u64(&out->rows);
    out->clock_ms = reader_u64(&out->rows);
    out->events = reader_u32(&out->rows);
    reader_u32(&out->rows);
    return out->rows.failed ? STATUS_BAD_MESSAGE : STATUS_OK;
}

bool watch_part_event(struct watch_part *p, struct watch_event *out)
{
    struct reader *r = &p->rows;
    uint16_t key_size;
    uint32_t value_size, previous_size;

    if (!reader_left(r))
        return false;
    out->kind = (enum change_kind)reader_u8(r);
    out->flags = reader_u8(r);
    key_size = reader_u16(r);
    value_size = reader_u32(r);
    previous_size = reader_u32(r);
    reader_u32(r);
    out->version = reader_u64(r);
    out->key = reader_bytes(r, key_size);
    out->value = reader_bytes(r, value_size);
    out->previous = reader_bytes(r, previous_size);
    if (!key_size || out->kind < CHANGE_PUT || out->kind > CHANGE_EXPIRE)
        r->failed = true;
    return !r->failed;
}
