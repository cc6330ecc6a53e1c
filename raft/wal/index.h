/* index.h - where one group's entries lie: a ring by log index.
 *
 * O(1) per operation, 24 bytes per entry, memory follows what is not released.
 * Pure. Invariant: slot i is of entry first+i; `segment` 0 in a slot is a hole
 * (only while recovery reads the log). */
#ifndef RAFT_WAL_INDEX_H
#define RAFT_WAL_INDEX_H

#include <stdbool.h>
#include <stdint.h>

struct wal_slot {
    uint64_t term;
    uint32_t segment;
    uint32_t offset; /* of the record */
    uint32_t size;   /* of the payload */
    uint16_t type;
};

/* Zero-initialised with `first` set is empty and valid. */
struct wal_index {
    struct wal_slot *slots;
    uint32_t cap; /* a power of two, or 0 */
    uint32_t head;
    uint32_t count;
    uint64_t first; /* index of the entry at head, or of the next pushed */
};

void wal_index_release(struct wal_index *x);
/* Drop everything; the next entry pushed is `first`. */
void wal_index_clear(struct wal_index *x, uint64_t first);
/* Is entry `index` in it? */
static inline bool wal_index_has(const struct wal_index *x, uint64_t index)
{
    return index >= x->first && index - x->first < x->count;
}
/* The slot of an entry that is in it; valid until the next push. */
static inline struct wal_slot *wal_index_at(const struct wal_index *x,
                                            uint64_t index)
{
    uint32_t i = (uint32_t)(index - x->first);
    return &x->slots[(x->head + i) & (x->cap - 1)];
}
void wal_index_push(struct wal_index *x, struct wal_slot s);
/* Drop the last, or the first, entry; there is one. */
void wal_index_pop_back(struct wal_index *x);
void wal_index_pop_front(struct wal_index *x);
/* Make holes in front, so that `first` is the first. For recovery. */
void wal_index_extend_front(struct wal_index *x, uint64_t first);

#endif
