/* replay.h - the groups as one log's batches, in order, make them.
 *
 * The part of recovery that follows each group's sequence: what is known of
 * it, where the sequence breaks, and where a later opening heals it. Pure.
 * The rules and why they are safe: README.md, "Recovery". */
#ifndef RAFT_WAL_REPLAY_H
#define RAFT_WAL_REPLAY_H

#include "raft/wal/groups.h"
#include "raft/wal/recovery.h"
#include "raft/wal/segments.h"

struct wal_replay {
    struct wal_options options;
    uint64_t key;
    struct wal_groups groups;
    struct wal_segments segments; /* with content, and lost ones between */
    uint64_t last_batch;  /* number; 0: none */
    uint64_t last_segment;
    uint64_t ready_last;  /* files last_segment+1..ready_last are blank */
    uint64_t opened;      /* highest segment whose opening is good */
    uint64_t opening;     /* number of the last good opening */
    uint64_t lost_to;     /* highest batch lost without naming its groups */
    bool sealed;          /* the last batch is a seal, or there is none */
    bool first_seen;      /* a batch was replayed */

    struct wal_damage *damage;
    unsigned n_damage;
    /* The files' bytes, for payloads: slice i is of segments.first+i. */
    struct slice *bytes;
};

void wal_replay_init(struct wal_replay *p, const struct wal_options *o);
void wal_replay_release(struct wal_replay *p);

/* A whole batch; `batch` is h->length long and wal_body_good(). */
void wal_replay_batch(struct wal_replay *p, const struct wal_header *h,
                      const uint8_t *batch);
/* A batch whose header is good and whose body is not. */
void wal_replay_damaged(struct wal_replay *p, const struct wal_header *h,
                        const uint8_t *batch);
/* Batches up to `number` may be lost without a name. */
void wal_replay_lost(struct wal_replay *p, uint64_t number);
/* All was replayed: quarantine what is not whole, drop what has holes. */
void wal_replay_end(struct wal_replay *p);

void wal_replay_note(struct wal_replay *p, enum wal_damage_kind kind,
                     uint64_t segment, uint32_t offset, uint32_t size);

#endif
