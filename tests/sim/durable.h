/* durable.h - what the log of every simulated replica has durable, now.
 *
 * A second book beside the log's own: what it was asked to keep, in order, and
 * which of that its tickets call durable. So what a node says can be compared
 * with what it has at the moment when it says it, without waiting for a crash
 * to prove it wrong. */
#ifndef TESTS_SIM_DURABLE_H
#define TESTS_SIM_DURABLE_H

#include "tests/sim/cluster.h"

/* Of one replica. `terms` are those of the entries below `first + n`, 0 where
 * not known; the log ends at first + n - 1. */
struct durable_log {
    uint64_t term, vote;
    uint64_t first, n, cap;
    uint64_t *terms;
};

struct durable_ask;

struct durable {
    struct cluster *c;
    struct durable_log log[CLUSTER_NODES_MAX][CLUSTER_GROUPS_MAX];
    struct {
        struct durable_ask *head, **tail; /* in the order of tickets */
    } asked[CLUSTER_NODES_MAX];
};

void durable_init(struct durable *d, struct cluster *c);
void durable_release(struct durable *d);
/* For the judge's hooks. */
void durable_started(struct durable *d, struct sim_node *n,
                     const struct replica_restore *from);
void durable_asked(struct durable *d, struct sim_node *n,
                   const struct effect *e, const struct group_entry *entries,
                   unsigned count, uint64_t ticket);
void durable_reset(struct durable *d, struct sim_node *n, uint32_t group,
                   uint64_t index, uint64_t term, uint64_t ticket);
void durable_died(struct durable *d, struct sim_node *n);

const struct durable_log *durable_now(struct durable *d, struct sim_node *n,
                                      uint32_t group);
/* Of the entry at `index`; 0: not there, or not known. */
uint64_t durable_term(const struct durable_log *log, uint64_t index);
static inline uint64_t durable_last(const struct durable_log *log)
{
    return log->first + log->n - 1;
}

#endif
