/* replica.h - one group's replica on this node, inside a shard.
 *
 * Ties together what the concepts around it know separately: the Raft group
 * (raft/group.h), the writes and reads that wait for it, the applying of
 * committed entries, the flushing of its store, snapshots.
 *
 *   SERVING <----> INSTALLING          (a snapshot replaces the store)
 *      |
 *      v
 *   QUARANTINED | LOST | FAILED        (neither votes nor answers)
 *
 * APPLYING, one step at a time per group:
 *
 *   IDLE --committed entries--> FETCHING --view--> WRITING --applied--> IDLE
 *     \-----nothing to fetch----------------------/   ^
 *                                          STALLED ---/ tried again
 *
 * Several entries become one write set, together with the group record; results
 * are handed out when it is applied. Invariants: applied <= committed and
 * durable here; the record in the store names exactly the entries that are in
 * it. */
#ifndef NODE_CORE_REPLICA_H
#define NODE_CORE_REPLICA_H

#include "node/core/clock.h"
#include "node/core/event.h"
#include "node/core/machine.h"
#include "node/core/proposals.h"
#include "node/core/reads.h"
#include "node/core/snapshot.h"
#include "node/core/watches.h"
#include "node/store/layout.h"
#include "raft/group.h"

enum replica_mode {
    REPLICA_SERVING,
    REPLICA_INSTALLING,
    REPLICA_QUARANTINED, /* its log or store is damaged */
    REPLICA_LOST,        /* ACTIVE in the map, missing on disk */
    REPLICA_FAILED,      /* stopped itself: see the reason */
};

enum apply_state { APPLY_IDLE, APPLY_FETCHING, APPLY_WRITING, APPLY_STALLED };

/* A client that waits for the write set being applied. */
struct settled {
    struct origin from;
    enum op op;
    struct result result;
    instant deadline;
};

struct applying {
    enum apply_state state;
    uint64_t last;             /* the last entry of the set */
    uint64_t term;             /* its term */
    uint64_t bytes;            /* of log */
    unsigned halved;           /* how often the most entries of a step were:
                                  the records of more were too large */
    uint64_t done_seq;         /* of proposals, once it is applied */
    uint64_t clock_ms;
    uint64_t change_index;     /* a CHANGE among the entries; 0: none */
    /* A step's results point into it until their replies have been carried
     * out, when the next one is already under way: they take turns. */
    struct machine_step steps[2];
    unsigned step;
    struct settled *settled;
    unsigned n_settled, cap_settled;
    instant retry_at;          /* of STALLED */
    instant stalled_at;        /* since when; INSTANT_NEVER: not */
    bool cancelled;            /* FETCHING or WRITING for nothing any more */
};

static inline struct machine_step *applying_step(struct applying *a)
{
    return &a->steps[a->step];
}

struct replica {
    uint32_t group;
    uint64_t id;               /* the Raft server id */
    unsigned number;           /* of this shard's replicas; never changes */
    enum replica_mode mode;
    char reason[96];           /* of the last three modes */
    struct group *raft;        /* NULL in the last three modes */

    enum group_role role;
    uint64_t term;
    uint64_t leader;           /* replica id, 0 unknown */
    uint64_t lead_floor;       /* as leader: no stamp before this is applied */
    uint64_t lead_seq;         /* as leader: batches before this one are of an
                                  earlier leadership */
    instant led_since;

    uint64_t committed;
    uint64_t applied, applied_term;
    uint64_t applied_clock_ms; /* the highest stamp applied; replicas agree */
    uint64_t change_index;
    struct buf members;        /* as that CHANGE set them, encoded */
    uint64_t flushed;          /* the store's durable record's index */
    uint64_t unflushed_bytes;  /* of log, applied since the last flush began */
    bool flushing;
    instant flush_again;       /* a flush was refused: not before this */

    unsigned restarts;         /* after failures, without success between */
    instant restart_at;        /* INSTANT_NEVER: stays as it is */
    uint64_t switching;        /* stopped while an INSTALL_* with this token was
                                  under way: not before its answer; 0: none */
    struct snapshot_file *switching_files; /* which that effect points to */

    struct machine machine;
    struct keyspaces told;     /* as leader: limits that were proposed */
    instant reap_at;           /* no look before */
    bool sweeping;             /* the look that is out is for a sweep */
    struct applying apply;
    struct group_clock clock;
    struct proposals proposals;
    uint64_t done_seq;         /* proposals up to it are decided and applied */
    struct reads reads;
    struct watched watched;
    struct snapshot_send send;
    struct snapshot_receive receive;

    bool dirty;                /* on the shard's list for this turn */
    struct replica *dirty_next;
};

#endif
