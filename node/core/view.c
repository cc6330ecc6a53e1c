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
    v->n = v->n_wishes = v->asked = 0;
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

static struct view_row *name(struct view *v, struct slice key)
{
    uint64_t hash = XXH3_64bits_withSeed(key.data, key.size, v->seed);
    uint32_t *at;

    if (v->n == v->cap)
        grow(v);
    at = find(v, key, hash);
    if (*at)
        return &v->rows[*at - 1];
    v->rows[v->n] = (struct view_row){.hash = hash,
                                      .offset = (uint32_t)v->bytes.size,
                                      .size = (uint32_t)key.size};
    buf_append(&v->bytes, key.data, key.size);
    *at = ++v->n;
    return &v->rows[v->n - 1];
}

void view_need(struct view *v, struct slice key, uint32_t want)
{
    struct view_row *r = name(v, key);

    r->want = MAX_OF(r->want, want);
}

void view_wish(struct view *v, struct slice key, uint32_t wish)
{
    struct view_row *r = name(v, key);

    v->n_wishes += !r->wish;
    r->wish = MAX_OF(r->wish, wish);
}

static bool wishes_more(const struct view_row *r)
{
    return r->wish > r->want;
}

static void ask(struct view *v, const struct view_row *r, uint32_t bytes)
{
    v->keys[v->asked] = row_key(v, r);
    v->wants[v->asked++] = bytes;
}

const struct slice *view_keys(struct view *v)
{
    unsigned most = v->n + v->n_wishes;

    if (v->keys_cap < most) {
        v->keys_cap = MAX_OF(v->cap, most);
        v->keys = xrealloc(v->keys, v->keys_cap * sizeof *v->keys);
        v->wants = xrealloc(v->wants, v->keys_cap * sizeof *v->wants);
    }
    v->asked = 0;
    for (unsigned i = 0; i < v->n; i++)
        if (v->rows[i].want)
            ask(v, &v->rows[i], v->rows[i].want);
    for (unsigned i = 0; i < v->n && v->n_wishes; i++)
        if (wishes_more(&v->rows[i]))
            ask(v, &v->rows[i], v->rows[i].wish);
    return v->keys;
}

const uint32_t *view_wants(const struct view *v)
{
    return v->wants;
}

/* One answer: as much of the record as was asked for, or what came of it. */
static struct view_state take(struct view *v, const struct fetched *f,
                              uint32_t asked)
{
    size_t wanted = MIN_OF(f->size, (size_t)asked);
    size_t n = MIN_OF(f->record.size, wanted);
    struct view_state out = {.present = f->present};

    if (!f->present)
        return out;
    out.cut = n < wanted;
    out.size = (uint32_t)f->size;
    out.record.where = PIECE_AT;
    out.record.size = (uint32_t)n;
    out.record.data = v->records.data + v->records.size;
    if (n)
        buf_append(&v->records, f->record.data, n);
    return out;
}

/* The answer to a wish: what was needed of the row is there already. False: it
 * was cut off. */
static bool take_wish(struct view *v, struct view_row *r,
                      const struct fetched *f)
{
    struct view_state s = take(v, f, r->wish);
    bool whole = !s.cut;

    s.cut = false;
    if (!r->want || (!r->now.cut && s.record.size > r->now.record.size))
        r->now = s;
    return whole;
}

bool view_fill(struct view *v, const struct fetched *records)
{
    size_t sum = 0;
    unsigned at = 0;
    bool whole = true;

    buf_clear(&v->records);
    for (unsigned i = 0; i < v->asked; i++)
        if (records[i].present)
            sum += MIN_OF(records[i].record.size, (size_t)v->wants[i]);
    /* Pieces point into it: it must not move any more. */
    buf_reserve(&v->records, sum + 1);
    for (unsigned i = 0; i < v->n; i++) {
        struct view_row *r = &v->rows[i];
        if (!r->want)
            continue;
        r->now = take(v, &records[at++], r->want);
        whole &= !r->now.cut;
    }
    for (unsigned i = 0; i < v->n && v->n_wishes; i++)
        if (wishes_more(&v->rows[i]))
            whole &= take_wish(v, &v->rows[i], &records[at++]);
    assert(at == v->asked);
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
