/* faults.c - see faults.h. */
#include "tests/sim/faults.h"

#include <stdlib.h>

const char *const fault_names[FAULT_KINDS] = {
#define X(name, weight) #name,
    FAULT_LIST(X)
#undef X
};

static const unsigned weights[FAULT_KINDS] = {
#define X(name, weight) weight,
    FAULT_LIST(X)
#undef X
};

/* What a fault's function gets. */
struct happening {
    struct cluster *c;
    struct rng rng;
};

/* 0 .. max */
static uint64_t draw(struct happening *h, uint64_t max)
{
    return rng_below(&h->rng, max + 1);
}

static struct sim_node *any_node(struct happening *h)
{
    return &h->c->nodes[draw(h, h->c->o.nodes - 1)];
}

/* A node whose disk may be damaged, or NULL. */
static struct sim_node *any_victim(struct happening *h)
{
    struct sim_node *n;

    if (!h->c->o.victims)
        return NULL;
    n = &h->c->nodes[draw(h, h->c->o.victims - 1)];
    return n->wiped ? NULL : n;
}

/* ---- processes ---- */

/* Up again, when what was to kill it has done so. */
static void rise(struct cluster *c, struct sim_loop *none UNUSED, void *arg,
                 bool dropped)
{
    struct sim_node *n = arg;

    if (dropped)
        return;
    if (n->up && (n->crash_after || n->disk.sync_fails || n->stopping)) {
        cluster_later(c, NULL, 200, rise, n);
        return;
    }
    if (!n->up && n->map)
        start_node(c, n);
}

static void rise_later(struct happening *h, struct sim_node *n)
{
    uint64_t ms = draw(h, 4) ? 50 + draw(h, 1500) : 50 + draw(h, 8000);

    cluster_later(h->c, NULL, ms, rise, n);
}

static void fault_crash(struct happening *h)
{
    struct sim_node *n = any_node(h);

    if (n->up)
        start_crash(h->c, n);
    rise_later(h, n);
}

static void fault_between(struct happening *h)
{
    struct sim_node *n = any_node(h);

    if (n->up)
        n->crash_after = 1 + (unsigned)draw(h, 300);
    rise_later(h, n);
}

static void fault_everybody(struct happening *h)
{
    for (unsigned i = 0; i < h->c->o.nodes; i++) {
        struct sim_node *n = &h->c->nodes[i];
        if (n->up)
            start_crash(h->c, n);
        cluster_later(h->c, NULL, draw(h, 1500), rise, n);
    }
}

static void fault_stop(struct happening *h)
{
    struct sim_node *n = any_node(h);
    struct event e = {.type = EVENT_STOP};

    rise_later(h, n);
    if (!n->up || n->stopping || n->paused_until > h->c->now)
        return;
    cluster_say(h->c, "stop node %u", n->id);
    h->c->count.stops++;
    n->stopping = true;
    for (unsigned i = 0; n->up && i < n->n_loops; i++)
        loop_post_event(h->c, &n->loops[0], &n->loops[i], &e);
}

static void fault_pause(struct happening *h)
{
    struct sim_node *n = any_node(h);
    uint64_t ms = draw(h, 3) ? draw(h, 1500) : draw(h, 10000);

    cluster_say(h->c, "pause node %u for %u", n->id, (unsigned)ms);
    n->paused_until = MAX_OF(n->paused_until, h->c->now + ms);
}

static void fault_clock(struct happening *h)
{
    struct sim_node *n = any_node(h);

    n->wall_skew_ms = (int64_t)draw(h, 10000) - 5000;
    cluster_drift(h->c, n, (int64_t)draw(h, 40000) - 20000);
    cluster_say(h->c, "clock of node %u: %d ms, %d ppm", n->id,
                (int)n->wall_skew_ms, (int)n->drift_ppm);
}

/* ---- the network ---- */

struct cut {
    bool pair[CLUSTER_NODES_MAX][CLUSTER_NODES_MAX];
};

static void mend(struct cluster *c, struct sim_loop *none UNUSED, void *arg,
                 bool dropped)
{
    struct cut *cut = arg;

    for (unsigned i = 0; !dropped && i < c->o.nodes; i++)
        for (unsigned j = 0; j < c->o.nodes; j++)
            if (cut->pair[i][j])
                network_block(c, i, j, false, false);
    free(cut);
}

/* Takes the cut. */
static void cut_for_a_while(struct happening *h, struct cut *cut)
{
    bool now = draw(h, 1);

    for (unsigned i = 0; i < h->c->o.nodes; i++)
        for (unsigned j = 0; j < h->c->o.nodes; j++)
            if (cut->pair[i][j])
                network_block(h->c, i, j, true, now);
    cluster_later(h->c, NULL, 200 + draw(h, draw(h, 3) ? 2500 : 8000), mend,
                  cut);
}

static void fault_partition(struct happening *h)
{
    unsigned nodes = h->c->o.nodes;
    unsigned side = 1 + (unsigned)draw(h, (1u << nodes) - 2);
    bool both = draw(h, 9) < 6;
    struct cut *cut = xcalloc(1, sizeof *cut);

    cluster_say(h->c, "partition %x %s", side, both ? "both ways" : "one way");
    for (unsigned i = 0; i < nodes; i++)
        for (unsigned j = 0; j < nodes; j++)
            cut->pair[i][j] = (side >> i & 1) != (side >> j & 1) &&
                              (both || side >> i & 1);
    cut_for_a_while(h, cut);
}

static void fault_ring(struct happening *h)
{
    unsigned nodes = h->c->o.nodes;
    struct cut *cut = xcalloc(1, sizeof *cut);

    cluster_say(h->c, "only neighbours reach each other");
    for (unsigned i = 0; i < nodes; i++)
        for (unsigned j = 0; j < nodes; j++)
            cut->pair[i][j] =
                i != j && (i + 1) % nodes != j && (j + 1) % nodes != i;
    cut_for_a_while(h, cut);
}

static struct replica *leader_on(struct sim_node *n, uint32_t group)
{
    struct replica *r =
        n->up ? shard_find(loop_of(n, group)->shard, group) : NULL;

    return r && r->raft && r->role == GROUP_LEADER ? r : NULL;
}

static struct sim_node *any_leader(struct happening *h, uint32_t *group)
{
    unsigned first = (unsigned)draw(h, h->c->o.nodes - 1);

    *group = (uint32_t)draw(h, h->c->o.groups);
    for (unsigned i = 0; i < h->c->o.nodes; i++) {
        struct sim_node *n = &h->c->nodes[(first + i) % h->c->o.nodes];
        if (leader_on(n, *group))
            return n;
    }
    return NULL;
}

static void fault_alone(struct happening *h)
{
    uint32_t group;
    struct sim_node *n = any_leader(h, &group);
    unsigned ways = (unsigned)draw(h, 3); /* bit 0: not out, bit 1: not in */
    struct cut *cut;

    if (!n)
        return;
    cut = xcalloc(1, sizeof *cut);
    cluster_say(h->c, "the leader of group %u, node %u, is cut off", group,
                n->id);
    for (unsigned i = 0; i < h->c->o.nodes; i++) {
        if (i == n->place)
            continue;
        cut->pair[n->place][i] = ways != 1;
        cut->pair[i][n->place] = ways != 2;
    }
    cut_for_a_while(h, cut);
}

static void fault_broken(struct happening *h)
{
    struct sim_node *a = any_node(h), *b = any_node(h);

    if (a != b)
        network_break(h->c, a->place, b->place,
                      draw(h, 1) ? CHANNEL_BULK : CHANNEL_CONTROL);
}

/* ---- weather: a number of the world is another one for a while ---- */

struct spell {
    unsigned *what;
    unsigned was;
};

static void spell_ends(struct cluster *c UNUSED, struct sim_loop *none UNUSED,
                       void *arg, bool dropped)
{
    struct spell *s = arg;

    if (!dropped)
        *s->what = s->was;
    free(s);
}

static void spell(struct happening *h, unsigned *what, uint64_t to,
                  uint64_t usual)
{
    struct spell *s = xmalloc(sizeof *s);

    *s = (struct spell){what, (unsigned)usual};
    *what = (unsigned)to;
    cluster_later(h->c, NULL, 200 + draw(h, 4000), spell_ends, s);
}

static void fault_lossy(struct happening *h)
{
    spell(h, &h->c->resend, draw(h, 300), 0);
    spell(h, &h->c->loss, draw(h, 8), 0);
}

static void fault_late(struct happening *h)
{
    spell(h, &h->c->delay_max, draw(h, 7) ? draw(h, 80) : draw(h, 5000), 2);
}

struct slow_link {
    unsigned from, to;
};

static void slow_link_ends(struct cluster *c, struct sim_loop *none UNUSED,
                           void *arg, bool dropped)
{
    struct slow_link *s = arg;

    if (!dropped)
        network_slow(c, s->from, s->to, 0);
    free(s);
}

static void fault_slow_link(struct happening *h)
{
    struct slow_link *s = xmalloc(sizeof *s);

    s->from = any_node(h)->place;
    s->to = any_node(h)->place;
    network_slow(h->c, s->from, s->to, (unsigned)draw(h, 1000));
    cluster_later(h->c, NULL, 500 + draw(h, 5000), slow_link_ends, s);
}

static void fault_slow_disk(struct happening *h)
{
    spell(h, &h->c->disk_max, draw(h, 5) ? draw(h, 60) : draw(h, 1000), 3);
}

static void fault_slow_store(struct happening *h)
{
    spell(h, &h->c->store_max, draw(h, 40), 1);
    spell(h, &h->c->stall, draw(h, 200), 0);
}

static void fault_slow_mail(struct happening *h)
{
    spell(h, &h->c->mail_max, draw(h, 100), 1);
}

/* ---- disks ---- */

static void fault_hung_disk(struct happening *h)
{
    struct sim_node *n = any_node(h);

    n->slow_disk_until = h->c->now + 100 + draw(h, 3000);
}

static void fault_bad_sync(struct happening *h)
{
    struct sim_node *n = any_node(h);

    if (n->up)
        n->disk.sync_fails = true;
    rise_later(h, n);
}

static void space_again(struct cluster *c UNUSED,
                        struct sim_loop *none UNUSED, void *arg, bool dropped)
{
    struct sim_node *n = arg;

    if (!dropped)
        n->disk.full = n->nearly_full = false;
}

static void fault_full_disk(struct happening *h)
{
    struct sim_node *n = any_node(h);

    cluster_say(h->c, "disk of node %u is full", n->id);
    n->disk.full = n->nearly_full = true;
    cluster_later(h->c, NULL, 300 + draw(h, 5000), space_again, n);
}

static void fault_nearly_full(struct happening *h)
{
    struct sim_node *n = any_node(h);

    n->nearly_full = true;
    cluster_later(h->c, NULL, 300 + draw(h, 3000), space_again, n);
}

static void reads_again(struct cluster *c, struct sim_loop *none UNUSED,
                        void *arg UNUSED, bool dropped)
{
    if (!dropped)
        c->log_reads_fail = false;
}

static void fault_bad_reads(struct happening *h)
{
    h->c->log_reads_fail = true;
    cluster_later(h->c, NULL, 200 + draw(h, 2000), reads_again, NULL);
}

/* What is damaged is found by reading it: often at the next start. */
static void damaged(struct happening *h, struct sim_node *n)
{
    n->damaged = true;
    if (n->up && draw(h, 1))
        start_crash(h->c, n);
    rise_later(h, n);
}

static void fault_flip(struct happening *h)
{
    struct sim_node *n = any_victim(h);

    if (!n || !disk_flip(&n->disk, &h->rng))
        return;
    cluster_say(h->c, "a bit flips in the log of node %u", n->id);
    damaged(h, n);
}

static void fault_misdirect(struct happening *h)
{
    struct sim_node *n = any_victim(h);

    if (!n || !disk_misdirect(&n->disk, &h->rng))
        return;
    cluster_say(h->c, "a write of node %u went elsewhere", n->id);
    damaged(h, n);
}

static void fault_bad_store(struct happening *h)
{
    struct sim_node *n = any_victim(h);

    if (!n || !n->n_replicas)
        return;
    n->replicas[draw(h, n->n_replicas - 1)].unreadable = true;
    damaged(h, n);
}

static void fault_wipe(struct happening *h)
{
    struct sim_node *n = any_victim(h);

    if (!n)
        return;
    if (n->up)
        start_crash(h->c, n);
    start_wipe(h->c, n, draw(h, 1));
    rise_later(h, n);
}

/* ---- what operators and the core itself do ---- */

static void stepped_from_outside(struct happening *h, struct sim_node *n,
                                 struct replica *r)
{
    struct sim_loop *l = loop_of(n, r->group);
    struct event none = {.type = EVENT_DISK};

    replica_carry(l->shard, r, &l->fx);
    loop_step(h->c, l, &none);
}

static void fault_transfer(struct happening *h)
{
    uint32_t group;
    struct sim_node *n = any_leader(h, &group);
    struct replica *r = n ? leader_on(n, group) : NULL;

    if (!r || n->paused_until > h->c->now ||
        group_transfer(r->raft, cluster_clock(h->c, n), 0,
                       &loop_of(n, group)->shard->raft_fx) != STATUS_OK)
        return;
    cluster_say(h->c, "transfer group %u from node %u", group, n->id);
    h->c->count.transfers++;
    stepped_from_outside(h, n, r);
}

/* A voter becomes a standby, or a standby a voter. Not where disks may be
 * damaged: a minority would not be one any more. */
static void fault_change(struct happening *h)
{
    uint32_t group;
    struct sim_node *n = any_leader(h, &group);
    struct replica *r = n ? leader_on(n, group) : NULL;
    struct members to;
    struct member *m;

    if (!r || n->paused_until > h->c->now || h->c->o.victims)
        return;
    to = *group_members(r->raft);
    m = &to.v[draw(h, to.n - 1)];
    if (m->role == MEMBER_STANDBY)
        m->role = MEMBER_VOTER;
    else if (m->replica != r->id && members_voters(&to) > 2)
        m->role = MEMBER_STANDBY;
    if (group_change(r->raft, cluster_clock(h->c, n), &to,
                     &loop_of(n, group)->shard->raft_fx) != STATUS_OK)
        return;
    cluster_say(h->c, "members of group %u: %u voters", group,
                members_voters(&to));
    h->c->count.changes++;
    stepped_from_outside(h, n, r);
}

static void fault_flush(struct happening *h)
{
    struct sim_node *n = any_node(h);
    struct event e = {.type = EVENT_FLUSH_WANTED};

    for (unsigned i = 0; n->up && i < n->n_replicas; i++) {
        e.flush_wanted.group = n->replicas[i].group;
        loop_post_event(h->c, &n->loops[0],
                        loop_of(n, e.flush_wanted.group), &e);
    }
}

/* ---- the schedule ---- */

static void (*const functions[FAULT_KINDS])(struct happening *h) = {
#define X(name, weight) fault_##name,
    FAULT_LIST(X)
#undef X
};

static void strike(struct cluster *c, struct sim_loop *none UNUSED, void *arg,
                   bool dropped)
{
    struct fault *f = arg;
    struct happening h = {.c = c};

    if (dropped)
        return;
    rng_init(&h.rng, f->seed);
    f->of->count[f->kind]++;
    cluster_say(c, "fault %u: %s", f->number, fault_names[f->kind]);
    functions[f->kind](&h);
}

static enum fault_kind any_kind(struct rng *rng)
{
    unsigned sum = 0, at;

    for (unsigned i = 0; i < FAULT_KINDS; i++)
        sum += weights[i];
    at = (unsigned)rng_below(rng, sum);
    for (unsigned i = 0;; i++) {
        if (at < weights[i])
            return (enum fault_kind)i;
        at -= weights[i];
    }
}

void cluster_misfortune(struct cluster *c)
{
    struct happening h = {.c = c};
    enum fault_kind kind = any_kind(&c->rng[STREAM_WORLD]);

    rng_init(&h.rng, rng_next(&c->rng[STREAM_WORLD]));
    cluster_say(c, "fault: %s", fault_names[kind]);
    functions[kind](&h);
}

void faults_init(struct faults *f, struct cluster *c)
{
    const uint8_t *skip = f->skip;
    unsigned n_skip = f->n_skip;

    *f = (struct faults){.c = c, .skip = skip, .n_skip = n_skip};
    rng_init(&f->rng, c->o.seed * 0x9e3779b97f4a7c15u + 77);
}

void faults_release(struct faults *f)
{
    for (unsigned i = 0; i < f->n; i++)
        free(f->v[i]);
    f->n = 0;
}

void faults_plan(struct faults *f, uint64_t ms, uint64_t every)
{
    uint64_t at = 0;

    while (f->n < FAULTS_MAX) {
        struct fault *x;
        at += 1 + rng_below(&f->rng, 2 * every);
        if (at >= ms)
            return;
        x = xmalloc(sizeof *x);
        *x = (struct fault){.of = f, .number = f->n,
                            .kind = any_kind(&f->rng), .at = f->c->now + at,
                            .seed = rng_next(&f->rng)};
        f->v[f->n++] = x;
        if (x->number < f->n_skip && f->skip[x->number])
            continue;
        cluster_later(f->c, NULL, at, strike, x);
    }
}
