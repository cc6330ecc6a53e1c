/* store_env.c - see store_env.h: RocksDB's options, and the tables' account.
 *
 * Why each option is as it is stands beside it; what was measured stands in
 * README.md. Deliberately at RocksDB's default: paranoid checks. */
#include "node/store/store_env.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

#include "node/store/patient.h"
#include "node/store/store_private.h"
#include "proto/base/bytes.h"
#include "proto/base/log.h"

enum {
    LEVEL_COUNT = 7,
    NEVER = 1 << 30, /* tables in L0 */
    LOG_HEADERS = 5,
    /* rocksdb_block_based_table_data_block_index_type_..., of which c.h's
     * name does not fit into a line */
    BINARY_SEARCH_AND_HASH = 1,
};
#define MIB ((uint64_t)1024 * 1024)

static struct store_env_options with_defaults(
    const struct store_env_options *given)
{
    struct store_env_options o = {0};

    if (given)
        o = *given;
    if (!o.cache_bytes)
        o.cache_bytes = 64 * MIB;
    if (!o.row_cache_bytes)
        o.row_cache_bytes = 128 * MIB;
    if (!o.group_flush_bytes)
        o.group_flush_bytes = 32 * MIB;
    if (!o.node_flush_bytes)
        o.node_flush_bytes = 128 * MIB;
    if (!o.flush_threads)
        o.flush_threads = 1;
    if (!o.compaction_threads)
        o.compaction_threads = 1;
    if (!o.stall_tables)
        o.stall_tables = 36;
    return o;
}

/* Tables: what a point get costs, and what stays in memory. */
static void set_tables(struct store_env *e, rocksdb_options_t *o)
{
    rocksdb_block_based_table_options_t *t =
        rocksdb_block_based_options_create();

    rocksdb_block_based_options_set_block_cache(t, e->cache);
    rocksdb_block_based_options_set_block_size(t, 4096);
    rocksdb_block_based_options_set_format_version(t, 5);
    /* Index and filter blocks count against the cache's budget: otherwise
     * memory would grow with the data. */
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(t, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(
        t, 1);
    /* 10 bits per key: about 1 in 100 absent keys reads a block. The options
     * take the policy. */
    rocksdb_block_based_options_set_filter_policy(
        t, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_block_based_options_set_whole_key_filtering(t, 1);
    rocksdb_block_based_options_set_data_block_index_type(
        t, BINARY_SEARCH_AND_HASH);
    rocksdb_options_set_block_based_table_factory(o, t);
    rocksdb_block_based_options_destroy(t);
}

/* Nothing is ever written but by taking files in: memtables stay empty and as
 * small as they can be. */
static void set_writes(rocksdb_options_t *o)
{
    rocksdb_options_set_allow_concurrent_memtable_write(o, 0);
    rocksdb_options_set_enable_write_thread_adaptive_yield(o, 0);
    rocksdb_options_set_enable_pipelined_write(o, 0);
    rocksdb_options_set_write_buffer_size(o, 64 * 1024);
    rocksdb_options_set_max_write_buffer_number(o, 2);
    rocksdb_options_set_arena_block_size(o, 4 * 1024);
}

static void set_levels(struct store_env *e, rocksdb_options_t *o)
{
    static const int compression[LEVEL_COUNT] = {
        /* L0 and the first level below it are rewritten soon and often. */
        rocksdb_no_compression, rocksdb_no_compression,
        rocksdb_lz4_compression, rocksdb_lz4_compression,
        rocksdb_lz4_compression, rocksdb_lz4_compression,
        rocksdb_lz4_compression,
    };
    int stall = (int)e->options.stall_tables;

    rocksdb_options_set_num_levels(o, LEVEL_COUNT);
    rocksdb_options_set_compression_per_level(o, compression, LEVEL_COUNT);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(o, 1);
    rocksdb_options_set_level0_file_num_compaction_trigger(
        o, MIN_OF(STORE_COMPACT_TABLES, stall));
    /* RocksDB itself never stalls anything: store_flush_begin looks at the
     * number of L0's tables instead, so that nothing waits. */
    rocksdb_options_set_level0_slowdown_writes_trigger(o, NEVER);
    rocksdb_options_set_level0_stop_writes_trigger(o, NEVER);
    rocksdb_options_set_soft_pending_compaction_bytes_limit(o, 0);
    rocksdb_options_set_hard_pending_compaction_bytes_limit(o, 0);
    rocksdb_options_set_target_file_size_base(o, 64 * MIB);
    rocksdb_options_set_target_file_size_multiplier(o, 1);
    rocksdb_options_set_max_bytes_for_level_base(o, 256 * MIB);
}

/* Files, threads and memory of an idle store. */
static void set_rest(struct store_env *e, rocksdb_options_t *o)
{
    rocksdb_options_set_env(o, e->env);
    rocksdb_options_set_compaction_filter(o, e->compact);
    if (e->limiter)
        rocksdb_options_set_ratelimiter(o, e->limiter);
    rocksdb_options_set_max_background_flushes(o, 1);
    rocksdb_options_set_max_background_compactions(o, 1);
    rocksdb_options_set_max_subcompactions(o, 1);
    /* All tables stay open, one descriptor for each 64 MiB of data: a get then
     * skips the table cache, and a cache-only get does not fail because a file
     * is closed. */
    rocksdb_options_set_max_open_files(o, -1);
    rocksdb_options_set_max_file_opening_threads(o, 1);
    rocksdb_options_set_table_cache_numshardbits(o, 2);
    rocksdb_options_set_skip_stats_update_on_db_open(o, 1);
    /* Give snapshots and iterators back without unlinking files on a loop. */
    rocksdb_options_set_avoid_unnecessary_blocking_io(o, 1);
    rocksdb_options_set_bytes_per_sync(o, MIB);
    rocksdb_options_set_manifest_preallocation_size(o, 64 * 1024);
    rocksdb_options_set_max_manifest_file_size(o, 4 * MIB);
    /* What is said when a store opens, and no more: with assertions on, as
     * Debian builds it, a second line behind one that met a full disk ends the
     * process. Errors reach us as texts, and our own log. */
    rocksdb_options_set_info_log_level(o, LOG_HEADERS);
    rocksdb_options_set_keep_log_file_num(o, 1);
    rocksdb_options_set_max_log_file_size(o, MIB);
    rocksdb_options_set_stats_dump_period_sec(o, 0);
    rocksdb_options_set_stats_persist_period_sec(o, 0);
    rocksdb_options_set_is_fd_close_on_exec(o, 1);
}

static rocksdb_options_t *make_options(struct store_env *e)
{
    rocksdb_options_t *plain = rocksdb_options_create();
    rocksdb_options_t *o = rocksdb_options_create();
    char *err = NULL;

    /* No setter reaches this one: closing without a flush is our decision. */
    rocksdb_get_options_from_string(
        plain, "avoid_flush_during_shutdown=true", o, &err);
    if (err) {
        log_error("store_options", "text=\"%s\"", err);
        abort();
    }
    rocksdb_options_destroy(plain);
    set_tables(e, o);
    set_writes(o);
    set_levels(e, o);
    set_rest(e, o);
    return o;
}

/* Files that a flush writes go to L0: rewritten soon, so not compressed. */
static rocksdb_options_t *make_flush_options(struct store_env *e)
{
    rocksdb_options_t *o = rocksdb_options_create_copy(e->base);

    rocksdb_options_set_compression_per_level(o, NULL, 0);
    rocksdb_options_set_compression(o, rocksdb_no_compression);
    return o;
}

/* A thread is like the one that makes it: RocksDB's compact. */
static void set_threads(struct store_env *e)
{
    bool patient = patient_begin();

    rocksdb_env_set_high_priority_background_threads(
        e->env, (int)e->options.flush_threads);
    rocksdb_env_set_background_threads(
        e->env,
        e->options.no_compaction ? 0 : (int)e->options.compaction_threads);
    if (patient)
        patient_end();
}

struct store_env *store_env_new(const struct store_env_options *options)
{
    struct store_env *e = xcalloc(1, sizeof *e);

    e->options = with_defaults(options);
    e->env = rocksdb_create_default_env();
    e->cache = rocksdb_cache_create_lru(e->options.cache_bytes);
    if (e->options.write_rate_bytes)
        e->limiter = rocksdb_ratelimiter_create(
            (int64_t)e->options.write_rate_bytes, 100 * 1000, 10);
    e->compact = store_compact_filter(e);
    set_threads(e); /* before a store that is opened does */
    e->base = make_options(e);

    e->read_any = rocksdb_readoptions_create();
    e->read_cache = rocksdb_readoptions_create();
    rocksdb_readoptions_set_read_tier(e->read_cache, 1);
    e->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(e->write, 1);
    rocksdb_writeoptions_set_no_slowdown(e->write, 1);
    e->flush = make_flush_options(e);
    e->files = rocksdb_envoptions_create();
    e->ingest = rocksdb_ingestexternalfileoptions_create();
    rocksdb_ingestexternalfileoptions_set_move_files(e->ingest, 1);
    pthread_mutex_init(&e->mutex, NULL);
    store_pool_init(e);
    e->rows.bytes_max = e->options.row_cache_bytes;
    if (getrandom(&e->row_seed, sizeof e->row_seed, 0) !=
        sizeof e->row_seed) {
        log_error("store_random", "no random numbers");
        abort();
    }
    return e;
}

void store_env_free(struct store_env *e)
{
    if (!e)
        return;
    assert(e->store_count == 0);
    store_pool_release(e);
    assert(atomic_load(&e->active_bytes) == 0);
    assert(atomic_load(&e->flushing_bytes) == 0);
    assert(atomic_load(&e->rows.bytes) == 0);
    rocksdb_ingestexternalfileoptions_destroy(e->ingest);
    rocksdb_envoptions_destroy(e->files);
    rocksdb_writeoptions_destroy(e->write);
    rocksdb_readoptions_destroy(e->read_any);
    rocksdb_readoptions_destroy(e->read_cache);
    rocksdb_options_destroy(e->flush);
    rocksdb_options_destroy(e->base);
    rocksdb_compactionfilter_destroy(e->compact);
    if (e->limiter)
        rocksdb_ratelimiter_destroy(e->limiter);
    rocksdb_cache_destroy(e->cache);
    rocksdb_env_destroy(e->env);
    pthread_mutex_destroy(&e->mutex);
    free(e);
}

unsigned store_env_open_count(struct store_env *e)
{
    unsigned n;

    pthread_mutex_lock(&e->mutex);
    n = e->store_count;
    pthread_mutex_unlock(&e->mutex);
    return n;
}

void store_env_add(struct store_env *e, struct store *s)
{
    pthread_mutex_lock(&e->mutex);
    s->next = e->stores;
    e->stores = s;
    e->store_count++;
    pthread_mutex_unlock(&e->mutex);
    /* Opening a store raises the pools to what that store may use alone; this
     * sets what all stores share, and lowers it for tests. */
    set_threads(e);
}

void store_env_remove(struct store_env *e, struct store *s)
{
    struct store **at;

    pthread_mutex_lock(&e->mutex);
    for (at = &e->stores; *at != s; at = &(*at)->next)
        assert(*at);
    *at = s->next;
    atomic_fetch_sub(&e->active_bytes, atomic_load(&s->active_bytes));
    atomic_fetch_sub(&e->flushing_bytes, atomic_load(&s->flushing_bytes));
    e->store_count--;
    pthread_mutex_unlock(&e->mutex);
}

/* The store with most to flush that is not flushing; NULL when none has any.
 * Under the mutex. */
static struct store *largest(struct store_env *e, uint64_t *bytes)
{
    struct store *found = NULL;

    *bytes = 0;
    for (struct store *s = e->stores; s; s = s->next) {
        uint64_t active = atomic_load(&s->active_bytes);
        if (active > *bytes && store_flush_state(s) == FLUSH_NONE) {
            *bytes = active;
            found = s;
        }
    }
    return found;
}

bool store_env_is_largest(struct store_env *e, const struct store *s)
{
    uint64_t bytes;
    bool is;

    pthread_mutex_lock(&e->mutex);
    is = largest(e, &bytes) == s;
    pthread_mutex_unlock(&e->mutex);
    return is;
}

void store_env_stats(struct store_env *e, struct store_env_stats *out)
{
    struct store *s;

    *out = (struct store_env_stats){
        .cache_bytes = rocksdb_cache_get_usage(e->cache),
        .cache_pinned_bytes = rocksdb_cache_get_pinned_usage(e->cache),
        .row_cache_bytes = atomic_load(&e->rows.bytes),
        .memtable_bytes = atomic_load(&e->active_bytes) +
                          atomic_load(&e->flushing_bytes),
    };
    pthread_mutex_lock(&e->mutex);
    s = largest(e, &out->largest_bytes);
    if (s)
        out->largest_tag = s->tag;
    pthread_mutex_unlock(&e->mutex);
}
