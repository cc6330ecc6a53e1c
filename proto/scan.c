/* scan.c - see scan.h. */
#include "proto/scan.h"

#include <assert.h>

#include "proto/glob.h"

void scan_encode(const struct scan *s, struct buf *out)
{
    uint8_t *at = buf_grow(out, SCAN_HEADER_BYTES);

    at[0] = (uint8_t)s->flags;
    at[1] = 0;
    put_u16(at + 2, (uint16_t)s->key.size);
    put_u32(at + 4, s->group);
    put_u32(at + 8, s->keys_max);
    put_u32(at + 12, s->bytes_max);
    put_u32(at + 16, (uint32_t)s->begin.size);
    put_u32(at + 20, (uint32_t)s->end.size);
    put_u32(at + 24, (uint32_t)s->pattern.size);
    buf_append(out, s->key.data, s->key.size);
    buf_append(out, s->begin.data, s->begin.size);
    buf_append(out, s->end.data, s->end.size);
    buf_append(out, s->pattern.data, s->pattern.size);
}

enum status scan_decode(struct slice bytes, struct scan *out)
{
    struct reader r = reader_of(bytes);
    uint16_t key_size;
    uint32_t begin_size, end_size, pattern_size;

    *out = (struct scan){.flags = reader_u8(&r)};
    reader_u8(&r);
    key_size = reader_u16(&r);
    out->group = reader_u32(&r);
    out->keys_max = reader_u32(&r);
    out->bytes_max = reader_u32(&r);
    begin_size = reader_u32(&r);
    end_size = reader_u32(&r);
    pattern_size = reader_u32(&r);
    out->key = reader_bytes(&r, key_size);
    out->begin = reader_bytes(&r, begin_size);
    out->end = reader_bytes(&r, end_size);
    out->pattern = reader_bytes(&r, pattern_size);
    if (r.failed || reader_left(&r))
        return STATUS_BAD_MESSAGE;
    if (out->flags & ~(unsigned)SCAN_FLAGS_ALL ||
        out->group > GROUP_COUNT_MAX ||
        out->bytes_max > SCAN_PAGE_BYTES_MAX ||
        begin_size > SCAN_BOUND_BYTES_MAX || end_size > SCAN_BOUND_BYTES_MAX ||
        pattern_size > SCAN_PATTERN_BYTES_MAX || glob_check(out->pattern))
        return STATUS_INVALID;
    if (!out->group && !key_size)
        return STATUS_KEY_EMPTY;
    if (!out->bytes_max)
        out->bytes_max = SCAN_PAGE_BYTES_DEFAULT;
    return STATUS_OK;
}

void scan_prefix_end(struct slice prefix, struct buf *out)
{
    size_t n = prefix.size;

    while (n > 0 && prefix.data[n - 1] == 0xff)
        n--;
    if (!n)
        return;
    buf_append(out, prefix.data, n);
    out->data[out->size - 1]++;
}

/* ---- pages ---- */

enum status scan_page_decode(struct slice bytes, struct scan_page *out)
{
    struct reader r = reader_of(bytes);
    uint32_t next_size;

    *out = (struct scan_page){.flags = reader_u32(&r)};
    out->records = reader_u32(&r);
    out->counted = reader_u64(&r);
    out->index = reader_u64(&r);
    out->clock_ms = reader_u64(&r);
    out->ownership = reader_u64(&r);
    next_size = reader_u32(&r);
    reader_u32(&r);
    if (r.failed || next_size > reader_left(&r) ||
        next_size > SCAN_BOUND_BYTES_MAX)
        return STATUS_BAD_MESSAGE;
    out->rows = reader_of(slice_of(r.at, reader_left(&r) - next_size));
    out->next = slice_of(out->rows.end, next_size);
    return STATUS_OK;
}

bool scan_page_record(struct scan_page *p, struct scan_record *out)
{
    uint32_t key_size;

    if (!reader_left(&p->rows))
        return false;
    key_size = reader_u32(&p->rows);
    out->value_size = reader_u32(&p->rows);
    out->version = reader_u64(&p->rows);
    out->expire_at = reader_u64(&p->rows);
    if (key_size > KEY_BYTES_MAX || !key_size)
        p->rows.failed = true;
    out->key = reader_bytes(&p->rows, key_size);
    out->value = reader_bytes(
        &p->rows, p->flags & SCAN_PAGE_VALUES ? out->value_size : 0);
    return !p->rows.failed;
}

void scan_writer_begin(struct scan_writer *w, struct buf *out, bool values)
{
    *w = (struct scan_writer){out, out->size, 0, values};
    memset(buf_grow(out, SCAN_PAGE_HEADER_BYTES), 0, SCAN_PAGE_HEADER_BYTES);
}

void scan_writer_add(struct scan_writer *w, const struct scan_record *r)
{
    size_t value_size = w->values ? r->value.size : 0;
    uint8_t *at =
        buf_grow(w->out, SCAN_RECORD_BYTES + r->key.size + value_size);

    put_u32(at, (uint32_t)r->key.size);
    put_u32(at + 4, r->value_size);
    put_u64(at + 8, r->version);
    put_u64(at + 16, r->expire_at);
    memcpy(at + SCAN_RECORD_BYTES, r->key.data, r->key.size);
    if (value_size)
        memcpy(at + SCAN_RECORD_BYTES + r->key.size, r->value.data,
               value_size);
    w->records++;
}

void scan_writer_end(struct scan_writer *w, const struct scan_page *p)
{
    uint8_t *at;

    assert(!(p->flags & SCAN_PAGE_VALUES));
    buf_append(w->out, p->next.data, p->next.size);
    at = w->out->data + w->begun;
    put_u32(at, p->flags | (w->values ? SCAN_PAGE_VALUES : 0));
    put_u32(at + 4, w->records);
    put_u64(at + 8, p->counted);
    put_u64(at + 16, p->index);
    put_u64(at + 24, p->clock_ms);
    put_u64(at + 32, p->ownership);
    put_u32(at + 40, (uint32_t)p->next.size);
    put_u32(at + 44, 0);
}

/* A bijection that spreads bits well (the finalizer of splitmix64; Steele, Lea,
 * Flood: "Fast splittable pseudorandom number generators", 2014). */
uint64_t scan_ownership_of(uint16_t slot)
{
    uint64_t x = (slot + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}
