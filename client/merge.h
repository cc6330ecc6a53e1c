/* merge.h - the next key among several sources that are each in order.
 *
 * A binary heap of (key, source); the keys are borrowed until the source is
 * taken off the top. Pure. */
#ifndef CLIENT_MERGE_H
#define CLIENT_MERGE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/bytes.h"

struct merge_row {
    struct slice key;
    uint32_t source;
};

struct merge {
    struct merge_row *heap;
    unsigned n, cap;
    bool reverse; /* the largest key first */
};

void merge_init(struct merge *m, unsigned sources, bool reverse);
void merge_release(struct merge *m);
/* `source` stands at `key` now; it is not in the heap. */
void merge_add(struct merge *m, struct slice key, uint32_t source);
/* The source with the next key; there is one. */
static inline uint32_t merge_top(const struct merge *m)
{
    return m->heap[0].source;
}
/* Take the top off. */
void merge_pop(struct merge *m);
/* The same as merge_pop and merge_add of the top's source, for less. */
void merge_move(struct merge *m, struct slice key);

#endif
