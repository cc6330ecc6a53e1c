/* scan.h - find the batches of one segment, also behind damaged bytes.
 *
 * Used by recovery and by scrubbing. Pure. */
#ifndef RAFT_WAL_SCAN_H
#define RAFT_WAL_SCAN_H

#include "raft/wal/format.h"

struct wal_scan {
    struct slice bytes; /* the segment; nothing is looked at behind it */
    const uint8_t *log_id;
    uint64_t segment;
    uint64_t number; /* of the last header; later ones are above it */
    uint32_t at;     /* where the next batch is expected */
};

/* Is there a batch header at `at` that belongs there? */
bool wal_scan_at(const struct wal_scan *s, uint32_t at, struct wal_header *h);

/* The next batch header that belongs here, at s->at or behind it: every block
 * is tried. Its whole batch lies in the bytes. s->at moves behind the batch.
 * *from is where it was expected: below h->offset, what lies between is
 * damaged. False: there is none; s->at stays. */
bool wal_scan_next(struct wal_scan *s, struct wal_header *h, uint32_t *from);

#endif
