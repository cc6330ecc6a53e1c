/* table_node.h - nodes and records of a table; for table*.c only.
 *
 * A node holds `count` records in key order. The first bytes that all of their
 * keys share are the prefix; the 8 bytes behind it are a key's HEAD, as a
 * number, padded with zeros. Equal heads are decided by the whole keys.
 * In an inner node records are separators: children[i] holds what is below
 * records[i], children[i + 1] the rest up to the next one. A separator's
 * record need not be an entry any more.
 *
 * Pure functions of the node; who may change which node is table.c's. */
#ifndef NODE_STORE_TABLE_NODE_H
#define NODE_STORE_TABLE_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "node/store/memory.h"
#include "proto/base/bytes.h"

enum {
    TABLE_FANOUT = 64,
    TABLE_PREFIX_MAX = 57, /* a node's head fills one cache line */
};

struct table_record {
    uint32_t key_size;
    uint32_t value_size;
    uint32_t room;       /* for a value; key_size never changes */
    uint32_t generation; /* of the table when it was made */
    uint8_t tombstone;
    uint8_t pinned;      /* was given out; read and written by the owner only */
    uint8_t bytes[];     /* key, value */
};

struct table_node {
    uint32_t generation; /* of the table when it was made */
    uint8_t level;       /* 0: a leaf */
    uint8_t count;
    uint8_t prefix_size;
    uint8_t prefix[TABLE_PREFIX_MAX];
    uint64_t heads[TABLE_FANOUT];
    struct table_record *records[TABLE_FANOUT];
};

struct table_inner {
    struct table_node node;
    struct table_node *children[TABLE_FANOUT + 1];
};

static inline struct slice table_record_key(const struct table_record *r)
{
    return slice_of(r->bytes, r->key_size);
}

static inline struct slice table_record_value(const struct table_record *r)
{
    return slice_of(r->bytes + r->key_size, r->value_size);
}

static inline struct table_inner *table_inner_of(struct table_node *n)
{
    return (struct table_inner *)(void *)n;
}

static inline const struct table_inner *
table_inner_of_const(const struct table_node *n)
{
    return (const struct table_inner *)(const void *)n;
}

/* Where `key` stands or would stand: the number of keys below it. True when it
 * is there. */
bool table_node_find(const struct table_node *n, struct slice key,
                     unsigned *at);

/* The record that table_node_find() would look at, as far as heads tell:
 * nothing but the head of the node is read. `n` has records. */
unsigned table_node_guess(const struct table_node *n, struct slice key);

/* A search probes several lines of the heads one after the other: have them all
 * come at once. */
static inline void table_node_prefetch(const struct table_node *n)
{
    memory_prefetch(n, offsetof(struct table_node, records));
}

/* Which child leads to `key`. */
static inline unsigned table_node_child(const struct table_node *n,
                                        struct slice key)
{
    unsigned at;

    return table_node_find(n, key, &at) ? at + 1 : at;
}

/* Put a record at `at`, where its key belongs. The node is not full; of an
 * inner node the caller moves the children. */
void table_node_insert(struct table_node *n, unsigned at,
                       struct table_record *r);

/* Take out the records [from, to). */
void table_node_remove(struct table_node *n, unsigned from, unsigned to);

/* Move what is behind the first `keep` records of `n` into the empty node
 * `right` of the same level. Gives the separator between the two; an inner
 * node's is in neither of them. */
struct table_record *table_node_split(struct table_node *n,
                                      struct table_node *right,
                                      unsigned keep);

#endif
