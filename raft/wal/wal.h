/* wal.h - the shared, segmented, checksummed write-ahead log of a node.
 *
 * ONE log for all Raft groups of a node: one write and one sync serve every
 * group that has something pending. Pure: it reads no clock and opens no file.
 * Records are copied into the pending batch at once; the owner pulls effects
 * with wal_next() after every event, carries them out and reports back. The
 * format, its invariants and the argument why recovery is safe: README.md.
 *
 * Threads: a struct wal belongs to one thread. wal_span_decode() and
 * wal_scrub_segment() touch no struct wal and run anywhere.
 *
 * Typical use:
 *
 *     ticket = wal_append(w, group, first, entries, n, false, now);
 *     while (wal_next(w, now, &effect))
 *         start(effect);                      // pwrite + fdatasync elsewhere
 *     ...
 *     wal_on_written(w, STATUS_OK, now);      // then pull wal_next() again
 *     if (wal_durable(w) >= ticket) ...       // the entries are on disk
 */
#ifndef RAFT_WAL_WAL_H
#define RAFT_WAL_WAL_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/bytes.h"
#include "proto/base/macros.h"
#include "proto/base/status.h"
#include "proto/limits.h"

struct wal;
struct wal_recovered; /* recovery.h */

/* A point on the monotonic clock in MICROSECONDS: pacing is finer than the
 * milliseconds of `instant`. Never goes back. */
typedef struct {
    uint64_t us;
} wal_instant;

#define WAL_NEVER ((wal_instant){UINT64_MAX})

enum {
    WAL_BLOCK = 4096,          /* batches begin and end on this */
    WAL_LOG_ID_BYTES = 16,
    WAL_INSTALL_ID_BYTES = 16,
    WAL_SEGMENT_MIN = 64 * 1024,
    WAL_SEGMENT_MAX = 1 << 30,
    /* The largest payload of one entry. */
    WAL_ENTRY_BYTES_MAX = VALUE_BYTES_MAX + KEY_BYTES_MAX + 1 + 4096,
    WAL_REWRITE_MAX = 1 << 20, /* see wal_append() */
    WAL_SPAN_ENTRIES = 64,
    WAL_SPAN_RANGES = 8,
};

struct wal_options {
    /* Drawn at random when the data directory was made; never shown to a
     * client: it is what keeps a stored value from posing as our header. */
    uint8_t log_id[WAL_LOG_ID_BYTES];
    uint32_t segment_bytes; /* a multiple of WAL_BLOCK, MIN..MAX */
    uint32_t batch_bytes;   /* a batch is closed when it holds this much */
    uint32_t pace_bytes;    /* under load: do not start below this much ... */
    uint32_t pace_us;       /* ... before the first record is this old */
    uint32_t seal_after_us; /* an idle log writes its seal after this */
    uint32_t retry_us;      /* a failed WAL_CREATE is tried again after this */
    unsigned reserve;       /* segments kept ready for a full disk */
};

/* 64 MiB segments, 4 MiB batches, pacing 64 KiB or 1 ms, seal after 50 ms,
 * retry after 1 s, reserve 2; log id as given (copied, 16 bytes). */
struct wal_options wal_options_default(const uint8_t *log_id);

/* A log. `from` (may be NULL: a new log) is what recovery found; its groups
 * and entry locations move into the log: read its entries before, free it
 * after. The options are copied. Nothing is written before the first record:
 * then a new segment is opened; the recovered ones are never written again. */
struct wal *wal_new(const struct wal_options *o, struct wal_recovered *from);
/* NULL is legal. What is not durable yet is dropped. */
void wal_free(struct wal *w);

/* ------------------------------------------------------------------------
 * Appending. Each copies what it is given at once and returns the TICKET,
 * growing, whose durability covers it: wal_durable(w) >= ticket. None fails;
 * the owner bounds what is pending by wal_pending_bytes(). A group is known
 * from wal_reset() to wal_forget(); naming an unknown or a quarantined group
 * is a bug of the caller (asserted), except where stated. */

struct wal_entry {
    uint64_t term; /* above 0 */
    uint16_t type; /* the caller's; kept, not looked at */
    struct slice data; /* may be empty; at most WAL_ENTRY_BYTES_MAX */
};

/* Entries first_index .. first_index+n-1, n > 0. Not rewritten: first_index is
 * wal_last()+1 (truncate explicitly before overwriting), terms never decrease.
 * `rewritten`: copies of entries that are in the log already, same term, type
 * and bytes, to free the segment that holds them; they never truncate, and
 * may not lie WAL_REWRITE_MAX or more behind the last entry. */
uint64_t wal_append(struct wal *w, uint32_t group, uint64_t first_index,
                    const struct wal_entry *e, unsigned n, bool rewritten,
                    wal_instant now);
/* Entries >= from_index are gone. from_index is above what was released and
 * at most last+1. */
uint64_t wal_truncate(struct wal *w, uint32_t group, uint64_t from_index,
                      wal_instant now);
/* Term and vote; the term never decreases. `voted_for` 0: nobody. */
uint64_t wal_vote(struct wal *w, uint32_t group, uint64_t term,
                  uint64_t voted_for, wal_instant now);
/* The group's log now starts behind `index`, whose term is `term`, both 0 for
 * an empty replica: all its entries are gone; term and vote stay. An unknown
 * group is created by this (term 0, no vote). `install_id` as in the store's
 * CURRENT; all zero when no snapshot was installed. */
uint64_t wal_reset(struct wal *w, uint32_t group, uint64_t index,
                   uint64_t term, const uint8_t *install_id, wal_instant now);
/* The replica was removed from this node. Legal for a quarantined group: this,
 * then wal_reset(), is how a damaged replica makes room for a new one. */
uint64_t wal_forget(struct wal *w, uint32_t group, wal_instant now);
/* Entries <= index are in a flushed store and may go. No ticket: nothing is
 * written. An index not above the last one released is ignored; it is at most
 * wal_last(). What is released can no longer be found. */
void wal_release(struct wal *w, uint32_t group, uint64_t index);

/* ------------------------------------------------------------------------
 * Effects. */

enum wal_effect_kind {
    /* pwrite `data` at `offset` of segment `segment`, then fdatasync it, then
     * wal_on_written(). `data` is WAL_BLOCK-aligned, borrowed until then. At
     * most one is in flight: batch n+1 starts after batch n's sync returned. */
    WAL_WRITE,
    /* Make the file of segment `segment`, exactly segment_bytes long, every
     * byte written (zeros; fallocate is not enough), fsynced, under its final
     * name only when complete, directory synced; then wal_on_created().
     * `recycle_from` not 0: rename that segment's file instead of making one
     * and sync the directory; its old bytes may stay, so no space is needed.
     * At most one in flight; may run beside writes. */
    WAL_CREATE,
    /* Unlink the file of segment `segment` and sync the directory before the
     * next of these. Nothing to report back. */
    WAL_REMOVE,
};

struct wal_effect {
    enum wal_effect_kind kind;
    uint64_t segment;
    uint64_t recycle_from;
    uint64_t offset;
    const uint8_t *data;
    uint32_t size;
};

/* Gives the next effect, or false when there is none now. Call until false
 * after each event: appends, completions, releases, and at wal_wake_at(). */
bool wal_next(struct wal *w, wal_instant now, struct wal_effect *out);
/* When to call wal_next() again without any event (pacing, seal, a retry);
 * WAL_NEVER when only an event can change something. */
wal_instant wal_wake_at(const struct wal *w);

/* The write in flight ended. Anything but STATUS_OK is the end: the log is
 * dead, gives no effect any more and wal_durable() stays; the owner sends
 * nothing more and exits. */
void wal_on_written(struct wal *w, enum status status, wal_instant now);
/* The creation in flight ended. STATUS_DISK_FULL and other failures: the log
 * goes on with the segments in reserve, says so by wal_accepts_entries(), and
 * tries again later, or at once when an old segment can be recycled. After a
 * failure the file `recycle_from` still has its name: when it was renamed but
 * the directory could not be synced, that is a failed write: exit. */
void wal_on_created(struct wal *w, uint64_t segment, enum status status,
                    wal_instant now);

/* The highest ticket that is durable. */
uint64_t wal_durable(const struct wal *w);
/* A write failed. */
bool wal_dead(const struct wal *w);
/* Microseconds since the oldest record that is not durable yet was appended;
 * 0 when all are. Above an election timeout: a grey failure. */
uint64_t wal_oldest_age(const struct wal *w, wal_instant now);
/* Record bytes that are not durable yet. */
uint64_t wal_pending_bytes(const struct wal *w);
/* False: no new segment could be made. The owner refuses what adds data and
 * goes on with deletes, votes, truncations and resets. */
bool wal_accepts_entries(const struct wal *w);
/* Bytes of all segment files, ready ones included. */
uint64_t wal_bytes(const struct wal *w);
/* The oldest segment is held by entries of *group, the first of them *index:
 * flushing its store and releasing, or rewriting them, frees it. False when
 * only the segment being written is held. Costs O(groups), more after
 * rewriting. */
bool wal_pinning(const struct wal *w, uint32_t *group, uint64_t *index);

/* ------------------------------------------------------------------------
 * What the log knows about a group. */

struct wal_group_info {
    uint64_t term;
    uint64_t vote;
    uint64_t first;     /* of the entries it can find; last+1 when none */
    uint64_t last;      /* index of the last entry, or of the reset */
    uint64_t base_term; /* of first-1 */
    uint64_t reset_index, reset_term; /* of the last wal_reset() */
    uint8_t install_id[WAL_INSTALL_ID_BYTES];
    bool quarantined;
};

/* False for an unknown group. */
bool wal_group(const struct wal *w, uint32_t group,
               struct wal_group_info *out);
uint64_t wal_first(const struct wal *w, uint32_t group);
uint64_t wal_last(const struct wal *w, uint32_t group);
/* The term of entry `index`, first-1 .. last; 0 outside of that. */
uint64_t wal_term_at(const struct wal *w, uint32_t group, uint64_t index);

/* ------------------------------------------------------------------------
 * Reading old entries back. */

struct wal_range {
    uint64_t segment;
    uint32_t offset;
    uint32_t size;
};

/* Where entries first .. first+count-1 of a group lie. The owner reads the
 * ranges one behind the other into one buffer of `bytes`. A plain value: copy
 * it to another thread. */
struct wal_span {
    uint32_t group;
    unsigned count;
    unsigned ranges;
    uint32_t bytes; /* of all ranges */
    uint64_t first;
    uint64_t key;   /* of the checksums */
    struct wal_range range[WAL_SPAN_RANGES];
    struct wal_span_piece {
        uint64_t term;
        uint32_t at;   /* in the buffer */
        uint32_t size; /* of the payload */
        uint32_t offset;
        uint16_t type;
        uint16_t range;
    } piece[WAL_SPAN_ENTRIES];
};

/* Find entries from `index` on: as many as fit into about `bytes_max` bytes of
 * reading and the limits of the struct, at least one.
 *
 * STATUS_NOT_FOUND   unknown group, released, or beyond the last entry
 * STATUS_INCOMPLETE  not durable yet: the caller has it in memory */
MUST_CHECK enum status wal_find(const struct wal *w, uint32_t group,
                                uint64_t index, uint32_t bytes_max,
                                struct wal_span *out);

/* Check and hand out the entries of `s` from `bytes` (s->bytes long). Fills
 * out[s->count]; payloads are borrowed from `bytes`. Pure, on any thread.
 *
 * STATUS_CORRUPT  a checksum or a field is wrong: damaged, or the segment was
 *                 recycled because the entries were released meanwhile (then
 *                 wal_find() no longer finds them). Nothing in `out` counts. */
MUST_CHECK enum status wal_span_decode(const struct wal_span *s,
                                       struct slice bytes,
                                       struct wal_entry *out);

/* ------------------------------------------------------------------------
 * Scrubbing. */

struct wal_segment_info {
    uint64_t segment;
    uint32_t end; /* behind its last batch */
    bool sealed;  /* has its footer; false for one that a crash ended */
};

/* Walk the segments that are complete, oldest first: gives the first one with
 * an id above `after`. */
bool wal_segment_next(const struct wal *w, uint64_t after,
                      struct wal_segment_info *out);

/* Check every checksum of a complete segment and, if sealed, its footer
 * against its entries. `bytes` is the file from its start, at least s->end
 * long. Pure, on any thread.
 *
 * STATUS_CORRUPT  damaged; *bad_offset is where the first bad batch begins */
MUST_CHECK enum status wal_scrub_segment(const struct wal_options *o,
                                         const struct wal_segment_info *s,
                                         struct slice bytes,
                                         uint32_t *bad_offset);

#endif
