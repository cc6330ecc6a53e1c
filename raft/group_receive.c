/* group_receive.c - incoming messages, through the guard into libraft. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/bytes.h"
#include "proto/base/planted.h"
#include "raft/group_impl.h"

/* What libraft 0.22 puts into its own results. */
enum { RESULT_VERSION = 2, RESULT_FEATURES = 1 };

struct received {
    struct step step;
    struct raft_message raw;
    char address[24];
};

static void begin(struct received *x, const struct group *g,
                  const struct message *m, enum raft_message_type type)
{
    *x = (struct received){.step.event.type = RAFT_RECEIVE};
    x->step.event.receive.message = &x->raw;
    x->step.from = m->from;
    x->step.stale = m->term < g->term;
    snprintf(x->address, sizeof x->address, "%llu",
             (unsigned long long)m->from);
    x->raw.type = type;
    x->raw.server_id = m->from;
    x->raw.server_address = x->address;
}

/* ---- AppendEntries ---- */

/* libraft wants term and type, bytes only of a CHANGE, and something that it
 * may free when it does not keep the entries. */
static void fill_entries(struct group *g, const struct group_entry *entries,
                         unsigned n, struct raft_append_entries *out)
{
    void *batch = raft_malloc(8);

    if (!batch)
        abort();
    out->entries = group_scratch(g, n);
    out->n_entries = n;
    for (unsigned i = 0; i < n; i++) {
        struct raft_entry *e = &out->entries[i];
        *e = (struct raft_entry){.term = entries[i].term,
                                 .type = (enum raft_entry_type)entries[i].type,
                                 .batch = batch};
        if (entries[i].type == ENTRY_CHANGE) {
            e->buf.base = entries[i].payload->data;
            e->buf.len = entries[i].payload->size;
        }
    }
}

struct segment {
    uint64_t prev_index, prev_term;
    const struct group_entry *entries;
    unsigned n;
};

/* One AppendEntries. `*more`: may the rest of the message follow? */
static bool step_segment(struct group *g, const struct message *m,
                         const struct segment *seg, bool *more,
                         struct group_effects *fx)
{
    struct received x;
    struct raft_append_entries *a = &x.raw.append_entries;
    bool kept;

    begin(&x, g, m, RAFT_APPEND_ENTRIES);
    a->version = m->version;
    a->term = m->term;
    a->prev_log_index = seg->prev_index;
    a->prev_log_term = seg->prev_term;
    a->leader_commit = m->append.commit;
    if (seg->n)
        fill_entries(g, seg->entries, seg->n, a);
    x.step.entries = seg->entries;
    x.step.first = seg->prev_index + 1;
    x.step.prev_term = seg->prev_term;
    void *batch = seg->n ? a->entries[0].batch : NULL;
    if (!group_step(g, &x.step, fx))
        return false;
    kept = x.step.update.flags & (RAFT_UPDATE_ENTRIES);
    if (kept)
        raft_free(batch);
    *more = !x.step.rejected && !x.step.stale && !g->install.active;
    return true;
}

/* Before a CHANGE, make sure that libraft takes the one before it for
 * committed (L1). */
static bool settle_pending(struct group *g, const struct message *m,
                           const struct segment *seg, struct group_effects *fx)
{
    uint64_t index = seg->prev_index + 1;
    uint64_t pending =
        g->members_index > g->committed_index ? g->members_index : 0;
    bool agree;

    if (seg->n == 0 || seg->entries[0].type != ENTRY_CHANGE)
        return true;
    if (m->term < g->term || g->install.active)
        return true;
    agree = seg->prev_index > 0 &&
            group_term_at(g, seg->prev_index) == seg->prev_term;
    if (!guard_commits_pending(pending, index, agree))
        return true;
    return group_commit_members(g, fx);
}

static void receive_append(struct group *g, const struct message *m,
                           struct group_effects *fx)
{
    struct segment seg = {m->append.prev_index, m->append.prev_term, m->entries,
                          0};
    unsigned at = 0;
    bool more = true;

    if (m->term >= g->term &&
        guard_anchor(m, g->tail.first, g->snapshot_index, &at)) {
        seg.prev_index = g->snapshot_index;
        seg.prev_term = g->snapshot_term;
    }
    do {
        seg.entries = m->entries + at;
        seg.n = at < m->n_entries ? guard_segment(m, at) : 0;
        /* A lower term is refused anyway; an install takes no entries. */
        if (m->term < g->term)
            seg.n = 0;
        if (!settle_pending(g, m, &seg, fx) ||
            !step_segment(g, m, &seg, &more, fx))
            return;
        at += seg.n;
        seg.prev_index += seg.n;
        if (seg.n)
            seg.prev_term = m->entries[at - 1].term;
    } while (more && seg.n && at < m->n_entries);
}

/* ---- the others ---- */

/* Where our log and a follower's may agree at the latest, given that it has an
 * entry of `term` at `index`: what is ours up to there and of a higher term, it
 * cannot have (see hint() in group_send.c). */
static uint64_t may_agree(const struct group *g, uint64_t index, uint64_t term,
                          uint64_t match)
{
    if (term == 0)
        return index;
    while (index > match && index > g->snapshot_index &&
           group_term_at(g, index) > term)
        index--;
    return index;
}

static void receive_append_result(struct group *g, const struct message *m,
                                  struct group_effects *fx)
{
    struct received x;
    struct peer *p = group_peer(g, m->from);
    uint64_t last = m->append_result.last_index;

    if (g->role == GROUP_LEADER && m->term == g->term) {
        if (!p)
            return;
        p->heard = true;
        p->heard_at = g->now;
        if (guard_rejection_stale(m, group_match(g, m->from)))
            return;
        /* It was not heard when the snapshot moved on. */
        if (m->append_result.rejected > p->asked_index &&
            guard_snapshot_moved(p->asked_index, g->snapshot_index,
                                 group_match(g, m->from), true) &&
            !group_reject_snapshot(g, p, fx))
            return;
        if (m->append_result.rejected)
            last =
                may_agree(g, MIN_OF(last, g->tail.last),
                          m->append_result.last_term, group_match(g, m->from));
    }
    begin(&x, g, m, RAFT_APPEND_ENTRIES_RESULT);
    x.raw.append_entries_result = (struct raft_append_entries_result){
        .version = m->version,
        .term = m->term,
        .rejected = m->append_result.rejected,
        .last_log_index = last,
        .features = m->append_result.features,
        .capacity = m->append_result.capacity,
    };
    if (!group_step(g, &x.step, fx))
        return;
    p = group_peer(g, m->from);
    if (p && g->role == GROUP_LEADER)
        group_snapshot_check(g, p, fx);
    group_transfer_step(g, fx);
}

bool group_reject_snapshot(struct group *g, const struct peer *p,
                           struct group_effects *fx)
{
    struct received x;
    struct message m = {.from = p->replica, .term = g->term};

    begin(&x, g, &m, RAFT_APPEND_ENTRIES_RESULT);
    x.raw.append_entries_result = (struct raft_append_entries_result){
        .version = RESULT_VERSION,
        .term = g->term,
        .rejected = p->asked_index,
        .last_log_index = p->asked_index - 1,
        .features = RESULT_FEATURES,
        .capacity = UINT16_MAX,
    };
    return group_step(g, &x.step, fx);
}

static void receive_vote(struct group *g, const struct message *m,
                         struct group_effects *fx)
{
    struct received x;
    int role;

    guard_forget_leader(&g->r, g->now);
    begin(&x, g, m, RAFT_REQUEST_VOTE);
    x.raw.request_vote = (struct raft_request_vote){
        .version = m->version,
        .term = m->term,
        .candidate_id = m->from,
        .last_log_index = m->vote.last_index,
        .last_log_term = m->vote.last_term,
        .disrupt_leader = m->vote.disrupt,
        .pre_vote = m->vote.pre_vote,
    };
    role = guard_vote_anyway(&g->r);
    group_step(g, &x.step, fx);
    guard_vote_done(&g->r, role);
}

static void receive_vote_result(struct group *g, const struct message *m,
                                struct group_effects *fx)
{
    struct received x;

    if (!guard_vote_result(m, &g->r))
        return;
    begin(&x, g, m, RAFT_REQUEST_VOTE_RESULT);
    x.raw.request_vote_result = (struct raft_request_vote_result){
        .version = m->version,
        .term = m->term,
        .vote_granted = m->vote_result.granted,
        .pre_vote = m->vote_result.pre_vote,
        .features = m->vote_result.features,
        .capacity = m->vote_result.capacity,
    };
    group_step(g, &x.step, fx);
}

static void receive_install(struct group *g, const struct message *m,
                            struct group_effects *fx)
{
    struct received x;
    struct raft_install_snapshot *i = &x.raw.install_snapshot;

    /* libraft ignores it then too, but forgets to free it (L14). */
    if (g->install.active && !PLANTED(L14_DUPLICATE))
        return;
    begin(&x, g, m, RAFT_INSTALL_SNAPSHOT);
    i->version = m->version;
    i->term = m->term;
    i->last_index = m->install.index;
    i->last_term = m->install.index_term;
    i->conf_index = m->install.members_index;
    group_conf(&m->install.members, &i->conf);
    group_step(g, &x.step, fx);
}

static void receive_timeout_now(struct group *g, const struct message *m,
                                struct group_effects *fx)
{
    struct received x;

    if (guard_self_elects(&g->members, g->o.replica))
        return;
    begin(&x, g, m, RAFT_TIMEOUT_NOW);
    x.raw.timeout_now = (struct raft_timeout_now){
        .version = m->version,
        .term = m->term,
        .last_log_index = m->timeout_now.last_index,
        .last_log_term = m->timeout_now.last_term,
    };
    group_step(g, &x.step, fx);
}

static void dispatch(struct group *g, const struct message *m,
                     struct group_effects *fx)
{
    switch (m->type) {
    case MESSAGE_APPEND:
        receive_append(g, m, fx);
        break;
    case MESSAGE_APPEND_RESULT:
        receive_append_result(g, m, fx);
        break;
    case MESSAGE_VOTE:
        receive_vote(g, m, fx);
        break;
    case MESSAGE_VOTE_RESULT:
        receive_vote_result(g, m, fx);
        break;
    case MESSAGE_INSTALL:
        receive_install(g, m, fx);
        break;
    case MESSAGE_TIMEOUT_NOW:
        receive_timeout_now(g, m, fx);
        break;
    }
}

/* Who was seen leading the current term: ourselves, or the first that sent as
 * its leader. */
static uint64_t leader_of_term(const struct group *g)
{
    if (g->lead_term == g->term)
        return g->o.replica;
    return g->leader_term == g->term ? g->leader_seen : 0;
}

enum status group_receive(struct group *g, instant now, const struct message *m,
                          struct group_effects *fx)
{
    if (m->group != g->o.group || m->to != g->o.replica ||
        message_check(m) != STATUS_OK)
        return STATUS_BAD_MESSAGE;
    if (g->role == GROUP_FAILED)
        return STATUS_QUARANTINED;
    if (!group_enter(g, now))
        return STATUS_OK;
    if (guard_two_leaders(m, g->term, leader_of_term(g), g->o.replica)) {
        group_stop(g, "two leaders in one term", fx);
        return STATUS_QUARANTINED;
    }
    if ((m->type == MESSAGE_APPEND || m->type == MESSAGE_INSTALL) &&
        m->term >= g->term) {
        g->leader_seen = m->from;
        g->leader_term = m->term;
    }
    dispatch(g, m, fx);
    group_settle(g, fx);
    return g->role == GROUP_FAILED ? STATUS_QUARANTINED : STATUS_OK;
}
