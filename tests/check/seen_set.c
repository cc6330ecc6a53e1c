/* seen_set.c - see seen_set.h.
 *
 * An item in `bytes`: its length (4), where its newest vector is (8; 0: none),
 * itself. A vector: where the next older one is (8), its numbers (4 each). */
#include "tests/check/seen_set.h"

#include <stdlib.h>

enum { BYTES_MAX = 512 << 20, SLOTS_MIN = 256, HEAD = 12, LINK = 8 };

void seen_set_release(struct seen_set *s)
{
    buf_release(&s->bytes);
    free(s->slots);
    *s = (struct seen_set){0};
}

static uint64_t hash(struct slice item)
{
    uint64_t h = 0x9e3779b97f4a7c15u ^ item.size;

    for (size_t i = 0; i < item.size; i++)
        h = (h ^ item.data[i]) * 0x100000001b3u;
    h ^= h >> 29;
    h *= 0xbf58476d1ce4e5b9u;
    return h ^ h >> 32;
}

struct slice seen_set_item(const struct seen_set *s, size_t at)
{
    const uint8_t *p = s->bytes.data + at;

    return slice_of(p + HEAD, get_u32(p));
}

/* The slot that holds `item`, or the empty one where it would be. */
static size_t *slot_of(struct seen_set *s, struct slice item)
{
    size_t mask = s->n_slots - 1;

    for (size_t i = hash(item) & mask;; i = (i + 1) & mask)
        if (!s->slots[i] ||
            slice_equal(seen_set_item(s, s->slots[i] - 1), item))
            return &s->slots[i];
}

static void grow(struct seen_set *s)
{
    size_t *old = s->slots, n_old = s->n_slots;

    s->n_slots = n_old ? 2 * n_old : SLOTS_MIN;
    s->slots = xcalloc(s->n_slots, sizeof *s->slots);
    for (size_t i = 0; i < n_old; i++)
        if (old[i])
            *slot_of(s, seen_set_item(s, old[i] - 1)) = old[i];
    free(old);
}

/* Does a vector of the item at `at` use no more of anything than this one? */
static bool dominated(const struct seen_set *s, size_t at,
                      const uint32_t *used, size_t n_used)
{
    for (uint64_t v = get_u64(s->bytes.data + at + 4); v;
         v = get_u64(s->bytes.data + v)) {
        size_t i = 0;
        while (i < n_used &&
               get_u32(s->bytes.data + v + LINK + 4 * i) <= used[i])
            i++;
        if (i == n_used)
            return true;
    }
    return false;
}

bool seen_set_add(struct seen_set *s, struct slice item, const uint32_t *used,
                  size_t n_used, size_t *item_at, size_t *used_at)
{
    size_t *slot, vector, at;

    if (2 * s->n_items >= s->n_slots)
        grow(s);
    slot = slot_of(s, item);
    if (!*slot) {
        *slot = s->bytes.size + 1;
        s->n_items++;
        buf_u32(&s->bytes, (uint32_t)item.size);
        buf_u64(&s->bytes, 0);
        buf_append(&s->bytes, item.data, item.size);
    } else if (dominated(s, *slot - 1, used, n_used)) {
        return false;
    }
    at = *slot - 1 + 4;
    vector = s->bytes.size;
    buf_u64(&s->bytes, get_u64(s->bytes.data + at));
    for (size_t i = 0; i < n_used; i++)
        buf_u32(&s->bytes, used[i]);
    put_u64(s->bytes.data + at, vector);
    s->n++;
    *item_at = at - 4;
    *used_at = vector;
    return true;
}

void seen_set_used(const struct seen_set *s, size_t at, uint32_t *used,
                   size_t n_used)
{
    for (size_t i = 0; i < n_used; i++)
        used[i] = get_u32(s->bytes.data + at + LINK + 4 * i);
}

bool seen_set_full(const struct seen_set *s)
{
    return s->bytes.size >= BYTES_MAX;
}
