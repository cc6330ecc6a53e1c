/* keyspaces.h - what a group knows of keyspaces: what counted ones hold here,
 * and which ones it has purged.
 *
 * The cluster map is the meta group's affair and other groups do not look at it
 * when they apply. What they have to know is told by commands in their own log:
 * LIMITS of a counted keyspace, before its first command; PURGE of a dropped
 * one, whose late commands are refused from then on (ids are never reused).
 * One record 'k' per keyspace (node/store/layout.h):
 *
 *   u8 format | u8 purged | u8 flags | 5 x 0 | u64 changed | u64 keys max |
 *   u64 bytes max | u64 keys | u64 bytes | u64 keys most | u64 bytes most
 *
 * The limits are this group's share for now (quota.h); the flags say whether
 * there is more to be had, `most` how much. Pure. */
#ifndef NODE_CORE_KEYSPACES_H
#define NODE_CORE_KEYSPACES_H

#include <stdbool.h>
#include <stdint.h>

#include "node/store/write_set.h"
#include "proto/base/bytes.h"
#include "proto/base/status.h"
#include "proto/base/time.h"

enum keyspace_limit_flag {
    KEYSPACE_MORE_KEYS = 1,  /* other groups may leave some of theirs: who is */
    KEYSPACE_MORE_BYTES = 2, /* ... over the share is BUSY, not over a QUOTA */
    KEYSPACE_NO_KEYS = 4,    /* the share is 0, which else is no limit */
    KEYSPACE_NO_BYTES = 8,
    KEYSPACE_LIMIT_FLAGS = 15,
};

struct group_keyspace {
    uint32_t id;
    bool purged;
    bool dirty;         /* its record is to be written */
    uint8_t flags;      /* keyspace_limit_flag */
    uint64_t changed;   /* the map's epoch of these limits */
    uint64_t keys_max, bytes_max; /* 0: none */
    uint64_t keys_most, bytes_most; /* with MORE: beyond it is over a QUOTA
                                       all the same; 0: nobody said */
    uint64_t keys, bytes;
    /* Not stored. What the keyspace would hold here after what was BUSY since
     * the last limits; 0: nothing was. */
    uint64_t wanted_keys, wanted_bytes;
    /* Of limits that a leader has told: when, and when it looked last whether
     * they still are right, with what was known then. */
    instant told_at, looked_at;
    uint64_t looked_changes; /* UINT64_MAX: it is to look again */
};

struct keyspaces {
    struct group_keyspace *v; /* sorted by id */
    unsigned n, cap;
    bool dirty;
};

void keyspaces_release(struct keyspaces *k);
void keyspaces_clear(struct keyspaces *k);

/* NULL: neither counted nor purged. Valid until one is added. */
struct group_keyspace *keyspaces_find(const struct keyspaces *k, uint32_t id);

/* A record of the store. CORRUPT, WRONG_VERSION */
MUST_CHECK enum status keyspaces_load(struct keyspaces *k, struct slice key,
                                      struct slice value);
/* Append the records of those that changed. */
void keyspaces_write(struct keyspaces *k, struct write_set *set);

struct keyspace_limits {
    uint32_t keyspace;
    uint64_t changed, keys_max, bytes_max;
    uint8_t flags;
    uint64_t keys_most, bytes_most;
};
/* The limits of a counted keyspace as of epoch `changed`; of older epochs than
 * those known they are passed over. */
void keyspaces_limit(struct keyspaces *k, const struct keyspace_limits *l);
void keyspaces_purged(struct keyspaces *k, uint32_t id);

/* May it hold `keys` and `bytes` more? What does not grow always may.
 * OK, QUOTA, BUSY: not yet. */
MUST_CHECK enum status keyspaces_room(struct group_keyspace *g, int64_t keys,
                                      int64_t bytes);
void keyspaces_count(struct keyspaces *k, struct group_keyspace *g,
                     int64_t keys, int64_t bytes);

/* LIMITS command's value (an OP_KEYSPACE of a data group): u32 keyspace | u64
 * changed | u64 keys max | u64 bytes max | u8 flags | u64 keys most | u64 bytes
 * most (the last two, or all three, may be missing: 0).
 * PURGE's: u32 keyspace. */
void keyspace_limits_encode(const struct keyspace_limits *l, struct buf *out);
MUST_CHECK enum status keyspace_limits_decode(struct slice value,
                                              struct keyspace_limits *out);
void keyspace_purge_encode(uint32_t keyspace, struct buf *out);
MUST_CHECK enum status keyspace_purge_decode(struct slice value,
                                             uint32_t *keyspace);

#endif
