/* groups.h - what the log knows about each group, found by its number.
 *
 * Used by the running log and by recovery, which hands its own over. Pure.
 * Invariant: a group's entries are base+1 .. last without a gap in the ring;
 * base is released, reset or (in recovery) unknown. */
#ifndef RAFT_WAL_GROUPS_H
#define RAFT_WAL_GROUPS_H

#include "raft/wal/format.h"
#include "raft/wal/index.h"

struct wal_group {
    uint32_t id;
    bool quarantined;
    bool sorted; /* segments never decrease along the ring */
    const char *reason; /* of the quarantine, static */
    uint64_t term;
    uint64_t vote;
    uint64_t base_term;
    struct wal_index log; /* base is log.first - 1 */
    uint64_t reset_index;
    uint64_t reset_term;
    uint8_t install_id[WAL_INSTALL_ID_BYTES];
    uint64_t batch; /* the last batch that holds records of it */

    /* Its entries in the segment being written, for the footer. */
    uint64_t foot_segment;
    struct wal_foot foot;

    /* Recovery only: its sequence is broken; known whole at this batch. */
    bool gap;
    uint64_t verified;
};

static inline uint64_t wal_group_base(const struct wal_group *g)
{
    return g->log.first - 1;
}
static inline uint64_t wal_group_last(const struct wal_group *g)
{
    return g->log.first - 1 + g->log.count;
}
/* Term of entry base .. last. */
uint64_t wal_group_term(const struct wal_group *g, uint64_t index);
/* What an opening says about it. */
void wal_group_state(const struct wal_group *g, struct wal_state *out);

/* Zero-initialised is empty and valid. */
struct wal_groups {
    struct wal_group **slots; /* open addressing, linear probing */
    uint32_t cap;             /* a power of two, or 0 */
    uint32_t count;
};

void wal_groups_release(struct wal_groups *t);
/* NULL when there is none. The pointer is valid until it is removed. */
struct wal_group *wal_groups_find(const struct wal_groups *t, uint32_t id);
/* A new, empty group; there was none. */
struct wal_group *wal_groups_add(struct wal_groups *t, uint32_t id);
void wal_groups_remove(struct wal_groups *t, uint32_t id);

/* for (uint32_t i = 0; (g = wal_groups_next(t, &i));) visits all. */
struct wal_group *wal_groups_next(const struct wal_groups *t, uint32_t *i);

#endif
