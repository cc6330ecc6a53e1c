/* keyspaces.c - see keyspaces.h. */
#include "node/core/keyspaces.h"

#include <assert.h>
#include <stdlib.h>

#include "node/store/layout.h"
#include "proto/base/sorted.h"

enum { RECORD_FORMAT = 1, RECORD_BYTES = 64, RECORD_SHORT_BYTES = 48 };

void keyspaces_clear(struct keyspaces *k)
{
    free(k->v);
    *k = (struct keyspaces){0};
}

void keyspaces_release(struct keyspaces *k)
{
    keyspaces_clear(k);
}

struct group_keyspace *keyspaces_find(const struct keyspaces *k, uint32_t id)
{
    return SORTED_FIND(k->v, k->n, id, id);
}

static struct group_keyspace *find_or_add(struct keyspaces *k, uint32_t id)
{
    unsigned at = SORTED_PLACE(k->v, k->n, id, id);

    if (at < k->n && k->v[at].id == id)
        return &k->v[at];
    if (k->n == k->cap) {
        k->cap = k->cap ? k->cap * 2 : 8;
        k->v = xrealloc(k->v, k->cap * sizeof *k->v);
    }
    memmove(k->v + at + 1, k->v + at, (k->n - at) * sizeof *k->v);
    k->n++;
    k->v[at] = (struct group_keyspace){.id = id};
    return &k->v[at];
}

static void changed(struct keyspaces *k, struct group_keyspace *g)
{
    g->dirty = k->dirty = true;
}

enum status keyspaces_load(struct keyspaces *k, struct slice key,
                           struct slice value)
{
    struct group_keyspace *g;

    if (key.size != LAYOUT_KEYSPACE_KEY_BYTES ||
        key.data[0] != LAYOUT_KEYSPACE || !value.size)
        return STATUS_CORRUPT;
    if (value.data[0] != RECORD_FORMAT)
        return STATUS_WRONG_VERSION;
    if ((value.size != RECORD_BYTES && value.size != RECORD_SHORT_BYTES) ||
        value.data[1] > 1 ||
        value.data[2] & ~KEYSPACE_LIMIT_FLAGS)
        return STATUS_CORRUPT;
    g = find_or_add(k, get_be32(key.data + 1));
    g->purged = value.data[1];
    g->flags = value.data[2];
    g->changed = get_u64(value.data + 8);
    g->keys_max = get_u64(value.data + 16);
    g->bytes_max = get_u64(value.data + 24);
    g->keys = get_u64(value.data + 32);
    g->bytes = get_u64(value.data + 40);
    if (value.size == RECORD_BYTES) {
        g->keys_most = get_u64(value.data + 48);
        g->bytes_most = get_u64(value.data + 56);
    }
    return STATUS_OK;
}

void keyspaces_write(struct keyspaces *k, struct write_set *set)
{
    uint8_t key[LAYOUT_KEYSPACE_KEY_BYTES], *at;

    if (!k->dirty)
        return;
    k->dirty = false;
    for (unsigned i = 0; i < k->n; i++) {
        struct group_keyspace *g = &k->v[i];
        if (!g->dirty)
            continue;
        g->dirty = false;
        at = write_set_put_reserve(set, layout_keyspace_key(key, g->id),
                                   RECORD_BYTES);
        memset(at, 0, 8);
        at[0] = RECORD_FORMAT;
        at[1] = g->purged;
        at[2] = g->flags;
        put_u64(at + 8, g->changed);
        put_u64(at + 16, g->keys_max);
        put_u64(at + 24, g->bytes_max);
        put_u64(at + 32, g->keys);
        put_u64(at + 40, g->bytes);
        put_u64(at + 48, g->keys_most);
        put_u64(at + 56, g->bytes_most);
    }
}

void keyspaces_limit(struct keyspaces *k, const struct keyspace_limits *l)
{
    struct group_keyspace *g = find_or_add(k, l->keyspace);

    if (g->purged || g->changed > l->changed)
        return;
    g->changed = l->changed;
    g->keys_max = l->keys_max;
    g->bytes_max = l->bytes_max;
    g->keys_most = l->keys_most;
    g->bytes_most = l->bytes_most;
    g->flags = l->flags;
    g->wanted_keys = g->wanted_bytes = 0;
    changed(k, g);
}

void keyspaces_purged(struct keyspaces *k, uint32_t id)
{
    struct group_keyspace *g = find_or_add(k, id);

    if (g->purged)
        return;
    *g = (struct group_keyspace){.id = id, .purged = true};
    changed(k, g);
}

/* Does `use` grow beyond the share `max`? */
static bool is_over(uint64_t use, int64_t more, uint64_t max, bool none)
{
    return more > 0 && (max || none) && use + (uint64_t)more > max;
}

/* ... and beyond all that it may become? */
static bool is_too_much(uint64_t use, int64_t more, uint64_t most, bool has)
{
    return !has || (most && use + (uint64_t)more > most);
}

enum status keyspaces_room(struct group_keyspace *g, int64_t keys,
                           int64_t bytes)
{
    bool over_keys = is_over(g->keys, keys, g->keys_max,
                             g->flags & KEYSPACE_NO_KEYS);
    bool over_bytes = is_over(g->bytes, bytes, g->bytes_max,
                              g->flags & KEYSPACE_NO_BYTES);

    if (!over_keys && !over_bytes)
        return STATUS_OK;
    if ((over_keys && is_too_much(g->keys, keys, g->keys_most,
                                  g->flags & KEYSPACE_MORE_KEYS)) ||
        (over_bytes && is_too_much(g->bytes, bytes, g->bytes_most,
                                   g->flags & KEYSPACE_MORE_BYTES)))
        return STATUS_QUOTA;
    if (over_keys)
        g->wanted_keys = MAX_OF(g->wanted_keys, g->keys + (uint64_t)keys);
    if (over_bytes)
        g->wanted_bytes = MAX_OF(g->wanted_bytes, g->bytes + (uint64_t)bytes);
    return STATUS_BUSY;
}

void keyspaces_count(struct keyspaces *k, struct group_keyspace *g,
                     int64_t keys, int64_t bytes)
{
    assert(keys >= 0 || g->keys >= (uint64_t)-keys);
    assert(bytes >= 0 || g->bytes >= (uint64_t)-bytes);
    g->keys += (uint64_t)keys;
    g->bytes += (uint64_t)bytes;
    changed(k, g);
}

/* ---- commands ---- */

void keyspace_limits_encode(const struct keyspace_limits *l, struct buf *out)
{
    buf_u32(out, l->keyspace);
    buf_u64(out, l->changed);
    buf_u64(out, l->keys_max);
    buf_u64(out, l->bytes_max);
    buf_u8(out, l->flags);
    buf_u64(out, l->keys_most);
    buf_u64(out, l->bytes_most);
}

enum status keyspace_limits_decode(struct slice value,
                                   struct keyspace_limits *out)
{
    struct reader r = reader_of(value);

    out->keyspace = reader_u32(&r);
    out->changed = reader_u64(&r);
    out->keys_max = reader_u64(&r);
    out->bytes_max = reader_u64(&r);
    out->flags = reader_left(&r) ? reader_u8(&r) : 0;
    out->keys_most = out->bytes_most = 0;
    if (reader_left(&r)) {
        out->keys_most = reader_u64(&r);
        out->bytes_most = reader_u64(&r);
    }
    return r.failed || reader_left(&r) || !out->changed ||
                   out->flags & ~KEYSPACE_LIMIT_FLAGS
               ? STATUS_BAD_MESSAGE
               : STATUS_OK;
}

void keyspace_purge_encode(uint32_t keyspace, struct buf *out)
{
    buf_u32(out, keyspace);
}

enum status keyspace_purge_decode(struct slice value, uint32_t *keyspace)
{
    struct reader r = reader_of(value);

    *keyspace = reader_u32(&r);
    return r.failed || reader_left(&r) || !*keyspace ? STATUS_BAD_MESSAGE
                                                     : STATUS_OK;
}
