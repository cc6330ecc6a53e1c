/* invariants.h - what must hold inside a simulated cluster.
 *
 * At any time: one leader per group and term; what is applied is committed and
 * only grows while a process lives; replicas of a group that have applied the
 * same entries hold the same bytes. In the end: replicas are equal, nobody
 * waits for anything, nothing is left in any list. */
#ifndef TESTS_SIM_INVARIANTS_H
#define TESTS_SIM_INVARIANTS_H

#include "tests/sim/cluster.h"

struct invariants {
    struct cluster *c;
    struct {
        uint64_t *leader; /* by term */
        size_t n_leader;
        uint64_t *digest; /* by applied index; 0: not seen */
        size_t n_digest;
    } group[CLUSTER_GROUPS_MAX];
    struct {
        unsigned boot;
        uint64_t applied;
    } replica[CLUSTER_NODES_MAX][CLUSTER_GROUPS_MAX];
};

void invariants_init(struct invariants *v, struct cluster *c);
void invariants_release(struct invariants *v);
/* For the judge's hooks. */
void invariants_stepped(struct invariants *v, struct sim_loop *l);
void invariants_applied(struct invariants *v, struct sim_node *n,
                        struct sim_replica *r);
/* Have all replicas of each group applied the same? */
bool invariants_converged(struct invariants *v);
/* After all clients were answered and all have converged. */
void invariants_nothing_left(struct invariants *v);

#endif
