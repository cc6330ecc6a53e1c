/* store.h - one group's replica on disk: an ordered map, atomic batches.
 *
 * A store is an LSM tree in one directory: what was applied lies in a table in
 * memory (table.h) until a flush makes it one of RocksDB's files. It has no log
 * of its own: the Raft log is the log. What was applied but not flushed is lost
 * in a crash and applied again from the Raft log; the group record (layout.h),
 * which each write set carries, says up to where the store holds everything. A
 * crash leaves exactly the state at some earlier store_apply, never a part of
 * one.
 *
 * Life: store_open gives one reference, to the OWNER: one thread at a time
 * (the group's loop; handing it over needs the usual synchronisation). Views
 * (store_view.h) hold references too, so a worker's view keeps the store alive
 * after the owner closed it; RocksDB itself is closed by the last reference,
 * on that thread, and then options.on_closed is called.
 *
 * Thread rules. Owner only: store_apply, store_flush_wanted, store_flush_begin,
 * store_flush_busy, store_view_take, store_close. Any thread that holds a
 * reference: everything else. Functions that may WAIT for the disk say so.
 *
 * Errors: RocksDB's texts become a status and one log line in rocks_error.c:
 *   STATUS_CORRUPT     damage on disk: quarantine the replica
 *   STATUS_IO_ERROR    the disk or RocksDB failed
 *   STATUS_DISK_FULL   the same for want of space
 * A flush that fails loses nothing: its table stays, is read as before, and is
 * flushed again when the owner asks for it, until that works. */
#ifndef NODE_STORE_STORE_H
#define NODE_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "node/store/layout.h"
#include "node/store/store_env.h"
#include "node/store/write_set.h"
#include "proto/base/bytes.h"
#include "proto/base/macros.h"
#include "proto/base/status.h"

struct store;
struct store_view;
struct row_segment;
struct table;

/* ---- open and close ---- */

enum store_mode {
    STORE_OPEN,           /* must exist */
    STORE_CREATE,         /* must not exist */
    STORE_OPEN_OR_CREATE, /* a half-made creation is completed */
};

struct store_options {
    const char *dir;      /* copied; its parent directory exists */
    enum store_mode mode;
    uint64_t tag;         /* names the store in store_env_stats and logs: the
                           * group's id */
    void (*on_closed)(void *arg); /* may be NULL; called once, on the thread
                                   * that gave the last reference back, after
                                   * the directory is closed */
    void *arg;
};

/* Open a store; gives `*out` on OK, NULL otherwise. MAY WAIT for the disk
 * (5-50 ms). `error` (may be NULL) gets a text for a person. A newly created
 * store is durable (its directory and its parent are synced) but empty.
 *
 * STATUS_NOT_FOUND  STORE_OPEN and there is no store
 * STATUS_EXISTS     STORE_CREATE and there is one
 * STATUS_BUSY       another process has it open
 * STATUS_CORRUPT, STATUS_IO_ERROR, STATUS_DISK_FULL */
MUST_CHECK enum status store_open(struct store_env *env,
                                  const struct store_options *options,
                                  struct store **out, char *error,
                                  size_t error_size);

/* Give back the owner's reference WITHOUT flushing: what is not flushed is
 * lost, as in a crash. For stores about to be destroyed, or failed ones. MAY
 * WAIT for a running flush or compaction when this was the last reference.
 * NULL is legal. */
void store_close(struct store *s);

/* One more reference, and giving one back (see Life). Any thread. unref MAY
 * WAIT when it was the last. */
struct store *store_ref(struct store *s);
void store_unref(struct store *s);

/* Delete a closed store's directory and sync its parent. Deletes only what
 * RocksDB made; MAY WAIT. A directory that is not there is OK.
 * STATUS_BUSY (still open), STATUS_IO_ERROR (also: something else is inside) */
MUST_CHECK enum status store_destroy(const char *dir, char *error,
                                     size_t error_size);

uint64_t store_tag(const struct store *s);
const char *store_dir(const struct store *s); /* lives as long as the store */

/* ---- write ---- */

/* Apply all records of `w` as one atomic batch. Never waits for the disk.
 * `w` is borrowed. An empty set is OK and does nothing.
 *
 * STATUS_STALLED    flushes or compactions are behind: nothing was written;
 *                   ask store_flush_wanted, as after a successful apply, and
 *                   try the same set again (some 10 ms) later
 * STATUS_DISK_FULL, STATUS_IO_ERROR, STATUS_CORRUPT  the same, and the reason
 *                   is that the last flush failed so */
MUST_CHECK enum status store_apply(struct store *s, const struct write_set *w);

/* ---- read ---- */

enum store_tier {
    STORE_CACHE_ONLY, /* memory only: never waits; for loops */
    STORE_ANY,        /* MAY WAIT for the disk; for workers */
};

/* A value pinned in place (its bytes are not copied). Release it before the
 * view, and before the reference, by which it was read. */
struct store_value {
    struct slice bytes;
    void *pin;           /* RocksDB's */
    struct table *table; /* or the table that it lies in */
    struct row_segment *rows; /* or the piece of the row cache */
};

/* Release the pin; a zero-initialised or released value is legal. Any
 * thread. */
void store_value_release(struct store_value *v);

/* Read one key, in `view` or (NULL; owner only) as of the last store_apply.
 * `out` is overwritten, set on OK, empty otherwise.
 *
 * STATUS_NOT_FOUND
 * STATUS_INCOMPLETE  STORE_CACHE_ONLY and memory does not decide it: read
 *                    again with STORE_ANY on a worker
 * STATUS_CORRUPT, STATUS_IO_ERROR */
MUST_CHECK enum status store_get(struct store *s, const struct store_view *view,
                                 struct slice key, enum store_tier tier,
                                 struct store_value *out);

/* Read `n` keys at once; with STORE_ANY cheaper than n gets from tables.
 * values[i] and statuses[i] are set for every i as by store_get; release each
 * value. Gives OK when all are OK or NOT_FOUND; else INCOMPLETE when nothing
 * worse happened; else the first error. n may be 0. */
MUST_CHECK enum status store_multi_get(struct store *s,
                                       const struct store_view *view,
                                       const struct slice *keys, size_t n,
                                       enum store_tier tier,
                                       struct store_value *values,
                                       enum status *statuses);

/* The owner will store_get() these keys next, without a view: have what it
 * looks at in our own memory fetched from there, for all keys at once. Changes
 * nothing; n may be anything, what is too much is left out. */
void store_expect(struct store *s, const struct slice *keys, unsigned n);

/* A worker has read `value` of `key` in `view`: keep it in memory for the next
 * reader, if it still is the value and small. Owner only; copies. What
 * store_get reads without a view is kept by itself. */
void store_keep(struct store *s, const struct store_view *view,
                struct slice key, struct slice value);

/* Read the group record as of the last store_apply (`view` NULL; owner only)
 * or of a view. `bytes` is cleared and filled; out->members borrows from it.
 * The record of an empty store is NOT_FOUND. MAY WAIT (one block). */
MUST_CHECK enum status store_group_record(struct store *s,
                                          const struct store_view *view,
                                          struct buf *bytes,
                                          struct group_record *out);

/* ---- flush ---- */

/* Does this store have to flush now? Yes above group_flush_bytes of table (or
 * three times that of writes: overwriting fills the log, not the table), and
 * when the node is above node_flush_bytes and no other store has more
 * unflushed. No while it flushes; after a failed flush not before half a second
 * has passed. Cheap (atomics); ask once per loop turn after applying. */
bool store_flush_wanted(struct store *s);

/* Start flushing what is applied so far, in the background; or what a failed
 * flush left. Never waits for the disk; takes RocksDB's mutex.
 * OK       started, or nothing to flush
 * STALLED  a flush is running, or tables are too many: ask again later
 * DISK_FULL, IO_ERROR, CORRUPT: tables are too many because compaction failed
 */
MUST_CHECK enum status store_flush_begin(struct store *s);

/* Is a flush running, or waiting for its thread? Cheap: poll from a timer
 * (10-100 ms). When it turns false read store_flushed_record. Owner only. */
bool store_flush_busy(struct store *s);

/* The group record as it stands in the tables on disk: what survives a crash.
 * Nothing else decides what is flushed. NOT_FOUND when nothing is. MAY WAIT
 * (one block, after a flush normally in the page cache). Any thread. */
MUST_CHECK enum status store_flushed_record(struct store *s, struct buf *bytes,
                                            struct group_record *out);

/* Flush what is applied and WAIT until it is on disk. Any thread: before
 * store_close at shutdown, and by checkpoints. DISK_FULL, IO_ERROR, CORRUPT:
 * it failed, and may be tried again. */
MUST_CHECK enum status store_flush_wait(struct store *s);

/* ---- measure ---- */

struct store_stats {
    uint64_t memtable_bytes;    /* of the tables that are not flushed */
    uint64_t unflushed_bytes;   /* applied since the last flush began */
    uint64_t table_bytes;       /* tables on disk that are live */
    uint64_t keys_estimate;     /* all kinds; may count deleted ones */
    uint64_t pending_compaction_bytes;
    uint64_t background_errors; /* since open; failed flushes too */
    uint64_t snapshots;         /* views that exist */
    uint32_t tables_l0;
    bool write_stopped;         /* store_apply would give STALLED */
    bool flushing;
};

/* Costs a few microseconds; takes RocksDB's mutex. Any thread. */
void store_stats(struct store *s, struct store_stats *out);

#endif
