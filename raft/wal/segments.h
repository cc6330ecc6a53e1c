/* segments.h - the segments that hold something, oldest first.
 *
 * Ids are consecutive: segment i of the array is first+i. Counts the entries
 * that still need each. Pure. */
#ifndef RAFT_WAL_SEGMENTS_H
#define RAFT_WAL_SEGMENTS_H

#include <stdbool.h>
#include <stdint.h>

struct wal_segment {
    uint32_t live; /* entries found here and not released */
    uint32_t end;  /* behind its last batch, once complete */
    uint64_t size; /* of the file */
    bool sealed;   /* has its footer, durable */
    bool missing;  /* lost: there is no file */
};

/* Zero-initialised with `first` set is empty and valid. */
struct wal_segments {
    struct wal_segment *array;
    uint32_t count;
    uint32_t cap;
    uint64_t first;
    uint64_t needed; /* all before this one have no live entry */
    uint64_t bytes;  /* of the files */
};

void wal_segments_release(struct wal_segments *s);
/* The next segment's id is first+count. */
struct wal_segment *wal_segments_push(struct wal_segments *s, uint64_t size);
/* Drop the oldest; no entry needs it. */
void wal_segments_pop(struct wal_segments *s);
/* NULL when `id` is not among them. */
struct wal_segment *wal_segments_at(const struct wal_segments *s, uint64_t id);
/* The oldest that some entry needs, or the newest. Entries come only into the
 * newest, so this never goes back: constant cost in the long run. */
uint64_t wal_segments_needed(struct wal_segments *s);

#endif
