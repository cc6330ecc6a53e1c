/* store_private.h - the structs behind the interface; for node/store only. */
#ifndef NODE_STORE_STORE_PRIVATE_H
#define NODE_STORE_STORE_PRIVATE_H

#include <pthread.h>
#include <rocksdb/c.h>
#include <stdatomic.h>

#include "node/store/rocks_error.h"
#include "node/store/store.h"
#include "node/store/store_view.h"

struct store_env {
    struct store_env_options options; /* defaults filled in */
    rocksdb_env_t *env;
    rocksdb_cache_t *cache;
    rocksdb_ratelimiter_t *limiter;   /* NULL: unlimited */
    rocksdb_options_t *base;          /* every store's, but for create_* */

    /* Never changed once made, so shared by all threads. */
    rocksdb_readoptions_t *read_any;
    rocksdb_readoptions_t *read_cache;
    rocksdb_readoptions_t *read_persisted;
    rocksdb_writeoptions_t *write;
    rocksdb_flushoptions_t *flush_begin;
    rocksdb_flushoptions_t *flush_wait;

    /* The sum of all stores' active_bytes + flushing_bytes. */
    atomic_uint_fast64_t memtable_bytes;

    pthread_mutex_t mutex; /* guards the list and its count */
    struct store *stores;
    unsigned store_count;
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

    /* The account of memtables: written by the owner (and by flush_wait),
     * read by all. active: what the next flush will write, from RocksDB's
     * figure when last polled plus what was applied since. flushing: what a
     * running flush is writing. */
    atomic_uint_fast64_t active_bytes;
    atomic_uint_fast64_t flushing_bytes;
    atomic_uint_fast64_t unflushed_bytes;
    atomic_bool flushing;

    /* Owner only. */
    rocksdb_writebatch_t *batch; /* reused */
    struct store_view *view_now; /* of the present state, or NULL */
    uint64_t unpolled_bytes;     /* applied since the last poll */

    struct store *next; /* in env->stores */
};

struct store_view {
    atomic_uint refs;
    struct store *store;
    const rocksdb_snapshot_t *snapshot;
    rocksdb_readoptions_t *read_any;
    rocksdb_readoptions_t *read_cache;
};

/* Put into and take out of the env's list. */
void store_env_add(struct store_env *env, struct store *s);
void store_env_remove(struct store_env *env, struct store *s);

/* Is there no other store with more active bytes that is not flushing? */
bool store_env_is_largest(struct store_env *env, const struct store *s);

/* Ask RocksDB how large the memtables are. Takes its mutex. */
void store_poll(struct store *s);

/* The error that a failed flush or compaction left behind, if any: OK,
 * STALLED, DISK_FULL, CORRUPT or IO_ERROR. Owner only; never waits. */
MUST_CHECK enum status store_background_status(struct store *s);

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
        return tier == STORE_CACHE_ONLY ? view->read_cache : view->read_any;
    return tier == STORE_CACHE_ONLY ? s->env->read_cache : s->env->read_any;
}

/* Sync the directory that `path` stands in. STATUS_IO_ERROR. */
MUST_CHECK enum status store_sync_parent(const char *path);

/* Decode a pinned group record into `bytes` and `out`, and release it. */
MUST_CHECK enum status store_record_take(rocksdb_pinnableslice_t *pin,
                                         struct buf *bytes,
                                         struct group_record *out);

#endif
