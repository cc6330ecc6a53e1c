/* faults_forge.c - messages of Raft that no Raft would send, from a peer with a
 * broken memory or an old, mistaken version. See faults.h.
 *
 * Each is well framed, from who it says, and right in everything but one thing:
 * what must refuse it is one guard (raft/guard.h), and nothing else would. With
 * the guards nothing comes of it, but that the connection breaks, or that the
 * replica stops itself and begins again from its disk (L7). */
#include "tests/sim/faults_impl.h"

#include "node/core/peer_item.h"

struct forgery {
    struct happening *h;
    struct sim_node *n; /* whom it is for */
    struct replica *r;
    uint64_t from; /* a replica */
};

static uint32_t node_of(const struct forgery *f)
{
    const struct map_group *g =
        map_group_find(f->h->c->initial, f->r->group);

    return map_replica_find(g, f->from)->node;
}

/* Takes `m`. False: that node has never been connected, nobody listens. */
static bool deliver(const struct forgery *f, struct message *m)
{
    struct sim_loop *l = loop_of(f->n, f->r->group);
    struct buf items = {0};
    struct event e = {.type = EVENT_PEER_FRAME};
    size_t begun = item_begin(&items, ITEM_RAFT);
    bool known = false;

    message_encode(m, &items);
    item_end(&items, begun);
    e.frame.node = node_of(f);
    e.frame.items = buf_slice(&items);
    for (unsigned i = 0; i < l->shard->n_peers; i++) {
        if (l->shard->peers[i].node != e.frame.node)
            continue;
        e.frame.shard = l->shard->peers[i].shard;
        known = true;
    }
    if (known)
        loop_step(f->h->c, l, &e);
    buf_release(&items);
    message_free(m);
    return known;
}

/* An AppendEntries that fits behind its log. */
static struct message *append(const struct forgery *f, unsigned n_entries)
{
    struct message *m = message_new(MESSAGE_APPEND, n_entries);
    const struct group *g = f->r->raft;
    const struct group_entry *last = group_entry_at(g, group_last(g));

    m->group = f->r->group;
    m->from = f->from;
    m->to = f->r->id;
    m->term = group_term(g);
    m->append.prev_index = group_last(g);
    m->append.prev_term = last ? last->term : f->r->applied_term;
    for (unsigned i = 0; i < n_entries; i++)
        m->entries[i] = (struct group_entry){m->term, ENTRY_BARRIER, NULL};
    return m;
}

/* L7: somebody else claims to lead its own term. It has to stop at once:
 * libraft would take the message, and damage its own memory. */
static void second_leader(struct forgery *f)
{
    const struct members *m = group_members(f->r->raft);
    uint32_t group = f->r->group;
    const struct replica *r;

    f->from = m->v[draw(f->h, m->n - 1)].replica;
    if (f->from == f->r->id)
        return;
    cluster_replica(f->n, group)->accused = true;
    if (!deliver(f, append(f, (unsigned)draw(f->h, 1))))
        return;
    r = f->n->up ? shard_find(loop_of(f->n, group)->shard, group) : NULL;
    if (r && r->mode == REPLICA_SERVING)
        cluster_fail(f->h->c, "node %u group %u: goes on with a second leader "
                     "in its term",
                     f->n->id, group);
}

/* L8: terms that decrease, or none. */
static void decreasing_terms(struct forgery *f)
{
    struct message *m = append(f, 1);

    m->entries[0].term =
        draw(f->h, 1) && m->append.prev_term ? m->append.prev_term - 1 : 0;
    deliver(f, m);
}

/* L8: an index without a term. */
static void no_term(struct forgery *f)
{
    struct message *m = append(f, 0);

    m->append.prev_index = group_commit(f->r->raft);
    m->append.prev_term = 0;
    deliver(f, m);
}

/* L9: a member list that promises more than there is. */
static void short_list(struct forgery *f)
{
    struct message *m = append(f, 1);
    struct buf bytes = {0};

    members_encode(group_members(f->r->raft), &bytes);
    bytes.size = 1 + (size_t)draw(f->h, bytes.size - 2);
    m->entries[0].type = ENTRY_CHANGE;
    m->entries[0].payload = blob_copy(buf_slice(&bytes));
    buf_release(&bytes);
    deliver(f, m);
}

/* To a follower only as its leader, so that nothing else is wrong. */
static void forge_to(struct happening *h, struct sim_node *n,
                     struct replica *r)
{
    static void (*const kinds[])(struct forgery *) = {
        decreasing_terms, no_term, short_list};
    struct forgery f = {h, n, r, group_leader(r->raft)};

    if (f.from == r->id)
        second_leader(&f);
    else if (f.from && !group_installing(r->raft))
        kinds[draw(h, ARRAY_LEN(kinds) - 1)](&f);
}

void fault_forge(struct happening *h)
{
    uint32_t group = (uint32_t)draw(h, h->c->o.groups);
    struct sim_node *n = any_node(h);
    struct replica *r =
        n->up ? shard_find(loop_of(n, group)->shard, group) : NULL;

    if (!r || !r->raft || n->paused_until > h->c->now)
        return;
    cluster_say(h->c, "a forged message for group %u on node %u", group,
                n->id);
    forge_to(h, n, r);
}
