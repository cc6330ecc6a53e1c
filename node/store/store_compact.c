/* store_compact.c - compactions that rest.
 *
 * RocksDB compacts as fast as the disk takes it. What it offers against that
 * is a fixed rate: high enough for the worst load it helps nobody, low enough
 * to help it holds that load up. But it shows each value that it is about to
 * write to a filter, on the compaction's own thread. Ours keeps them all, and
 * rests behind each piece of them.
 *
 * Not while tables come in faster than compactions that rest can deal with: a
 * flush that finds twice as many tables in L0 as call for a compaction makes
 * those of the whole node hurry for a while, as they share their threads. */
#include <unistd.h>

#include "node/store/store_private.h"

enum {
    PIECE_BYTES = 64 * 1024,
    RECORD_BYTES = 16, /* beside key and value */
    REST_US = 20000,   /* between pieces: 3 MiB/s */
    HURRY_MS = 10000,
};

void store_compact_hurry(struct store_env *e)
{
    atomic_store(&e->compact_hurry_until_ms, store_now_ms() + HURRY_MS);
}

unsigned store_compact_rest_us(struct store_env *e)
{
    return store_now_ms() < atomic_load(&e->compact_hurry_until_ms) ? 0
                                                                    : REST_US;
}

static void piece_ended(struct store_env *e)
{
    unsigned us = store_compact_rest_us(e);

    if (e->options.on_compact_piece)
        e->options.on_compact_piece(e->options.compact_piece_arg);
    if (us)
        usleep(us);
}

/* RocksDB's compaction filter: nonzero would remove the record. */
static unsigned char filter(void *env, int level UNUSED,
                            const char *key UNUSED, size_t key_size,
                            const char *value UNUSED, size_t value_size,
                            char **new_value UNUSED, size_t *new_size UNUSED,
                            unsigned char *changed UNUSED)
{
    static _Thread_local size_t piece;

    piece += RECORD_BYTES + key_size + value_size;
    if (piece >= PIECE_BYTES) {
        piece = 0;
        piece_ended(env);
    }
    return 0;
}

static const char *filter_name(void *env UNUSED)
{
    return "rest";
}

static void filter_destroyed(void *env UNUSED)
{
}

rocksdb_compactionfilter_t *store_compact_filter(struct store_env *e)
{
    return rocksdb_compactionfilter_create(e, filter_destroyed, filter,
                                           filter_name);
}
