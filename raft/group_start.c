/* group_start.c - from what is on disk to libraft's first step.
 *
 * libraft asserts, where assertions are on, that all of this fits together,
 * and reads wild memory where they are off: so it is checked here first. */
#include <assert.h>
#include <stdlib.h>

#include "proto/base/bytes.h"
#include "proto/base/planted.h"
#include "raft/group_impl.h"

/* Terms that never decrease, known types, bytes where they are needed. */
static bool entries_good(const struct group_restore *r)
{
    uint64_t term = 0;

    for (size_t i = 0; i < r->n; i++) {
        const struct group_entry *e = &r->entries[i];
        struct members members;
        if (e->term == 0 || e->term < term || e->term >= MESSAGE_NUMBER_MAX)
            return false;
        term = e->term;
        if (e->type < ENTRY_COMMAND || e->type > ENTRY_CHANGE)
            return false;
        if (e->type == ENTRY_CHANGE &&
            (!e->payload ||
             members_decode(blob_slice(e->payload), &members) != STATUS_OK))
            return false;
        if (e->payload && r->sizes && r->sizes[i] != e->payload->size)
            return false;
    }
    return true;
}

/* Log and snapshot overlap or touch, and agree where they do. */
static bool fits(const struct group_restore *r)
{
    uint64_t index = r->snapshot.index;
    uint64_t last = r->first_index + r->n - 1;

    if (index >= MESSAGE_NUMBER_MAX || r->term >= MESSAGE_NUMBER_MAX)
        return false;
    if ((index == 0) != (r->snapshot.term == 0))
        return false;
    if (index > 0 &&
        (r->snapshot.members.n == 0 || r->snapshot.members_index == 0 ||
         r->snapshot.members_index > index))
        return false;
    if (r->n == 0)
        return true;
    if (r->first_index == 0 || r->first_index > index + 1 || last < index)
        return false;
    if (index == 0)
        return r->entries[0].type == ENTRY_CHANGE;
    if (r->first_index <= index)
        return r->entries[index - r->first_index].term == r->snapshot.term;
    return r->entries[0].term >= r->snapshot.term;
}

/* The member list as libraft will reconstruct it: of the CHANGEs behind the
 * snapshot's only the last can be uncommitted. The store knows the last CHANGE
 * below its index, so none may be between the two. */
static bool find_members(struct group *g, const struct group_restore *r)
{
    g->members = g->committed = r->snapshot.members;
    g->members_index = g->committed_index = r->snapshot.members_index;
    for (size_t i = 0; i < r->n; i++) {
        const struct group_entry *e = &r->entries[i];
        uint64_t index = r->first_index + i;
        enum status s;
        if (e->type != ENTRY_CHANGE || index <= r->snapshot.members_index)
            continue;
        if (index <= r->snapshot.index)
            return false;
        g->committed = g->members;
        g->committed_index = g->members_index;
        s = members_decode(blob_slice(e->payload), &g->members);
        assert(s == STATUS_OK);
        (void)s;
        g->members_index = index;
    }
    if (g->members_index == 1) {
        g->committed = g->members;
        g->committed_index = 1;
    }
    return true;
}

static void load_tail(struct group *g, const struct group_restore *r)
{
    uint64_t first = r->n ? r->first_index : r->snapshot.index + 1;

    tail_reset(&g->tail, first);
    for (size_t i = 0; i < r->n; i++) {
        const struct group_entry *e = &r->entries[i];
        size_t size = r->sizes ? r->sizes[i] : blob_slice(e->payload).size;
        tail_append(&g->tail, e, size);
    }
    g->durable = g->tail.last;
}

static void want_vote(struct group *g, uint64_t term, uint64_t vote,
                      struct group_effects *fx)
{
    struct group_effect *e = group_effects_add(fx, GROUP_PERSIST_VOTE);

    g->term = term;
    g->vote = vote;
    g->vote_seq = ++g->seq;
    e->persist_vote.seq = g->seq;
    e->persist_vote.term = term;
    e->persist_vote.vote = vote;
}

/* A new group: entry 1 is the same at all of its first replicas. */
static enum status bootstrap(struct group *g, const struct group_restore *r,
                             struct group_effects *fx)
{
    struct group_entry e = {1, ENTRY_CHANGE, NULL};
    struct buf bytes = {0};
    struct group_effect *persist;

    if (r->n || r->term || r->snapshot.index || r->snapshot.members.n == 0)
        return STATUS_CORRUPT;
    members_encode(&r->snapshot.members, &bytes);
    e.payload = blob_copy(buf_slice(&bytes));
    buf_release(&bytes);
    g->members = g->committed = r->snapshot.members;
    g->members_index = g->committed_index = 1;
    tail_append(&g->tail, &e, e.payload->size);
    blob_unref(e.payload);
    g->durable = 1;
    if (guard_self_elects(&g->members, g->o.replica))
        want_vote(g, 2, g->o.replica, fx);
    else
        want_vote(g, 1, 0, fx);
    persist = group_effects_add(fx, GROUP_PERSIST_ENTRIES);
    persist->persist_entries.seq = ++g->seq;
    persist->persist_entries.first = 1;
    persist->persist_entries.n = 1;
    return STATUS_OK;
}

enum status group_start(struct group *g, instant now,
                        const struct group_restore *r, struct group_effects *fx)
{
    assert(g->role == GROUP_STARTING && g->seq == 0);
    g->now = now;
    if (r->bootstrap)
        return bootstrap(g, r, fx);
    if (!entries_good(r) || !fits(r) || !find_members(g, r))
        return STATUS_CORRUPT;
    load_tail(g, r);
    g->start_members = r->snapshot.members;
    g->start_members_index = r->snapshot.members_index;
    g->snapshot_index = r->snapshot.index;
    g->snapshot_term = r->snapshot.term;
    g->commit = g->commit_seen = g->applied = r->snapshot.index;
    g->flushed = r->snapshot.index;
    /* An entry of a later term than the vote's record: no promise was made in
     * that term, as it would have been made durable first. */
    g->term = r->term;
    g->vote = PLANTED(VOTE_FORGOTTEN) ? 0 : r->vote;
    if (g->term < group_term_at(g, g->tail.last)) {
        g->term = group_term_at(g, g->tail.last);
        g->vote = 0;
    }
    if (guard_self_elects(&g->members, g->o.replica)) {
        want_vote(g, g->term + 1, g->o.replica, fx);
        return STATUS_OK;
    }
    group_start_now(g, fx);
    return g->role == GROUP_FAILED ? STATUS_CORRUPT : STATUS_OK;
}

/* libraft frees the array and its batches when it fails, and leaves them to us
 * when it does not; so they are made with its allocator. */
static struct raft_entry *start_entries(const struct group *g, unsigned *n)
{
    uint64_t count = g->tail.last + 1 - g->tail.first;
    struct raft_entry *raw;
    void *batch;

    assert(count <= UINT32_MAX);
    *n = (unsigned)count;
    if (count == 0)
        return NULL;
    raw = raft_calloc(count, sizeof raw[0]);
    batch = raft_malloc(8);
    if (!raw || !batch)
        abort();
    for (uint64_t i = 0; i < count; i++) {
        const struct group_entry *e = tail_at(&g->tail, g->tail.first + i);
        raw[i].term = e->term;
        raw[i].type = (enum raft_entry_type)e->type;
        raw[i].batch = batch;
        if (e->type == ENTRY_CHANGE) {
            raw[i].buf.base = e->payload->data;
            raw[i].buf.len = e->payload->size;
        }
    }
    return raw;
}

void group_start_now(struct group *g, struct group_effects *fx)
{
    struct raft_snapshot_metadata meta = {0};
    struct step s = {.event.type = RAFT_START};
    struct raft_entry *raw;
    unsigned n;

    raw = start_entries(g, &n);
    s.event.start.term = g->term;
    s.event.start.voted_for = g->vote;
    s.event.start.start_index = g->tail.first;
    s.event.start.entries = raw;
    s.event.start.n_entries = n;
    if (g->snapshot_index) {
        /* The list at the snapshot: libraft finds the later ones itself. */
        meta.index = g->snapshot_index;
        meta.term = g->snapshot_term;
        meta.configuration_index = g->start_members_index;
        group_conf(&g->start_members, &meta.configuration);
        s.event.start.metadata = &meta;
    }
    g->role = GROUP_FOLLOWER;
    group_follow_members(g, fx);
    if (!group_step(g, &s, fx))
        return;
    if (n) {
        raft_free(raw[0].batch);
        raft_free(raw);
    }
    if (g->members.n)
        group_tell_members(g, fx);
    group_settle(g, fx);
}
