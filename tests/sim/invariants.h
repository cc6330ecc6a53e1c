/* invariants.h - what must hold inside a simulated cluster.
 *
 * At any time: one leader per group and term (I1), and a term begins with a
 * candidate; no group contradicts itself; what is committed is durable (I4);
 * one content per group, index and term (I2); what is applied is committed and
 * only grows while a process
 * lives (I4; promises.h adds: it survives a crash); replicas of a group that
 * have applied the same entries hold the same bytes (I5); majorities of
 * consecutive member lists meet (I10); lists stay within their bounds (I12). In
 * the end: replicas are equal, nobody waits for anything, nothing is left in
 * any list. */
#ifndef TESTS_SIM_INVARIANTS_H
#define TESTS_SIM_INVARIANTS_H

#include "tests/sim/durable.h"

/* An entry that some replica was to keep. */
struct seen_entry {
    struct seen_entry *next;
    uint64_t term, hash;
    bool change;
};

struct invariants {
    struct cluster *c;
    struct durable *durable;
    uint64_t stepped;
    struct {
        struct seen_entry **seen; /* by index: each content there was */
        size_t n_seen;
        struct members members;   /* the last list that was applied */
        uint64_t members_index;
        uint64_t term;    /* the highest that anybody was in */
        uint64_t *leader; /* by term */
        size_t n_leader;
        uint64_t *digest; /* by applied index; 0: not seen */
        size_t n_digest;
    } group[CLUSTER_GROUPS_MAX];
    struct {
        unsigned boot;
        uint64_t applied;
        unsigned overdue; /* steps since its timer was due */
    } replica[CLUSTER_NODES_MAX][CLUSTER_GROUPS_MAX];
    char left[96]; /* invariants_left_over() */
};

void invariants_init(struct invariants *v, struct cluster *c,
                     struct durable *d);
void invariants_release(struct invariants *v);
/* For the judge's hooks. */
void invariants_stepped(struct invariants *v, struct sim_loop *l);
/* Raft's messages that leave. */
void invariants_sent(struct invariants *v, struct slice items);
void invariants_applied(struct invariants *v, struct sim_node *n,
                        struct sim_replica *r);
void invariants_logged(struct invariants *v, const struct effect *e,
                       const struct group_entry *entries, unsigned n);
/* Is this replica still one of the cluster's? Damage may have ended it. */
bool invariants_counts(const struct sim_node *n, uint32_t group);
/* Have all replicas of each group applied the same? */
bool invariants_converged(struct invariants *v);
/* After all clients were answered and all have converged: NULL, or what is left
 * over somewhere; `v` holds the text. What a leader proposes by itself, now and
 * then, is soon decided: only what stays is wrong. */
const char *invariants_left_over(struct invariants *v);

#endif
