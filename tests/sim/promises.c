/* promises.c - see promises.h. */
#include "tests/sim/promises.h"

#include <inttypes.h>

#include "node/core/peer_item.h"
#include "node/core/shard_state.h"

void promises_init(struct promises *p, struct cluster *c, struct durable *d)
{
    *p = (struct promises){.c = c, .durable = d};
}

static void in_term(struct promise *x, uint64_t term, uint64_t vote)
{
    if (term > x->term) {
        x->term = term;
        x->vote = 0;
    }
    if (term == x->term && vote)
        x->vote = vote;
}

static void look(struct promise *x, const struct message *m)
{
    switch (m->type) {
    case MESSAGE_VOTE:
        if (!m->vote.pre_vote)
            in_term(x, m->term, m->from);
        break;
    case MESSAGE_VOTE_RESULT:
        if (!m->vote_result.pre_vote)
            in_term(x, m->term, m->vote_result.granted ? m->to : 0);
        break;
    case MESSAGE_APPEND_RESULT:
        in_term(x, m->term, 0);
        if (!m->append_result.rejected)
            x->last = MAX_OF(x->last, m->append_result.last_index);
        break;
    default:
        in_term(x, m->term, 0);
        break;
    }
}

/* ---- now ---- */

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
                       struct slice items)
{
    struct reader in = reader_of(items);
    enum item_type type;
    struct slice body;

    while (item_next(&in, &type, &body)) {
        struct message_header h;
        struct message *m;
        if (type != ITEM_RAFT || !message_peek(body, &h) ||
            h.type != MESSAGE_VOTE_RESULT || h.group >= CLUSTER_GROUPS_MAX ||
            message_decode(body, &m) != STATUS_OK)
            continue;
        if (m->vote_result.pre_vote && m->vote_result.granted) {
            uint64_t *granted = &p->v[l->node->place][h.group].granted;
            *granted = MAX_OF(*granted, m->term);
        }
        message_free(m);
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
        look(&p->v[n->place][h.group], m);
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
