/* group.c - options, life, and the questions that change nothing. */
#include "raft/heap.h"
#include "raft/group.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/bytes.h"
#include "raft/group_impl.h"

enum {
    ELECTION_MS = 500, /* L21: failover takes one to two of these */
    HEARTBEAT_MS = 100,
    GRID_MS = 50,
    INFLIGHT_ENTRIES = MESSAGE_ENTRIES_MAX,
    INFLIGHT_BYTES = 16 * 1024 * 1024,
    HOLD_BYTES = 1 << 30,
    /* L20: our own stream notices what does not move; libraft's timer would
     * only begin the same snapshot again. */
    INSTALL_TIMEOUT_MS = 60 * 60 * 1000,
};

static void set_defaults(struct group_options *o)
{
    if (o->election.ms == 0)
        o->election = MS(ELECTION_MS);
    if (o->heartbeat.ms == 0)
        o->heartbeat = MS(HEARTBEAT_MS);
    if (o->grid.ms == 0)
        o->grid = MS(GRID_MS);
    if (o->inflight_entries_max == 0)
        o->inflight_entries_max = INFLIGHT_ENTRIES;
    if (o->inflight_entries_max > MESSAGE_ENTRIES_MAX)
        o->inflight_entries_max = MESSAGE_ENTRIES_MAX;
    if (o->hold_bytes_max == 0)
        o->hold_bytes_max = HOLD_BYTES;
    if (o->inflight_bytes_max == 0)
        o->inflight_bytes_max = INFLIGHT_BYTES;
}

/* Debian's shared library does not export it although the header has it; a
 * static one does. What an older shared library lacks is raft_step() itself,
 * so that the daemon does not even load with it. */
extern int raft_version_number(void) __attribute__((weak));

static int library_version(void)
{
    return raft_version_number ? raft_version_number() : 0;
}

struct group *group_new(const struct group_options *o)
{
    struct group *g = xcalloc(1, sizeof *g);
    char address[24];
    int rv;

    assert(o->replica != 0);
    assert(heap_installed());
    if (!guard_version(RAFT_VERSION_NUMBER, library_version()))
        abort();
    g->o = *o;
    set_defaults(&g->o);
    snprintf(address, sizeof address, "%llu", (unsigned long long)o->replica);
    rv = raft_init(&g->r, NULL, NULL, o->replica, address);
    assert(rv == 0);
    (void)rv;
    /* libraft would format a text for each message, into one buffer that all
     * threads share. */
    g->r.tracer = NULL;
    g->closable = true;
    raft_seed(&g->r, (unsigned)(o->seed ^ (o->seed >> 32)));
    raft_set_election_timeout(&g->r, (unsigned)g->o.election.ms);
    raft_set_heartbeat_timeout(&g->r, (unsigned)g->o.heartbeat.ms);
    raft_set_install_snapshot_timeout(&g->r, INSTALL_TIMEOUT_MS);
    raft_set_pre_vote(&g->r, true);
    raft_set_max_inflight_entries(&g->r, g->o.inflight_entries_max);
    tail_init(&g->tail, 1, o->budget);
    g->role = GROUP_STARTING;
    return g;
}

void group_free(struct group *g)
{
    if (!g)
        return;
    /* After an error of libraft nobody knows what it owns: leak it (L15). */
    if (g->closable)
        raft_close(&g->r, NULL);
    group_drop_waiting(g);
    free(g->waiting);
    guard_writes_release(&g->writes);
    tail_release(&g->tail);
    free(g->scratch);
    free(g);
}

bool group_enter(struct group *g, instant now)
{
    g->now = guard_clock(g->now, now);
    return g->role != GROUP_STARTING && g->role != GROUP_FAILED;
}

uint64_t group_term_at(const struct group *g, uint64_t index)
{
    if (index != 0 && index == g->snapshot_index)
        return g->snapshot_term;
    return tail_term(&g->tail, index);
}

/* ---- events that concern nothing but this file ---- */

instant group_deadline(const struct group *g)
{
    uint64_t raw;

    if (g->role == GROUP_STARTING || g->role == GROUP_FAILED)
        return INSTANT_NEVER;
    raw = raft_timeout(&g->r);
    if (g->transfer.to) {
        raw = MIN_OF(raw, g->transfer.until.ms);
        raw = MIN_OF(raw, g->transfer.again.ms);
    }
    return guard_deadline(raw, g->fired, g->o.grid);
}

void group_timeout(struct group *g, instant now, struct group_effects *fx)
{
    struct step s = {.event.type = RAFT_TIMEOUT};

    if (!group_enter(g, now))
        return;
    g->fired = g->now;
    if (g->now.ms >= raft_timeout(&g->r)) {
        /* libraft would lead the old term (L2); starting anew raises it. */
        if (g->role == GROUP_FOLLOWER && !g->install.active &&
            guard_self_elects(&g->members, g->o.replica)) {
            group_stop(g, "became the only voter", fx);
            return;
        }
        guard_ask_first(&g->r);
        /* A standby's timer begins anew with the step, as if it had heard. An
         * install's end is told to the leader of its beginning. */
        if (!members_is_voter(&g->members, g->o.replica) && !g->install.active)
            guard_forget_leader(&g->r, g->now);
        if (!group_step(g, &s, fx))
            return;
    }
    group_settle(g, fx);
    group_transfer_step(g, fx);
}

void group_applied(struct group *g, uint64_t index)
{
    if (index <= g->applied)
        return;
    assert(index <= g->commit);
    g->applied = index;
    tail_trim(&g->tail, MIN_OF(index, g->durable));
}

/* ---- questions ---- */

bool group_read_index(const struct group *g, uint64_t *index)
{
    if (g->role != GROUP_LEADER)
        return false;
    if (!guard_barrier_done(g->barrier, g->commit_seen))
        return false;
    *index = g->commit_seen;
    return true;
}

bool group_confirms(const struct group *g, uint64_t term)
{
    if (g->role == GROUP_STARTING || g->role == GROUP_FAILED)
        return false;
    return raft_current_term(&g->r) == term;
}

enum group_role group_role(const struct group *g)
{
    return g->role;
}

uint32_t group_id(const struct group *g)
{
    return g->o.group;
}

uint64_t group_replica(const struct group *g)
{
    return g->o.replica;
}

uint64_t group_vote(const struct group *g)
{
    return g->vote;
}

uint64_t group_term(const struct group *g)
{
    return g->term;
}

uint64_t group_leader(const struct group *g)
{
    return g->told.leader;
}

const struct members *group_members(const struct group *g)
{
    return &g->members;
}

const struct members *group_members_committed(const struct group *g,
                                              uint64_t *index)
{
    if (index)
        *index = g->committed_index;
    return &g->committed;
}

bool group_is_voter(const struct group *g, uint64_t replica)
{
    return members_is_voter(&g->members, replica);
}

uint64_t group_first(const struct group *g)
{
    return g->tail.first;
}

uint64_t group_last(const struct group *g)
{
    return g->tail.last;
}

uint64_t group_durable(const struct group *g)
{
    return g->durable;
}

uint64_t group_commit(const struct group *g)
{
    return g->commit;
}

uint64_t group_match(const struct group *g, uint64_t replica)
{
    raft_index match = 0;

    if (g->role != GROUP_LEADER || raft_match_index(&g->r, replica, &match))
        return 0;
    return match;
}

bool group_caught_up(const struct group *g, instant now, uint64_t replica,
                     uint64_t lag)
{
    uint64_t match = group_match(g, replica);

    if (g->role != GROUP_LEADER || match == 0)
        return false;
    for (unsigned i = 0; i < g->n_peers; i++) {
        const struct peer *p = &g->peers[i];
        if (p->replica != replica || !p->heard)
            continue;
        return instant_since(now, p->heard_at).ms < g->o.election.ms &&
               g->tail.last - match <= lag;
    }
    return false;
}

bool group_installing(const struct group *g)
{
    return g->install.active;
}

const struct group_entry *group_entry_at(const struct group *g, uint64_t index)
{
    return tail_at(&g->tail, index);
}
