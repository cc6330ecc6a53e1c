/* questions.c - what a shard says of itself, for status and for doors. */
#include "node/core/shard_state.h"

const struct cluster_map *shard_map(const struct shard *s)
{
    return s->map;
}

uint64_t shard_requests(const struct shard *s)
{
    return s->requests;
}

uint32_t shard_leader_node(const struct shard *s, uint32_t group)
{
    const struct replica *r = shard_find(s, group);
    uint32_t node = r ? replica_leader_node(s, r) : 0;

    if (!node && group <= GROUP_COUNT_MAX)
        node = s->hints[group].node;
    return node;
}

static const char *role_name(const struct replica *r)
{
    switch (r->mode) {
    case REPLICA_INSTALLING:
        return "installing";
    case REPLICA_QUARANTINED:
        return "quarantined";
    case REPLICA_LOST:
        return "lost";
    case REPLICA_FAILED:
        return "failed";
    case REPLICA_SERVING:
        break;
    }
    if (r->role == GROUP_FOLLOWER && !group_is_voter(r->raft, r->id))
        return "learner";
    return r->role == GROUP_LEADER      ? "leader"
           : r->role == GROUP_CANDIDATE ? "candidate"
           : r->role == GROUP_STARTING  ? "starting"
                                        : "follower";
}

/* What the slowest voter lacks. A new leader knows that of none, nor ever of
 * one that is down: whoever has confirmed nothing to it may have everything. */
static void add_lag(const struct replica *r, struct replica_status *s)
{
    const struct members *m = group_members(r->raft);
    uint64_t last = group_last(r->raft), match;

    s->lag_known = r->role == GROUP_LEADER;
    for (unsigned i = 0; s->lag_known && i < m->n; i++) {
        if (m->v[i].replica == r->id || m->v[i].role != MEMBER_VOTER)
            continue;
        match = group_match(r->raft, m->v[i].replica);
        s->lag_max = MAX_OF(s->lag_max, last - match);
        s->lag_known = match != 0;
    }
}

unsigned shard_replicas(const struct shard *s, struct replica_status *out,
                        unsigned max)
{
    unsigned n = 0;

    for (; n < s->n_replicas && n < max; n++) {
        const struct replica *r = s->replicas[n];
        out[n] = (struct replica_status){
            .group = r->group,
            .replica = r->id,
            .role = slice_str(role_name(r)),
            .term = r->term,
            .leader = replica_leader_node(s, r),
            .commit_index = r->committed,
            .applied_index = r->applied,
            .flushed_index = r->flushed,
        };
        if (!r->raft)
            continue;
        out[n].last_index = group_last(r->raft);
        out[n].durable_index = group_durable(r->raft);
        out[n].first_index = group_first(r->raft);
        add_lag(r, &out[n]);
    }
    return n;
}

const char *shard_replica_reason(const struct shard *s, uint32_t group)
{
    const struct replica *r = shard_find(s, group);

    return r && !r->raft ? r->reason : NULL;
}

unsigned shard_peers_up(const struct shard *s, uint32_t *out, unsigned max)
{
    unsigned n = 0;

    for (unsigned i = 0; i < s->n_peers && n < max; i++)
        if (s->peers[i].up[CHANNEL_CONTROL] && s->peers[i].shard == 0 &&
            s->peers[i].node != s->o.node)
            out[n++] = s->peers[i].node;
    return n;
}

bool shard_healthy(const struct shard *s)
{
    for (unsigned i = 0; i < s->map->n_groups; i++) {
        const struct map_group *g = &s->map->groups[i];
        const struct replica *r = shard_find(s, g->id);
        if (map_replica_on(g, s->o.node) &&
            g->id % s->o.shards == s->o.shard &&
            (!r || !r->raft || r->mode != REPLICA_SERVING))
            return false;
    }
    return true;
}
