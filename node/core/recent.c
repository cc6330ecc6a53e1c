/* recent.c - see recent.h. */
#include "node/core/recent.h"

#include <assert.h>
#include <stdlib.h>

enum { ROW_HEADER = 8 }; /* u32 size of the event | u32 keyspace */

static struct recent_chunk *chunk_at(const struct recent *h, unsigned i)
{
    return &h->chunks[(h->at + i) % h->cap];
}

static void drop_first(struct recent *h)
{
    struct recent_chunk *c = chunk_at(h, 0);

    h->begin = MAX_OF(h->begin, c->last);
    h->bytes -= c->cap;
    free(c->bytes);
    h->at = (h->at + 1) % h->cap;
    h->n--;
    h->number++;
}

void recent_release(struct recent *h)
{
    while (h->n)
        drop_first(h);
    free(h->chunks);
    *h = (struct recent){0};
}

void recent_reset(struct recent *h, uint64_t version)
{
    while (h->n)
        drop_first(h);
    h->number++; /* no place from before is good any more */
    h->begin = h->through = version;
}

static void grow(struct recent *h)
{
    unsigned cap = h->cap ? h->cap * 2 : 8;
    struct recent_chunk *v = xmalloc(cap * sizeof *v);

    for (unsigned i = 0; i < h->n; i++)
        v[i] = *chunk_at(h, i);
    free(h->chunks);
    h->chunks = v;
    h->cap = cap;
    h->at = 0;
}

/* The last chunk, if it has room for `size` more, or a new one. */
static struct recent_chunk *room_for(struct recent *h, size_t size,
                                      size_t bytes_max)
{
    struct recent_chunk *c = h->n ? chunk_at(h, h->n - 1) : NULL;
    size_t cap = MAX_OF(size, (size_t)RECENT_CHUNK_BYTES);

    if (c && c->cap - c->size >= size)
        return c;
    while (h->n && h->bytes + cap > bytes_max)
        drop_first(h);
    if (h->n == h->cap)
        grow(h);
    c = chunk_at(h, h->n++);
    *c = (struct recent_chunk){.cap = (uint32_t)cap, .bytes = xmalloc(cap)};
    h->bytes += cap;
    return c;
}

static bool too_large(const struct watch_event *e, size_t bytes_max)
{
    return ROW_HEADER + watch_event_bytes(e) > bytes_max / 4;
}

struct watch_event recent_event(const struct change *c, size_t bytes_max)
{
    struct watch_event e = {
        .kind = c->kind,
        .flags = c->flags,
        .key = c->key,
        .value = c->value,
        .previous = c->previous,
        .version = c->version,
    };

    if (e.flags & WATCH_HAD_PREVIOUS && too_large(&e, bytes_max)) {
        e.flags = WATCH_HAD_LARGE;
        e.previous = slice_of(NULL, 0);
    }
    return e;
}

struct recent_place recent_add(struct recent *h, const struct change *c,
                                 size_t bytes_max)
{
    const struct recent_place gone = {h->number, 0};
    struct watch_event e = recent_event(c, bytes_max);
    size_t bytes = watch_event_bytes(&e), size = ROW_HEADER + bytes;
    struct recent_chunk *chunk;
    struct recent_place place;
    struct buf out;

    assert(c->version >= h->through);
    /* Also what is left of a transaction that held a change too large. */
    if (too_large(&e, bytes_max) || c->version <= h->begin) {
        recent_reset(h, c->version);
        return gone;
    }
    chunk = room_for(h, size, bytes_max);
    place = (struct recent_place){h->number + h->n - 1, chunk->size};
    if (!chunk->size)
        chunk->first = c->version;
    put_u32(chunk->bytes + chunk->size, (uint32_t)bytes);
    put_u32(chunk->bytes + chunk->size + 4, c->keyspace);
    out = (struct buf){chunk->bytes, chunk->size + ROW_HEADER, chunk->cap};
    watch_event_encode(&e, &out);
    assert(out.data == chunk->bytes);
    chunk->size = (uint32_t)out.size;
    chunk->last = c->version;
    h->through = c->version;
    return place;
}

void recent_reached(struct recent *h, uint64_t version)
{
    assert(version >= h->through);
    h->through = version;
}

bool recent_find(const struct recent *h, uint64_t after,
                  struct recent_place *out)
{
    unsigned lo = 0, hi = h->n;
    const struct recent_chunk *c;
    struct recent_place next;

    if (after < h->begin)
        return false;
    /* The first chunk that has something behind `after`. */
    while (lo < hi) {
        unsigned mid = lo + (hi - lo) / 2;
        if (chunk_at(h, mid)->last <= after)
            lo = mid + 1;
        else
            hi = mid;
    }
    *out = (struct recent_place){h->number + lo, 0};
    if (lo == h->n) {
        /* Nothing yet: where the next event will be, in the last chunk or
         * behind it (recent_next() goes on there). */
        if (h->n) {
            out->chunk = h->number + h->n - 1;
            out->offset = chunk_at(h, h->n - 1)->size;
        }
        return true;
    }
    c = chunk_at(h, lo);
    for (next = *out; next.offset < c->size; *out = next) {
        const uint8_t *row = c->bytes + next.offset;
        if (get_u64(row + ROW_HEADER + 16) > after)
            break;
        next.offset += ROW_HEADER + get_u32(row);
    }
    return true;
}

/* The event's bytes are ours: no decoder for what comes from elsewhere. */
static void read_event(const uint8_t *at, struct watch_event *e)
{
    const uint8_t *p = at + WATCH_EVENT_BYTES;

    e->kind = (enum change_kind)at[0];
    e->flags = at[1];
    e->version = get_u64(at + 16);
    e->key = slice_of(p, get_u16(at + 2));
    e->value = slice_of(e->key.data + e->key.size, get_u32(at + 4));
    e->previous = slice_of(e->value.data + e->value.size, get_u32(at + 8));
}

enum recent_read recent_next(const struct recent *h,
                               struct recent_place *at, uint32_t *keyspace,
                               struct watch_event *e)
{
    const struct recent_chunk *c;
    const uint8_t *row;

    if (at->chunk < h->number)
        return RECENT_GONE;
    for (;;) {
        if (at->chunk >= h->number + h->n)
            return RECENT_END;
        c = chunk_at(h, (unsigned)(at->chunk - h->number));
        if (at->offset < c->size)
            break;
        if (at->chunk + 1 == h->number + h->n)
            return RECENT_END; /* more may come into this chunk */
        at->chunk++;
        at->offset = 0;
    }
    row = c->bytes + at->offset;
    *keyspace = get_u32(row + 4);
    read_event(row + ROW_HEADER, e);
    at->offset += ROW_HEADER + get_u32(row);
    return RECENT_EVENT;
}
