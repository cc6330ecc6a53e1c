/* routes.h - from a slot to the nodes that can serve it.
 *
 * Pure. Holds the newest cluster map seen and, per group, the leader that was
 * heard of last. Nodes and groups are named by their index in the map. */
#ifndef CLIENT_ROUTES_H
#define CLIENT_ROUTES_H

#include "proto/map.h"

struct routes {
    struct cluster_map *map;       /* NULL: none yet */
    uint16_t *leader;              /* per group: node index + 1, 0 unknown */
    uint16_t group_at[SLOT_COUNT]; /* group index */
};

void routes_init(struct routes *r);
void routes_release(struct routes *r);

/* Takes `map`. Leaders that are still replicas of their group stay. False: it
 * is not newer than the one held, and was freed. */
bool routes_set_map(struct routes *r, struct cluster_map *map);

/* `node` (id; 0: nobody known) leads `group` (id). False when the map does not
 * know one of them: a newer map is needed. */
bool routes_set_leader(struct routes *r, uint32_t group, uint32_t node);

/* The nodes to try for `slot`, best first, into out[REPLICA_COUNT_MAX]; at
 * least one. With `leader_first` the leader if known, then the other replicas,
 * turned by `turn`; else all replicas, turned. Needs a map. */
unsigned routes_candidates(const struct routes *r, uint16_t slot,
                           bool leader_first, unsigned turn, uint16_t *out);

/* Whether the leader of the slot's group is known. Needs a map. */
bool routes_leader_known(const struct routes *r, uint16_t slot);

#endif
