/* faults_node.c - processes, clocks, what operators and the core itself do.
 * See faults.h. */
#include "tests/sim/faults_impl.h"

#include <stdlib.h>

/* ---- processes ---- */

void fault_crash(struct happening *h)
{
    struct sim_node *n = any_node(h);

    if (n->up)
        start_crash(h->c, n);
    rise_later(h, n);
}

void fault_between(struct happening *h)
{
    struct sim_node *n = any_node(h);

    if (n->up)
        n->crash_after = 1 + (unsigned)draw(h, 300);
    rise_later(h, n);
}

void fault_everybody(struct happening *h)
{
    for (unsigned i = 0; i < h->c->o.nodes; i++) {
        struct sim_node *n = &h->c->nodes[i];
        if (n->up)
            start_crash(h->c, n);
        cluster_later(h->c, NULL, draw(h, 1500), rise, n);
    }
}

void fault_stop(struct happening *h)
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

/* A node that is to stand still while it asks others whether it still leads:
 * what they say before they elect another comes when it goes on, beside what
 * its clients have asked since. */
struct pause {
    struct sim_node *node;
    uint64_t ms, at_last;
    struct happening h;
};

static bool has_asked(const struct sim_node *n)
{
    for (unsigned i = 0; n->up && i < n->n_loops; i++) {
        const struct shard *s = n->loops[i].shard;
        for (unsigned k = 0; s && k < s->n_replicas; k++)
            if (s->replicas[k]->reads.asking.n)
                return true;
    }
    return false;
}

static void stand_still(struct cluster *c, struct sim_loop *none UNUSED,
                        void *arg, bool dropped)
{
    struct pause *p = arg;

    if (dropped || over(&p->h)) {
        free(p);
        return;
    }
    if (c->now < p->at_last && !has_asked(p->node)) {
        cluster_later(c, NULL, 1, stand_still, p);
        return;
    }
    cluster_say(c, "pause node %u for %u", p->node->id, (unsigned)p->ms);
    p->node->paused_until = MAX_OF(p->node->paused_until, c->now + p->ms);
    free(p);
}

void fault_pause(struct happening *h)
{
    enum { PATIENCE_MS = 100 };
    struct pause *p = xmalloc(sizeof *p);
    struct sim_node *n = any_node(h);
    uint64_t ms = draw(h, 3) ? draw(h, 1500) : draw(h, 10000);
    uint32_t group;
    bool asking = draw(h, 1);
    struct sim_node *leader = asking ? any_leader(h, &group) : NULL;

    *p = (struct pause){leader ? leader : n, ms,
                        h->c->now + (leader ? PATIENCE_MS : 0), *h};
    stand_still(h->c, NULL, p, false);
}

void fault_clock(struct happening *h)
{
    struct sim_node *n = any_node(h);

    int64_t ms = (int64_t)draw(h, 10000) - 5000;

    /* No majority of any group has this one. */
    if (n->place + 1 == h->c->o.nodes && h->c->o.nodes >= 3 && !draw(h, 2))
        ms = INT64_C(366) * 24 * 3600 * 1000;
    cluster_skew(n, ms);
    cluster_drift(h->c, n, (int64_t)draw(h, 40000) - 20000);
    cluster_say(h->c, "clock of node %u: %d ms, %d ppm", n->id,
                (int)n->wall_skew_ms, (int)n->drift_ppm);
}

/* Its doors take a key for another group's; only the group itself knows better
 * (struct sim_node). */
void fault_misroute(struct happening *h)
{
    any_node(h)->lost_until = h->c->now + 200 + draw(h, 3000);
}

void fault_slow_mail(struct happening *h)
{
    spell(h, &h->c->mail_max, draw(h, 100), 1);
}

/* ---- what operators and the core itself do ---- */

/* Its connections break: the offer may be lost on its way. */
struct unheard {
    struct happening h;
    struct sim_node *node;
};

static void unhear(struct cluster *c, struct sim_loop *none UNUSED, void *arg,
                   bool dropped)
{
    struct unheard *u = arg;

    for (unsigned i = 0; !dropped && !over(&u->h) && i < c->o.nodes; i++)
        if (&c->nodes[i] != u->node)
            network_break(c, u->node->place, i, CHANNEL_CONTROL);
    free(u);
}

static void unheard_soon(struct happening *h, struct sim_node *n)
{
    struct unheard *u = xcalloc(1, sizeof *u);

    *u = (struct unheard){*h, n};
    cluster_later(h->c, NULL, draw(h, 8), unhear, u);
}

void fault_transfer(struct happening *h)
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
    cluster_carry(h->c, n, r);
    if (draw(h, 1))
        unheard_soon(h, n);
}

struct doomed {
    struct happening h;
    struct sim_node *node;
    unsigned boot;
};

static void doom(struct cluster *c, struct sim_loop *none UNUSED, void *arg,
                 bool dropped)
{
    struct doomed *d = arg;

    if (!dropped && !over(&d->h) && d->node->up &&
        d->node->boot == d->boot) {
        start_crash(c, d->node);
        cluster_later(c, NULL, 50 + d->boot % 7 * 60, rise, d->node);
    }
    free(d);
}

/* The new voter is cut off before it hears that it is one, and the leader that
 * made it one may die: whoever is to lead then may need its vote. */
static void only_it_knows(struct happening *h, uint32_t group,
                          uint64_t replica, struct sim_node *leader)
{
    struct doomed *d;

    for (unsigned i = 0; i < h->c->o.nodes; i++) {
        struct sim_replica *r = cluster_replica(&h->c->nodes[i], group);
        if (r && r->id == replica)
            cut_off(h, &h->c->nodes[i], 100 + draw(h, 1200));
    }
    if (draw(h, 1))
        return;
    d = xcalloc(1, sizeof *d);
    *d = (struct doomed){*h, leader, leader->boot};
    cluster_later(h->c, NULL, draw(h, 100), doom, d);
}

/* Give two voters besides `self` another role at once. */
static void two_at_once(struct happening *h, struct members *to, uint64_t self)
{
    unsigned first = (unsigned)draw(h, to->n - 1), done = 0;

    for (unsigned i = 0; i < to->n && done < 2; i++) {
        struct member *m = &to->v[(first + i) % to->n];
        if (m->role != MEMBER_VOTER || m->replica == self)
            continue;
        m->role = MEMBER_STANDBY;
        done++;
    }
}

/* A list that a leader may never be given: in another order (L4), two changes
 * at once (L4), or with a SPARE (L16). */
static void impossible(struct happening *h, struct members *to, uint64_t self)
{
    struct members was = *to;
    unsigned at = (unsigned)draw(h, to->n - 1);

    switch (draw(h, 2)) {
    case 0:
        for (unsigned i = 0; i < to->n; i++)
            to->v[i] = was.v[(i + at) % to->n];
        break;
    case 1:
        two_at_once(h, to, self);
        break;
    default:
        if (to->v[at].replica != self)
            to->v[at].role = MEMBER_SPARE;
    }
}

/* Nothing must come of it, so that it is no fault of its own. */
static void ask_for_the_impossible(struct happening *h, struct sim_node *n,
                                   struct replica *r)
{
    struct happening own = *h;
    struct members to = *group_members(r->raft);

    rng_init(&own.rng, rng_next(&own.rng));
    impossible(&own, &to, r->id);
    if (group_change(r->raft, cluster_clock(h->c, n), &to,
                     &loop_of(n, r->group)->shard->raft_fx) != STATUS_OK)
        return;
    cluster_say(h->c, "members of group %u: the impossible", r->group);
    cluster_carry(h->c, n, r);
}

/* One after the other, each as soon as the leader takes it. */
struct changing {
    struct happening h;
    uint32_t group;
    unsigned left;
    uint64_t needed; /* a new voter that others make way for; 0: none */
};

/* The next list: a voter becomes a standby, or a standby a voter; gives whom
 * that is about. */
static struct member *any_change(struct changing *k, struct members *to,
                                 uint64_t self)
{
    struct member *m = &to->v[draw(&k->h, to->n - 1)];

    for (unsigned i = 0; k->needed && i < to->n; i++)
        if (to->v[i].role == MEMBER_VOTER && to->v[i].replica != self &&
            to->v[i].replica != k->needed)
            m = &to->v[i];
    if (m->role == MEMBER_STANDBY)
        m->role = MEMBER_VOTER;
    else if (m->replica != self && members_voters(to) > 2)
        m->role = MEMBER_STANDBY;
    return m;
}

/* Not where disks may be damaged: a minority would not be one any more. */
static void change(struct changing *k, struct sim_node *n)
{
    struct happening *h = &k->h;
    struct replica *r = leader_on(n, k->group);
    struct members to;
    struct member *m;

    if (!r || n->paused_until > h->c->now)
        return;
    ask_for_the_impossible(h, n, r);
    r = leader_on(n, k->group);
    if (!r || h->c->o.victims)
        return;
    to = *group_members(r->raft);
    m = any_change(k, &to, r->id);
    if (group_change(r->raft, cluster_clock(h->c, n), &to,
                     &loop_of(n, k->group)->shard->raft_fx) != STATUS_OK)
        return;
    cluster_say(h->c, "members of group %u: %u voters", k->group,
                members_voters(&to));
    h->c->count.changes++;
    cluster_carry(h->c, n, r);
    if (m->role != MEMBER_VOTER || draw(h, 2))
        return;
    only_it_knows(h, k->group, m->replica, n);
    if (draw(h, 1)) {
        k->needed = m->replica;
        k->left = MAX_OF(k->left, 6u);
    }
}

static void change_again(struct cluster *c, struct sim_loop *none UNUSED,
                         void *arg, bool dropped)
{
    struct changing *k = arg;

    dropped |= over(&k->h);
    for (unsigned i = 0; !dropped && i < c->o.nodes; i++)
        if (leader_on(&c->nodes[i], k->group))
            change(k, &c->nodes[i]);
    if (dropped || !--k->left)
        free(k);
    else
        cluster_later(c, NULL, 5 + draw(&k->h, 60), change_again, k);
}

void fault_change(struct happening *h)
{
    struct changing *k;
    uint32_t group;

    if (!any_leader(h, &group))
        return;
    k = xcalloc(1, sizeof *k);
    *k = (struct changing){*h, group, 1 + (unsigned)draw(h, 7), 0};
    change_again(h->c, NULL, k, false);
}

void fault_flush(struct happening *h)
{
    flush_node(h->c, any_node(h));
}
