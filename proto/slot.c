/* slot.c - see slot.h. */
#include "proto/slot.h"

#include <assert.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "proto/crc.h"

enum { POINTS_AT_WEIGHT_100 = 512 };

uint16_t slot_of(struct slice key)
{
    const uint8_t *end = key.data + key.size;
    const uint8_t *open = key.size ? memchr(key.data, '{', key.size) : NULL;

    if (open) {
        const uint8_t *tag = open + 1;
        const uint8_t *close = memchr(tag, '}', (size_t)(end - tag));
        if (close && close > tag)
            key = slice_of(tag, (size_t)(close - tag));
    }
    return crc16(key.data, key.size) % SLOT_COUNT;
}

struct point {
    uint64_t hash;
    uint32_t group;
};

static int point_compare(const void *x, const void *y)
{
    const struct point *a = x, *b = y;
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    return a->group < b->group ? -1 : a->group > b->group;
}

static uint64_t hash_pair(uint32_t a, uint32_t b, uint64_t seed)
{
    uint8_t bytes[8];
    put_u32(bytes, a);
    put_u32(bytes + 4, b);
    return XXH3_64bits_withSeed(bytes, sizeof bytes, seed);
}

void ring_assign(const struct ring_member *members, unsigned n,
                 uint32_t *owner)
{
    struct point *points;
    size_t count = 0, k = 0;

    assert(n > 0);
    for (unsigned i = 0; i < n; i++) {
        assert(members[i].weight >= 1 && members[i].weight <= 1000);
        count += (members[i].weight * POINTS_AT_WEIGHT_100 + 99) / 100;
    }
    points = xmalloc(count * sizeof *points);
    for (unsigned i = 0; i < n; i++) {
        uint32_t m = (members[i].weight * POINTS_AT_WEIGHT_100 + 99) / 100;
        for (uint32_t j = 0; j < m; j++)
            points[k++] = (struct point){hash_pair(members[i].group, j, 1),
                                         members[i].group};
    }
    assert(k == count);
    qsort(points, count, sizeof *points, point_compare);
    for (uint32_t s = 0; s < SLOT_COUNT; s++) {
        uint64_t h = hash_pair(s, 0, 2);
        size_t lo = 0, hi = count; /* the first point at or behind h */
        while (lo < hi) {
            size_t mid = lo + (hi - lo) / 2;
            if (points[mid].hash < h)
                lo = mid + 1;
            else
                hi = mid;
        }
        owner[s] = points[lo == count ? 0 : lo].group;
    }
    free(points);
}
