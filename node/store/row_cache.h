/* row_cache.h - values that were read from RocksDB, kept for the next reader.
 *
 * One store's cache: a hash index over records that stand in segments, filled
 * one after the other. When there is no room, the oldest segment goes; records
 * of it that were read since they came are kept, up to half of it. No malloc
 * per record.
 *
 * Exact, not approximate: whoever changes a key removes it here first, so what
 * is found is the truth. Only keys that exist are kept.
 *
 * All caches of a node share a budget. A cache that gets no more sets a mark,
 * at which caches that have more than their share give a segment away when
 * they are used next.
 *
 * Pure. Used by one thread at a time, the store's owner; pins are given back
 * on any thread, the budget is shared by threads. */
#ifndef NODE_STORE_ROW_CACHE_H
#define NODE_STORE_ROW_CACHE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "node/store/memory.h"
#include "proto/base/bytes.h"

enum {
    ROW_SEGMENT_BYTES = 256 * 1024,
    ROW_BYTES_MAX = 8 * 1024, /* of key and value: larger ones are not kept */
};

struct row_cache;
struct row_segment;

struct row_budget {
    uint64_t bytes_max;
    atomic_uint_fast64_t bytes; /* of segments and indexes */
    atomic_uint caches;
    atomic_bool wanted; /* some cache has less than its share, and no room */
};

/* An empty cache, which takes no memory to speak of. The seed keeps clients
 * from choosing keys that collide. */
struct row_cache *row_cache_new(struct row_budget *budget, uint64_t seed);
void row_cache_free(struct row_cache *c);

/* Look a key up; on true `value` borrows until `*pin` is given back with
 * row_segment_unref, even beyond row_cache_free. */
bool row_cache_get(struct row_cache *c, struct slice key, struct slice *value,
                   struct row_segment **pin);

/* These keys, at most EXPECT_MAX (memory.h), will be looked up next: have the
 * processor fetch what that needs, for all at once. Changes nothing. Gives a
 * bit for each key, in their order: it is probably here. */
unsigned row_cache_expect(const struct row_cache *c, const struct slice *keys,
                          unsigned n);

void row_segment_unref(struct row_segment *s);

/* Keep a copy, instead of what there was; or not, if it is too large or there
 * is no room. */
void row_cache_put(struct row_cache *c, struct slice key, struct slice value);

/* The key is changed: forget it. */
void row_cache_remove(struct row_cache *c, struct slice key);

/* Forget everything and give the memory back. */
void row_cache_clear(struct row_cache *c);

/* Give a segment away if another cache needs it and this one has more than its
 * share. Cheap. */
void row_cache_share(struct row_cache *c);

/* Records kept. */
uint64_t row_cache_count(const struct row_cache *c);

#endif
