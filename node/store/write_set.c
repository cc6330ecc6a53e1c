/* write_set.c - see write_set.h. */
#include "node/store/write_set.h"

#include <assert.h>

#include "node/store/layout.h"

enum {
    RECORD_HEADER_BYTES = 9,
    KEPT_BYTES_MAX = 1024 * 1024,
};

void write_set_release(struct write_set *w)
{
    buf_release(&w->records);
    w->count = 0;
}

void write_set_clear(struct write_set *w)
{
    if (w->records.cap > KEPT_BYTES_MAX)
        buf_release(&w->records);
    else
        buf_clear(&w->records);
    w->count = 0;
}

/* The place of a new record's key and value. */
static uint8_t *record_add(struct write_set *w, enum write_op op,
                           size_t key_size, size_t value_size)
{
    uint8_t *at;

    assert(key_size > 0 && key_size <= LAYOUT_KEY_BYTES_MAX);
    assert(value_size <= LAYOUT_VALUE_BYTES_MAX);
    at = buf_grow(&w->records, RECORD_HEADER_BYTES + key_size + value_size);
    at[0] = (uint8_t)op;
    put_u32(at + 1, (uint32_t)key_size);
    put_u32(at + 5, (uint32_t)value_size);
    w->count++;
    return at + RECORD_HEADER_BYTES;
}

void write_set_put(struct write_set *w, struct slice key, struct slice value)
{
    uint8_t *at = record_add(w, WRITE_PUT, key.size, value.size);

    memcpy(at, key.data, key.size);
    if (value.size)
        memcpy(at + key.size, value.data, value.size);
}

void write_set_delete(struct write_set *w, struct slice key)
{
    uint8_t *at = record_add(w, WRITE_DELETE, key.size, 0);

    memcpy(at, key.data, key.size);
}

void write_set_delete_range(struct write_set *w, struct slice begin,
                            struct slice end)
{
    uint8_t *at;

    /* RocksDB takes an inverted range as an error of the whole batch. */
    if (slice_compare(begin, end) >= 0)
        return;
    assert(end.size <= LAYOUT_KEY_BYTES_MAX);
    at = record_add(w, WRITE_DELETE_RANGE, begin.size, end.size);
    memcpy(at, begin.data, begin.size);
    memcpy(at + begin.size, end.data, end.size);
}

uint8_t *write_set_put_reserve(struct write_set *w, struct slice key,
                               size_t value_size)
{
    uint8_t *at = record_add(w, WRITE_PUT, key.size, value_size);

    memcpy(at, key.data, key.size);
    return at + key.size;
}

uint8_t *write_set_put_in_place(struct write_set *w, size_t key_size,
                                size_t value_size)
{
    return record_add(w, WRITE_PUT, key_size, value_size);
}

void write_set_append(struct write_set *w, const struct write_set *from)
{
    assert(w != from);
    if (from->count)
        buf_append(&w->records, from->records.data, from->records.size);
    w->count += from->count;
}

bool write_set_next(const struct write_set *w, size_t *at,
                    struct write_record *out)
{
    const uint8_t *p;
    size_t key_size, value_size;

    assert(*at <= w->records.size);
    if (*at == w->records.size)
        return false;
    p = w->records.data + *at;
    key_size = get_u32(p + 1);
    value_size = get_u32(p + 5);
    out->op = (enum write_op)p[0];
    out->key = slice_of(p + RECORD_HEADER_BYTES, key_size);
    out->value = slice_of(p + RECORD_HEADER_BYTES + key_size, value_size);
    *at += RECORD_HEADER_BYTES + key_size + value_size;
    assert(*at <= w->records.size);
    return true;
}
