/* write_set.h - the writes of applied entries, flat, in order.
 *
 * Pure. The machine fills one write set per apply and store_apply carries it
 * out as one atomic batch; a later record of the same key wins. All records
 * lie in one buffer that is reused: no malloc per record once it has grown.
 * Zero-initialised is empty and valid.
 *
 * A record in the buffer: op:u8 key_size:u32 value_size:u32 key value; for
 * DELETE_RANGE key and value are the begin and the exclusive end. This format
 * lives in memory only.
 *
 * Limits: keys of 1..LAYOUT_KEY_BYTES_MAX bytes, values up to
 * LAYOUT_VALUE_BYTES_MAX (asserted: the machine checked them long before). The
 * sum is bounded by what one Raft entry holds; the caller's business.
 *
 * Not thread-safe; one owner at a time. */
#ifndef NODE_STORE_WRITE_SET_H
#define NODE_STORE_WRITE_SET_H

#include <stdint.h>

#include "proto/base/bytes.h"

enum write_op { WRITE_PUT = 1, WRITE_DELETE = 2, WRITE_DELETE_RANGE = 3 };

struct write_set {
    struct buf records;
    uint32_t count;
};

void write_set_release(struct write_set *w);

/* Forget all records but keep the memory, unless it is above 1 MiB: one huge
 * value must not stay resident. */
void write_set_clear(struct write_set *w);

/* Add a record. Copies key and value. */
void write_set_put(struct write_set *w, struct slice key, struct slice value);
void write_set_delete(struct write_set *w, struct slice key);

/* Delete every key in [begin, end); an empty or inverted range adds nothing. */
void write_set_delete_range(struct write_set *w, struct slice begin,
                            struct slice end);

/* Add a PUT and give the place of its `value_size` bytes, not initialised, to
 * be filled before the next call on `w`: saves a copy. */
uint8_t *write_set_put_reserve(struct write_set *w, struct slice key,
                               size_t value_size);

/* The same for keys that are put together in place as well: gives the place of
 * key_size + value_size bytes, key first. */
uint8_t *write_set_put_in_place(struct write_set *w, size_t key_size,
                                size_t value_size);

static inline uint32_t write_set_count(const struct write_set *w)
{
    return w->count;
}

/* Bytes of keys, values and record headers: about what a table will
 * hold. */
static inline size_t write_set_bytes(const struct write_set *w)
{
    return w->records.size;
}

/* Append all records of `from`. */
void write_set_append(struct write_set *w, const struct write_set *from);

/* One record; borrows from the write set until it changes. */
struct write_record {
    enum write_op op;
    struct slice key;   /* PUT, DELETE: the key; DELETE_RANGE: the begin */
    struct slice value; /* PUT: the value; DELETE_RANGE: the exclusive end */
};

/* Walk the records in order:
 *
 *     size_t at = 0;
 *     struct write_record r;
 *     while (write_set_next(w, &at, &r))
 *         ...
 */
bool write_set_next(const struct write_set *w, size_t *at,
                    struct write_record *out);

#endif
