/* group_lead.c - what a leader does: submit, its barrier, changes of members,
 * handing leadership over. libraft's own TRANSFER and CATCH_UP are not used:
 * the one is sent once and then blocks submits blindly (L12), the other aborts
 * for who is up to date already, and crashes without leadership (L11). */
#include <assert.h>
#include <stdlib.h>

#include "proto/base/bytes.h"
#include "proto/base/planted.h"
#include "raft/group_impl.h"

/* ---- peers ---- */

struct peer *group_peer(struct group *g, uint64_t replica)
{
    for (unsigned i = 0; i < g->n_peers; i++) {
        if (g->peers[i].replica == replica)
            return &g->peers[i];
    }
    return NULL;
}

void group_follow_members(struct group *g, struct group_effects *fx)
{
    struct peer kept[MEMBERS_MAX];
    unsigned n = 0;

    for (unsigned i = 0; i < g->members.n; i++) {
        uint64_t replica = g->members.v[i].replica;
        struct peer *known = group_peer(g, replica);
        if (replica == g->o.replica)
            continue;
        kept[n++] = known ? *known : (struct peer){.replica = replica};
    }
    for (unsigned i = 0; i < g->n_peers; i++) {
        if (!members_find(&g->members, g->peers[i].replica))
            group_snapshot_end(g, &g->peers[i], false, fx);
    }
    memcpy(g->peers, kept, n * sizeof kept[0]);
    g->n_peers = n;
}

void group_begin_lead(struct group *g, uint64_t barrier)
{
    g->lead_term = g->term;
    g->barrier = barrier;
    g->unreadable = 0;
    for (unsigned i = 0; i < g->n_peers; i++)
        g->peers[i] = (struct peer){.replica = g->peers[i].replica};
}

static void end_transfer(struct group *g, bool ok, struct group_effects *fx)
{
    struct group_effect *e;

    if (!g->transfer.to)
        return;
    e = group_effects_add(fx, GROUP_TRANSFER_END);
    e->transfer_end.to = g->transfer.to;
    e->transfer_end.ok = ok;
    g->transfer.to = 0;
}

void group_end_lead(struct group *g, struct group_effects *fx)
{
    if (!g->lead_term)
        return;
    g->lead_term = 0;
    g->barrier = 0;
    for (unsigned i = 0; i < g->n_peers; i++) {
        group_snapshot_end(g, &g->peers[i], false, fx);
        g->peers[i] = (struct peer){.replica = g->peers[i].replica};
    }
    end_transfer(g, true, fx);
}

/* ---- entries ---- */

/* libraft asks for a non-NULL batch and never looks at it. */
static char no_bytes[8];

static bool submit(struct group *g, const struct group_entry *entries,
                   unsigned n, struct group_effects *fx)
{
    struct step s = {.event.type = RAFT_SUBMIT};
    struct raft_entry *raw = group_scratch(g, n);

    for (unsigned i = 0; i < n; i++) {
        raw[i] =
            (struct raft_entry){.term = entries[i].term,
                                .type = (enum raft_entry_type)entries[i].type,
                                .batch = no_bytes};
        if (entries[i].type == ENTRY_CHANGE) {
            raw[i].buf.base = entries[i].payload->data;
            raw[i].buf.len = entries[i].payload->size;
        }
    }
    s.event.submit.entries = raw;
    s.event.submit.n = n;
    s.entries = entries;
    s.first = g->tail.last + 1;
    return group_step(g, &s, fx);
}

bool group_submit_barrier(struct group *g, struct group_effects *fx)
{
    struct group_entry barrier = {g->term, ENTRY_BARRIER, NULL};

    g->barrier = g->tail.last + 1;
    return submit(g, &barrier, 1, fx);
}

/* What is in the log and not committed yet. */
static uint64_t inflight_bytes(const struct group *g)
{
    uint64_t from = MAX_OF(g->commit_seen + 1, g->tail.first);

    return tail_bytes(&g->tail, from, g->tail.last);
}

static enum status can_submit(const struct group *g, size_t bytes, unsigned n)
{
    uint64_t inflight = g->tail.last - MIN_OF(g->commit_seen, g->tail.last);

    if (g->role == GROUP_FAILED)
        return STATUS_QUARANTINED;
    if (g->role != GROUP_LEADER)
        return STATUS_NOT_LEADER;
    if (g->transfer.to)
        return STATUS_BUSY;
    if (inflight == 0)
        return STATUS_OK;
    if (inflight + n > g->o.inflight_entries_max)
        return STATUS_BUSY;
    if (inflight_bytes(g) + bytes > g->o.inflight_bytes_max)
        return STATUS_BUSY;
    return STATUS_OK;
}

enum status group_can_submit(const struct group *g, size_t bytes)
{
    return can_submit(g, bytes, 1);
}

enum status group_submit(struct group *g, instant now,
                         struct blob *const payloads[], unsigned n,
                         uint64_t *first_index, uint64_t *term,
                         struct group_effects *fx)
{
    struct group_entry few[16];
    struct group_entry *entries = few;
    enum status s;
    size_t bytes = 0;
    bool ok;

    assert(n > 0);
    for (unsigned i = 0; i < n; i++) {
        assert(payloads[i]->size > 0);
        assert(payloads[i]->size <= ENTRY_PAYLOAD_MAX);
        bytes += payloads[i]->size;
    }
    group_enter(g, now);
    s = can_submit(g, bytes, n);
    if (s != STATUS_OK)
        return s;
    if (n > ARRAY_LEN(few))
        entries = xmalloc(n * sizeof entries[0]);
    for (unsigned i = 0; i < n; i++)
        entries[i] = (struct group_entry){g->term, ENTRY_COMMAND, payloads[i]};
    *first_index = g->tail.last + 1;
    *term = g->term;
    ok = submit(g, entries, n, fx);
    if (entries != few)
        free(entries);
    group_settle(g, fx);
    return ok ? STATUS_OK : STATUS_QUARANTINED;
}

/* ---- members ---- */

/* Everybody who becomes a voter is near; otherwise the new quorum might not be
 * there, and it counts as soon as the entry is in the log. */
static bool new_voters_ready(const struct group *g, const struct members *to)
{
    for (unsigned i = 0; i < to->n; i++) {
        uint64_t replica = to->v[i].replica;
        uint64_t match = group_match(g, replica);
        if (to->v[i].role != MEMBER_VOTER || replica == g->o.replica ||
            members_is_voter(&g->members, replica))
            continue;
        if (!guard_promotable(group_caught_up(g, g->now, replica, UINT64_MAX),
                              match, g->tail.last, g->members_index))
            return false;
    }
    return true;
}

static bool change_under_way(const struct group *g)
{
    return g->members_index > g->committed_index && !PLANTED(L13_TOGETHER);
}

/* Alone: of a submit that fails libraft keeps what was before it (L13). */
static bool submit_change(struct group *g, const struct group_entry *change,
                          struct group_effects *fx)
{
    const struct group_entry both[] = {{g->term, ENTRY_BARRIER, NULL},
                                       *change};

    if (PLANTED(L13_TOGETHER))
        return submit(g, both, ARRAY_LEN(both), fx);
    return submit(g, change, 1, fx);
}

enum status group_change(struct group *g, instant now, const struct members *to,
                         struct group_effects *fx)
{
    struct group_entry change = {0, ENTRY_CHANGE, NULL};
    struct buf bytes = {0};
    enum status s;
    bool ok;

    group_enter(g, now);
    if (g->role == GROUP_FAILED)
        return STATUS_QUARANTINED;
    if (g->role != GROUP_LEADER)
        return STATUS_NOT_LEADER;
    s = members_step(&g->members, to);
    if (s != STATUS_OK)
        return s;
    if (g->transfer.to || change_under_way(g) ||
        !guard_barrier_done(g->barrier, g->commit_seen) ||
        !new_voters_ready(g, to))
        return STATUS_BUSY;
    members_encode(to, &bytes);
    change.term = g->term;
    change.payload = blob_copy(buf_slice(&bytes));
    buf_release(&bytes);
    ok = submit_change(g, &change, fx);
    blob_unref(change.payload);
    group_settle(g, fx);
    return ok ? STATUS_OK : STATUS_QUARANTINED;
}

/* ---- handing over ---- */

static uint64_t furthest_voter(const struct group *g)
{
    uint64_t best = 0, best_match = 0;
    bool best_heard = false;

    for (unsigned i = 0; i < g->members.n; i++) {
        uint64_t replica = g->members.v[i].replica;
        uint64_t match = group_match(g, replica);
        bool heard = group_caught_up(g, g->now, replica, UINT64_MAX);
        if (replica == g->o.replica || g->members.v[i].role != MEMBER_VOTER)
            continue;
        /* Above all it has to be there. */
        if (!best || heard > best_heard ||
            (heard == best_heard && match > best_match)) {
            best = replica;
            best_match = match;
            best_heard = heard;
        }
    }
    return best;
}

enum status group_transfer(struct group *g, instant now, uint64_t to,
                           struct group_effects *fx)
{
    group_enter(g, now);
    if (g->role == GROUP_FAILED)
        return STATUS_QUARANTINED;
    if (g->role != GROUP_LEADER)
        return STATUS_NOT_LEADER;
    if (g->transfer.to)
        return STATUS_BUSY;
    if (to == 0)
        to = furthest_voter(g);
    if (to == 0 || to == g->o.replica || !members_is_voter(&g->members, to))
        return STATUS_INVALID;
    g->transfer.to = to;
    g->transfer.until = instant_add(g->now, MS(2 * g->o.election.ms));
    g->transfer.again = g->now;
    group_transfer_step(g, fx);
    return STATUS_OK;
}

/* Ask again each heartbeat: the other ignores it while it still writes, and
 * the message may be lost. */
void group_transfer_step(struct group *g, struct group_effects *fx)
{
    struct message *m;

    if (!g->transfer.to || g->role != GROUP_LEADER)
        return;
    if (instant_reached(g->now, g->transfer.until) ||
        !members_is_voter(&g->members, g->transfer.to)) {
        end_transfer(g, false, fx);
        return;
    }
    if (!guard_transfer_ready(group_match(g, g->transfer.to), g->tail.last,
                              g->durable))
        return;
    if (!instant_reached(g->now, g->transfer.again))
        return;
    g->transfer.again = instant_add(g->now, g->o.heartbeat);
    if (PLANTED(L12_ONCE))
        g->transfer.again = g->transfer.until = INSTANT_NEVER;
    m = group_message(g, MESSAGE_TIMEOUT_NOW, g->transfer.to, 0);
    m->timeout_now.last_index = g->tail.last;
    m->timeout_now.last_term = group_term_at(g, g->tail.last);
    group_send(g, m, fx);
}
