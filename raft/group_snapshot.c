/* group_snapshot.c - truncating the log, snapshots to and from others.
 *
 * To another (L20): libraft wants to send "its" snapshot at S and then anchors
 * heartbeats there. We hold its message, the owner makes a checkpoint, which
 * is at A >= S; we tell libraft that its snapshot is at A now, keeping all
 * entries, and announce A. Until that ends no other RAFT_SNAPSHOT is stepped
 * for truncation, as the entries behind A will be needed.
 *
 * A follower that has not heard of the snapshot rejects each heartbeat; libraft
 * then "sends" again, and we announce again: that is how a lost announcement
 * is repeated. One that installs, or has installed, accepts them.
 *
 * Once it has the snapshot, the entries that came meanwhile stay until it is so
 * near that the usual trailing is enough; else it would need the next one at
 * once, and so on for ever while much is written. Both have a limit in bytes,
 * the latter one in time. */
#include <assert.h>
#include <limits.h>

#include "raft/group_impl.h"

/* ---- truncation ---- */

/* libraft only looks at index and trailing; an empty list at index 0 is never
 * newer than what it has, so that it keeps its own. */
static bool step_snapshot(struct group *g, uint64_t index, unsigned trailing,
                          struct group_effects *fx)
{
    struct step s = {.event.type = RAFT_SNAPSHOT};
    uint64_t term = group_term_at(g, index);

    assert(index > g->snapshot_index);
    assert(term != 0);
    s.event.snapshot.metadata.index = index;
    s.event.snapshot.metadata.term = term;
    s.event.snapshot.trailing = trailing;
    g->snapshot_index = index;
    g->snapshot_term = term;
    if (!group_step(g, &s, fx))
        return false;
    for (unsigned i = 0; i < g->n_peers && g->role == GROUP_LEADER; i++) {
        struct peer *p = &g->peers[i];
        bool heard = p->heard &&
                     instant_since(g->now, p->heard_at).ms < g->o.election.ms;
        /* Also when ours has ended: libraft may wait for a later one. */
        if (guard_snapshot_moved(p->asked_index, index,
                                 group_match(g, p->replica), heard) &&
            !group_reject_snapshot(g, p, fx))
            return false;
    }
    return true;
}

bool group_snapshot_sending(const struct group *g)
{
    for (unsigned i = 0; i < g->n_peers; i++) {
        if (g->peers[i].snapshot == PEER_SNAPSHOT_WANTED ||
            g->peers[i].snapshot == PEER_SNAPSHOT_SENDING)
            return true;
    }
    return false;
}

/* How many flushed entries stay for slow followers: the option's count, but
 * entries can be large, and the whole node's log waits for the oldest one. */
static uint64_t trailing_of(const struct group *g, uint64_t index)
{
    enum { TRAILING_BYTES = 8 << 20 };
    uint64_t trailing = MIN_OF((uint64_t)g->o.trailing,
                               index >= g->tail.first
                                   ? index - g->tail.first + 1
                                   : 0);

    while (trailing && tail_bytes(&g->tail, index - trailing + 1, index) >
                           TRAILING_BYTES)
        trailing /= 2;
    return trailing;
}

/* What it costs to keep from .. to: also small entries take memory, here and
 * in libraft, each in tables that may be half empty. */
static bool too_much(const struct group *g, uint64_t from, uint64_t to)
{
    enum { ENTRY_COST = 256 };

    return from <= to &&
           tail_bytes(&g->tail, from, to) + (to - from + 1) * ENTRY_COST >
               g->o.hold_bytes_max;
}

/* Does `p` still need what came while it got its snapshot, or while it took
 * that? Ends only when a cut like any other would leave what it needs. */
static bool catches_up(struct group *g, struct peer *p)
{
    enum { QUIET_MS = 10000 };
    uint64_t match, last = g->tail.last;

    if (!p->catching_up)
        return false;
    match = MIN_OF(group_match(g, p->replica), last);
    if (match > p->catching_match) {
        p->catching_match = match;
        p->catching_at = g->now;
    }
    if (match + 1 < g->tail.first ||
        instant_since(g->now, p->catching_at).ms >= QUIET_MS ||
        too_much(g, match + 1, last))
        p->catching_up = 0;
    else if (match >= p->catching_up)
        p->catching_up = last - match <= trailing_of(g, last) ? 0 : last;
    return p->catching_up != 0;
}

/* Too much has been written since the snapshot that `p` gets was made. */
static bool overtaken(const struct group *g, const struct peer *p)
{
    uint64_t from = p->snapshot == PEER_SNAPSHOT_SENDING ? p->sending_index
                                                         : p->asked_index;

    if (p->snapshot != PEER_SNAPSHOT_SENDING &&
        p->snapshot != PEER_SNAPSHOT_WANTED)
        return false;
    from = MAX_OF(from + 1, g->tail.first);
    return too_much(g, from, g->flushed);
}

/* Up to where nobody who has got a snapshot, or gets one, needs the log. */
static uint64_t held_at(struct group *g, struct group_effects *fx)
{
    uint64_t index = g->flushed;

    for (unsigned i = 0; i < g->n_peers && g->role == GROUP_LEADER; i++) {
        struct peer *p = &g->peers[i];
        if (overtaken(g, p)) {
            group_snapshot_end(g, p, false, fx);
            p->snapshot = PEER_SNAPSHOT_FAILED;
        }
        if (catches_up(g, p))
            index = MIN_OF(index, p->catching_match);
    }
    return index;
}

/* Is there an entry that a follower needs and that cannot be read? Then the log
 * is cut just behind it, whoever it was kept for. */
static bool cuts_damaged(const struct group *g)
{
    return g->role == GROUP_LEADER && g->unreadable >= g->tail.first &&
           g->unreadable <= g->flushed;
}

void group_try_truncate(struct group *g, struct group_effects *fx)
{
    uint64_t index, trailing;
    bool damaged;

    if (g->role == GROUP_STARTING || g->role == GROUP_FAILED)
        return;
    index = held_at(g, fx);
    damaged = cuts_damaged(g);
    if (damaged)
        index = g->flushed;
    if (!guard_may_truncate(g->install.active, group_snapshot_sending(g), index,
                            g->snapshot_index, g->commit))
        return;
    trailing = damaged ? index - g->unreadable : trailing_of(g, index);
    if (!step_snapshot(g, index, (unsigned)trailing, fx))
        return;
    /* As libraft does: nothing goes unless something is behind `trailing`. */
    if (index > trailing && index - trailing >= g->tail.first)
        tail_forget(&g->tail, index - trailing);
}

void group_flushed(struct group *g, instant now, uint64_t index,
                   struct group_effects *fx)
{
    g->flushed = MAX_OF(g->flushed, index);
    if (!group_enter(g, now))
        return;
    group_try_truncate(g, fx);
    group_settle(g, fx);
}

/* ---- to another ---- */

void group_snapshot_end(struct group *g, struct peer *p, bool ok,
                        struct group_effects *fx)
{
    struct group_effect *e;
    enum peer_snapshot was = p->snapshot;

    (void)g;
    p->snapshot = PEER_SNAPSHOT_NONE;
    if (was != PEER_SNAPSHOT_WANTED && was != PEER_SNAPSHOT_SENDING)
        return;
    e = group_effects_add(fx, GROUP_SNAPSHOT_END);
    e->snapshot_end.to = p->replica;
    e->snapshot_end.ok = ok;
}

static void announce(struct group *g, const struct peer *p,
                     struct group_effects *fx)
{
    struct message *m = group_message(g, MESSAGE_INSTALL, p->replica, 0);

    m->install.index = p->sending_index;
    m->install.index_term = p->sending_term;
    m->install.members_index = p->sending_members_index;
    m->install.members = p->sending_members;
    group_send(g, m, fx);
}

void group_snapshot_asked(struct group *g, uint64_t to, uint64_t index,
                          struct group_effects *fx)
{
    struct peer *p = group_peer(g, to);
    struct group_effect *e;

    if (!p)
        return;
    p->asked_index = index;
    /* Entries for it that are still being read come too late. */
    p->read_token = 0;
    switch (p->snapshot) {
    case PEER_SNAPSHOT_WANTED:
        break;
    case PEER_SNAPSHOT_SENDING:
        announce(g, p, fx);
        break;
    case PEER_SNAPSHOT_NONE:
    case PEER_SNAPSHOT_FAILED:
        p->snapshot = PEER_SNAPSHOT_WANTED;
        e = group_effects_add(fx, GROUP_SNAPSHOT_WANTED);
        e->snapshot_wanted.to = to;
        e->snapshot_wanted.index = index;
        break;
    }
}

enum status group_snapshot_ready(struct group *g, instant now, uint64_t to,
                                 uint64_t index, uint64_t term,
                                 const struct members *members,
                                 uint64_t members_index,
                                 struct group_effects *fx)
{
    struct peer *p = group_peer(g, to);

    if (!group_enter(g, now) || g->role != GROUP_LEADER || !p ||
        p->snapshot != PEER_SNAPSHOT_WANTED)
        return STATUS_NOT_FOUND;
    if (index < p->asked_index || index > g->commit || members->n == 0 ||
        members_index == 0 || members_index > index ||
        group_term_at(g, index) != term || index + 1 < g->tail.first)
        return STATUS_INVALID;
    if (index > g->snapshot_index && !step_snapshot(g, index, UINT_MAX, fx))
        return STATUS_NOT_FOUND;
    p->snapshot = PEER_SNAPSHOT_SENDING;
    p->sending_index = index;
    p->sending_term = term;
    p->sending_members = *members;
    p->sending_members_index = members_index;
    announce(g, p, fx);
    group_settle(g, fx);
    return STATUS_OK;
}

void group_snapshot_failed(struct group *g, instant now, uint64_t to,
                           struct group_effects *fx)
{
    struct peer *p = group_peer(g, to);

    if (!group_enter(g, now) || !p ||
        (p->snapshot != PEER_SNAPSHOT_WANTED &&
         p->snapshot != PEER_SNAPSHOT_SENDING))
        return;
    p->snapshot = PEER_SNAPSHOT_FAILED;
    group_try_truncate(g, fx);
    group_settle(g, fx);
}

void group_snapshot_check(struct group *g, struct peer *p,
                          struct group_effects *fx)
{
    uint64_t needed = p->snapshot == PEER_SNAPSHOT_SENDING ? p->sending_index
                                                           : p->asked_index;

    if (p->snapshot == PEER_SNAPSHOT_NONE) {
        if (p->catching_up && !catches_up(g, p))
            group_try_truncate(g, fx);
        return;
    }
    if (group_match(g, p->replica) < needed)
        return;
    group_snapshot_end(g, p, true, fx);
    p->catching_up = g->tail.last;
    p->catching_match = 0; /* catches_up() sets both */
    group_try_truncate(g, fx);
}

/* ---- from another ---- */

void group_begin_install(struct group *g, const struct step *s,
                         struct group_effects *fx)
{
    const struct raft_snapshot_metadata *meta = &s->update.snapshot.metadata;
    struct members members = {0};
    struct group_effect *e;

    assert(!g->install.active);
    for (unsigned i = 0; i < meta->configuration.n; i++) {
        const struct raft_server *server = &meta->configuration.servers[i];
        bool added =
            members_add(&members, server->id, (enum member_role)server->role);
        assert(added);
        (void)added;
    }
    g->install.active = true;
    g->install.from = s->from;
    g->install.index = meta->index;
    g->install.term = meta->term;
    g->install.members = members;
    g->install.members_index = meta->configuration_index;
    raft_configuration_close((struct raft_configuration *)&meta->configuration);

    /* libraft has forgotten its log already; what is on disk stays until the
     * owner's RESET. No write of it counts any more (L6). */
    guard_writes_clear(&g->writes);
    tail_reset(&g->tail, g->install.index + 1);
    g->snapshot_index = g->install.index;
    g->snapshot_term = g->install.term;
    g->durable = 0;

    e = group_effects_add(fx, GROUP_INSTALL);
    e->install.from = g->install.from;
    e->install.index = g->install.index;
    e->install.term = g->install.term;
    e->install.members = g->install.members;
    e->install.members_index = g->install.members_index;
}

void group_installed(struct group *g, instant now, bool ok,
                     struct group_effects *fx)
{
    struct step s = {.event.type = RAFT_PERSISTED_SNAPSHOT};
    struct raft_snapshot_metadata *meta = &s.event.persisted_snapshot.metadata;

    if (!group_enter(g, now) || !g->install.active)
        return;
    if (!ok) {
        group_stop(g, "a snapshot could not be installed", fx);
        return;
    }
    meta->index = g->install.index;
    meta->term = g->install.term;
    meta->configuration_index = g->install.members_index;
    group_conf(&g->install.members, &meta->configuration);
    s.event.persisted_snapshot.last = true;

    g->install.active = false;
    g->durable = g->install.index;
    g->commit = g->applied = g->install.index;
    g->commit_seen = MAX_OF(g->commit_seen, g->install.index);
    g->flushed = g->install.index;
    g->members = g->committed = g->install.members;
    g->members_index = g->committed_index = g->install.members_index;
    if (!group_step(g, &s, fx))
        return;
    group_tell_members(g, fx);
    group_settle(g, fx);
}
