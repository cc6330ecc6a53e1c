/* disk.h - a simulated node's segment files, with all that disks do.
 *
 * The log's own format, writer and recovery run on these bytes. A write is
 * given to the disk and becomes durable when its sync returns; a crash before
 * that keeps any subset of its sectors. Making, renaming and removing a file
 * takes time too, and a crash in between leaves it done or not done.
 *
 * Damage (bits that flip, a write that went to another place) is done only to
 * what lies before the last batch: that a disk loses the very last write that
 * it said was durable, and the machine with it, is not survivable by any log
 * (raft/wal/README.md, R1). */
#ifndef TESTS_SIM_DISK_H
#define TESTS_SIM_DISK_H

#include "proto/base/rng.h"
#include "raft/wal/recovery.h"
#include "raft/wal/wal.h"

struct cluster;
struct sim_node;

enum { SECTOR = 512, DISK_BATCHES = 64 };

struct disk_file {
    uint64_t id;
    uint8_t *bytes;
    uint32_t size;
};

/* Where a batch was written that has a younger one behind it. */
struct disk_batch {
    uint64_t segment;
    uint32_t offset, size;
};

struct disk {
    struct disk_file *file;
    unsigned files, cap;

    struct wal_effect flying; /* a write whose sync has not returned */
    bool has_flying, writing;
    struct wal_effect *jobs; /* files to make or remove, one after the other */
    unsigned n_jobs, cap_jobs;

    bool full;       /* no new file can be made */
    bool sync_fails; /* the next sync will */

    struct disk_batch batch[DISK_BATCHES]; /* a ring, youngest at n - 1 */
    uint64_t n_batches; /* of all that were written */
    unsigned recycles, removes;
};

void disk_release(struct disk *d);
struct disk_file *disk_find(struct disk *d, uint64_t id);
struct wal_options disk_options(uint32_t segment_bytes, uint32_t node);

/* Take the log's effects and start them. */
void disk_pump(struct cluster *c, struct sim_node *n);
/* Carry out everything that the log wants until all is durable, at once. */
void disk_settle(struct cluster *c, struct sim_node *n);
/* The machine dies: sectors under way reach the disk with chance keep/256. */
void disk_crash(struct disk *d, struct rng *rng, unsigned keep);
/* What recovery makes of the files; fails the run on a refused file. */
struct wal_recovered *disk_recover(struct cluster *c, struct sim_node *n);
void disk_unlink(struct disk *d, uint64_t id);
/* All files gone. */
void disk_wipe(struct disk *d);

/* Damage; false: there is nothing yet that may be damaged. */
bool disk_flip(struct disk *d, struct rng *rng);
bool disk_misdirect(struct disk *d, struct rng *rng);

#endif
