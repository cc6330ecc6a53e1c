/* batch.h - one batch of records in memory: built, closed, written.
 *
 * Its place in the log is fixed when it is made, since everything before it is
 * closed by then: checksums and entry locations are final as records are
 * copied in. Pure. Memory is WAL_BLOCK-aligned. */
#ifndef RAFT_WAL_BATCH_H
#define RAFT_WAL_BATCH_H

#include "raft/wal/format.h"

struct wal_batch {
    struct wal_batch *next; /* in the queue */
    uint8_t *data;
    uint32_t cap;
    uint32_t size; /* header and records so far */
    struct buf rows; /* those behind the body */
    uint64_t segment;
    uint32_t offset;
    uint32_t length; /* once closed */
    uint64_t number;
    uint32_t records;
    uint32_t body_crc;
    uint32_t groups;
    uint32_t flags;
    uint32_t prev_end;
    uint32_t fresh;       /* bytes of records that somebody waits for */
    uint64_t ticket;      /* the highest it covers */
    uint64_t pin;         /* no segment from here on may go before this batch
                             is durable: it makes entries there obsolete */
    wal_instant first_at; /* when its first record came */
    bool paced;           /* that was under load */
    bool closed;
};

/* A batch for this place, in `old`'s memory if that is not NULL (takes). */
struct wal_batch *wal_batch_new(struct wal_batch *old, uint64_t segment,
                                uint32_t offset, uint64_t number);
void wal_batch_free(struct wal_batch *b);
/* Name a group; once per group. */
void wal_batch_name(struct wal_batch *b, struct wal_row row);
/* Copy a record in; gives its offset in the segment. */
uint32_t wal_batch_add(struct wal_batch *b, const struct wal_record *r,
                       uint64_t key);
/* Its length on disk if `more` bytes of records and `names` groups come. */
uint64_t wal_batch_length(const struct wal_batch *b, uint64_t more,
                          uint32_t names);
/* Write header, rows and padding: nothing can be added any more. */
void wal_batch_close(struct wal_batch *b, const uint8_t *log_id);
/* Bytes of records in it. */
static inline uint32_t wal_batch_body(const struct wal_batch *b)
{
    return b->size - WAL_HEADER_BYTES;
}

#endif
