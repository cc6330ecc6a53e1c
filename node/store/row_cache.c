/* row_cache.c - see row_cache.h.
 *
 * A slot of the index is one number: the hash of the key (32 bits), the
 * segment (16) and the place in it in units of 8 bytes (16); 0 is empty. Slots
 * are probed in a line from hash % size on; a removed one is filled from
 * behind, so that there are no gaps. Hashes alone say where slots belong: the
 * index grows without looking at a record. */
#include "node/store/row_cache.h"

#include <assert.h>
#include <stdlib.h>
#include <xxhash.h>

enum {
    SLOTS_MIN = 1024,
    SEGMENTS_MIN = 4,
    SEGMENTS_MAX = 65536, /* what a slot can name */
    UNIT = 8,
    KEPT_BYTES_MAX = ROW_SEGMENT_BYTES / 2,
};

struct row_segment {
    atomic_uint refs;
    uint32_t used; /* bytes, of the head too: no record stands at place 0 */
    uint8_t bytes[ROW_SEGMENT_BYTES - 8];
};

struct row {
    uint32_t hash;
    uint32_t value_size;
    uint16_t key_size;
    bool read; /* since it came */
    uint8_t bytes[];
};

struct row_cache {
    struct row_budget *budget;
    uint64_t seed;
    uint64_t *slots;
    uint32_t mask; /* slots - 1; 0: none */
    uint32_t count;
    struct row_segment **segments; /* number n at n & (cap - 1) */
    uint32_t cap;
    uint32_t first, next; /* numbers; the newest is next - 1 */
};

static uint64_t slot_of(uint32_t hash, uint32_t segment, uint32_t place)
{
    return (uint64_t)hash << 32 | (uint64_t)(segment & 0xffff) << 16 |
           place / UNIT;
}

static uint32_t slot_hash(uint64_t slot)
{
    return (uint32_t)(slot >> 32);
}

static struct row_segment *slot_segment(const struct row_cache *c,
                                        uint64_t slot)
{
    return c->segments[(slot >> 16 & 0xffff) & (c->cap - 1)];
}

static struct row *row_at(struct row_segment *s, uint32_t place)
{
    return (struct row *)(void *)((uint8_t *)s + place);
}

static struct row *slot_row(const struct row_cache *c, uint64_t slot)
{
    return row_at(slot_segment(c, slot), (uint32_t)(slot & 0xffff) * UNIT);
}

static uint32_t row_bytes(size_t key_size, size_t value_size)
{
    size_t n = offsetof(struct row, bytes) + key_size + value_size;

    return (uint32_t)((n + UNIT - 1) / UNIT * UNIT);
}

static uint32_t hash_of(const struct row_cache *c, struct slice key)
{
    return (uint32_t)XXH3_64bits_withSeed(key.data, key.size, c->seed);
}

/* ---- the budget ---- */

static uint64_t index_bytes(const struct row_cache *c)
{
    return c->mask ? (c->mask + 1ull) * sizeof *c->slots : 0;
}

static uint64_t share(const struct row_cache *c)
{
    return c->budget->bytes_max / MAX_OF(atomic_load(&c->budget->caches), 1u);
}

static uint64_t bytes_of(const struct row_cache *c)
{
    return (uint64_t)(c->next - c->first) * sizeof(struct row_segment) +
           index_bytes(c);
}

/* Take of the budget; without success others may have to give. */
static bool take(struct row_cache *c, uint64_t bytes)
{
    uint64_t before = atomic_fetch_add(&c->budget->bytes, bytes);

    if (before + bytes <= c->budget->bytes_max)
        return true;
    atomic_fetch_sub(&c->budget->bytes, bytes);
    if (bytes_of(c) < share(c))
        atomic_store(&c->budget->wanted, true);
    return false;
}

/* ---- the index ---- */

/* The place of the slot for `key`, or of the empty one where it would be. */
static uint32_t find(const struct row_cache *c, uint32_t hash,
                     struct slice key)
{
    uint32_t i = hash & c->mask;

    for (; c->slots[i]; i = (i + 1) & c->mask) {
        uint64_t slot = c->slots[i];
        struct row *r;
        if (slot_hash(slot) != hash)
            continue;
        r = slot_row(c, slot);
        if (r->key_size == key.size &&
            !memcmp(r->bytes, key.data, key.size))
            break;
    }
    return i;
}

/* The place of exactly this slot; UINT32_MAX: it is not there. */
static uint32_t find_slot(const struct row_cache *c, uint64_t slot)
{
    uint32_t i = slot_hash(slot) & c->mask;

    for (; c->slots[i]; i = (i + 1) & c->mask)
        if (c->slots[i] == slot)
            return i;
    return UINT32_MAX;
}

static void slot_remove(struct row_cache *c, uint32_t hole)
{
    uint32_t i = hole;

    for (;;) {
        uint32_t home;
        i = (i + 1) & c->mask;
        if (!c->slots[i])
            break;
        home = slot_hash(c->slots[i]) & c->mask;
        /* May it move back to the hole? Not if that is before its home. */
        if (((i - home) & c->mask) < ((i - hole) & c->mask))
            continue;
        c->slots[hole] = c->slots[i];
        hole = i;
    }
    c->slots[hole] = 0;
    c->count--;
}

/* Room for one more slot. */
static bool index_grow(struct row_cache *c)
{
    uint32_t slots = c->mask ? 2 * (c->mask + 1) : SLOTS_MIN;
    uint32_t old_slots = c->mask ? c->mask + 1 : 0;
    uint64_t *old = c->slots;

    if (c->mask && c->count < (c->mask + 1) / 4 * 3)
        return true;
    if (!take(c, (uint64_t)(slots - old_slots) * sizeof *old))
        return false;
    c->slots = xcalloc(slots, sizeof *c->slots);
    c->mask = slots - 1;
    for (uint32_t i = 0; i < old_slots; i++) {
        uint32_t at = slot_hash(old[i]) & c->mask;
        if (!old[i])
            continue;
        while (c->slots[at])
            at = (at + 1) & c->mask;
        c->slots[at] = old[i];
    }
    free(old);
    return true;
}

/* ---- segments ---- */

void row_segment_unref(struct row_segment *s)
{
    if (s && atomic_fetch_sub(&s->refs, 1) == 1)
        free(s);
}

static void segment_add(struct row_cache *c)
{
    struct row_segment *s = xmalloc(sizeof *s);

    if (c->next - c->first == c->cap) {
        uint32_t cap = c->cap ? 2 * c->cap : SEGMENTS_MIN;
        struct row_segment **segments = xcalloc(cap, sizeof *segments);
        assert(cap <= SEGMENTS_MAX);
        for (uint32_t n = c->first; n != c->next; n++)
            segments[n & (cap - 1)] = c->segments[n & (c->cap - 1)];
        free(c->segments);
        c->segments = segments;
        c->cap = cap;
    }
    atomic_init(&s->refs, 1);
    s->used = offsetof(struct row_segment, bytes);
    c->segments[c->next++ & (c->cap - 1)] = s;
}

static bool newest_has(const struct row_cache *c, uint32_t bytes)
{
    return c->next != c->first &&
           c->segments[(c->next - 1) & (c->cap - 1)]->used + bytes <=
               sizeof(struct row_segment);
}

/* Room in the newest segment, which has it. */
static struct row *row_add(struct row_cache *c, uint32_t bytes,
                           uint32_t hash, uint64_t *slot)
{
    struct row_segment *s = c->segments[(c->next - 1) & (c->cap - 1)];
    struct row *r = row_at(s, s->used);

    *slot = slot_of(hash, c->next - 1, s->used);
    s->used += bytes;
    return r;
}

/* Take the oldest segment out. With `keep` its records that were read move to
 * the newest one, as long as they fit. The budget is the caller's. */
static void oldest_drop(struct row_cache *c, bool keep)
{
    uint32_t number = c->first, kept = 0;
    struct row_segment *s = c->segments[number & (c->cap - 1)];
    uint32_t place = offsetof(struct row_segment, bytes);

    while (place < s->used) {
        struct row *r = row_at(s, place);
        uint32_t bytes = row_bytes(r->key_size, r->value_size);
        uint32_t i = find_slot(c, slot_of(r->hash, number, place));

        place += bytes;
        if (i == UINT32_MAX)
            continue; /* removed, or replaced */
        kept += bytes;
        if (keep && r->read && kept <= KEPT_BYTES_MAX &&
            newest_has(c, bytes)) {
            struct row *copy = row_add(c, bytes, r->hash, &c->slots[i]);
            memcpy(copy, r, bytes);
            copy->read = false;
        } else {
            slot_remove(c, i);
        }
    }
    c->first++;
    row_segment_unref(s);
}

/* A newest segment with room for `bytes`. */
static bool room(struct row_cache *c, uint32_t bytes)
{
    if (newest_has(c, bytes))
        return true;
    if (c->next - c->first < SEGMENTS_MAX &&
        take(c, sizeof(struct row_segment))) {
        segment_add(c);
        return true;
    }
    if (c->next == c->first)
        return false;
    /* For a moment there is one segment more than the budget has. */
    segment_add(c);
    oldest_drop(c, true);
    return newest_has(c, bytes);
}

/* ---- the interface ---- */

struct row_cache *row_cache_new(struct row_budget *budget, uint64_t seed)
{
    struct row_cache *c = xcalloc(1, sizeof *c);

    c->budget = budget;
    c->seed = seed;
    atomic_fetch_add(&budget->caches, 1);
    return c;
}

void row_cache_clear(struct row_cache *c)
{
    atomic_fetch_sub(&c->budget->bytes, bytes_of(c));
    for (; c->first != c->next; c->first++)
        row_segment_unref(c->segments[c->first & (c->cap - 1)]);
    free(c->slots);
    c->slots = NULL;
    c->mask = 0;
    c->count = 0;
}

void row_cache_free(struct row_cache *c)
{
    if (!c)
        return;
    row_cache_clear(c);
    atomic_fetch_sub(&c->budget->caches, 1);
    free(c->segments);
    free(c);
}

bool row_cache_get(struct row_cache *c, struct slice key, struct slice *value,
                   struct row_segment **pin)
{
    uint32_t hash, i;
    uint64_t slot;
    struct row *r;

    if (!c->count)
        return false;
    hash = hash_of(c, key);
    i = find(c, hash, key);
    slot = c->slots[i];
    if (!slot)
        return false;
    *pin = slot_segment(c, slot);
    r = slot_row(c, slot);
    r->read = true;
    atomic_fetch_add(&(*pin)->refs, 1);
    *value = slice_of(r->bytes + r->key_size, r->value_size);
    return true;
}

/* The slot that find() would look at first; 0: there is none. */
static uint64_t likely_slot(const struct row_cache *c, uint32_t hash)
{
    uint32_t i = hash & c->mask;

    while (c->slots[i] && slot_hash(c->slots[i]) != hash)
        i = (i + 1) & c->mask;
    return c->slots[i];
}

unsigned row_cache_expect(const struct row_cache *c, const struct slice *keys,
                          unsigned n)
{
    uint32_t hashes[EXPECT_MAX];
    unsigned here = 0;

    assert(n <= EXPECT_MAX);
    if (!c->count)
        return 0;
    for (unsigned i = 0; i < n; i++) {
        hashes[i] = hash_of(c, keys[i]);
        __builtin_prefetch(&c->slots[hashes[i] & c->mask]);
    }
    for (unsigned i = 0; i < n; i++) {
        uint64_t slot = likely_slot(c, hashes[i]);
        if (!slot)
            continue;
        here |= 1u << i;
        memory_prefetch(slot_row(c, slot), EXPECT_BYTES);
    }
    return here;
}

void row_cache_put(struct row_cache *c, struct slice key, struct slice value)
{
    uint32_t hash, bytes, i;
    struct row *r;

    if (key.size + value.size > ROW_BYTES_MAX)
        return;
    row_cache_remove(c, key);
    bytes = row_bytes(key.size, value.size);
    if (!index_grow(c) || !room(c, bytes))
        return;
    hash = hash_of(c, key);
    i = find(c, hash, key);
    r = row_add(c, bytes, hash, &c->slots[i]);
    c->count++;
    r->hash = hash;
    r->value_size = (uint32_t)value.size;
    r->key_size = (uint16_t)key.size;
    r->read = false;
    memcpy(r->bytes, key.data, key.size);
    if (value.size)
        memcpy(r->bytes + key.size, value.data, value.size);
}

void row_cache_remove(struct row_cache *c, struct slice key)
{
    uint32_t i;

    if (!c->count)
        return;
    i = find(c, hash_of(c, key), key);
    if (c->slots[i])
        slot_remove(c, i);
}

void row_cache_share(struct row_cache *c)
{
    if (!atomic_load_explicit(&c->budget->wanted, memory_order_relaxed) ||
        c->next - c->first < 2 ||
        bytes_of(c) <= share(c) + sizeof(struct row_segment))
        return;
    atomic_store(&c->budget->wanted, false);
    oldest_drop(c, false);
    atomic_fetch_sub(&c->budget->bytes, sizeof(struct row_segment));
}

uint64_t row_cache_count(const struct row_cache *c)
{
    return c->count;
}
