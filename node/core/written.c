/* written.c - see written.h. */
#include "node/core/written.h"

#include <assert.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

_Static_assert((WRITTEN_SLOTS & (WRITTEN_SLOTS - 1)) == 0 &&
                   WRITTEN_SLOTS <= 65536 && WRITTEN_PROBES == 4,
               "16 bits of one hash for each slot");

void written_release(struct written *w)
{
    free(w->slots);
    *w = (struct written){0};
}

void written_forget(struct written *w)
{
    written_release(w);
}

void written_begin(struct written *w, uint64_t index, uint64_t seed)
{
    if (w->slots)
        return;
    w->slots = xcalloc(WRITTEN_SLOTS, sizeof *w->slots);
    w->base = w->from = index;
    w->seed = seed;
}

static uint64_t hash_of(const struct written *w, struct slice key)
{
    return XXH3_64bits_withSeed(key.data, key.size, w->seed);
}

static uint32_t *slot(const struct written *w, uint64_t hash, unsigned i)
{
    return &w->slots[hash >> (16 * i) & (WRITTEN_SLOTS - 1)];
}

void written_note(struct written *w, struct slice key, uint64_t index)
{
    uint64_t hash;

    if (!w->slots || index <= w->base)
        return;
    if (index - w->base > UINT32_MAX) { /* once in a very long time */
        written_forget(w);
        return;
    }
    hash = hash_of(w, key);
    for (unsigned i = 0; i < WRITTEN_PROBES; i++) {
        uint32_t *last = slot(w, hash, i);
        *last = MAX_OF(*last, (uint32_t)(index - w->base));
    }
}

void written_note_all(struct written *w, uint64_t index)
{
    w->from = MAX_OF(w->from, index);
}

bool written_behind(const struct written *w, struct slice key, uint64_t index)
{
    uint64_t hash;

    if (!w->slots || index < w->from)
        return true;
    hash = hash_of(w, key);
    for (unsigned i = 0; i < WRITTEN_PROBES; i++)
        if (*slot(w, hash, i) <= index - w->base)
            return false;
    return true;
}
