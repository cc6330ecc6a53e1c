/* table.h - an ordered map in memory: keys to values or tombstones.
 *
 * What was applied since the last flush lies in such a table, in front of
 * RocksDB's. A B+tree of wide nodes: heads of keys stand side by side in a
 * node, behind a prefix that all its keys share, so that a search touches few
 * cache lines and seldom a key that it does not look for. Keys and values are
 * copied into chunks that live as long as the table.
 *
 * A deleted key stays as a tombstone: below the table there may be an older
 * value. A range that is deleted drops its entries and is remembered.
 *
 * Readers on other threads read VIEWS: frozen states. Nodes that a view can
 * see are copied before they change, all others change in place; a value is
 * overwritten in place when no view and no value that was given out shows it.
 *
 * Pure: no locks, no clocks. Threads: one OWNER at a time for everything that
 * takes a struct table, except table_ref and table_unref; views are read,
 * referenced and given back on any thread. The memory goes when the last
 * reference to the table does: its maker's, its views' and its values'.
 *
 * Memory: one entry costs its key and value, 18 bytes of header, and 16 bytes
 * of a node that is about two thirds full. Everything is counted in
 * table_bytes; what was overwritten or erased is not given back before the
 * table is. */
#ifndef NODE_STORE_TABLE_H
#define NODE_STORE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "node/store/memory.h"
#include "proto/base/bytes.h"

struct table;
struct table_view;

/* ---- life ---- */

/* An empty table; gives one reference. */
struct table *table_new(void);

/* References; any thread. unref: NULL is legal. */
struct table *table_ref(struct table *t);
void table_unref(struct table *t);

/* ---- write ---- */

/* Copies key and value. Keys are not empty. */
void table_put(struct table *t, struct slice key, struct slice value);
void table_delete(struct table *t, struct slice key);

/* Delete every key in [begin, end), here and in what lies below. An empty or
 * inverted range does nothing. */
void table_delete_range(struct table *t, struct slice begin, struct slice end);

/* ---- read ---- */

enum table_answer {
    TABLE_UNKNOWN, /* not here: look below */
    TABLE_FOUND,
    TABLE_DELETED,
};

/* Look a key up as of the last write. On FOUND `value` borrows from the table,
 * unchanged for as long as the caller holds a reference to the table. */
enum table_answer table_get(struct table *t, struct slice key,
                            struct slice *value);

/* These keys, at most EXPECT_MAX (memory.h), will be looked up next: have the
 * processor fetch what that needs, for all at once. Changes nothing. */
void table_expect(const struct table *t, const struct slice *keys, unsigned n);

/* Memory used, in bytes; 0: nothing was ever written. */
uint64_t table_bytes(const struct table *t);

/* Entries, tombstones included. */
uint64_t table_count(const struct table *t);

/* ---- views ---- */

/* Freeze the present state; gives a reference, which holds the table. Cheap,
 * but the next writes copy the nodes they touch. */
struct table_view *table_view_take(struct table *t);

/* Any thread; unref: NULL is legal. */
struct table_view *table_view_ref(struct table_view *v);
void table_view_unref(struct table_view *v);

/* As table_get; `value` borrows from the view. */
enum table_answer table_view_get(const struct table_view *v, struct slice key,
                                 struct slice *value);

/* Does a deleted range cover `key`? Entries that lie in such a range were
 * written after it; they count, this is for what lies below. If so, and `end`
 * or `begin` are not NULL, they are set to the range's bounds (end is
 * exclusive), borrowed from the view. */
bool table_view_covers(const struct table_view *v, struct slice key,
                       struct slice *begin, struct slice *end);

/* The deleted ranges, disjoint and in order: number `i`, false behind the
 * last. Borrowed. */
bool table_view_range(const struct table_view *v, unsigned i,
                      struct slice *begin, struct slice *end);

/* ---- walking a view in key order ---- */

enum { TABLE_DEPTH_MAX = 12 };

/* On the caller's stack; borrows the view. Not positioned after init. */
struct table_iter {
    const struct table_view *view;
    struct {
        const struct table_node *node;
        unsigned at;
    } path[TABLE_DEPTH_MAX];
    int depth; /* of the leaf in path; -1: invalid */
};

void table_iter_init(struct table_iter *it, const struct table_view *v);

/* The first entry, the last, the first >= key, the last <= key. */
void table_iter_first(struct table_iter *it);
void table_iter_last(struct table_iter *it);
void table_iter_seek(struct table_iter *it, struct slice key);
void table_iter_seek_back(struct table_iter *it, struct slice key);

static inline bool table_iter_valid(const struct table_iter *it)
{
    return it->depth >= 0;
}

/* These assert that it is valid. */
void table_iter_next(struct table_iter *it);
void table_iter_prev(struct table_iter *it);
struct slice table_iter_key(const struct table_iter *it);

/* FOUND with the value, or DELETED. */
enum table_answer table_iter_value(const struct table_iter *it,
                                   struct slice *value);

#endif
