/* format.h - the bytes of a segment: batch headers, records, checksums.
 *
 * The one place that knows offsets inside them. Layout and reasons: README.md,
 * "Format". Parsing is bounds-checked and trusts nothing. Pure. */
#ifndef RAFT_WAL_FORMAT_H
#define RAFT_WAL_FORMAT_H

#include "raft/wal/wal.h"

enum {
    WAL_FORMAT_LEVEL = 1,
    WAL_HEADER_BYTES = 512,  /* one sector: never torn inside */
    WAL_HEADER_GROUPS = 26,  /* named in the header, the others behind */
    WAL_ROW_BYTES = 16,      /* one named group */
    WAL_RECORD_BYTES = 40,   /* a record without its data */
    WAL_STATE_BYTES = 96,
    WAL_FOOT_BYTES = 24,
};

/* Indexes and terms on disk are below this, so that sums cannot wrap. */
#define WAL_NUMBER_MAX ((uint64_t)1 << 62)
#define WAL_SEGMENT_ID_MAX ((uint64_t)UINT32_MAX - 1)

enum wal_batch_flag {
    WAL_BATCH_OPENING = 1, /* first of its segment: WAL_STATE records */
    WAL_BATCH_FOOTER = 2,  /* last of its segment: ends with WAL_FOOT ones */
};

struct wal_header {
    uint8_t log_id[WAL_LOG_ID_BYTES];
    uint64_t segment;
    uint64_t number;   /* of the batch, over all segments, without gaps */
    uint32_t offset;   /* of the batch in its segment */
    uint32_t length;   /* of the batch, whole blocks */
    uint32_t body;     /* bytes of records */
    uint32_t records;
    uint32_t body_crc; /* of the records' checksums, in order */
    uint32_t groups;   /* named */
    uint32_t table_crc; /* of the rows behind the body */
    uint32_t flags;
    uint32_t prev_end; /* opening: where the segment before this one ends */
};

enum wal_header_kind {
    WAL_HEADER_NONE,  /* not a header, or a damaged one */
    WAL_HEADER_OURS,  /* checksum and limits are good */
    WAL_HEADER_NEWER, /* good checksum, a format we do not know */
};

/* Write the first WAL_HEADER_BYTES of a batch around the rows that are there
 * already. */
void wal_header_encode(uint8_t *at, const struct wal_header *h);
/* Read a header from a block's start; checks its own checksum and that its
 * numbers fit each other, not that it belongs here. */
enum wal_header_kind wal_header_decode(struct slice block,
                                       struct wal_header *h);

/* The rows name the groups that have records in the batch, each with the
 * number of the batch that held the group's records before (0: none since
 * the group was created): the per-group sequence. */
struct wal_row {
    uint32_t group;
    uint64_t prev;
};
/* Where row `i` lies in the batch, whose body is `body` bytes long. */
uint32_t wal_row_at(uint32_t i, uint32_t body);
void wal_row_encode(uint8_t *at, struct wal_row row);
struct wal_row wal_row_decode(const uint8_t *at);
/* Bytes of the rows behind the body. */
uint32_t wal_rows_behind(uint32_t groups);
/* Are the rows behind the body those that the header means? */
bool wal_rows_good(const struct wal_header *h, const uint8_t *batch);

enum wal_record_kind {
    WAL_ENTRY = 1, /* index, term, type, data; prev_term of index-1 */
    WAL_TRUNCATE,  /* entries >= index are gone; prev_term of index-1 */
    WAL_VOTE,      /* term; index is who got the vote */
    WAL_RESET,     /* index, term; data: install id */
    WAL_FORGET,
    WAL_STATE,     /* in an opening; data: struct wal_state */
    WAL_FOOT,      /* in a footer; data: struct wal_foot */
};

enum { WAL_RECORD_REWRITTEN = 1 };

struct wal_record {
    uint32_t group;
    uint8_t kind;
    uint8_t flags;
    uint16_t type;
    uint64_t index;
    uint64_t term;
    uint64_t prev_term;
    struct slice data;
};

/* Bytes a record with `data` bytes takes; a multiple of 8. */
static inline uint32_t wal_record_size(size_t data)
{
    return (uint32_t)((WAL_RECORD_BYTES + data + 7) & ~(size_t)7);
}

/* What the checksums of log `log_id` are salted with, beside the place. */
uint64_t wal_key(const uint8_t *log_id);

/* Write `r`, which will lie at `offset` of `segment`; gives its checksum. */
uint32_t wal_record_encode(uint8_t *at, const struct wal_record *r,
                           uint64_t key, uint64_t segment, uint32_t offset);
/* Read and check the record at the start of `bytes`. Gives the bytes it takes,
 * 0 when it is damaged or says what no record of ours says. *crc is its
 * checksum as stored. `out->data` is borrowed from `bytes`. */
uint32_t wal_record_decode(struct slice bytes, uint64_t key, uint64_t segment,
                           uint32_t offset, struct wal_record *out,
                           uint32_t *crc);

/* The same without the checksum, for what was checked before. */
uint32_t wal_record_read(struct slice bytes, struct wal_record *out);

/* Is every record of the batch good, and is it the batch the header means?
 * `batch` is h->length long. */
bool wal_body_good(const struct wal_header *h, const uint8_t *batch,
                   uint64_t key);

/* A group as an opening restates it. */
struct wal_state {
    uint64_t batch; /* the last that held records of it */
    uint64_t term;
    uint64_t vote;
    uint64_t base; /* first entry - 1, and its term */
    uint64_t base_term;
    uint64_t last; /* last entry, and its term */
    uint64_t last_term;
    uint64_t reset_index;
    uint64_t reset_term;
    uint8_t install_id[WAL_INSTALL_ID_BYTES];
    bool quarantined;
};
void wal_state_encode(uint8_t *at, const struct wal_state *s);
void wal_state_decode(const uint8_t *at, struct wal_state *s);

/* A group's entries in one segment. */
struct wal_foot {
    uint64_t first; /* lowest and highest index */
    uint64_t last;
    uint64_t count;
};
void wal_foot_encode(uint8_t *at, const struct wal_foot *f);
void wal_foot_decode(const uint8_t *at, struct wal_foot *f);

static inline uint32_t wal_blocks(uint64_t bytes)
{
    return (uint32_t)((bytes + WAL_BLOCK - 1) & ~(uint64_t)(WAL_BLOCK - 1));
}

#endif
