/* slot.h - from a key to its slot, and from slots to groups.
 *
 * A key's slot is CRC16 mod 16384 of its hash tag or, without one, of the whole
 * key. The hash tag is what stands between the first '{' and the first '}'
 * behind it, if that is not empty. Source: Redis Cluster specification, "Hash
 * tags". */
#ifndef PROTO_SLOT_H
#define PROTO_SLOT_H

#include <stdint.h>

#include "proto/base/bytes.h"
#include "proto/limits.h"

/* The slot of `key`, 0..SLOT_COUNT-1. */
uint16_t slot_of(struct slice key);

/* A group on the hash ring. */
struct ring_member {
    uint32_t group;  /* above 0 */
    uint32_t weight; /* 1..1000; 100 is usual. The share grows with it */
};

/* Fill `owner[SLOT_COUNT]` with each slot's group by consistent hashing: every
 * member has points on a ring of 64-bit hashes, a slot belongs to the next
 * point clockwise of its own hash. Equal input gives equal output on every
 * machine; adding a member moves slots only to it. Needs n > 0.
 * Source: Karger et al. 1997; virtual nodes as in Dynamo, section 4.2. */
void ring_assign(const struct ring_member *members, unsigned n,
                 uint32_t *owner);

#endif
