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
    free(v->rows);
    free(v->table);
    free(v->keys);
    *v = (struct view){0};
}

void view_clear(struct view *v)
{
    if (!v->n)
        return;
    buf_clear(&v->bytes);
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

void view_need(struct view *v, struct slice key)
{
    uint64_t hash = XXH3_64bits_withSeed(key.data, key.size, v->seed);
    uint32_t *at;

    if (v->n == v->cap)
        grow(v);
    at = find(v, key, hash);
    if (*at)
        return;
    v->rows[v->n] = (struct view_row){hash, (uint32_t)v->bytes.size,
                                      (uint32_t)key.size, false};
    buf_append(&v->bytes, key.data, key.size);
    *at = ++v->n;
}

const struct slice *view_keys(struct view *v)
{
    if (v->keys_cap < v->n) {
        v->keys_cap = v->cap;
        v->keys = xrealloc(v->keys, v->keys_cap * sizeof *v->keys);
    }
    for (unsigned i = 0; i < v->n; i++)
        v->keys[i] = row_key(v, &v->rows[i]);
    return v->keys;
}

void view_fill(struct view *v, const bool *present)
{
    for (unsigned i = 0; i < v->n; i++)
        v->rows[i].present = present[i];
}

static struct view_row *row_of(const struct view *v, struct slice key)
{
    uint64_t hash;
    uint32_t at;

    if (!v->n)
        return NULL;
    hash = XXH3_64bits_withSeed(key.data, key.size, v->seed);
    at = *find(v, key, hash);
    return at ? &v->rows[at - 1] : NULL;
}

bool view_present(const struct view *v, struct slice key)
{
    const struct view_row *r = row_of(v, key);

    assert(r); /* the machine asks only for what it named */
    return r->present;
}

void view_note(struct view *v, struct slice key, bool present)
{
    struct view_row *r = row_of(v, key);

    if (r)
        r->present = present;
}
