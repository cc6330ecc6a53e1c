/* view.c - see view.h. */
#include "node/core/view.h"

#include <assert.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

void view_init(struct view *v, uint64_t seed)
{
    *v = (struct view){.seed = seed};
}

void view_release(struct view *v)
{
    buf_release(&v->bytes);
    buf_release(&v->records);
    free(v->rows);
    free(v->table);
    free(v->keys);
    free(v->wants);
    *v = (struct view){0};
}

void view_clear(struct view *v)
{
    if (!v->n)
        return;
    buf_clear(&v->bytes);
    buf_clear(&v->records);
    if (v->records.cap > VIEW_KEEP_BYTES)
        buf_release(&v->records);
    v->n = 0;
    memset(v->table, 0, v->table_size * sizeof *v->table);
}

static struct slice row_key(const struct view *v, const struct view_row *r)
{
    return slice_of(v->bytes.data + r->offset, r->size);
}

/* The table's place of a key: holds it, or is free. */
static uint32_t *find(const struct view *v, struct slice key, uint64_t hash)
{
    unsigned mask = v->table_size - 1;

    for (unsigned i = (unsigned)hash & mask;; i = (i + 1) & mask) {
        const struct view_row *r;
        if (!v->table[i])
            return &v->table[i];
        r = &v->rows[v->table[i] - 1];
        if (r->hash == hash && slice_equal(row_key(v, r), key))
            return &v->table[i];
    }
}

static void grow(struct view *v)
{
    v->cap = v->cap ? v->cap * 2 : 16;
    v->rows = xrealloc(v->rows, v->cap * sizeof *v->rows);
    v->table_size = v->cap * 2;
    v->table = xrealloc(v->table, v->table_size * sizeof *v->table);
    memset(v->table, 0, v->table_size * sizeof *v->table);
    for (unsigned i = 0; i < v->n; i++)
        *find(v, row_key(v, &v->rows[i]), v->rows[i].hash) = i + 1;
}

void view_need(struct view *v, struct slice key, uint32_t want)
{
    uint64_t hash = XXH3_64bits_withSeed(key.data, key.size, v->seed);
    uint32_t *at;

    if (v->n == v->cap)
        grow(v);
    at = find(v, key, hash);
    if (*at) {
        struct view_row *r = &v->rows[*at - 1];
        r->want = MAX_OF(r->want, want);
        return;
    }
    v->rows[v->n] = (struct view_row){.hash = hash,
                                      .offset = (uint32_t)v->bytes.size,
                                      .size = (uint32_t)key.size,
                                      .want = want};
    buf_append(&v->bytes, key.data, key.size);
    *at = ++v->n;
}

const struct slice *view_keys(struct view *v)
{
    if (v->keys_cap < v->n) {
        v->keys_cap = v->cap;
        v->keys = xrealloc(v->keys, v->keys_cap * sizeof *v->keys);
        v->wants = xrealloc(v->wants, v->keys_cap * sizeof *v->wants);
    }
    for (unsigned i = 0; i < v->n; i++) {
        v->keys[i] = row_key(v, &v->rows[i]);
        v->wants[i] = v->rows[i].want;
    }
    return v->keys;
}

const uint32_t *view_wants(const struct view *v)
{
    return v->wants;
}

bool view_fill(struct view *v, const struct fetched *records)
{
    size_t sum = 0;
    bool whole = true;

    buf_clear(&v->records);
    for (unsigned i = 0; i < v->n; i++)
        if (records[i].present)
            sum += MIN_OF(records[i].record.size, (size_t)v->rows[i].want);
    /* Pieces point into it: it must not move any more. */
    buf_reserve(&v->records, sum + 1);
    for (unsigned i = 0; i < v->n; i++) {
        const struct fetched *f = &records[i];
        struct view_row *r = &v->rows[i];
        size_t wanted = MIN_OF(f->size, (size_t)r->want);
        size_t n = MIN_OF(f->record.size, wanted);
        r->now = (struct view_state){.present = f->present};
        if (!f->present)
            continue;
        r->now.cut = n < wanted;
        r->now.size = (uint32_t)f->size;
        r->now.record.where = PIECE_AT;
        r->now.record.size = (uint32_t)n;
        r->now.record.data = v->records.data + v->records.size;
        if (n)
            buf_append(&v->records, f->record.data, n);
        whole &= !r->now.cut;
    }
    return whole;
}

struct view_row *view_find(const struct view *v, struct slice key)
{
    uint64_t hash;
    uint32_t at;

    if (!v->n)
        return NULL;
    hash = XXH3_64bits_withSeed(key.data, key.size, v->seed);
    at = *find(v, key, hash);
    return at ? &v->rows[at - 1] : NULL;
}
