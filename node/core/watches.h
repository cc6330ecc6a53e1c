/* watches.h - the watches of a shard: who gets which changes, and when.
 *
 *            its place is the       +--- too much waits for it ---+
 *            end of the history     v                             |
 *   begun --------------------->  LIVE: events are matched as  ---+
 *      |                            they are made (watch_index.h)
 *      |                            ^                             |
 *      +-- from an older version    | has caught up               v
 *      |                            +----------------------- BEHIND: reads
 *      +----------------------------------------------------> the history
 *
 *   ENDED: was told why; stays until its last part is taken
 *
 * A watch has at most one part on its way (EFFECT_WATCH, answered by
 * EVENT_WATCH_TAKEN when the client's connection has room for more), and at
 * most LIVE_BYTES_MAX waiting. One that does not read falls behind, then out of
 * the history: COMPACTED. So a slow watch costs its own memory bound and nobody
 * else's time.
 *
 * One that asks what was before, from now on, begins when its group lists that
 * (remember.c); until then it waits. When it comes to a change of its range
 * that was not listed so, it is COMPACTED.
 *
 * Only the leader serves watches: losing leadership ends them with NOT_LEADER.
 * Watches begin by the way of reads (readpath.c): when one begins, this node
 * has led since it was asked for, and has applied what was acknowledged before.
 */
#ifndef NODE_CORE_WATCHES_H
#define NODE_CORE_WATCHES_H

#include "node/core/event.h"
#include "node/core/recent.h"
#include "node/core/watch_index.h"

enum {
    WATCHES_MAX = 20000,              /* of a shard */
    WATCH_LIVE_BYTES_MAX = 64 * 1024, /* wait while a part is on its way */
    WATCH_SHARD_BYTES = 64 << 20,     /* of all watches of a shard */
    WATCH_TURN_BYTES = 2 << 20,       /* of history read in one turn */
    WATCH_BUCKETS = 256,              /* by connection; a power of two */
};

enum watch_state { WATCH_LIVE, WATCH_BEHIND, WATCH_ENDED };

struct watch {
    struct watch_range range;
    struct watch *next, **slot;        /* of the replica's list */
    struct watch *conn_next, **conn_slot; /* of its connection's bucket */
    struct watch *all_next, **all_slot;   /* of the shard's list */
    struct watch *dirty_next;
    struct replica *replica;
    struct origin from;
    enum watch_state state;
    bool previous;            /* wants to know what was before */
    bool unlisted;            /* ends there */
    bool waits;               /* for its group to list that */
    bool greeted, in_flight, dirty;
    uint32_t progress_ms;
    uint64_t after;           /* has been told everything up to here */
    struct recent_place at;  /* of BEHIND */
    struct buf out, sending;  /* parts; `out` begins with its header */
    uint32_t out_events;
    uint8_t *bounds;          /* range.begin and .end point into it */
    size_t bounds_size;
    instant told_at;
};

struct watches {
    struct watch *buckets[WATCH_BUCKETS];
    struct watch *all;        /* also those that have ended */
    struct watch *dirty;      /* to look at when the turn ends */
    unsigned count;           /* of `all` */
    size_t bytes;             /* of parts and bounds */
    instant next_progress;
};

/* Of a replica; zero-initialised is empty. */
struct watched {
    struct recent recent;
    struct watch_index index;
    struct watch *first;
    unsigned count, wants_previous, waiting;
    /* See remember.c. machine.remember_until as it was when `applied` was: the
     * machine is ahead of that while a step is being written. */
    uint64_t listed_until;
    bool remembering;         /* a REMEMBER of ours is not decided yet */
};

#endif
