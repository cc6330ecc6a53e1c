/* disk.h - segment files in memory, for the tests of the write-ahead log.
 *
 * Carries out a log's effects, or holds a write back; a crash keeps any subset
 * of the sectors of the write in flight. */
#ifndef TESTS_UNIT_RAFT_WAL_DISK_H
#define TESTS_UNIT_RAFT_WAL_DISK_H

#include "proto/base/rng.h"
#include "raft/wal/recovery.h"
#include "raft/wal/wal.h"

enum { DISK_FILES_MAX = 256, SECTOR = 512 };

struct disk {
    struct disk_file {
        uint64_t id;
        uint8_t *bytes;
        size_t size;
    } file[DISK_FILES_MAX];
    unsigned files;

    bool hold_writes; /* a write stays in flight until disk_finish() */
    bool full;        /* creating without recycling fails */
    bool stale;       /* new files hold garbage of an earlier life */
    struct wal_effect flying;
    bool has_flying;
    bool hold_creates;
    struct wal_effect making;
    bool has_making;

    unsigned writes, creates, recycles, removes, failed_creates;
    uint64_t bytes_written;
    struct wal_effect last_write; /* place and size of the last finished */
};

void disk_release(struct disk *d);
struct disk_file *disk_find(struct disk *d, uint64_t id);
/* The file's bytes; it is there. */
uint8_t *disk_bytes(struct disk *d, uint64_t id);
void disk_remove(struct disk *d, uint64_t id);
/* A copy of everything, without what is in flight. */
void disk_copy(struct disk *to, const struct disk *from);

/* Take effects until there are none, carrying out what is not held. */
void disk_pump(struct disk *d, struct wal *w, const struct wal_options *o,
               wal_instant now);
/* End the write (or creation) in flight, then pump. */
void disk_finish(struct disk *d, struct wal *w, const struct wal_options *o,
                 enum status status, wal_instant now);
void disk_finish_create(struct disk *d, struct wal *w,
                        const struct wal_options *o, enum status status,
                        wal_instant now);

/* The machine dies: each sector of the write in flight reaches the disk with
 * probability keep/256 (0 none, 256 all). */
void disk_crash(struct disk *d, struct rng *rng, unsigned keep);

/* What recovery makes of the files. Fails the test on a refused file. */
struct wal_recovered *disk_recover(struct disk *d,
                                   const struct wal_options *o);
/* The same, and a log that goes on from there; removes what it says. */
struct wal *disk_reopen(struct disk *d, const struct wal_options *o);

/* Small segments, for tests. */
struct wal_options small_options(uint32_t segment_bytes);

static inline wal_instant at_us(uint64_t us)
{
    return (wal_instant){us};
}

const struct wal_recovered_group *
recovered_group(const struct wal_recovered *found, uint32_t group);

#endif
