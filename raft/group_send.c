/* group_send.c - outgoing messages: filling them from the log, holding them
 * until what they depend on is durable, reading old entries for them. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "proto/base/bytes.h"
#include "proto/base/log.h"
#include "proto/base/planted.h"
#include "raft/group_impl.h"

struct message *group_message(const struct group *g, enum message_type type,
                              uint64_t to, unsigned n_entries)
{
    struct message *m = message_new(type, n_entries);

    m->group = g->o.group;
    m->from = g->o.replica;
    m->to = to;
    m->term = g->term;
    return m;
}

void group_drop_waiting(struct group *g)
{
    for (unsigned i = 0; i < g->n_waiting; i++)
        message_free(g->waiting[i].message);
    g->n_waiting = 0;
}

static void hold(struct group *g, struct message *m)
{
    if (g->n_waiting == WAITING_MAX) {
        message_free(m);
        return;
    }
    if (g->n_waiting == g->waiting_cap) {
        g->waiting_cap = g->waiting_cap ? g->waiting_cap * 2 : 16;
        g->waiting =
            xrealloc(g->waiting, g->waiting_cap * sizeof g->waiting[0]);
    }
    g->waiting[g->n_waiting++] = (struct waiting){g->vote_seq, m};
}

/* Takes `m`. A promise (term, vote) that could be forgotten in a crash must
 * not be heard by anybody; all messages of the group wait for it. */
void group_send(struct group *g, struct message *m, struct group_effects *fx)
{
    if (g->vote_seq > g->durable_seq && !PLANTED(VOTE_NOT_DURABLE)) {
        hold(g, m);
        return;
    }
    group_effects_add(fx, GROUP_SEND)->send.message = m;
}

void group_send_durable(struct group *g, struct group_effects *fx)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < g->n_waiting; i++) {
        struct waiting w = g->waiting[i];
        if (w.seq > g->durable_seq)
            g->waiting[kept++] = w;
        else
            group_effects_add(fx, GROUP_SEND)->send.message = w.message;
    }
    g->n_waiting = kept;
}

/* ---- AppendEntries ---- */

static struct message *append_message(const struct group *g, uint64_t to,
                                      uint64_t prev, unsigned n)
{
    struct message *m = group_message(g, MESSAGE_APPEND, to, n);

    m->append.prev_index = prev;
    m->append.prev_term = prev ? group_term_at(g, prev) : 0;
    m->append.commit = g->r.commit_index;
    return m;
}

static bool can_anchor(const struct group *g, uint64_t prev)
{
    return prev == 0 || group_term_at(g, prev) != 0;
}

/* How many entries from `first` on, at most up to `end`, are in memory and go
 * into one message. */
static unsigned count_ready(const struct group *g, uint64_t first, uint64_t end)
{
    uint64_t bytes = 0;
    unsigned n = 0;

    for (uint64_t i = first; i <= end && n < MESSAGE_ENTRIES_MAX; i++, n++) {
        if (!tail_has_payload(&g->tail, i))
            break;
        bytes += tail_bytes(&g->tail, i, i);
        if (n > 0 && bytes > MESSAGE_BYTES_SPLIT)
            break;
    }
    return n;
}

/* Send first .. end as far as they are in memory; gives the next index. */
static uint64_t send_ready(struct group *g, uint64_t to, uint64_t first,
                           uint64_t end, struct group_effects *fx)
{
    while (first <= end) {
        unsigned n = count_ready(g, first, end);
        struct message *m;
        if (n == 0)
            break;
        m = append_message(g, to, first - 1, n);
        for (unsigned i = 0; i < n; i++) {
            m->entries[i] = *tail_at(&g->tail, first + i);
            blob_ref(m->entries[i].payload);
        }
        first += n;
        group_send(g, m, fx);
    }
    return first;
}

static void read_on(struct group *g, struct peer *p, struct group_effects *fx)
{
    struct group_effect *e = group_effects_add(fx, GROUP_LOG_READ);

    p->read_token = ++g->token;
    e->log_read.token = p->read_token;
    e->log_read.index = p->read_next;
    e->log_read.n = (unsigned)MIN_OF(p->read_end - p->read_next + 1,
                                     (uint64_t)MESSAGE_ENTRIES_MAX);
}

/* While entries are being read for a peer, everything else to it would come
 * too early and be rejected: keep it quiet with an empty message that fits to
 * what it has. */
static void send_append(struct group *g, const struct raft_message *out,
                        struct group_effects *fx)
{
    const struct raft_append_entries *a = &out->append_entries;
    struct peer *p = group_peer(g, out->server_id);
    uint64_t prev = a->prev_log_index;
    uint64_t next;

    if (p && p->read_token) {
        prev = p->read_next - 1;
        if (can_anchor(g, prev))
            group_send(g, append_message(g, out->server_id, prev, 0), fx);
        return;
    }
    if (a->n_entries == 0) {
        struct message *m = append_message(g, out->server_id, prev, 0);
        m->append.prev_term = a->prev_log_term;
        group_send(g, m, fx);
        return;
    }
    next = send_ready(g, out->server_id, prev + 1, prev + a->n_entries, fx);
    if (next > prev + a->n_entries || !p)
        return;
    if (next == prev + 1) {
        group_send(g, append_message(g, out->server_id, prev, 0), fx);
        /* Do not read what it may reject: first it is to agree on `prev`. */
        if (prev > group_match(g, out->server_id))
            return;
    }
    p->read_next = next;
    p->read_end = prev + a->n_entries;
    read_on(g, p, fx);
}

/* Old entries on our disk are damaged, and libraft sends no snapshot while its
 * log has them: cut the log behind what `p` needs first. What left memory was
 * applied, so a flush lets it go. */
static void read_failed(struct group *g, struct peer *p,
                        struct group_effects *fx)
{
    enum { READS_FAILED_MAX = 8 };

    if (++p->reads_failed < READS_FAILED_MAX)
        return;
    p->reads_failed = 0;
    if (g->unreadable < p->read_next) {
        g->unreadable = p->read_next;
        log_warn("log_unreadable",
                 "group=%u index=%" PRIu64 " replica=%" PRIu64
                 " instead=snapshot",
                 g->o.group, p->read_next, p->replica);
    }
    /* libraft's snapshot has to move for that. */
    if (g->tail.last == g->snapshot_index && !group_submit_barrier(g, fx))
        return;
    group_try_truncate(g, fx);
    group_settle(g, fx);
}

bool group_wants_flush(const struct group *g)
{
    return g->role == GROUP_LEADER && g->unreadable >= g->tail.first &&
           MAX_OF(g->unreadable, g->snapshot_index + 1) > g->flushed;
}

void group_log_read_done(struct group *g, instant now, uint64_t token,
                         const struct group_entry *entries, unsigned n,
                         struct group_effects *fx)
{
    struct peer *p = NULL;
    uint64_t at = 0;
    struct message *m;

    /* Losing the leadership clears the tokens, so a match means that term and
     * role are still those of the question. */
    if (!group_enter(g, now) || token == 0)
        return;
    for (unsigned i = 0; i < g->n_peers && !p; i++) {
        if (g->peers[i].read_token == token)
            p = &g->peers[i];
    }
    if (!p)
        return;
    p->read_token = 0;
    if (n > p->read_end - p->read_next + 1 || n > MESSAGE_ENTRIES_MAX)
        n = 0;
    while (at < n && entries[at].term == tail_term(&g->tail, p->read_next + at))
        at++;
    if (!can_anchor(g, p->read_next - 1))
        return;
    if (n == 0 || at != n) {
        read_failed(g, p, fx);
        return;
    }
    p->reads_failed = 0;
    m = append_message(g, p->replica, p->read_next - 1, n);
    for (unsigned i = 0; i < n; i++) {
        m->entries[i] = entries[i];
        blob_ref(entries[i].payload);
    }
    group_send(g, m, fx);
    p->read_next = send_ready(g, p->replica, p->read_next + n, p->read_end, fx);
    if (p->read_next <= p->read_end)
        read_on(g, p, fx);
}

/* ---- the others ---- */

/* libraft goes back by one entry per round trip. What has a higher term than
 * the entry that the leader asked for cannot be the leader's: skip it. The
 * term at the hint lets the leader do the same. */
static void hint(const struct group *g, const struct step *s, struct message *m)
{
    uint64_t index = m->append_result.last_index;

    while (index > g->commit_seen && group_term_at(g, index) > s->prev_term)
        index--;
    m->append_result.last_index = index;
    m->append_result.last_term = index ? group_term_at(g, index) : 0;
}

static void send_append_result(struct group *g, const struct step *s,
                               const struct raft_message *out,
                               struct group_effects *fx)
{
    struct message *m =
        group_message(g, MESSAGE_APPEND_RESULT, out->server_id, 0);

    m->version = out->append_entries_result.version;
    m->term = out->append_entries_result.term;
    m->append_result.rejected = out->append_entries_result.rejected;
    /* libraft leaves this field as it was in memory when it answers a lower
     * term (L15). */
    if (!s->stale || PLANTED(L15_FIELD))
        m->append_result.last_index = out->append_entries_result.last_log_index;
    if (!s->stale && m->append_result.rejected)
        hint(g, s, m);
    m->append_result.features = out->append_entries_result.features;
    m->append_result.capacity = out->append_entries_result.capacity;
    group_send(g, m, fx);
}

static void send_vote(struct group *g, const struct raft_message *out,
                      struct group_effects *fx)
{
    struct message *m = group_message(g, MESSAGE_VOTE, out->server_id, 0);

    m->version = out->request_vote.version;
    m->term = out->request_vote.term;
    m->vote.last_index = out->request_vote.last_log_index;
    m->vote.last_term = out->request_vote.last_log_term;
    m->vote.disrupt = out->request_vote.disrupt_leader;
    m->vote.pre_vote = out->request_vote.pre_vote;
    group_send(g, m, fx);
}

static void send_vote_result(struct group *g, const struct raft_message *out,
                             struct group_effects *fx)
{
    struct message *m =
        group_message(g, MESSAGE_VOTE_RESULT, out->server_id, 0);

    m->version = out->request_vote_result.version;
    m->term = guard_refusal_term(out->request_vote_result.pre_vote,
                                 out->request_vote_result.vote_granted,
                                 out->request_vote_result.term, g->term);
    m->vote_result.granted = out->request_vote_result.vote_granted;
    m->vote_result.pre_vote = out->request_vote_result.pre_vote;
    m->vote_result.features = out->request_vote_result.features;
    m->vote_result.capacity = out->request_vote_result.capacity;
    group_send(g, m, fx);
}

/* libraft's array is only valid until the next step: everything is copied. */
void group_send_all(struct group *g, const struct step *s,
                    struct group_effects *fx)
{
    for (unsigned i = 0; i < s->update.messages.n; i++) {
        const struct raft_message *out = &s->update.messages.batch[i];
        if (out->server_id == 0 || out->server_id == g->o.replica)
            continue;
        switch (out->type) {
        case RAFT_APPEND_ENTRIES:
            send_append(g, out, fx);
            break;
        case RAFT_APPEND_ENTRIES_RESULT:
            send_append_result(g, s, out, fx);
            break;
        case RAFT_REQUEST_VOTE:
            send_vote(g, out, fx);
            break;
        case RAFT_REQUEST_VOTE_RESULT:
            send_vote_result(g, out, fx);
            break;
        case RAFT_INSTALL_SNAPSHOT:
            group_snapshot_asked(g, out->server_id,
                                 out->install_snapshot.last_index, fx);
            break;
        case RAFT_TIMEOUT_NOW:
            /* We hand over by ourselves (L12). */
            break;
        }
    }
}
