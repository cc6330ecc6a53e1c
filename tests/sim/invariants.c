/* invariants.c - see invariants.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/invariants.h"

void invariants_init(struct invariants *v, struct cluster *c)
{
    *v = (struct invariants){.c = c};
}

void invariants_release(struct invariants *v)
{
    for (unsigned g = 0; g < CLUSTER_GROUPS_MAX; g++) {
        free(v->group[g].leader);
        free(v->group[g].digest);
    }
}

static uint64_t *place(uint64_t **v, size_t *n, uint64_t at)
{
    if (at >= *n) {
        size_t more = *n ? *n : 64;
        while (more <= at)
            more *= 2;
        *v = xrealloc(*v, more * sizeof **v);
        memset(*v + *n, 0, (more - *n) * sizeof **v);
        *n = more;
    }
    return &(*v)[at];
}

static void check_leader(struct invariants *v, const struct replica *r)
{
    uint64_t *known;

    if (!r->raft || group_role(r->raft) != GROUP_LEADER)
        return;
    known = place(&v->group[r->group].leader, &v->group[r->group].n_leader,
                  group_term(r->raft));
    if (*known && *known != r->id)
        cluster_fail(v->c,
                     "group %u: replicas %" PRIu64 " and %" PRIu64
                     " both lead term %" PRIu64,
                     r->group, *known, r->id, group_term(r->raft));
    *known = r->id;
}

void invariants_stepped(struct invariants *v, struct sim_loop *l)
{
    struct sim_node *n = l->node;

    for (unsigned i = 0; i < l->shard->n_replicas; i++) {
        const struct replica *r = l->shard->replicas[i];
        uint64_t *applied = &v->replica[n->place][r->group].applied;
        if (v->replica[n->place][r->group].boot != n->boot)
            *applied = 0;
        v->replica[n->place][r->group].boot = n->boot;
        check_leader(v, r);
        if (r->mode == REPLICA_QUARANTINED || r->mode == REPLICA_LOST)
            cluster_fail(v->c, "node %u group %u: %s", n->id, r->group,
                         r->reason);
        if (r->applied < *applied)
            cluster_fail(v->c, "node %u group %u: applied went back from "
                         "%" PRIu64 " to %" PRIu64,
                         n->id, r->group, *applied, r->applied);
        *applied = r->applied;
        if (r->applied > r->committed)
            cluster_fail(v->c, "node %u group %u: applied %" PRIu64
                         " but committed %" PRIu64,
                         n->id, r->group, r->applied, r->committed);
    }
}

void invariants_applied(struct invariants *v, struct sim_node *n,
                        struct sim_replica *r)
{
    uint64_t index = mem_table_record(&r->open->live).applied_index;
    uint64_t *known =
        place(&v->group[r->group].digest, &v->group[r->group].n_digest,
              index);

    if (*known && *known != r->open->live.digest)
        cluster_fail(v->c, "node %u group %u: at index %" PRIu64
                     " its store differs from another's",
                     n->id, r->group, index);
    *known = r->open->live.digest;
}

bool invariants_converged(struct invariants *v)
{
    struct cluster *c = v->c;
    uint64_t digest[CLUSTER_GROUPS_MAX] = {0};
    uint64_t epoch = c->nodes[0].map->epoch;

    for (unsigned i = 0; i < c->o.nodes; i++) {
        struct sim_node *n = &c->nodes[i];
        for (unsigned k = 0; k < n->n_loops; k++)
            if (n->loops[k].shard->map->epoch != epoch)
                return false;
        for (unsigned k = 0; k < n->n_replicas; k++) {
            const struct sim_replica *r = &n->replicas[k];
            if (!digest[r->group])
                digest[r->group] = r->open->live.digest;
            if (digest[r->group] != r->open->live.digest)
                return false;
        }
    }
    return true;
}

static void nothing(struct invariants *v, const struct sim_node *n,
                    uint64_t left, const char *what)
{
    if (left)
        cluster_fail(v->c, "node %u: %" PRIu64 " %s left over", n->id, left,
                     what);
}

static void shard_empty(struct invariants *v, const struct sim_node *n,
                        const struct shard *s)
{
    nothing(v, n, s->read_pool.out, "reads");
    nothing(v, n, s->pending_bytes, "pending bytes");
    nothing(v, n, s->forwards.count, "forwarded requests");
    for (unsigned k = 0; k < s->n_replicas; k++) {
        const struct replica *r = s->replicas[k];
        nothing(v, n, r->proposals.waiting, "waiters");
        nothing(v, n, reads_count(&r->reads), "reads of a group");
        nothing(v, n, proposals_in_flight(&r->proposals), "batches");
        nothing(v, n, r->apply.n_settled, "settled writes");
        if (r->mode != REPLICA_SERVING)
            cluster_fail(v->c, "node %u group %u: %s", n->id, r->group,
                         r->reason);
    }
}

void invariants_nothing_left(struct invariants *v)
{
    for (unsigned i = 0; i < v->c->o.nodes; i++) {
        struct sim_node *n = &v->c->nodes[i];
        for (unsigned k = 0; k < n->n_loops; k++)
            shard_empty(v, n, n->loops[k].shard);
        for (unsigned k = 0; k < n->n_replicas; k++)
            nothing(v, n, n->replicas[k].checkpoints != NULL,
                    "checkpoints");
    }
}
