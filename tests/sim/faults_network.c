/* faults_network.c - connections and weather. See faults.h. */
#include "tests/sim/faults_impl.h"

#include <stdlib.h>

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

/* Connections break at once, or what is on its way still comes. */
static void cut_for(struct happening *h, struct cut *cut, uint64_t ms)
{
    bool now = draw(h, 1);

    for (unsigned i = 0; i < h->c->o.nodes; i++)
        for (unsigned j = 0; j < h->c->o.nodes; j++)
            if (cut->pair[i][j])
                network_block(h->c, i, j, true, now);
    cluster_later(h->c, NULL, ms, mend, cut);
}

void cut_off(struct happening *h, struct sim_node *n, uint64_t ms)
{
    struct cut *cut = xcalloc(1, sizeof *cut);

    for (unsigned i = 0; i < h->c->o.nodes; i++)
        cut->pair[n->place][i] = cut->pair[i][n->place] = i != n->place;
    cut_for(h, cut, ms);
}

/* Takes the cut. */
static void cut_for_a_while(struct happening *h, struct cut *cut)
{
    cut_for(h, cut, 200 + draw(h, draw(h, 3) ? 2500 : 8000));
}

void fault_partition(struct happening *h)
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

void fault_ring(struct happening *h)
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

void fault_alone(struct happening *h)
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
    if (draw(h, 2)) {
        cut_for_a_while(h, cut);
        return;
    }
    /* Its disk hangs, too, until a little after it is heard again: what it
     * wrote last is overwritten before it is there. */
    uint64_t ms = 500 + draw(h, 2500);
    cut_for(h, cut, ms);
    n->slow_disk_until = h->c->now + ms + draw(h, 400);
}

/* What others tell `to` comes later and later, but keeps coming; then nobody
 * hears it for a while: it takes itself for the leader long after there is
 * another one, and what was said to it before keeps arriving. What it says
 * comes when that is over, all at once: no connection breaks, as that would
 * take with it what is still on its way. It takes no new data, so that reads
 * do not wait behind writes that nobody else has. */
struct deafness {
    struct sim_node *to;
    unsigned lag, until;
    uint64_t mute_until;
    struct happening h;
};

enum { DEAF_STEP_MS = 100 };

static void hears_after(struct deafness *d, unsigned lag)
{
    for (unsigned i = 0; i < d->h.c->o.nodes; i++)
        network_lag(d->h.c, i, d->to->place, lag);
}

static void stay_mute(struct cluster *c, struct sim_loop *none UNUSED,
                      void *arg, bool dropped)
{
    struct deafness *d = arg;
    uint64_t left = d->mute_until - MIN_OF(c->now, d->mute_until);

    if (dropped || over(&d->h)) {
        free(d);
        return;
    }
    for (unsigned i = 0; i < c->o.nodes; i++)
        network_lag(c, d->to->place, i, (unsigned)left);
    if (left) {
        cluster_later(c, NULL, MIN_OF(left, (uint64_t)DEAF_STEP_MS),
                      stay_mute, d);
        return;
    }
    hears_after(d, 0);
    d->to->deaf = d->to->nearly_full = false;
    free(d);
}

static void grow_deaf(struct cluster *c, struct sim_loop *none UNUSED,
                      void *arg, bool dropped)
{
    struct deafness *d = arg;

    if (dropped || over(&d->h)) {
        free(d);
        return;
    }
    d->lag += 2 * DEAF_STEP_MS;
    hears_after(d, d->lag);
    if (d->lag < d->until) {
        cluster_later(c, NULL, DEAF_STEP_MS, grow_deaf, d);
        return;
    }
    d->mute_until = c->now + 800 + draw(&d->h, 2500);
    stay_mute(c, NULL, d, false);
}

void fault_deaf(struct happening *h)
{
    uint32_t group;
    struct sim_node *n = any_leader(h, &group);
    struct deafness *d;

    if (!n || n->deaf)
        return;
    cluster_say(h->c, "the leader of group %u, node %u, grows deaf", group,
                n->id);
    n->deaf = n->nearly_full = true;
    d = xcalloc(1, sizeof *d);
    d->to = n;
    d->until = 1000 + (unsigned)draw(h, 2000);
    d->h = *h;
    grow_deaf(h->c, NULL, d, false);
}

static void flush_others(struct cluster *c, struct sim_loop *none UNUSED,
                         void *arg, bool dropped)
{
    for (unsigned i = 0; !dropped && i < c->o.nodes; i++)
        if (&c->nodes[i] != arg)
            flush_node(c, &c->nodes[i]);
}

static void flush_late(struct cluster *c, struct sim_loop *none UNUSED,
                       void *arg, bool dropped)
{
    if (!dropped)
        flush_node(c, arg);
}

void fault_behind(struct happening *h)
{
    uint32_t group;
    struct sim_node *leader = any_leader(h, &group);
    struct sim_node *n = leader && draw(h, 1) ? leader : any_node(h);
    uint64_t ms = 300 + draw(h, 3000);

    cluster_say(h->c, "node %u falls behind", n->id);
    cut_off(h, n, ms);
    for (unsigned i = 1; i <= 4; i++)
        cluster_later(h->c, NULL, ms * i / 4, flush_others, n);
    /* Its own flush may end while the snapshot is being installed. */
    cluster_later(h->c, NULL, ms + draw(h, 80), flush_late, n);
    if (draw(h, 1))
        spell(h, &h->c->store_max, 10 + draw(h, 60), 1);
}

void fault_broken(struct happening *h)
{
    struct sim_node *a = any_node(h), *b = any_node(h);

    if (a != b)
        network_break(h->c, a->place, b->place,
                      draw(h, 1) ? CHANNEL_BULK : CHANNEL_CONTROL);
}

/* ---- weather: a number of the world is another one for a while ---- */

void fault_lossy(struct happening *h)
{
    spell(h, &h->c->resend, draw(h, 300), 0);
    spell(h, &h->c->loss, draw(h, 8), 0);
}

void fault_late(struct happening *h)
{
    spell(h, &h->c->delay_max, draw(h, 7) ? draw(h, 80) : draw(h, 5000), 2);
}

void fault_again(struct happening *h)
{
    spell(h, &h->c->again, draw(h, 2) ? draw(h, 100) : draw(h, 1000), 0);
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

void fault_slow_link(struct happening *h)
{
    struct slow_link *s = xmalloc(sizeof *s);

    s->from = any_node(h)->place;
    s->to = any_node(h)->place;
    network_slow(h->c, s->from, s->to, (unsigned)draw(h, 1000));
    cluster_later(h->c, NULL, 500 + draw(h, 5000), slow_link_ends, s);
}
