/* table_private.h - the structs of table.c, for table_iter.c too. */
#ifndef NODE_STORE_TABLE_PRIVATE_H
#define NODE_STORE_TABLE_PRIVATE_H

#include <stdatomic.h>

#include "node/store/table.h"
#include "node/store/table_node.h"
#include "node/store/table_ranges.h"

struct table_view {
    atomic_uint refs; /* 0: the table's owner may free it */
    uint32_t generation;
    struct table *table;
    const struct table_node *root; /* NULL: no entries */
    const struct table_ranges *ranges;
    struct table_view *next; /* younger; the owner's */
};

#endif
