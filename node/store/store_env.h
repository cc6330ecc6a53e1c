/* store_env.h - what all stores of one node share.
 *
 * One block cache and one budget of row caches, one pool of background threads,
 * one rate limit, and the account of table bytes by which flushes are chosen.
 * Memory is bounded by cache_bytes + row_cache_bytes + node_flush_bytes (twice
 * that while flushes lag, then store_apply answers STATUS_STALLED).
 *
 * Thread rules: every function may be called from any thread. A store_env must
 * outlive its stores. RocksDB's background threads belong to the process: with
 * several envs in one process (tests) the last created sets their number. */
#ifndef NODE_STORE_STORE_ENV_H
#define NODE_STORE_STORE_ENV_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/macros.h"
#include "proto/base/status.h"

struct store_env;

enum store_flush_step {
    STORE_FLUSH_WRITING,  /* the file holds its first record */
    STORE_FLUSH_WRITTEN,  /* the file is whole, or failed to be written */
    STORE_FLUSH_INGESTED, /* RocksDB has it, or refused it */
};

/* Zero in a field means its default. */
struct store_env_options {
    uint64_t cache_bytes;        /* block cache, index and filter blocks
                                  * included; default 64 MiB */
    uint64_t row_cache_bytes;    /* values that were read; default
                                  * 128 MiB, taken as they are read */
    uint64_t group_flush_bytes;  /* a store wants a flush; default 32 MiB of
                                  * table; see README.md */
    uint64_t node_flush_bytes;   /* the largest one wants it; default 128 MiB */
    uint64_t write_rate_bytes;   /* flush and compaction, bytes per second;
                                  * default 0: unlimited */
    unsigned flush_threads;      /* default 1, at most 4 */
    unsigned compaction_threads; /* default 1 */

    /* For tests: L0 tables at which writes stall; default 36. At most this
     * many tables are read by a get that finds nothing above. */
    unsigned stall_tables;
    bool no_compaction; /* tables stay in L0 */

    /* For tests: called on the flush's thread at each step of it. */
    void (*on_flush_step)(enum store_flush_step step, void *arg);
    void *flush_step_arg;

    /* For tests: called on a compaction's thread behind each piece of what it
     * writes, where it may rest. */
    void (*on_compact_piece)(void *arg);
    void *compact_piece_arg;
};

/* A new env; options are copied. NULL options: all defaults. Aborts when out
 * of memory. */
struct store_env *store_env_new(const struct store_env_options *options);

/* Asserts that every store of it is closed (see store_env_open_count). NULL is
 * legal. */
void store_env_free(struct store_env *env);

/* Stores that are open, including those that were closed by their owner while
 * a view still keeps them. Zero is the moment to free the env. */
unsigned store_env_open_count(struct store_env *env);

struct store_env_stats {
    uint64_t cache_bytes;          /* in the block cache */
    uint64_t cache_pinned_bytes;   /* of them in use right now */
    uint64_t row_cache_bytes;      /* in the row caches of all stores */
    uint64_t memtable_bytes;       /* unflushed, all stores */
    uint64_t largest_tag;          /* the store with the largest table */
    uint64_t largest_bytes;        /* that is not flushing; 0: there is none */
};

/* Takes a mutex for a few hundred nanoseconds; calls nothing of RocksDB that
 * could wait. */
void store_env_stats(struct store_env *env, struct store_env_stats *out);

#endif
