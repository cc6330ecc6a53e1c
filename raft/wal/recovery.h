/* recovery.h - what a node's log holds, read from its segment files.
 *
 * Pure: the owner lists the files and gives their bytes (mapped). Before that
 * it must make what it will read true and lasting, or a crash of the process
 * could be followed by one of the machine that takes back what was read:
 *
 *   1. remove files that carry no final name; sync the directory;
 *   2. per segment file: fdatasync, then drop its cached pages
 *      (POSIX_FADV_DONTNEED), then map it. A page whose write failed once
 *      stays in the cache, clean and right, while the disk holds old bytes.
 *
 * Then:
 *
 *     r = wal_recovery_new(&options);
 *     for each file: status = wal_recovery_segment(r, id, bytes);
 *     found = wal_recovery_finish(r);
 *     ... unlink found->remove, in that order, directory synced at the end
 *     ... for each group: compare with the store's record, read the entries
 *     w = wal_new(&options, found);
 *     wal_recovered_free(found);          // then the files may be unmapped
 *
 * The owner's part of safety: a group whose `first` is above its store's
 * index + 1, or whose `last` is below the store's index, is damaged too. */
#ifndef RAFT_WAL_RECOVERY_H
#define RAFT_WAL_RECOVERY_H

#include "raft/wal/wal.h"

struct wal_recovery;

struct wal_recovered_group {
    uint32_t group;
    bool quarantined; /* damaged: it must neither vote nor acknowledge */
    const char *reason; /* static text, NULL when whole */
    uint64_t term;
    uint64_t vote;
    uint64_t first;     /* first entry found; last+1 when there is none */
    uint64_t last;
    uint64_t base_term; /* term of first-1 */
    uint64_t reset_index, reset_term;
    uint8_t install_id[WAL_INSTALL_ID_BYTES];
};

enum wal_damage_kind {
    WAL_DAMAGE_TORN,     /* an unfinished batch at the end was cut: normal */
    WAL_DAMAGE_BODY,     /* a batch is damaged; its header names the groups */
    WAL_DAMAGE_HEADER,   /* bytes without a readable header: any group */
    WAL_DAMAGE_OPENING,  /* a segment's opening is lost, nothing else */
    WAL_DAMAGE_SEGMENT,  /* a segment file is missing */
    WAL_DAMAGE_ORDER,    /* records that contradict each other */
};

struct wal_damage {
    enum wal_damage_kind kind;
    uint64_t segment;
    uint32_t offset;
    uint32_t size; /* 0 when unknown */
};

struct wal_recovered {
    struct wal_recovered_group *groups; /* sorted by group */
    unsigned n_groups;
    struct wal_damage *damage; /* in log order, at most WAL_DAMAGE_MAX */
    unsigned n_damage;
    /* Batches were lost that no header names: a group that is not in `groups`
     * may have been here all the same. */
    bool lost_unnamed;
    /* Files to unlink before wal_new(), in this order. */
    uint64_t *remove;
    unsigned n_remove;
    uint64_t last_segment; /* with content; 0: an empty log */
    uint64_t last_batch;
    struct wal_replay *replay; /* ours: moves into the log */
};

enum { WAL_DAMAGE_MAX = 256 };

/* Options are copied; segment_bytes and log_id matter. */
struct wal_recovery *wal_recovery_new(const struct wal_options *o);
void wal_recovery_free(struct wal_recovery *r);

/* Give the whole file of segment `id` (from its name, 1 .. 2^32-2), in any
 * order. `bytes` is borrowed until wal_recovered_free() of what
 * wal_recovery_finish() gives.
 *
 * STATUS_WRONG_NODE     belongs to another log: a file of another directory
 * STATUS_WRONG_VERSION  written by a newer program
 * STATUS_EXISTS         this id was given already
 * STATUS_INVALID        an id that none of ours has
 * After an error the caller reports it and gives up: nothing was changed. */
MUST_CHECK enum status wal_recovery_segment(struct wal_recovery *r,
                                            uint64_t id, struct slice bytes);

/* Read everything. Takes `r`. Never fails: what cannot be read is damage. */
struct wal_recovered *wal_recovery_finish(struct wal_recovery *r);
void wal_recovered_free(struct wal_recovered *found);

/* Entry `index` (first..last) of a group that is whole; its payload is
 * borrowed from the bytes given to wal_recovery_segment(). Not after
 * wal_new(). */
struct wal_entry wal_recovered_entry(const struct wal_recovered *found,
                                     uint32_t group, uint64_t index);

/* English for a damage kind. Static. */
const char *wal_damage_text(enum wal_damage_kind kind);

#endif
