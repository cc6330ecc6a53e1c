/* chains.h - writes that were passed on and not answered, by connection and
 * group: a later one must not overtake them.
 *
 * Writes of one connection to one group keep their order because all take the
 * same way: one node, one channel. When another node leads now, those that are
 * still on their way to the old one may be refused there, or executed much
 * later; until each of them is answered nothing of this connection goes another
 * way (it is refused: it can be sent again).
 *
 * What was sent to the same node behind a write that is being refused there is
 * that node's business: see FORWARD in peer_item.h.
 *
 * A hash table of the pairs that have something outstanding. Pure; bounded by
 * the requests that can be passed on. */
#ifndef NODE_CORE_CHAINS_H
#define NODE_CORE_CHAINS_H

#include <stdint.h>

struct chain {
    uint64_t conn;
    uint32_t group;
    uint32_t node;        /* where they went */
    uint32_t outstanding; /* 0: the place is free */
};

struct chains {
    struct chain *v;      /* open addressing */
    unsigned size;        /* a power of two, or 0 */
    unsigned used;
};

void chains_release(struct chains *c);
/* The node that has writes of this pair; 0: none. */
uint32_t chains_node(const struct chains *c, uint64_t conn, uint32_t group);
/* One more went to `node`, which is chains_node() if that is not 0. */
void chains_sent(struct chains *c, uint64_t conn, uint32_t group,
                 uint32_t node);
/* One of them was answered. */
void chains_answered(struct chains *c, uint64_t conn, uint32_t group);

#endif
