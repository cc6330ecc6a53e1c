/* store_flush.c - see store.h: when to flush, flushing, and measuring.
 *
 * A flush makes the active table the immutable one, and a thread of the pool
 * puts it into RocksDB (store_ingest.c). Only when that is done, and durable,
 * the table is dropped; when it fails, the table stays and it is tried again,
 * as often as need be: nothing below has changed by then.
 *
 *          begin                 ended
 *   NONE --------> RUNNING -------------> NONE
 *                   ^   |
 *             begin |   | failed
 *                   |   v
 *                  FAILED
 */
#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "node/store/store_private.h"
#include "proto/base/log.h"

enum {
    AGAIN_MS = 500,
    /* What was overwritten in place is in the log all the same: a table that
     * does not grow is flushed after so many times group_flush_bytes. */
    LOG_FACTOR = 3,
    /* Of a flush that has time: with the pieces of store_ingest.c about
     * 16 MiB/s. */
    REST_US = 14000,
};

uint64_t store_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- the account ---- */

static void account_set(atomic_uint_fast64_t *of_store,
                        atomic_uint_fast64_t *of_env, uint64_t bytes)
{
    uint64_t before = atomic_exchange(of_store, bytes);

    atomic_fetch_add(of_env, bytes - before); /* may be below zero: wraps */
}

void store_account(struct store *s)
{
    account_set(&s->active_bytes, &s->env->active_bytes,
                table_bytes(s->active));
    account_set(&s->flushing_bytes, &s->env->flushing_bytes,
                s->immutable ? table_bytes(s->immutable) : 0);
}

/* Why the last flush failed; OK when it did not. */
static enum status failed_status(struct store *s)
{
    enum status status = STATUS_OK;

    pthread_mutex_lock(&s->lock);
    if (store_flush_state(s) == FLUSH_FAILED)
        status = s->flush_status;
    pthread_mutex_unlock(&s->lock);
    return status;
}

enum status store_budget_status(struct store *s)
{
    struct store_env *e = s->env;
    uint64_t all = atomic_load(&e->active_bytes) +
                   atomic_load(&e->flushing_bytes);
    enum status status;

    if (all <= 2 * e->options.node_flush_bytes &&
        atomic_load(&s->active_bytes) < 2 * e->options.group_flush_bytes)
        return STATUS_OK;
    status = failed_status(s);
    return status == STATUS_OK ? STATUS_STALLED : status;
}

/* How much of the way from `from` to `to` was gone: 0 to 1. */
static double gone(uint64_t at, uint64_t from, uint64_t to)
{
    if (at <= from)
        return 0;
    return at >= to ? 1 : (double)(at - from) / (double)(to - from);
}

/* None when somebody waits for it, or when what comes in meanwhile has taken
 * half of what is left until the next flush of this store, or a sixteenth of
 * the node's budget: a flush is as fast as it has to be. */
unsigned store_flush_rest_us(struct store *s)
{
    const struct store_env_options *o = &s->env->options;
    uint64_t all = atomic_load(&s->env->active_bytes) +
                   atomic_load(&s->env->flushing_bytes);
    double of_node = gone(all, o->node_flush_bytes,
                          o->node_flush_bytes + o->node_flush_bytes / 16);
    double of_group = gone(atomic_load(&s->active_bytes), 0,
                           o->group_flush_bytes / 2);

    if (atomic_load(&s->env->hurry) || atomic_load(&s->closing))
        return 0;
    return (unsigned)(REST_US * (1 - MAX_OF(of_node, of_group)));
}

/* ---- the owner's side ---- */

bool store_flush_wanted(struct store *s)
{
    struct store_env *e = s->env;
    uint64_t active = atomic_load(&s->active_bytes);
    uint64_t group = e->options.group_flush_bytes;

    switch (store_flush_state(s)) {
    case FLUSH_NONE:
        break;
    case FLUSH_RUNNING:
        return false;
    case FLUSH_FAILED:
        return store_now_ms() >= s->flush_again_ms;
    }
    if (!active)
        return false;
    if (active >= group ||
        atomic_load(&s->unflushed_bytes) >= LOG_FACTOR * group)
        return true;
    return atomic_load(&e->active_bytes) >= e->options.node_flush_bytes &&
           store_env_is_largest(e, s);
}

enum status store_background_status(struct store *s)
{
    rocksdb_writebatch_t *empty;
    char *err = NULL;

    if (store_property(s, "rocksdb.background-errors") == 0)
        return STATUS_OK;
    /* The property only counts; a write is refused with the error's text. */
    empty = rocksdb_writebatch_create();
    rocksdb_write(s->db, s->env->write, empty, &err);
    rocksdb_writebatch_destroy(empty);
    return rocks_error(store_place(s), "background", err, NULL, 0);
}

static unsigned tables_l0(struct store *s)
{
    char *text =
        rocksdb_property_value(s->db, "rocksdb.num-files-at-level0");
    unsigned n = text ? (unsigned)strtoul(text, NULL, 10) : 0;

    rocksdb_free(text);
    return n;
}

/* Under the lock: make the active table the immutable one. */
static void freeze(struct store *s)
{
    assert(!s->immutable);
    s->immutable = s->active;
    s->immutable_view = table_view_take(s->immutable);
    s->active = table_new();
    atomic_store(&s->unflushed_bytes, 0);
    store_account(s);
}

/* Under the lock: hand the immutable table to the pool. */
static void start(struct store *s)
{
    assert(s->immutable);
    atomic_store(&s->flush_state, FLUSH_RUNNING);
    store_pool_add(s->env, s);
}

enum status store_flush_begin(struct store *s)
{
    unsigned tables = tables_l0(s);
    bool too_many = tables >= s->env->options.stall_tables;
    enum status status = STATUS_OK;

    if (tables >= 2 * STORE_COMPACT_TABLES || too_many)
        store_compact_hurry(s->env);
    pthread_mutex_lock(&s->lock);
    if (store_flush_state(s) == FLUSH_RUNNING) {
        status = STATUS_STALLED;
    } else if (too_many) {
        status = STATUS_STALLED;
    } else if (s->immutable) {
        start(s);
    } else if (table_bytes(s->active)) {
        freeze(s);
        start(s);
    }
    pthread_mutex_unlock(&s->lock);
    if (too_many) {
        enum status background = store_background_status(s);
        return background == STATUS_OK ? status : background;
    }
    return status;
}

bool store_flush_busy(struct store *s)
{
    struct store_view *old = NULL;

    if (store_flush_state(s) == FLUSH_RUNNING)
        return true;
    /* The view of the present state would keep a flushed table in memory. The
     * flush's thread must not drop it: it may hold the last reference. */
    pthread_mutex_lock(&s->lock);
    if (s->view_now && s->view_now->base != s->base) {
        old = s->view_now;
        s->view_now = NULL;
    }
    pthread_mutex_unlock(&s->lock);
    store_view_unref(old);
    return false;
}

enum status store_flush_wait(struct store *s)
{
    enum status status = STATUS_OK;
    bool mine = false, frozen = false;

    atomic_fetch_add(&s->env->hurry, 1);
    pthread_mutex_lock(&s->lock);
    for (;;) {
        if (store_flush_state(s) == FLUSH_RUNNING) {
            pthread_cond_wait(&s->flush_ended, &s->lock);
            continue;
        }
        if (s->immutable) {
            if (mine) {
                status = s->flush_status;
                break;
            }
        } else {
            if (frozen || !table_bytes(s->active))
                break;
            freeze(s);
            frozen = true;
        }
        start(s);
        mine = true;
    }
    pthread_mutex_unlock(&s->lock);
    atomic_fetch_sub(&s->env->hurry, 1);
    return status;
}

enum status store_flushed_record(struct store *s, struct buf *bytes,
                                 struct group_record *out)
{
    struct slice key = layout_single_key(LAYOUT_GROUP);
    rocksdb_pinnableslice_t *pin;
    char *err = NULL;

    /* RocksDB holds nothing but what is in its files. */
    buf_clear(bytes);
    pin = rocksdb_get_pinned(s->db, s->env->read_any, (const char *)key.data,
                             key.size, &err);
    if (err) {
        assert(!pin);
        return rocks_error(store_place(s), "flushed_record", err, NULL, 0);
    }
    return store_record_take(pin, bytes, out);
}

/* ---- the pool's side ---- */

/* The immutable table is in RocksDB: from now on it is read there. */
static void ended(struct store *s)
{
    struct store_base *base = store_base_new(s), *old_base;
    struct table_view *view;
    struct table *table;

    pthread_mutex_lock(&s->lock);
    table = s->immutable;
    view = s->immutable_view;
    old_base = s->base;
    s->immutable = NULL;
    s->immutable_view = NULL;
    s->base = base;
    s->flush_status = STATUS_OK;
    atomic_store(&s->flush_state, FLUSH_NONE);
    store_account(s);
    pthread_cond_broadcast(&s->flush_ended);
    pthread_mutex_unlock(&s->lock);
    table_view_unref(view);
    table_unref(table);
    store_base_unref(old_base);
}

static void failed(struct store *s, enum status status)
{
    pthread_mutex_lock(&s->lock);
    s->flush_status = status;
    s->flush_again_ms = store_now_ms() + AGAIN_MS;
    s->flushes_failed++;
    atomic_store(&s->flush_state, FLUSH_FAILED);
    pthread_cond_broadcast(&s->flush_ended);
    pthread_mutex_unlock(&s->lock);
}

void store_flush_run(struct store *s)
{
    enum status status = store_background_status(s);

    if (status == STATUS_OK || status == STATUS_DISK_FULL)
        status = store_ingest(s, s->immutable_view);
    if (status == STATUS_OK)
        ended(s);
    else
        failed(s, status);
}

/* ---- measuring ---- */

void store_stats(struct store *s, struct store_stats *out)
{
    *out = (struct store_stats){
        .memtable_bytes = atomic_load(&s->active_bytes) +
                          atomic_load(&s->flushing_bytes),
        .unflushed_bytes = atomic_load(&s->unflushed_bytes),
        .table_bytes = store_property(s, "rocksdb.live-sst-files-size"),
        .keys_estimate = store_property(s, "rocksdb.estimate-num-keys"),
        .pending_compaction_bytes = store_property(
            s, "rocksdb.estimate-pending-compaction-bytes"),
        .background_errors = store_property(s, "rocksdb.background-errors"),
        .snapshots = atomic_load(&s->views),
        .tables_l0 = tables_l0(s),
        .write_stopped = store_budget_status(s) != STATUS_OK,
        .flushing = store_flush_state(s) == FLUSH_RUNNING,
    };
    pthread_mutex_lock(&s->lock);
    out->background_errors += s->flushes_failed;
    out->keys_estimate += table_count(s->active);
    if (s->immutable)
        out->keys_estimate += table_count(s->immutable);
    pthread_mutex_unlock(&s->lock);
}
