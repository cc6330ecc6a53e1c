/* invariants.c - see invariants.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/core/peer_item.h"
#include "tests/sim/invariants.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

void invariants_init(struct invariants *v, struct cluster *c,
                     struct durable *d)
{
    *v = (struct invariants){.c = c, .durable = d};
    for (unsigned g = 0; g < CLUSTER_GROUPS_MAX; g++)
        v->group[g].term = 1; /* as replicas are created */
}

void invariants_release(struct invariants *v)
{
    for (unsigned g = 0; g < CLUSTER_GROUPS_MAX; g++) {
        for (size_t i = 0; i < v->group[g].n_seen; i++) {
            while (v->group[g].seen[i]) {
                struct seen_entry *x = v->group[g].seen[i];
                v->group[g].seen[i] = x->next;
                free(x);
            }
        }
        free(v->group[g].seen);
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

    if (group_role(r->raft) != GROUP_LEADER)
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

/* A higher term than all others have begins with who wants to lead in it. */
static void check_term(struct invariants *v, const struct sim_node *n,
                       const struct replica *r)
{
    uint64_t term = group_term(r->raft);
    uint64_t *highest = &v->group[r->group].term;

    if (term <= *highest)
        return;
    if (group_vote(r->raft) != r->id)
        cluster_fail(v->c, "node %u group %u: in term %" PRIu64
                     ", which nobody has begun",
                     n->id, r->group, term);
    *highest = term;
}

void invariants_sent(struct invariants *v, struct slice items)
{
    struct reader in = reader_of(items);
    enum item_type type;
    struct slice body;

    while (item_next(&in, &type, &body)) {
        struct message_header h;
        struct message *m;
        uint64_t *highest;
        if (type != ITEM_RAFT || !message_peek(body, &h) ||
            h.group >= CLUSTER_GROUPS_MAX ||
            h.type != MESSAGE_VOTE || message_decode(body, &m) != STATUS_OK)
            continue;
        highest = &v->group[h.group].term;
        if (!m->vote.pre_vote)
            *highest = MAX_OF(*highest, m->term);
        message_free(m);
    }
}

/* Where a replica is one; NULL: nowhere, or it takes no part. */
static const struct replica *running(struct cluster *c, uint32_t group,
                                     uint64_t id)
{
    for (unsigned i = 0; i < c->o.nodes; i++) {
        struct sim_node *n = &c->nodes[i];
        const struct replica *r =
            n->up ? shard_find(loop_of(n, group)->shard, group) : NULL;
        if (r && r->id == id)
            return r->raft && r->mode == REPLICA_SERVING ? r : NULL;
    }
    return NULL;
}

/* Who becomes a voter knows the list in which it is none yet (L11). */
static void check_new_voters(struct invariants *v, const struct sim_node *n,
                             const struct replica *r)
{
    uint64_t index;
    const struct members *old = group_members_committed(r->raft, &index);
    const struct members *to = group_members(r->raft);

    if (group_role(r->raft) != GROUP_LEADER || members_equal(old, to))
        return;
    for (unsigned i = 0; i < to->n; i++) {
        uint64_t id = to->v[i].replica;
        const struct replica *x;
        if (!members_is_voter(to, id) || members_is_voter(old, id))
            continue;
        x = running(v->c, r->group, id);
        if (x && group_last(x->raft) < index)
            cluster_fail(v->c, "node %u group %u: makes replica %" PRIu64
                         " a voter, which has not got the list at %" PRIu64,
                         n->id, r->group, id, index);
    }
}

/* A timer that is due is run with the next turn: it may be overdue only for the
 * few steps of one. Else it is never set anew, and the loop spins (L16). */
static void check_timer(struct invariants *v, const struct sim_node *n,
                        const struct replica *r)
{
    enum { MANY = 1000 };
    unsigned *overdue = &v->replica[n->place][r->group].overdue;

    if (!instant_reached(cluster_clock(v->c, n), group_deadline(r->raft)))
        *overdue = 0;
    else if (++*overdue > MANY)
        cluster_fail(v->c, "node %u group %u: a timer that is always due",
                     n->id, r->group);
}

/* Raft stops itself for these reasons only: all else is a message or a call
 * that should not have come to libraft. */
static void check_stopped(struct invariants *v, const struct sim_node *n,
                          const struct replica *r)
{
    static const char *const reasons[] = {
        "became the only voter",
        "a snapshot could not be installed",
    };
    struct sim_replica *disk =
        cluster_replica((struct sim_node *)n, r->group);

    if (r->mode != REPLICA_FAILED || n->damaged)
        return;
    for (unsigned i = 0; i < ARRAY_LEN(reasons); i++)
        if (!strcmp(r->reason, reasons[i]))
            return;
    if (disk->accused && !strcmp(r->reason, "two leaders in one term"))
        return;
    cluster_fail(v->c, "node %u group %u has stopped: %s", n->id, r->group,
                 r->reason);
}

static void check_group(struct invariants *v, struct sim_node *n,
                        const struct replica *r)
{
    const struct durable_log *log;
    const char *wrong;

    if (!r->raft || group_role(r->raft) == GROUP_FAILED)
        return;
    check_leader(v, r);
    check_term(v, n, r);
    check_new_voters(v, n, r);
    check_timer(v, n, r);
    wrong = group_contradiction(r->raft);
    if (wrong)
        cluster_fail(v->c, "node %u group %u: %s", n->id, r->group, wrong);
    log = durable_now(v->durable, n, r->group);
    if (group_term(r->raft) < log->term ||
        (group_term(r->raft) == log->term && log->vote &&
         group_vote(r->raft) != log->vote))
        cluster_fail(v->c, "node %u group %u: has forgotten its term or vote",
                     n->id, r->group);
    if (r->send.state == SEND_SERVING && group_role(r->raft) == GROUP_LEADER &&
        group_first(r->raft) > r->send.index + 1)
        cluster_fail(v->c, "node %u group %u: its log begins at %" PRIu64
                     ", it sends a snapshot at %" PRIu64,
                     n->id, r->group, group_first(r->raft), r->send.index);
    if (r->committed > durable_last(log))
        cluster_fail(v->c, "node %u group %u: %" PRIu64 " is committed here, "
                     "durable is %" PRIu64,
                     n->id, r->group, r->committed, durable_last(log));
}

static void check_bounds(struct invariants *v, struct sim_loop *l)
{
    const struct shard *s = l->shard;
    enum { SEGMENTS_MANY = 2000 };

    if (s->pending_bytes > s->o.pending_bytes_max)
        cluster_fail(v->c, "node %u: too many pending bytes", l->node->id);
    if (s->read_pool.out > s->o.reads_max)
        cluster_fail(v->c, "node %u: too many reads", l->node->id);
    if (s->forwards.count > s->o.forwards_max)
        cluster_fail(v->c, "node %u: too many forwards", l->node->id);
    if (wal_bytes(l->node->journal.wal) >
        (uint64_t)SEGMENTS_MANY * SEGMENT_BYTES)
        cluster_fail(v->c, "node %u: the log only grows", l->node->id);
}

void invariants_stepped(struct invariants *v, struct sim_loop *l)
{
    struct sim_node *n = l->node;

    if (++v->stepped % 64 == 0)
        check_bounds(v, l);

    for (unsigned i = 0; i < l->shard->n_replicas; i++) {
        const struct replica *r = l->shard->replicas[i];
        uint64_t *applied = &v->replica[n->place][r->group].applied;
        if (v->replica[n->place][r->group].boot != n->boot)
            *applied = 0;
        v->replica[n->place][r->group].boot = n->boot;
        check_group(v, n, r);
        check_stopped(v, n, r);
        if ((r->mode == REPLICA_QUARANTINED || r->mode == REPLICA_LOST) &&
            !n->damaged)
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

/* ---- entries ---- */

static struct seen_entry **seen_at(struct invariants *v, uint32_t group,
                                   uint64_t index)
{
    size_t *n = &v->group[group].n_seen;

    if (index >= *n) {
        size_t more = *n ? *n : 256;
        while (more <= index)
            more *= 2;
        v->group[group].seen =
            xrealloc(v->group[group].seen, more * sizeof(void *));
        memset(v->group[group].seen + *n, 0, (more - *n) * sizeof(void *));
        *n = more;
    }
    return &v->group[group].seen[index];
}

static void see(struct invariants *v, uint32_t group, uint64_t index,
                const struct group_entry *e)
{
    struct seen_entry **head = seen_at(v, group, index), *x = *head;
    struct slice bytes = blob_slice(e->payload);
    uint64_t hash = XXH3_64bits_withSeed(bytes.data, bytes.size, e->type);

    while (x && x->term != e->term)
        x = x->next;
    if (x && x->hash != hash)
        cluster_fail(v->c, "group %u: entry %" PRIu64 " of term %" PRIu64
                     " has two contents",
                     group, index, e->term);
    if (x)
        return;
    x = xmalloc(sizeof *x);
    *x = (struct seen_entry){*head, e->term, hash, e->type == ENTRY_CHANGE};
    *head = x;
}

void invariants_logged(struct invariants *v, const struct effect *e,
                       const struct group_entry *entries, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        see(v, e->group, e->persist_entries.first + i, &entries[i]);
}

/* ---- members ---- */

/* Could a majority of `a` and one of `b` have nobody in common? */
static bool disjoint_majorities(const struct members *a,
                                const struct members *b)
{
    unsigned both = 0, more_a, more_b;

    for (unsigned i = 0; i < a->n; i++)
        both += members_is_voter(a, a->v[i].replica) &&
                members_is_voter(b, a->v[i].replica);
    more_a = members_quorum(a) + both;
    more_b = members_quorum(b) + both;
    more_a -= MIN_OF(more_a, members_voters(a));
    more_b -= MIN_OF(more_b, members_voters(b));
    return more_a + more_b <= both;
}

static bool change_between(struct invariants *v, uint32_t group,
                           uint64_t after, uint64_t before)
{
    for (uint64_t i = after + 1; i < before; i++)
        for (const struct seen_entry *x = *seen_at(v, group, i); x;
             x = x->next)
            if (x->change)
                return true;
    return false;
}

static void check_members(struct invariants *v, uint32_t group,
                          const struct group_record *record)
{
    struct members to;
    struct members *from = &v->group[group].members;
    uint64_t *index = &v->group[group].members_index;

    if (record->change_index <= *index)
        return;
    if (members_decode(record->members, &to) != STATUS_OK)
        cluster_fail(v->c, "group %u: a damaged member list", group);
    if (*index && !change_between(v, group, *index, record->change_index) &&
        disjoint_majorities(from, &to))
        cluster_fail(v->c, "group %u: majorities of its members at %" PRIu64
                     " and %" PRIu64 " need not meet",
                     group, *index, record->change_index);
    *from = to;
    *index = record->change_index;
}

void invariants_applied(struct invariants *v, struct sim_node *n,
                        struct sim_replica *r)
{
    struct group_record record = mem_table_record(&r->open->live);
    uint64_t index = record.applied_index;
    uint64_t *known =
        place(&v->group[r->group].digest, &v->group[r->group].n_digest,
              index);

    if (*known && *known != r->open->live.digest)
        cluster_fail(v->c, "node %u group %u: at index %" PRIu64
                     " its store differs from another's",
                     n->id, r->group, index);
    *known = r->open->live.digest;
    check_members(v, r->group, &record);
}

/* ---- the end ---- */

bool invariants_counts(const struct sim_node *n, uint32_t group)
{
    struct sim_node *x = (struct sim_node *)n;
    struct replica *r;

    if (!n->damaged)
        return true;
    if (!n->up || n->wiped)
        return false;
    r = shard_find(loop_of(x, group)->shard, group);
    return r && r->mode == REPLICA_SERVING;
}

bool invariants_converged(struct invariants *v)
{
    struct cluster *c = v->c;
    uint64_t digest[CLUSTER_GROUPS_MAX] = {0};
    uint64_t epoch = 0;

    for (unsigned i = 0; i < c->o.nodes; i++) {
        struct sim_node *n = &c->nodes[i];
        if (n->wiped)
            continue;
        if (!n->up)
            return false;
        for (unsigned k = 0; k < n->n_loops; k++) {
            uint64_t mine = n->loops[k].shard->map->epoch;
            if (epoch && mine != epoch)
                return false;
            epoch = mine;
        }
        for (unsigned k = 0; k < n->n_replicas; k++) {
            const struct sim_replica *r = &n->replicas[k];
            if (!invariants_counts(n, r->group))
                continue;
            if (!digest[r->group])
                digest[r->group] = r->open->live.digest;
            if (digest[r->group] != r->open->live.digest)
                return false;
        }
    }
    return true;
}

/* Keeps the first that is found. */
static void nothing(struct invariants *v, const struct sim_node *n,
                    uint64_t left, const char *what)
{
    if (left && !v->left[0])
        snprintf(v->left, sizeof v->left,
                 "node %u: %" PRIu64 " %s left over", n->id, left, what);
}

static void shard_empty(struct invariants *v, const struct sim_node *n,
                        const struct shard *s)
{
    nothing(v, n, s->read_pool.out, "reads");
    nothing(v, n, s->pending_bytes, "pending bytes");
    nothing(v, n, s->forwards.count, "forwarded requests");
    nothing(v, n, s->scans, "scans");
    nothing(v, n, s->scans_passed_on, "scans that were passed on");
    for (unsigned k = 0; k < s->n_replicas; k++) {
        const struct replica *r = s->replicas[k];
        nothing(v, n, r->proposals.waiting, "waiters");
        nothing(v, n, reads_count(&r->reads), "reads of a group");
        nothing(v, n, proposals_in_flight(&r->proposals), "batches");
        nothing(v, n, r->apply.n_settled, "settled writes");
        if (r->mode != REPLICA_SERVING && !n->damaged)
            cluster_fail(v->c, "node %u group %u: %s", n->id, r->group,
                         r->reason);
    }
}

const char *invariants_left_over(struct invariants *v)
{
    v->left[0] = 0;
    for (unsigned i = 0; i < v->c->o.nodes; i++) {
        struct sim_node *n = &v->c->nodes[i];
        if (n->wiped || !n->up)
            continue;
        for (unsigned k = 0; k < n->n_loops; k++)
            shard_empty(v, n, n->loops[k].shard);
        /* To a replica that stays out one is offered for a minute. */
        for (unsigned k = 0; k < n->n_replicas && !v->c->o.victims; k++)
            nothing(v, n, n->replicas[k].checkpoints != NULL,
                    "checkpoints");
    }
    return v->left[0] ? v->left : NULL;
}
