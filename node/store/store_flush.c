/* store_flush.c - see store.h: when to flush, flushing, and measuring.
 *
 * The account: active_bytes is what the next flush will write, flushing_bytes
 * what a running one is writing, and env->memtable_bytes the sum of both over
 * all stores. store_apply adds an estimate, store_poll replaces it by what
 * RocksDB says. */
#include <assert.h>
#include <stdlib.h>

#include "node/store/store_private.h"

void store_poll(struct store *s)
{
    struct store_env *e = s->env;
    uint64_t active = store_property(s, "rocksdb.cur-size-active-mem-table");
    uint64_t all = store_property(s, "rocksdb.cur-size-all-mem-tables");
    bool busy = store_property(s, "rocksdb.num-immutable-mem-table") > 0;
    uint64_t entries =
        store_property(s, "rocksdb.num-entries-active-mem-table");
    uint64_t flushing, before;

    /* An empty memtable has its filter and its first arena block: nothing
     * that a flush would give back. */
    if (!entries)
        active = 0;
    /* The figures are read one by one: a flush may have ended between. */
    flushing = busy && all > active ? all - active : 0;
    pthread_mutex_lock(&e->mutex);
    atomic_fetch_add(&e->memtable_bytes, active + flushing);
    before = atomic_exchange(&s->active_bytes, active);
    if (active < before)
        atomic_store(&s->unflushed_bytes, active);
    before += atomic_exchange(&s->flushing_bytes, flushing);
    atomic_fetch_sub(&e->memtable_bytes, before);
    atomic_store(&s->flushing, busy);
    pthread_mutex_unlock(&e->mutex);
}

bool store_flush_wanted(struct store *s)
{
    struct store_env *e = s->env;
    uint64_t active = atomic_load(&s->active_bytes);

    if (!active)
        return false;
    if (active < e->options.group_flush_bytes &&
        atomic_load(&e->memtable_bytes) < e->options.node_flush_bytes)
        return false;
    /* Rare from here on: the estimate may be off, a flush may be running. */
    store_poll(s);
    if (atomic_load(&s->flushing))
        return false;
    if (atomic_load(&s->active_bytes) >= e->options.group_flush_bytes)
        return true;
    return atomic_load(&e->memtable_bytes) >= e->options.node_flush_bytes &&
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

enum status store_flush_begin(struct store *s)
{
    char *err = NULL;

    /* rocksdb_flush WAITS, even told not to, when one more memtable or one
     * more table in L0 would stall writes. Only this thread fills memtables
     * and only flushes add tables, so what is seen here stays true; a
     * checkpoint that begins right now adds one of each, hence the 2. */
    if (store_property(s, "rocksdb.num-immutable-mem-table") > 0 ||
        tables_l0(s) + 2 > s->env->options.stall_tables) {
        enum status status = store_background_status(s);
        return status == STATUS_OK ? STATUS_STALLED : status;
    }
    rocksdb_flush(s->db, s->env->flush_begin, &err);
    store_poll(s);
    return rocks_error(store_place(s), "flush", err, NULL, 0);
}

bool store_flush_busy(struct store *s)
{
    store_poll(s);
    return atomic_load(&s->flushing);
}

enum status store_flushed_record(struct store *s, struct buf *bytes,
                                 struct group_record *out)
{
    struct slice key = layout_single_key(LAYOUT_GROUP);
    rocksdb_pinnableslice_t *pin;
    char *err = NULL;

    buf_clear(bytes);
    pin = rocksdb_get_pinned(s->db, s->env->read_persisted,
                             (const char *)key.data, key.size, &err);
    if (err) {
        assert(!pin);
        return rocks_error(store_place(s), "flushed_record", err, NULL, 0);
    }
    return store_record_take(pin, bytes, out);
}

enum status store_flush_wait(struct store *s)
{
    char *err = NULL;

    rocksdb_flush(s->db, s->env->flush_wait, &err);
    store_poll(s);
    return rocks_error(store_place(s), "flush", err, NULL, 0);
}

void store_stats(struct store *s, struct store_stats *out)
{
    *out = (struct store_stats){
        .memtable_bytes = store_property(s, "rocksdb.size-all-mem-tables"),
        .unflushed_bytes = atomic_load(&s->unflushed_bytes),
        .table_bytes = store_property(s, "rocksdb.live-sst-files-size"),
        .keys_estimate = store_property(s, "rocksdb.estimate-num-keys"),
        .pending_compaction_bytes = store_property(
            s, "rocksdb.estimate-pending-compaction-bytes"),
        .background_errors = store_property(s, "rocksdb.background-errors"),
        .snapshots = store_property(s, "rocksdb.num-snapshots"),
        .tables_l0 = tables_l0(s),
        .write_stopped = store_property(s, "rocksdb.is-write-stopped") > 0,
        .flushing =
            store_property(s, "rocksdb.num-immutable-mem-table") > 0,
    };
}
