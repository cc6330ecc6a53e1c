/* mem_store.c - see mem_store.h. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/mem_store.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

void mem_table_release(struct mem_table *t)
{
    for (unsigned i = 0; i < t->n; i++)
        blob_unref(t->v[i].bytes);
    free(t->v);
    *t = (struct mem_table){0};
}

void mem_table_copy(struct mem_table *to, const struct mem_table *from)
{
    mem_table_release(to);
    to->v = xcalloc(from->n + 1, sizeof *to->v);
    to->cap = from->n + 1;
    to->n = from->n;
    to->digest = from->digest;
    for (unsigned i = 0; i < from->n; i++) {
        to->v[i] = from->v[i];
        blob_ref(to->v[i].bytes);
    }
}

/* The first row that is not below `key`. */
unsigned mem_table_lower(const struct mem_table *t, struct slice key)
{
    unsigned lo = 0, hi = t->n;

    while (lo < hi) {
        unsigned mid = lo + (hi - lo) / 2;
        if (slice_compare(mem_row_key(&t->v[mid]), key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const struct mem_row *mem_table_get(const struct mem_table *t,
                                    struct slice key)
{
    unsigned at = mem_table_lower(t, key);

    return at < t->n && slice_equal(mem_row_key(&t->v[at]), key) ? &t->v[at]
                                                                 : NULL;
}

static void drop(struct mem_table *t, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        t->digest -= t->v[i].hash;
        blob_unref(t->v[i].bytes);
    }
    memmove(t->v + from, t->v + to, (t->n - to) * sizeof *t->v);
    t->n -= to - from;
}

static void put(struct mem_table *t, struct slice key, struct slice value)
{
    unsigned at = mem_table_lower(t, key);
    struct mem_row row = {blob_new(key.size + value.size),
                          (uint32_t)key.size, 0};

    memcpy(row.bytes->data, key.data, key.size);
    if (value.size)
        memcpy(row.bytes->data + key.size, value.data, value.size);
    row.hash = XXH3_64bits_withSeed(row.bytes->data, row.bytes->size,
                                    row.key_size);
    if (at < t->n && slice_equal(mem_row_key(&t->v[at]), key))
        drop(t, at, at + 1);
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 32;
        t->v = xrealloc(t->v, t->cap * sizeof *t->v);
    }
    memmove(t->v + at + 1, t->v + at, (t->n - at) * sizeof *t->v);
    t->v[at] = row;
    t->n++;
    t->digest += row.hash;
}

void mem_table_apply(struct mem_table *t, const struct write_set *set)
{
    struct write_record r;
    size_t at = 0;

    while (write_set_next(set, &at, &r)) {
        unsigned from = mem_table_lower(t, r.key);
        switch (r.op) {
        case WRITE_PUT:
            put(t, r.key, r.value);
            break;
        case WRITE_DELETE:
            if (mem_table_get(t, r.key))
                drop(t, from, from + 1);
            break;
        case WRITE_DELETE_RANGE:
            drop(t, from, mem_table_lower(t, r.value));
            break;
        }
    }
}

struct slice mem_table_single(const struct mem_table *t,
                              enum layout_kind kind)
{
    const struct mem_row *r = mem_table_get(t, layout_single_key(kind));

    return r ? mem_row_value(r) : slice_of("", 0);
}

struct group_record mem_table_record(const struct mem_table *t)
{
    struct group_record r;
    enum status st =
        group_record_decode(mem_table_single(t, LAYOUT_GROUP), &r);

    assert(st == STATUS_OK);
    return r;
}

void mem_table_write(const struct mem_table *t, unsigned from, unsigned to,
                     struct buf *out)
{
    for (unsigned i = from; i < to; i++) {
        buf_u32(out, t->v[i].key_size);
        buf_u32(out, t->v[i].bytes->size - t->v[i].key_size);
        buf_append(out, t->v[i].bytes->data, t->v[i].bytes->size);
    }
}

bool mem_table_read(struct mem_table *t, struct slice bytes)
{
    struct reader r = reader_of(bytes);

    while (reader_left(&r)) {
        uint32_t key_size = reader_u32(&r), value_size = reader_u32(&r);
        struct slice key = reader_bytes(&r, key_size);
        struct slice value = reader_bytes(&r, value_size);
        if (r.failed)
            return false;
        put(t, key, value);
    }
    return true;
}

void mem_table_kept(const struct mem_table *t, struct write_set *out)
{
    for (unsigned i = 0; i < t->n; i++) {
        struct slice key = mem_row_key(&t->v[i]);
        if (key.data[0] == LAYOUT_KEYSPACE ||
            key.data[0] == LAYOUT_SESSION ||
            key.data[0] == LAYOUT_REMEMBER)
            write_set_put(out, key, mem_row_value(&t->v[i]));
    }
}

/* ---- what is durable of it ---- */

void mem_store_free(struct mem_store *s)
{
    if (!s)
        return;
    mem_table_release(&s->live);
    mem_table_release(&s->flushed);
    for (unsigned i = 0; i < s->cap_pending; i++)
        write_set_release(&s->pending[i]);
    free(s->pending);
    free(s);
}

void mem_store_apply(struct mem_store *s, const struct write_set *set)
{
    mem_table_apply(&s->live, set);
    if (s->n_pending == s->cap_pending) {
        unsigned cap = s->cap_pending ? s->cap_pending * 2 : 32;
        s->pending = xrealloc(s->pending, cap * sizeof *s->pending);
        memset(s->pending + s->cap_pending, 0,
               (cap - s->cap_pending) * sizeof *s->pending);
        s->cap_pending = cap;
    }
    write_set_append(&s->pending[s->n_pending++], set);
}

void mem_store_flush(struct mem_store *s, uint64_t number)
{
    unsigned n = 0;

    if (!s->n_pending)
        return;
    for (; n < s->n_pending && s->first_pending + n < number; n++)
        mem_table_apply(&s->flushed, &s->pending[n]);
    for (unsigned i = 0; i < n; i++)
        write_set_release(&s->pending[i]);
    memmove(s->pending, s->pending + n,
            (s->n_pending - n) * sizeof *s->pending);
    memset(s->pending + s->n_pending - n, 0, n * sizeof *s->pending);
    s->n_pending -= n;
    s->first_pending += n;
}

void mem_store_crash(struct mem_store *s, unsigned more)
{
    mem_store_flush(s, s->first_pending + more);
    for (unsigned i = 0; i < s->n_pending; i++)
        write_set_clear(&s->pending[i]);
    s->first_pending += s->n_pending;
    s->n_pending = 0;
    mem_table_copy(&s->live, &s->flushed);
}
