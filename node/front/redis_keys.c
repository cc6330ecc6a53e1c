/* redis_keys.c - see redis_keys.h. */
#include "node/front/redis_keys.h"

#include <stdlib.h>

uint64_t redis_key_hash(uint64_t seed, struct slice key)
{
    const uint64_t odd = UINT64_C(0x9fb21c651e98df25);
    uint64_t h = seed ^ key.size * odd;

    for (size_t at = 0; at < key.size; at += 8) {
        uint64_t word = 0;
        memcpy(&word, key.data + at, MIN_OF(key.size - at, (size_t)8));
        h = (h ^ word) * odd;
        h ^= h >> 29;
    }
    h *= odd;
    h ^= h >> 32;
    return h ? h : 1;
}

/* Where it is, or the free place that it would get. */
static struct redis_key_row *row_of(const struct redis_keys *t, uint64_t hash)
{
    uint32_t mask = t->size - 1;

    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask)
        if (!t->v[i].hash || t->v[i].hash == hash)
            return &t->v[i];
}

static void enlarge(struct redis_keys *t)
{
    struct redis_keys larger = {.size = t->size ? t->size * 2 : 16,
                                .used = t->used};

    larger.v = xcalloc(larger.size, sizeof *larger.v);
    for (uint32_t i = 0; i < t->size; i++)
        if (t->v[i].hash)
            *row_of(&larger, t->v[i].hash) = t->v[i];
    free(t->v);
    *t = larger;
}

uint32_t *redis_keys_at(struct redis_keys *t, uint64_t hash)
{
    struct redis_key_row *row;

    if (t->used >= t->size / 2)
        enlarge(t);
    row = row_of(t, hash);
    t->used += !row->hash;
    row->hash = hash;
    return &row->number;
}

uint32_t redis_keys_get(const struct redis_keys *t, uint64_t hash)
{
    return t->used ? row_of(t, hash)->number : 0;
}

void redis_keys_release(struct redis_keys *t)
{
    free(t->v);
    *t = (struct redis_keys){0};
}
