/* promises.c - see promises.h. */
#include "tests/sim/promises.h"

#include <inttypes.h>

#include "node/core/peer_item.h"
#include "node/core/shard_state.h"

void promises_init(struct promises *p, struct cluster *c, struct durable *d)
{
    *p = (struct promises){.c = c, .durable = d};
}

static void in_term(struct promise *x, uint64_t now, uint64_t term,
                    uint64_t vote)
{
    if (term > x->term) {
        x->term_at = now;
        x->term = term;
        x->vote = 0;
    }
    if (term == x->term && vote)
        x->vote = vote;
}

static void look(struct promise *x, uint64_t now, const struct message *m)
{
    switch (m->type) {
    case MESSAGE_VOTE:
        if (!m->vote.pre_vote)
            in_term(x, now, m->term, m->from);
        break;
    case MESSAGE_VOTE_RESULT:
        if (!m->vote_result.pre_vote)
            in_term(x, now, m->term, m->vote_result.granted ? m->to : 0);
        break;
    case MESSAGE_APPEND_RESULT:
        in_term(x, now, m->term, 0);
        if (!m->append_result.rejected &&
            m->append_result.last_index >= x->last) {
            x->last = m->append_result.last_index;
            x->last_term = m->term;
        }
        break;
    default:
        in_term(x, now, m->term, 0);
        break;
    }
}

/* ---- now ---- */

/* Messages of one turn leave in another order than they were made, and shards
 * write letters to the one with the connections. */
enum { ON_ITS_WAY_MS = 1000 };

static void claims_term(struct promises *p, const struct sim_node *n,
                        const struct durable_log *log, uint32_t group,
                        uint64_t term, uint64_t vote)
{
    if (log->term < term || (log->term == term && vote && log->vote != vote))
        cluster_fail(p->c, "node %u group %u: tells term %" PRIu64
                     " and vote %" PRIu64 ", durable are %" PRIu64
                     " and %" PRIu64,
                     n->id, group, term, vote, log->term, log->vote);
}

/* In the term of its leader nothing that a replica acknowledged to it is ever
 * overwritten: so what it has at that index must be what is durable. */
static void claims_entries(struct promises *p, struct sim_node *n,
                           const struct durable_log *log,
                           const struct message *m)
{
    const struct replica *r = shard_find(loop_of(n, m->group)->shard, m->group);
    uint64_t index = m->append_result.last_index;
    uint64_t term = durable_term(log, index);
    const struct group_entry *e;

    if (durable_last(log) < index)
        cluster_fail(p->c, "node %u group %u: acknowledges %" PRIu64
                     ", durable is %" PRIu64,
                     n->id, m->group, index, durable_last(log));
    if (!r || !r->raft || group_term(r->raft) != m->term || !term)
        return;
    e = group_entry_at(r->raft, index);
    if (e && e->term != term)
        cluster_fail(p->c, "node %u group %u: acknowledges %" PRIu64
                     " of term %" PRIu64 ", durable is one of term %" PRIu64,
                     n->id, m->group, index, e->term, term);
}

static void check_now(struct promises *p, struct sim_node *n,
                      const struct message *m)
{
    const struct durable_log *log = durable_now(p->durable, n, m->group);
    const struct promise *x = &p->v[n->place][m->group];

    switch (m->type) {
    case MESSAGE_VOTE:
        if (m->vote.pre_vote)
            break;
        claims_term(p, n, log, m->group, m->term, m->from);
        if (!m->vote.disrupt && x->granted != m->term)
            cluster_fail(p->c, "node %u group %u: asks for votes in term "
                         "%" PRIu64 ", others had agreed to %" PRIu64,
                         n->id, m->group, m->term, x->granted);
        break;
    case MESSAGE_VOTE_RESULT:
        if (!m->vote_result.pre_vote)
            claims_term(p, n, log, m->group, m->term,
                        m->vote_result.granted ? m->to : 0);
        else if (!m->vote_result.granted && m->term < x->term &&
                 p->c->now - x->term_at > ON_ITS_WAY_MS)
            cluster_fail(p->c, "node %u group %u: refuses to agree to term "
                         "%" PRIu64 " and hides that it is in %" PRIu64,
                         n->id, m->group, m->term, x->term);
        break;
    case MESSAGE_APPEND_RESULT:
        claims_term(p, n, log, m->group, m->term, 0);
        if (!m->append_result.rejected)
            claims_entries(p, n, log, m);
        break;
    default:
        claims_term(p, n, log, m->group, m->term, 0);
        break;
    }
}

void promises_received(struct promises *p, struct sim_loop *l,
                       const struct event *frame)
{
    struct reader in = reader_of(frame->frame.items);
    unsigned messages[CLUSTER_GROUPS_MAX] = {0};
    enum item_type type;
    struct slice body;

    /* A repeated frame may come after a restart that gave its sender other
     * loops: nobody takes it. */
    if (!peers_find(l->shard, frame->frame.node, frame->frame.shard))
        return;
    while (item_next(&in, &type, &body)) {
        struct message_header h;
        struct message *m;
        if (type != ITEM_RAFT || !message_peek(body, &h) ||
            h.group >= CLUSTER_GROUPS_MAX || !shard_find(l->shard, h.group))
            continue;
        /* Only alone in its frame: what comes with it changes the state that
         * it was judged in. */
        if (messages[h.group]++)
            p->asked[l->node->place][h.group].from = 0;
        if ((h.type != MESSAGE_VOTE_RESULT &&
             (h.type != MESSAGE_VOTE || messages[h.group] > 1)) ||
            message_decode(body, &m) != STATUS_OK)
            continue;
        if (m->type == MESSAGE_VOTE && !m->vote.pre_vote) {
            p->asked[l->node->place][h.group] = (struct vote_asked){
                m->from, m->term, m->vote.last_index, m->vote.last_term};
        } else if (m->type == MESSAGE_VOTE_RESULT &&
                   m->vote_result.pre_vote && m->vote_result.granted) {
            uint64_t *granted = &p->v[l->node->place][h.group].granted;
            *granted = MAX_OF(*granted, m->term);
        }
        message_free(m);
    }
}

/* Nobody has its vote in the candidate's term, it hears no leader, and its log
 * is no better (thesis, 3.4, 3.6.1, 4.2.3). Members or not does not matter
 * (4.1). */
static bool should_vote(const struct replica *r, const struct vote_asked *a)
{
    uint64_t last = group_last(r->raft), term;
    const struct group_entry *e = group_entry_at(r->raft, last);

    if (group_term(r->raft) != a->term || group_vote(r->raft) ||
        group_role(r->raft) != GROUP_FOLLOWER || group_leader(r->raft) ||
        group_installing(r->raft) || !e)
        return false;
    term = e->term;
    return a->last_term > term ||
           (a->last_term == term && a->last_index >= last);
}

void promises_stepped(struct promises *p, struct sim_loop *l)
{
    const struct sim_node *n = l->node;

    for (unsigned i = 0; i < l->shard->n_replicas; i++) {
        const struct replica *r = l->shard->replicas[i];
        struct vote_asked *a = &p->asked[n->place][r->group];
        if (!a->from)
            continue;
        if (r->raft && should_vote(r, a))
            cluster_fail(p->c, "node %u group %u: refuses its vote to %" PRIu64
                         " in term %" PRIu64 " without reason",
                         n->id, r->group, a->from, a->term);
        a->from = 0;
    }
}

/* ---- sent ---- */

void promises_sent(struct promises *p, struct sim_node *n, struct slice items)
{
    struct reader in = reader_of(items);
    enum item_type type;
    struct slice body;

    while (item_next(&in, &type, &body)) {
        struct message_header h;
        struct message *m;
        if (type != ITEM_RAFT)
            continue;
        if (!message_peek(body, &h) || h.group >= CLUSTER_GROUPS_MAX)
            cluster_fail(p->c, "node %u sends a malformed message", n->id);
        if (h.type == MESSAGE_APPEND)
            continue; /* its term was told by the votes for it */
        if (message_decode(body, &m) != STATUS_OK)
            cluster_fail(p->c, "node %u sends a malformed message", n->id);
        check_now(p, n, m);
        look(&p->v[n->place][h.group], p->c->now, m);
        message_free(m);
    }
    if (in.failed)
        cluster_fail(p->c, "node %u sends malformed items", n->id);
}

void promises_truncated(struct promises *p, struct sim_node *n,
                        const struct effect *e)
{
    struct promise *x = &p->v[n->place][e->group];

    if (e->type == EFFECT_PERSIST_TRUNCATE)
        x->last = MIN_OF(x->last, e->persist_truncate.from - 1);
}

void promises_reset(struct promises *p, struct sim_node *n, uint32_t group,
                    uint64_t index)
{
    struct promise *x = &p->v[n->place][group];

    if (x->last <= index)
        return;
    if (x->last_term == x->term)
        cluster_fail(p->c, "node %u group %u: a snapshot at %" PRIu64
                     " drops what was acknowledged in its term: %" PRIu64,
                     n->id, group, index, x->last);
    x->last = index;
}

void promises_died(struct promises *p, struct sim_node *n)
{
    for (unsigned i = 0; i < n->n_loops; i++) {
        const struct shard *s = n->loops[i].shard;
        for (unsigned k = 0; k < s->n_replicas; k++) {
            const struct replica *r = s->replicas[k];
            struct promise *x = &p->v[n->place][r->group];
            x->applied = MAX_OF(x->applied, r->applied);
            x->granted = 0;
        }
    }
}

void promises_recovered(struct promises *p, struct sim_node *n,
                        struct sim_replica *r,
                        const struct wal_recovered_group *log)
{
    const struct promise *x = &p->v[n->place][r->group];
    uint64_t have;

    if (n->wiped || !log)
        return;
    p->checked++;
    have = MAX_OF(log->last,
                  mem_table_record(&r->current->live).applied_index);
    if (log->term < x->term)
        cluster_fail(p->c, "node %u group %u: promised term %" PRIu64
                     ", its log says %" PRIu64,
                     n->id, r->group, x->term, log->term);
    if (log->term == x->term && x->vote && log->vote != x->vote)
        cluster_fail(p->c, "node %u group %u: voted for %" PRIu64
                     " in term %" PRIu64 ", its log says %" PRIu64,
                     n->id, r->group, x->vote, x->term, log->vote);
    if (have < x->last)
        cluster_fail(p->c, "node %u group %u: acknowledged %" PRIu64
                     ", its log ends at %" PRIu64,
                     n->id, r->group, x->last, have);
    if (have < x->applied)
        cluster_fail(p->c, "node %u group %u: had applied %" PRIu64
                     ", its log ends at %" PRIu64,
                     n->id, r->group, x->applied, have);
}
