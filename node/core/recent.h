/* recent.h - the last changes of a group, in order, for watches.
 *
 * Every replica keeps them, so that a watch goes on where it was when the
 * leader changes. A ring of chunks in memory: bounded in bytes, allocated as
 * changes come, the oldest chunk dropped first. A chunk holds events as
 * proto/watch.h writes them, each behind its keyspace.
 *
 * What is known: every change with a version above `begin` and up to
 * `through`. Changes come whole steps at a time, so `through` never cuts a
 * transaction in two.
 *
 * Pure. */
#ifndef NODE_CORE_RECENT_H
#define NODE_CORE_RECENT_H

#include "node/core/change.h"

enum {
    RECENT_CHUNK_BYTES = 128 * 1024, /* a larger event has one of its own */
    RECENT_BYTES_MAX = 16 << 20,     /* of a group */
    RECENT_BYTES_MIN = 1 << 20,
    RECENT_NODE_BYTES = 128 << 20,   /* of a shard's groups together */
};

struct recent_chunk {
    uint64_t first, last; /* versions */
    uint32_t size, cap;
    uint8_t *bytes;
};

struct recent {
    struct recent_chunk *chunks; /* a deque: v[at .. at+n-1] modulo cap */
    unsigned at, n, cap;
    uint64_t number;   /* of chunks[at]; grows by one with each dropped */
    uint64_t begin, through;
    size_t bytes;      /* of all chunks' memory */
};

/* A place between two events. Stays good while its chunk is there. */
struct recent_place {
    uint64_t chunk;
    uint32_t offset;
};

void recent_release(struct recent *h);
/* Forget everything; from now on changes above `version` are kept. */
void recent_reset(struct recent *h, uint64_t version);

/* The change as it is kept, and told: what was before is left out where the
 * event is too large with it (WATCH_HAD_LARGE). Borrows `c`'s bytes. */
struct watch_event recent_event(const struct change *c, size_t bytes_max);
/* One more change; versions never decrease. Nothing is kept beyond
 * `bytes_max`: an event that, even without what was before, is larger than a
 * quarter of it empties the ring and is not kept itself (whoever is behind is
 * told that it is compacted). Gives the place before it. */
struct recent_place recent_add(struct recent *h, const struct change *c,
                                 size_t bytes_max);
/* Every change up to `version` has been added. */
void recent_reached(struct recent *h, uint64_t version);

/* The place behind all changes up to `after`. False: some behind it are not
 * kept any more. */
bool recent_find(const struct recent *h, uint64_t after,
                  struct recent_place *out);

enum recent_read { RECENT_EVENT, RECENT_END, RECENT_GONE };
/* The event at `*at`, which moves behind it. Borrowed until the next add. */
enum recent_read recent_next(const struct recent *h,
                               struct recent_place *at, uint32_t *keyspace,
                               struct watch_event *e);

#endif
