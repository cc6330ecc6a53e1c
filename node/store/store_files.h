/* store_files.h - whole stores as files: checkpoints, manifests, checking.
 *
 * For snapshots that travel to another node and for whoever doubts a disk.
 * Everything here MAY WAIT for the disk: on worker threads only. */
#ifndef NODE_STORE_STORE_FILES_H
#define NODE_STORE_STORE_FILES_H

#include "node/store/store_view.h"

/* Flush and link all live files into the new directory `dir` (same file
 * system; must not exist; its parent must). The copy is synced and holds the
 * state of one store_apply at or after the call. Applying may go on meanwhile.
 *
 * STATUS_EXISTS     `dir` exists
 * STATUS_DISK_FULL, STATUS_CORRUPT, STATUS_IO_ERROR */
MUST_CHECK enum status store_checkpoint(struct store *s, const char *dir,
                                        char *error, size_t error_size);

/* Read the group record of a closed store or checkpoint without changing it.
 * `bytes` is cleared and filled; out->members borrows from it.
 *
 * STATUS_NOT_FOUND  no store, or one without a group record
 * STATUS_CORRUPT, STATUS_WRONG_VERSION, STATUS_IO_ERROR */
MUST_CHECK enum status store_read_record(struct store_env *env,
                                         const char *dir, struct buf *bytes,
                                         struct group_record *out, char *error,
                                         size_t error_size);

/* One file of a checkpoint. */
struct store_file {
    char name[64];
    uint64_t size;
};

/* The files that make up the closed store or checkpoint in `dir`, sorted by
 * name; logs and locks are left out. Gives `*files` (free it) and their count.
 * STATUS_NOT_FOUND, STATUS_CORRUPT (a name of 64 bytes or more, or a
 * directory inside), STATUS_IO_ERROR */
MUST_CHECK enum status store_file_list(const char *dir,
                                       struct store_file **files,
                                       size_t *count);

/* Is this the name of a file that store_file_list could list? For names that
 * come from a peer: no slash, no dots-only, only what RocksDB makes. */
bool store_file_name_valid(const char *name);

struct store_digest {
    uint64_t records;  /* of all kinds */
    uint64_t bytes;    /* of keys and values */
    uint64_t hash;     /* over all keys and values in order: equal for
                        * replicas with equal applied index */
};

/* Read everything a view holds: block checksums, order, record formats.
 * `out` (may be NULL) is set on OK.
 * STATUS_CORRUPT, STATUS_WRONG_VERSION, STATUS_IO_ERROR */
MUST_CHECK enum status store_verify(struct store_view *v,
                                    struct store_digest *out);

#endif
