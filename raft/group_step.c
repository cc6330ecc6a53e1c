/* group_step.c - one raft_step() and everything that it wants done.
 *
 * The order inside an update matters: term and vote first, then the log, then
 * messages (which wait for the vote's ticket), then what is committed. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "proto/base/bytes.h"
#include "proto/base/log.h"
#include "proto/base/planted.h"
#include "raft/group_impl.h"

enum { CAPACITY = 65535, INFLIGHT_ENTRIES_MIN = 8 };

struct raft_entry *group_scratch(struct group *g, unsigned n)
{
    if (n > g->scratch_cap) {
        g->scratch_cap = n;
        free(g->scratch);
        g->scratch = xcalloc(n, sizeof g->scratch[0]);
    }
    return g->scratch;
}

void group_conf(const struct members *m, struct raft_configuration *out)
{
    raft_configuration_init(out);
    for (unsigned i = 0; i < m->n; i++) {
        char text[24];
        int rv;
        snprintf(text, sizeof text, "%" PRIu64, m->v[i].replica);
        rv = raft_configuration_add(out, m->v[i].replica, text,
                                    (int)m->v[i].role);
        assert(rv == 0);
        (void)rv;
    }
}

void group_stop(struct group *g, const char *reason, struct group_effects *fx)
{
    assert(g->role != GROUP_FAILED);
    log_error("group_stopped", "group=%u replica=%" PRIu64 " reason=\"%s\"",
              g->o.group, g->o.replica, reason);
    group_end_lead(g, fx);
    group_drop_waiting(g);
    g->role = GROUP_FAILED;
    g->install.active = false;
    g->told.role = GROUP_FAILED;
    g->told.leader = 0;
    struct group_effect *e = group_effects_add(fx, GROUP_ROLE);
    e->role.role = GROUP_FAILED;
    e->role.term = g->term;
    e->role.leader = 0;
    group_effects_add(fx, GROUP_STOPPED)->stopped.reason = reason;
}

void group_tell_members(struct group *g, struct group_effects *fx)
{
    struct group_effect *e = group_effects_add(fx, GROUP_MEMBERS);

    e->members.members = g->members;
    e->members.index = g->members_index;
    e->members.committed = g->members_index == g->committed_index;
    group_follow_members(g, fx);
}

/* ---- one update ---- */

/* libraft flags a vote given again; that is durable, or on its way. */
static void take_vote(struct group *g, struct group_effects *fx)
{
    uint64_t term = raft_current_term(&g->r);
    uint64_t vote = raft_voted_for(&g->r);
    struct group_effect *e;

    if (term == g->term && vote == g->vote)
        return;
    if (PLANTED(TERM_NOT_WRITTEN) && !vote) {
        g->term = term;
        g->vote = vote;
        return;
    }
    g->term = term;
    g->vote = vote;
    g->vote_seq = ++g->seq;
    e = group_effects_add(fx, GROUP_PERSIST_VOTE);
    e->persist_vote.seq = g->seq;
    e->persist_vote.term = term;
    e->persist_vote.vote = vote;
}

static void truncate_log(struct group *g, uint64_t from,
                         struct group_effects *fx)
{
    struct group_effect *e = group_effects_add(fx, GROUP_PERSIST_TRUNCATE);

    assert(from > g->commit);
    e->persist_truncate.seq = ++g->seq;
    e->persist_truncate.from = from;
    if (!PLANTED(LATE_COMPLETION))
        guard_writes_truncate(&g->writes, from);
    tail_truncate(&g->tail, from);
    g->durable = MIN_OF(g->durable, from - 1);
    if (g->members_index >= from) {
        g->members = g->committed;
        g->members_index = g->committed_index;
        group_tell_members(g, fx);
    }
}

static void append_one(struct group *g, const struct group_entry *entry,
                       struct group_effects *fx)
{
    tail_append(&g->tail, entry, blob_slice(entry->payload).size);
    if (entry->type != ENTRY_CHANGE)
        return;
    /* Checked before it was given to libraft. */
    enum status s = members_decode(blob_slice(entry->payload), &g->members);
    assert(s == STATUS_OK);
    (void)s;
    g->members_index = g->tail.last;
    group_tell_members(g, fx);
}

/* libraft adds a barrier by itself when it begins to lead with entries that
 * may not be committed; its bytes are ours to free. */
static bool is_library_barrier(struct group *g, const struct step *s)
{
    return s->update.entries.batch == &g->r.barrier;
}

static void take_entries(struct group *g, const struct step *s,
                         struct group_effects *fx)
{
    uint64_t first = s->update.entries.index;
    unsigned n = s->update.entries.n;
    struct group_entry barrier = {g->term, ENTRY_BARRIER, NULL};
    const struct group_entry *entries = &barrier;
    struct group_effect *e;

    if (is_library_barrier(g, s)) {
        assert(n == 1);
        raft_free(g->r.barrier.batch);
        g->r.barrier.batch = g->r.barrier.buf.base = NULL;
    } else {
        assert(s->entries);
        assert(first >= s->first);
        entries = s->entries + (first - s->first);
    }
    if (first <= g->tail.last)
        truncate_log(g, first, fx);
    assert(first == g->tail.last + 1);
    for (unsigned i = 0; i < n; i++)
        append_one(g, &entries[i], fx);
    e = group_effects_add(fx, GROUP_PERSIST_ENTRIES);
    e->persist_entries.seq = ++g->seq;
    e->persist_entries.first = first;
    e->persist_entries.n = n;
    guard_writes_add(&g->writes, g->seq, g->tail.last);
}

static enum group_role role_of(struct raft *r)
{
    switch (raft_state(r)) {
    case RAFT_LEADER:
        return GROUP_LEADER;
    case RAFT_CANDIDATE:
        return GROUP_CANDIDATE;
    default:
        return GROUP_FOLLOWER;
    }
}

static void take_role(struct group *g, const struct step *s,
                      struct group_effects *fx)
{
    unsigned flags = s->update.flags;
    bool barrier = (flags & (RAFT_UPDATE_ENTRIES)) && is_library_barrier(g, s);

    g->role = role_of(&g->r);
    if (g->lead_term && (g->role != GROUP_LEADER || g->lead_term != g->term))
        group_end_lead(g, fx);
    if (g->role == GROUP_LEADER && !g->lead_term)
        group_begin_lead(g, barrier ? s->update.entries.index : 0);
}

/* Few large entries must not mean unbounded bytes on their way to a follower;
 * libraft only counts entries. */
static void limit_inflight(struct group *g)
{
    uint64_t count = g->tail.last + 1 - g->tail.first;
    uint64_t bytes, n;

    if (g->role != GROUP_LEADER || count == 0)
        return;
    bytes = tail_bytes(&g->tail, g->tail.first, g->tail.last);
    n = bytes ? g->o.inflight_bytes_max * count / bytes : UINT32_MAX;
    n = MAX_OF(n, (uint64_t)INFLIGHT_ENTRIES_MIN);
    n = MIN_OF(n, (uint64_t)g->o.inflight_entries_max);
    raft_set_max_inflight_entries(&g->r, (unsigned)n);
}

bool group_step(struct group *g, struct step *s, struct group_effects *fx)
{
    int rv;

    s->event.time = g->now.ms;
    s->event.capacity = CAPACITY;
    limit_inflight(g);
    rv = raft_step(&g->r, &s->event, &s->update);
    if (rv != 0) {
        /* SHUTDOWN (a committed entry contradicted) comes before anything is
         * changed; after all else the object is not touched again (L15). */
        g->closable = rv == RAFT_SHUTDOWN;
        group_stop(g, raft_strerror(rv), fx);
        return false;
    }
    guard_keep_commit(&g->r, g->commit_seen);
    if (s->update.flags & (RAFT_UPDATE_CURRENT_TERM | RAFT_UPDATE_VOTED_FOR))
        take_vote(g, fx);
    take_role(g, s, fx);
    if (s->update.flags & (RAFT_UPDATE_ENTRIES))
        take_entries(g, s, fx);
    if (s->update.flags & (RAFT_UPDATE_SNAPSHOT))
        group_begin_install(g, s, fx);
    if (s->update.flags & (RAFT_UPDATE_MESSAGES)) {
        group_send_all(g, s, fx);
        for (unsigned i = 0; i < s->update.messages.n; i++) {
            const struct raft_message *m = &s->update.messages.batch[i];
            s->rejected |= m->type == RAFT_APPEND_ENTRIES_RESULT &&
                           m->append_entries_result.rejected != 0;
        }
    }
    g->commit_seen = MAX_OF(g->commit_seen, (uint64_t)g->r.commit_index);
    return true;
}

/* ---- after the steps of one call ---- */

/* libraft must be told of each committed CHANGE, also of those that the store
 * had before a restart. */
bool group_commit_members(struct group *g, struct group_effects *fx)
{
    struct step s = {.event.type = RAFT_CONFIGURATION};

    assert(g->members_index > g->committed_index);
    s.event.configuration.index = g->members_index;
    group_conf(&g->members, &s.event.configuration.conf);
    g->committed = g->members;
    g->committed_index = g->members_index;
    if (PLANTED(CHANGE_NOT_STEPPED))
        return true;
    if (!group_step(g, &s, fx))
        return false;
    group_tell_members(g, fx);
    return true;
}

static void tell_role(struct group *g, struct group_effects *fx)
{
    uint64_t leader = 0;
    const char *address;
    raft_id id;
    struct group_effect *e;

    raft_leader(&g->r, &id, &address);
    leader = id;
    if (g->told.role == g->role && g->told.term == g->term &&
        g->told.leader == leader)
        return;
    g->told.role = g->role;
    g->told.term = g->term;
    g->told.leader = leader;
    e = group_effects_add(fx, GROUP_ROLE);
    e->role.role = g->role;
    e->role.term = g->term;
    e->role.leader = leader;
}

void group_settle(struct group *g, struct group_effects *fx)
{
    uint64_t commit;

    if (g->role == GROUP_FAILED)
        return;
    if (g->role == GROUP_LEADER && !g->barrier && !group_submit_barrier(g, fx))
        return;
    while (g->members_index > g->committed_index && !g->install.active &&
           g->commit_seen >= g->members_index) {
        if (!group_commit_members(g, fx))
            return;
    }
    commit = guard_commit(g->commit_seen, g->durable, g->install.active);
    if (commit > g->commit) {
        g->commit = commit;
        group_effects_add(fx, GROUP_COMMIT)->commit.index = commit;
    }
    tell_role(g, fx);
}

void group_persisted(struct group *g, instant now, uint64_t seq,
                     struct group_effects *fx)
{
    struct step s = {.event.type = RAFT_PERSISTED_ENTRIES};
    uint64_t last;

    assert(seq <= g->seq);
    if (seq <= g->durable_seq)
        return;
    g->durable_seq = seq;
    if (g->role == GROUP_STARTING && g->durable_seq == g->seq && g->seq > 0) {
        g->now = guard_clock(g->now, now);
        group_start_now(g, fx);
        return;
    }
    if (!group_enter(g, now))
        return;
    group_send_durable(g, fx);
    last = guard_writes_done(&g->writes, seq);
    if (last > g->durable)
        g->durable = last;
    if (last > g->r.last_stored && !g->install.active) {
        s.event.persisted_entries.index = last;
        if (!group_step(g, &s, fx))
            return;
    }
    group_settle(g, fx);
}
