/* mem_store.h - a replica's store in memory, with what a crash leaves of it.
 *
 * An ordered map; `live` is what reads see, `flushed` what is surely durable.
 * Rows are shared between copies. The digest is the same for equal contents,
 * however they came about. */
#ifndef TESTS_SIM_MEM_STORE_H
#define TESTS_SIM_MEM_STORE_H

#include <stdlib.h>

#include "node/store/layout.h"
#include "node/store/write_set.h"
#include "proto/base/blob.h"

struct mem_row {
    struct blob *bytes; /* the key, then the value */
    uint32_t key_size;
    uint64_t hash;
};

/* Zero-initialised is empty. */
struct mem_table {
    struct mem_row *v;
    unsigned n, cap;
    uint64_t digest;
};

static inline struct slice mem_row_key(const struct mem_row *r)
{
    return slice_of(r->bytes->data, r->key_size);
}

static inline struct slice mem_row_value(const struct mem_row *r)
{
    return slice_of(r->bytes->data + r->key_size,
                    r->bytes->size - r->key_size);
}

void mem_table_release(struct mem_table *t);
/* `to` becomes equal to `from`. */
void mem_table_copy(struct mem_table *to, const struct mem_table *from);
void mem_table_apply(struct mem_table *t, const struct write_set *set);
/* The first row that is not below `key`. */
unsigned mem_table_lower(const struct mem_table *t, struct slice key);
/* Append the rows that a machine keeps in memory (store_kept.h). */
void mem_table_kept(const struct mem_table *t, struct write_set *out);
/* NULL: not there. */
const struct mem_row *mem_table_get(const struct mem_table *t,
                                    struct slice key);
/* The value of a one-byte key; empty when it is not there. */
struct slice mem_table_single(const struct mem_table *t,
                              enum layout_kind kind);
/* The group record, which must be there and whole. */
struct group_record mem_table_record(const struct mem_table *t);
/* Append rows from .. to-1. */
void mem_table_write(const struct mem_table *t, unsigned from, unsigned to,
                     struct buf *out);
/* Add rows written so; false when malformed. */
bool mem_table_read(struct mem_table *t, struct slice bytes);

/* `pending`: the write sets between `flushed` and `live`, in order. A store
 * may make any number of them durable at any time, whole ones only, oldest
 * first: a crash leaves one of these states. */
struct mem_store {
    struct mem_table live, flushed;
    struct write_set *pending;
    unsigned n_pending, cap_pending;
    uint64_t first_pending; /* number of pending[0] since the store was made */
};

void mem_store_free(struct mem_store *s);
void mem_store_apply(struct mem_store *s, const struct write_set *set);
/* Write sets below this number are in `live`. */
static inline uint64_t mem_store_number(const struct mem_store *s)
{
    return s->first_pending + s->n_pending;
}
/* Those below `number` are durable. */
void mem_store_flush(struct mem_store *s, uint64_t number);
/* The process is gone; `more` pending ones were durable all the same. */
void mem_store_crash(struct mem_store *s, unsigned more);

#endif
