/* watch_index.h - who watches this key?
 *
 * A watched key, prefix or range is a range of (keyspace, key). The ranges
 * stand in one array sorted by their begin; over it lies a tree of the largest
 * end in each part, so that all ranges around a key are found in O(log n) for
 * each of them, whether thousands are disjoint or nested. Adding and removing
 * only mark the array; the next question sorts and builds it again, so a burst
 * of them costs once. Pure. */
#ifndef NODE_CORE_WATCH_INDEX_H
#define NODE_CORE_WATCH_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/bytes.h"

/* In whoever watches; the bytes stay where they are while it is in an index. */
struct watch_range {
    uint32_t keyspace;
    struct slice begin;  /* inclusive */
    struct slice end;    /* exclusive; no_end: all behind begin */
    bool no_end;
    unsigned place;      /* private */
};

struct watch_index {
    struct watch_range **v;
    unsigned n, cap;
    unsigned *largest;   /* tree node -> position of the largest end in it */
    unsigned cap_largest;
    bool dirty;
};

void watch_index_release(struct watch_index *x);
void watch_index_add(struct watch_index *x, struct watch_range *r);
void watch_index_remove(struct watch_index *x, struct watch_range *r);

/* Call `found` for each range that holds the key; it may neither add nor
 * remove. */
typedef void watch_found(void *arg, struct watch_range *r);
void watch_index_find(struct watch_index *x, uint32_t keyspace,
                      struct slice key, watch_found *found, void *arg);

static inline bool watch_range_has(const struct watch_range *r,
                                   uint32_t keyspace, struct slice key)
{
    return r->keyspace == keyspace && slice_compare(key, r->begin) >= 0 &&
           (r->no_end || slice_compare(key, r->end) < 0);
}

#endif
