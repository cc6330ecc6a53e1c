/* table_ranges.h - the deleted ranges of a table: disjoint, in order.
 *
 * Pure. A set is an array in the caller's memory; it is searched by halves and
 * changed by moving, for ranges are few. Bounds are borrowed. */
#ifndef NODE_STORE_TABLE_RANGES_H
#define NODE_STORE_TABLE_RANGES_H

#include <stdbool.h>

#include "proto/base/bytes.h"

struct table_range {
    struct slice begin;
    struct slice end; /* exclusive, above begin */
};

struct table_ranges {
    uint32_t generation; /* table.c's: when it was made */
    unsigned count;
    unsigned cap;
    struct table_range v[];
};

static inline size_t table_ranges_bytes(unsigned cap)
{
    return sizeof(struct table_ranges) + cap * sizeof(struct table_range);
}

/* The range that covers `key`, or NULL; `r` may be NULL: no ranges. */
const struct table_range *table_ranges_find(const struct table_ranges *r,
                                            struct slice key);

/* Add a range, joined with those that it overlaps or touches. Needs room for
 * one more. */
void table_ranges_add(struct table_ranges *r, struct table_range range);

#endif
