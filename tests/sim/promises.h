/* promises.h - what leaves a node is durable, and survives its crash.
 *
 * Looks into the frames that leave: a granted vote, a candidacy, a term, an
 * acknowledgement of entries. Each must be durable when it leaves; when the
 * node's log is read again, each of them must be there; so must all that a
 * replica had applied. After damage the replica may stay out instead.
 *
 * And nobody asks for votes whom nobody had told, before, that it would give
 * one: who cannot be heard must not count the term up. Who is asked for a vote
 * and has no reason to refuse it, gives it; who refuses to agree tells its own
 * term, or who asked would never learn it. */
#ifndef TESTS_SIM_PROMISES_H
#define TESTS_SIM_PROMISES_H

#include "tests/sim/durable.h"

struct promise {
    uint64_t term; /* the highest that was told */
    uint64_t term_at; /* ... since when */
    uint64_t vote; /* in it; 0: none */
    uint64_t last; /* index acknowledged as durable ... */
    uint64_t last_term; /* ... in this term */
    uint64_t applied;
    uint64_t granted; /* the highest term a pre-vote was granted it for */
};

/* A vote that was asked for, and who was asked has not answered yet. */
struct vote_asked {
    uint64_t from, term, last_index, last_term; /* from 0: none */
};

struct promises {
    struct cluster *c;
    struct vote_asked asked[CLUSTER_NODES_MAX][CLUSTER_GROUPS_MAX];
    struct durable *durable;
    struct promise v[CLUSTER_NODES_MAX][CLUSTER_GROUPS_MAX];
    uint64_t checked;
};

void promises_init(struct promises *p, struct cluster *c, struct durable *d);
/* For the judge's hooks. */
void promises_sent(struct promises *p, struct sim_node *n, struct slice items);
void promises_received(struct promises *p, struct sim_loop *l,
                       const struct event *frame);
/* A shard was stepped. */
void promises_stepped(struct promises *p, struct sim_loop *l);
/* Its log begins anew behind a snapshot. What an earlier leader was told may
 * go, as it was never committed. */
void promises_reset(struct promises *p, struct sim_node *n, uint32_t group,
                    uint64_t index);
void promises_truncated(struct promises *p, struct sim_node *n,
                        const struct effect *e);
void promises_died(struct promises *p, struct sim_node *n);
void promises_recovered(struct promises *p, struct sim_node *n,
                        struct sim_replica *r,
                        const struct wal_recovered_group *log);

#endif
