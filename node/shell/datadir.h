/* datadir.h - a node's data directory: who it is, and that it is ours alone.
 *
 *   lock       locked while a daemon runs (fcntl); holds its pid
 *   identity   directory id, boot counter, cluster id once accepted
 *   map        the cluster map as this node knows it, for cold starts
 *   wal/       segments of the write-ahead log
 *   groups/N/  CURRENT names the store directory of group N's replica
 *
 * Files are replaced by writing a new one, fsync, rename, fsync of the
 * directory; they carry a CRC and a format level. Everything here waits for
 * the disk. See ARCHITECTURE, "Identity". */
#ifndef NODE_SHELL_DATADIR_H
#define NODE_SHELL_DATADIR_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/macros.h"
#include "proto/base/status.h"
#include "proto/map.h"

enum { DATADIR_ERROR_SIZE = 512 };

/* How far `cluster init` has come on this node. */
enum init_state {
    INIT_STATE_BLANK,     /* belongs to no cluster */
    INIT_STATE_ACCEPTED,  /* cluster id and initial map are durable */
    INIT_STATE_CREATED,   /* its replicas exist, and have never spoken */
    INIT_STATE_ACTIVE,    /* they may vote: never create them again */
};

struct datadir {
    char path[4096];
    int lock_fd;
    uint8_t directory[ID_BYTES];
    uint64_t boot_count;          /* of this start; 1 is the first */
    enum init_state init;
    uint8_t cluster[ID_BYTES];    /* from ACCEPTED on */
    struct cluster_map *map;      /* from ACCEPTED on; owned */
    double fsync_us;              /* measured at open */
};

/* Lock and read the directory (made if it is not there), count the boot, check
 * the file system: tmpfs and network file systems are refused unless
 * `unsafe_disk`, copy-on-write ones give a warning in the log.
 * On failure one line in error[DATADIR_ERROR_SIZE].
 *
 * STATUS_BUSY           another daemon runs on it
 * STATUS_WRONG_VERSION  written by a newer version
 * STATUS_CORRUPT        a file is damaged or missing: repair or remove it all
 * STATUS_DENIED         the file system is refused
 * STATUS_IO_ERROR */
MUST_CHECK enum status datadir_open(struct datadir *d, const char *path,
                                    bool unsafe_disk, char *error);
/* Unlock and free. */
void datadir_close(struct datadir *d);

/* Make the map durable. `map` is copied. */
MUST_CHECK enum status datadir_save_map(struct datadir *d,
                                        const struct cluster_map *map);
/* Make the identity durable with this state. */
MUST_CHECK enum status datadir_save_init(struct datadir *d,
                                         enum init_state init);

const char *init_state_name(enum init_state s);

/* Write `bytes` as the file dir/name, atomically and durably.
 * UNKNOWN: it was renamed, but the directory could not be synced. */
MUST_CHECK enum status file_replace(const char *dir, const char *name,
                                    struct slice bytes);
/* Read a whole file into `out`. NOT_FOUND, IO_ERROR. */
MUST_CHECK enum status file_read(const char *dir, const char *name,
                                 struct buf *out);
/* The beginning of such files, of all versions: six letters of `magic` | u16
 * level | u32 crc of all that stands before and behind it. Seal `b`, which has
 * FILE_HEADER_BYTES of room at its begin. */
enum { FILE_HEADER_BYTES = 12 };
void file_seal(struct buf *b, const char *magic, uint16_t level);
/* Is it a whole file of ours? Gives what stands behind the header.
 * CORRUPT        it is not
 * WRONG_VERSION  it is, of a higher level than `level`: a newer program's */
MUST_CHECK enum status file_unseal(const struct buf *b, const char *magic,
                                   uint16_t level, struct slice *rest);
/* mkdir -p of the last component only, and sync of its parent. */
MUST_CHECK enum status dir_make(const char *path);
MUST_CHECK enum status dir_sync(const char *path);

#endif
