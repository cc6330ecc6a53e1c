/* promises.h - what left a node must survive its crash.
 *
 * Looks into the frames that leave: a granted vote, a candidacy, a term, an
 * acknowledgement of entries. When the node's log is read again, each of them
 * must be there; so must all that a replica had applied. Damaged disks are
 * excused: then the replica may only stay out. */
#ifndef TESTS_SIM_PROMISES_H
#define TESTS_SIM_PROMISES_H

#include "tests/sim/cluster.h"

struct promise {
    uint64_t term; /* the highest that was told */
    uint64_t vote; /* in it; 0: none */
    uint64_t last; /* index acknowledged as durable */
    uint64_t applied;
};

struct promises {
    struct cluster *c;
    struct promise v[CLUSTER_NODES_MAX][CLUSTER_GROUPS_MAX];
    uint64_t checked;
};

void promises_init(struct promises *p, struct cluster *c);
/* For the judge's hooks. */
void promises_sent(struct promises *p, struct sim_node *n, struct slice items);
void promises_truncated(struct promises *p, struct sim_node *n,
                        const struct effect *e);
void promises_died(struct promises *p, struct sim_node *n);
void promises_recovered(struct promises *p, struct sim_node *n,
                        struct sim_replica *r,
                        const struct wal_recovered_group *log);

#endif
