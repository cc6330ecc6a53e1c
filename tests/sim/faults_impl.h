/* faults_impl.h - the inside of faults.h, shared by the faults_*.c files.
 *
 *   faults.c          the schedule; what several faults need
 *   faults_node.c     processes, clocks, what operators do
 *   faults_network.c  connections and weather
 *   faults_disk.c     disks and stores
 *   faults_forge.c    messages that no Raft would send */
#ifndef TESTS_SIM_FAULTS_IMPL_H
#define TESTS_SIM_FAULTS_IMPL_H

#include "tests/sim/faults.h"

/* What a fault's function gets. */
struct happening {
    struct cluster *c;
    unsigned heals; /* of the cluster, when it began */
    struct rng rng;
};

#define X(name, weight) void fault_##name(struct happening *h);
FAULT_LIST(X)
FAULT_STRANGE_LIST(X)
#undef X

/* 0 .. max */
static inline uint64_t draw(struct happening *h, uint64_t max)
{
    return rng_below(&h->rng, max + 1);
}

/* What goes on for a while must not go on when the cluster was healed. */
static inline bool over(const struct happening *h)
{
    return h->c->heals != h->heals;
}

struct sim_node *any_node(struct happening *h);
/* A node whose disk may be damaged, or NULL. */
struct sim_node *any_victim(struct happening *h);
/* NULL: it does not lead. */
struct replica *leader_on(struct sim_node *n, uint32_t group);
/* A node that leads some group, or NULL. */
struct sim_node *any_leader(struct happening *h, uint32_t *group);
/* Up again after a while, when what was to kill it has done so. */
void rise(struct cluster *c, struct sim_loop *none, void *arg, bool dropped);
void rise_later(struct happening *h, struct sim_node *n);
void flush_node(struct cluster *c, struct sim_node *n);
/* Nothing gets to or from `n`. */
void cut_off(struct happening *h, struct sim_node *n, uint64_t ms);
/* A number of the world is another one for a while. */
void spell(struct happening *h, unsigned *what, uint64_t to, uint64_t usual);

#endif
