/* group_check.c - what must be true of a group between two calls.
 *
 * Nothing here is needed to run one: the simulator and unit tests ask it after
 * every step, so that a guard that failed is seen at once and not when, much
 * later, it has cost somebody's data. */
#include "raft/group_impl.h"

static bool same_members(const struct members *m,
                         const struct raft_configuration *conf)
{
    if (m->n != conf->n)
        return false;
    for (unsigned i = 0; i < m->n; i++)
        if (m->v[i].replica != conf->servers[i].id ||
            (int)m->v[i].role != conf->servers[i].role)
            return false;
    return true;
}

/* L1: a rollback goes to the last list that is known to be committed; one
 * between that and the latest would be skipped. */
static bool change_between(const struct group *g)
{
    for (uint64_t i = MAX_OF(g->committed_index + 1, g->tail.first);
         i < g->members_index; i++)
        if (tail_at(&g->tail, i)->type == ENTRY_CHANGE)
            return true;
    return false;
}

static const char *members_wrong(const struct group *g)
{
    bool pending = g->members_index > g->committed_index;

    if (g->r.configuration_committed_index != g->committed_index)
        return "libraft takes another member list for committed";
    if (g->r.configuration_uncommitted_index !=
        (pending ? g->members_index : 0))
        return "libraft waits for a member list at another index";
    if (!same_members(&g->members, &g->r.configuration))
        return "libraft has other members";
    if (pending && change_between(g))
        return "a change before the last one is not known to be committed";
    return NULL;
}

/* L8: then nobody knows any more which log is better. */
static bool terms_decrease(const struct group *g)
{
    uint64_t last = g->tail.last;

    return last > g->tail.first &&
           tail_term(&g->tail, last) < tail_term(&g->tail, last - 1);
}

const char *group_contradiction(const struct group *g)
{
    if (g->role == GROUP_STARTING || g->role == GROUP_FAILED)
        return NULL;
    if (g->r.current_term != g->term || g->r.voted_for != g->vote)
        return "libraft has another term or vote";
    if (g->r.commit_index < g->commit_seen)
        return "libraft's commit index went back";
    if (g->commit > g->commit_seen || g->durable > g->tail.last)
        return "committed or durable beyond what there is";
    if (terms_decrease(g))
        return "the terms in its log decrease";
    if (g->install.active)
        return NULL; /* libraft has the new list already */
    return members_wrong(g);
}
