/* store_private.h - the structs behind the interface; for node/store only. */
#ifndef NODE_STORE_STORE_PRIVATE_H
#define NODE_STORE_STORE_PRIVATE_H

#include <pthread.h>
#include <rocksdb/c.h>
#include <stdatomic.h>

#include "node/store/rocks_error.h"
#include "node/store/row_cache.h"
#include "node/store/store.h"
#include "node/store/store_pool.h"
#include "node/store/store_view.h"
#include "node/store/table.h"

/* Tables in L0 that call for a compaction. */
#define STORE_COMPACT_TABLES 4

struct store_env {
    struct store_env_options options; /* defaults filled in */
    rocksdb_env_t *env;
    rocksdb_cache_t *cache;
    rocksdb_ratelimiter_t *limiter;   /* NULL: unlimited */
    rocksdb_compactionfilter_t *compact; /* store_compact.c */
    rocksdb_options_t *base;          /* every store's, but for create_* */
    rocksdb_options_t *flush;         /* of the files that flushes write */

    /* Never changed once made, so shared by all threads. */
    rocksdb_readoptions_t *read_any;
    rocksdb_readoptions_t *read_cache;
    rocksdb_writeoptions_t *write;
    rocksdb_envoptions_t *files;
    rocksdb_ingestexternalfileoptions_t *ingest;

    struct row_budget rows;
    uint64_t row_seed;

    /* The sums of all stores' table bytes. */
    atomic_uint_fast64_t active_bytes;
    atomic_uint_fast64_t flushing_bytes;

    atomic_uint hurry; /* who waits for a flush: store_flush_wait */
    atomic_uint_fast64_t compact_hurry_until_ms; /* on the monotonic clock */

    pthread_mutex_t mutex; /* guards the list, its count, and the pool */
    struct store *stores;
    unsigned store_count;
    struct store_pool pool;
};

/* What a flush is about: store_flush.c. */
enum flush_state {
    FLUSH_NONE,    /* there is no immutable table */
    FLUSH_RUNNING, /* or waiting for its thread */
    FLUSH_FAILED,  /* the immutable table is still there: try again */
};

/* RocksDB's state between the ends of two flushes: tables are all that ever
 * changes there. */
struct store_base {
    atomic_uint refs;
    struct store *store; /* outlives it */
    const rocksdb_snapshot_t *snapshot;
    rocksdb_readoptions_t *read_any;
    rocksdb_readoptions_t *read_cache;
};

struct store {
    struct store_env *env;
    rocksdb_t *db;
    rocksdb_column_family_handle_t *cf;
    char *dir;
    uint64_t tag;
    void (*on_closed)(void *arg);
    void *arg;
    atomic_uint refs;
    atomic_int last_error;
    atomic_uint views;
    atomic_bool closing; /* a running flush gives up */

    /* Owner only. */
    struct row_cache *rows;

    /* Of the tables: the active one's, and what a flush is writing. Changed
     * under the lock, read by all. */
    atomic_uint_fast64_t active_bytes;
    atomic_uint_fast64_t flushing_bytes;
    atomic_uint_fast64_t unflushed_bytes; /* applied since the active table
                                           * was made */
    atomic_int flush_state; /* enum flush_state */

    /* Guards what follows. Held for memory only, never while the disk works.
     * The owner writes the active table under it, because workers too make it
     * immutable (checkpoints). */
    pthread_mutex_t lock;
    pthread_cond_t flush_ended;
    struct table *active;
    struct table *immutable;           /* being flushed, or NULL */
    struct table_view *immutable_view; /* of all of it */
    struct store_base *base;
    struct store_view *view_now; /* of the present state, or NULL */
    enum status flush_status;    /* of FAILED */
    uint64_t flush_again_ms;     /* on the monotonic clock */
    uint64_t flushes_failed;

    struct store_job job;
    struct store *next; /* in env->stores */
};

struct store_view {
    atomic_uint refs;
    struct store *store;
    struct table_view *active;    /* NULL: empty */
    struct table_view *immutable; /* NULL: there is none */
    struct store_base *base;
};

/* Put into and take out of the env's list. */
void store_env_add(struct store_env *env, struct store *s);
void store_env_remove(struct store_env *env, struct store *s);

/* Is there no other store with a larger active table that is not flushing? */
bool store_env_is_largest(struct store_env *env, const struct store *s);

/* Under the lock: set the account to what the tables say. */
void store_account(struct store *s);

/* STALLED when too much waits for flushes; a failed flush's own status comes
 * first. Any thread; cheap. */
MUST_CHECK enum status store_budget_status(struct store *s);

/* The error that a failed compaction left behind, if any: OK, STALLED,
 * DISK_FULL, CORRUPT or IO_ERROR. Any thread; takes RocksDB's mutex. */
MUST_CHECK enum status store_background_status(struct store *s);

/* How long a flush of `s` rests between two pieces of its file, in
 * microseconds: store_flush.c. Any thread. */
unsigned store_flush_rest_us(struct store *s);

/* How long a compaction rests between two pieces of what it writes, in
 * microseconds: store_compact.c. Any thread. */
unsigned store_compact_rest_us(struct store_env *e);

/* Let none rest for a while: too many tables wait for them. Any thread. */
void store_compact_hurry(struct store_env *e);

/* What makes compactions rest, for the options of all stores of `e`; the
 * caller destroys it when they are closed. */
rocksdb_compactionfilter_t *store_compact_filter(struct store_env *e);

/* The monotonic clock. */
uint64_t store_now_ms(void);

/* Write a table as a file of RocksDB's and put it there: store_ingest.c. On OK
 * RocksDB holds it, and will after a crash. WAITS for the disk.
 *
 * STATUS_DISK_FULL, STATUS_IO_ERROR, STATUS_CORRUPT; CLOSED: s->closing */
MUST_CHECK enum status store_ingest(struct store *s,
                                    const struct table_view *v);

/* Remove the file that an interrupted store_ingest left in `dir`. */
void store_ingest_clean(const char *dir);

/* The name of that file. */
#define STORE_INGEST_FILE "flush.part"

/* RocksDB's present state; gives a reference. Takes RocksDB's mutex, as the
 * last unref does (NULL is legal). */
struct store_base *store_base_new(struct store *s);
struct store_base *store_base_ref(struct store_base *b);
void store_base_unref(struct store_base *b);

/* Carry a flush out, on a thread of the pool. */
void store_flush_run(struct store *s);

static inline struct rocks_place store_place(struct store *s)
{
    return (struct rocks_place){s->dir, s->tag, &s->last_error};
}

/* An integer property; 0 when RocksDB does not know it. */
static inline uint64_t store_property(struct store *s, const char *name)
{
    uint64_t v = 0;

    return rocksdb_property_int(s->db, name, &v) ? 0 : v;
}

/* The read options for `view` (NULL: now) and `tier`. */
static inline const rocksdb_readoptions_t *
store_read_options(struct store *s, const struct store_view *view,
                   enum store_tier tier)
{
    if (view)
        return tier == STORE_CACHE_ONLY ? view->base->read_cache
                                        : view->base->read_any;
    return tier == STORE_CACHE_ONLY ? s->env->read_cache : s->env->read_any;
}

static inline enum flush_state store_flush_state(const struct store *s)
{
    return (enum flush_state)atomic_load(&s->flush_state);
}

/* Sync the directory that `path` stands in. STATUS_IO_ERROR. */
MUST_CHECK enum status store_sync_parent(const char *path);

/* Decode a pinned group record into `bytes` and `out`, and release it. */
MUST_CHECK enum status store_record_take(rocksdb_pinnableslice_t *pin,
                                         struct buf *bytes,
                                         struct group_record *out);

#endif
