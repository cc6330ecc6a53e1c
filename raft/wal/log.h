/* log.h - struct wal itself, shared by the files of this folder only.
 *
 *   wal.c     making records: groups, batches, segment switches
 *   writer.c  effects: what is written when, new and old segments
 *   span.c    reading back
 *
 * Life of a batch: open (records join) -> closed -> in flight -> durable. The
 * queue holds batches in number order; only its last one may be open. */
#ifndef RAFT_WAL_LOG_H
#define RAFT_WAL_LOG_H

#include "raft/wal/batch.h"
#include "raft/wal/groups.h"
#include "raft/wal/segments.h"

enum { WAL_SPARE_BATCHES = 3 };

struct wal {
    struct wal_options options;
    uint64_t key;
    struct wal_groups groups;
    struct wal_segments segments; /* up to `current` */

    /* Where the next batch goes. */
    uint64_t current; /* segment; an older run's until `opened_here` */
    uint32_t tail;    /* offset */
    uint64_t number;  /* of the last batch made */
    uint32_t foot_groups; /* groups with entries in `current` */
    bool opened_here; /* this run has opened a segment */

    uint64_t ticket;
    uint64_t durable;
    uint64_t durable_segment; /* everything before this place is durable */
    uint32_t durable_offset;
    uint64_t opened; /* the newest segment whose opening is durable */

    struct wal_batch *head; /* queue */
    struct wal_batch *last;
    struct wal_batch *flying;
    struct wal_batch *spare[WAL_SPARE_BATCHES];
    uint64_t pending_bytes;

    bool dead;
    bool unsealed; /* the last durable batch was no seal */
    wal_instant ended_at; /* when the last write ended */

    uint64_t ready_last; /* the newest segment that has a file */
    uint64_t creating;   /* 0: none */
    uint64_t recycling;  /* its file becomes the one being created */
    bool starved;        /* creating failed, the reserve is not whole */
    bool failed_recycle; /* ... at the last try, with an old file */
    wal_instant retry_at; /* not before; 0: at once */
};

/* Write an empty batch behind everything. */
void wal_seal(struct wal *w, wal_instant now);
/* Close the open batch, if there is one. */
void wal_end_batch(struct wal *w);
/* Memory for a batch, and back. */
struct wal_batch *wal_take_spare(struct wal *w);
void wal_give_spare(struct wal *w, struct wal_batch *b);

#endif
