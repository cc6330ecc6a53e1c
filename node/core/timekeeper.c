/* timekeeper.c - whose clocks a group's clock is made of. See clock.h. */
#include "node/core/shard_state.h"

#include "proto/base/log.h"

void timekeeper_turn(struct shard *s, uint64_t wall_ms)
{
    bool before = s->own_clock.following;

    s->wall_ms = wall_ms;
    own_clock_is(&s->own_clock, s->now, wall_ms);
    if (s->own_clock.following && !before)
        log_warn("clock_jumped", "ahead_ms=%ld",
                 (long)(s->own_clock.offset - s->own_clock.steady));
}

static const struct told_clock *told_by(struct shard *s, uint32_t node,
                                        uint32_t group)
{
    struct peer *p = peers_with(s, node, group);

    return p ? &p->told : NULL;
}

bool timekeeper_offset(struct shard *s, const struct replica *r,
                       int64_t *offset)
{
    const struct members *m = group_members(r->raft);
    const struct map_group *g = map_group_find(s->map, r->group);
    int64_t offsets[MEMBERS_MAX];
    unsigned n = 0, voters = 0;

    for (unsigned i = 0; i < m->n; i++) {
        const struct map_replica *where =
            g ? map_replica_find(g, m->v[i].replica) : NULL;
        const struct told_clock *told;
        if (m->v[i].role != MEMBER_VOTER)
            continue;
        voters++;
        if (m->v[i].replica == r->id) {
            offsets[n++] = s->own_clock.offset;
            continue;
        }
        told = where ? told_by(s, where->node, r->group) : NULL;
        if (told && told_clock_offset(told, &offsets[n]))
            n++;
    }
    if (voters <= 1) {
        *offset = s->own_clock.steady;
        return true;
    }
    if (n < members_quorum(m))
        return false;
    *offset = clock_median(offsets, n);
    return true;
}

bool timekeeper_stamp(struct shard *s, const struct replica *r,
                      uint64_t *clock_ms)
{
    int64_t offset;

    if (r->role != GROUP_LEADER || r->applied < r->lead_floor ||
        !timekeeper_offset(s, r, &offset))
        return false;
    *clock_ms = clock_peek(&r->clock, s->now, offset);
    return true;
}

void timekeeper_told(struct shard *s, struct peer *p, uint64_t wall_ms)
{
    told_clock_add(&p->told, s->now, wall_ms);
    /* Batches may have waited for a quorum of clocks. */
    for (unsigned i = 0; i < s->n_replicas; i++)
        if (s->replicas[i]->role == GROUP_LEADER &&
            !proposals_open_empty(&s->replicas[i]->proposals))
            shard_mark(s, s->replicas[i]);
}

uint64_t shard_clock(const struct shard *s)
{
    int64_t offsets[NODE_COUNT_MAX + 1];
    struct group_clock none = {.at = s->now};
    unsigned n = 0;

    offsets[n++] = s->own_clock.offset;
    for (unsigned i = 0; i < s->n_peers && n < NODE_COUNT_MAX; i++)
        if (s->peers[i].shard == 0 && s->peers[i].node != s->o.node &&
            told_clock_offset(&s->peers[i].told, &offsets[n]))
            n++;
    return clock_peek(&none, s->now, clock_median(offsets, n));
}

const char *shard_clock_note(const struct shard *s)
{
    return s->own_clock.following
               ? "the wall clock jumped forward by more than 10 s: groups with "
                 "one voter follow it at double speed"
               : NULL;
}
