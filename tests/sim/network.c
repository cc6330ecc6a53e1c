/* network.c - connections between the nodes of a simulated cluster.
 *
 * Two lanes (channels) between each pair of nodes. What is sent on a lane
 * arrives in order or, if the lane breaks, not at all from some point on; then
 * both ends are told, each when it notices, and later that there is a new
 * connection. A blocked direction holds its frames back until it is free again
 * or the lane is given up.
 *
 * A connection keeps order and repeats nothing. Raft needs neither, and there
 * are two lanes and old connections between two nodes: so its messages, and
 * only those, may also arrive again, much later. */
#include <stdlib.h>

#include "node/core/peer_item.h"
#include "tests/sim/cluster.h"

enum { GIVE_UP_MS = 1500, RESEND_MS = 200, AGAIN_MS = 2000 };

struct flying {
    struct flying *next;
    uint64_t due, sent;
    uint32_t node;     /* that sent it */
    unsigned from, to; /* shards */
    struct buf items;
};

struct lane;

/* One direction of a lane. */
struct pipe {
    struct lane *lane;
    unsigned side; /* of the sender */
    struct flying *head, **tail;
    uint64_t last_due;
    bool armed;
    uint64_t armed_for;
};

struct lane {
    unsigned end[2]; /* places of nodes */
    enum channel channel;
    bool open;
    unsigned epoch;  /* grows with each connection and each end of one */
    bool told_up[2]; /* what the nodes were told last */
    unsigned loops[2]; /* how many each end has, as its hello said */
    bool redialing;
    struct pipe pipe[2];
};

struct network {
    struct lane lanes[CLUSTER_NODES_MAX][CLUSTER_NODES_MAX][2];
    bool blocked[CLUSTER_NODES_MAX][CLUSTER_NODES_MAX];
    unsigned slow[CLUSTER_NODES_MAX][CLUSTER_NODES_MAX];
    unsigned lag[CLUSTER_NODES_MAX][CLUSTER_NODES_MAX];
};

/* A message to one end of a lane, as of one epoch. */
struct notice {
    struct lane *lane;
    unsigned side, epoch;
};

static void redial(struct cluster *c, struct sim_loop *none, void *arg,
                   bool dropped);

static struct sim_node *at(struct cluster *c, const struct lane *l,
                           unsigned side)
{
    return &c->nodes[l->end[side]];
}

static void tell(struct cluster *c, struct lane *l, unsigned side,
                 enum event_type type)
{
    struct sim_node *n = at(c, l, side);
    struct event e = {.type = type};

    l->told_up[side] = type == EVENT_PEER_UP;
    e.peer.node = at(c, l, 1 - side)->id;
    e.peer.channel = l->channel;
    e.peer.shards = l->loops[1 - side];
    e.peer.number = l->epoch;
    for (unsigned i = 0; n->up && i < n->n_loops; i++)
        loop_post_event(c, &n->loops[0], &n->loops[i], &e);
}

/* ---- frames ---- */

static void pipe_clear(struct pipe *p)
{
    while (p->head) {
        struct flying *f = p->head;
        p->head = f->next;
        buf_release(&f->items);
        free(f);
    }
    p->tail = &p->head;
    p->last_due = 0;
}

static void lane_break(struct cluster *c, struct lane *l);

static void pipe_run(struct cluster *c, struct sim_loop *none UNUSED,
                     void *arg, bool dropped);

static void pipe_arm(struct cluster *c, struct pipe *p, uint64_t delay)
{
    if (p->armed && p->armed_for <= c->now + delay)
        return;
    p->armed = true;
    p->armed_for = c->now + delay;
    cluster_later(c, NULL, delay, pipe_run, p);
}

/* On the loop it is for. */
static void frame_run(struct cluster *c, struct sim_loop *l, void *arg,
                      bool dropped)
{
    struct flying *f = arg;
    struct event e = {.type = EVENT_PEER_FRAME};

    e.frame.node = f->node;
    e.frame.shard = f->from;
    e.frame.items = buf_slice(&f->items);
    if (!dropped && c->judge.received)
        c->judge.received(c->judge.arg, l, &e);
    if (!dropped)
        loop_step(c, l, &e);
    buf_release(&f->items);
    free(f);
}

/* Raft's messages of a frame that has arrived, once more. */
struct repeated {
    struct lane *lane;
    unsigned side; /* of the sender */
    struct flying *frame;
};

static void repeat(struct cluster *c, struct sim_loop *none UNUSED, void *arg,
                   bool dropped)
{
    struct repeated *r = arg;
    struct sim_node *to = at(c, r->lane, 1 - r->side);

    if (!dropped && to->up && to->paused_until <= c->now &&
        r->lane->told_up[1 - r->side] && r->frame->to < to->n_loops) {
        loop_letter(c, &to->loops[0], &to->loops[r->frame->to], frame_run,
                    r->frame);
    } else {
        buf_release(&r->frame->items);
        free(r->frame);
    }
    free(r);
}

static void repeat_later(struct cluster *c, struct pipe *p,
                         const struct flying *f)
{
    struct reader in = reader_of(buf_slice(&f->items));
    struct repeated *r = xcalloc(1, sizeof *r);
    enum item_type type;
    struct slice body;

    r->lane = p->lane;
    r->side = p->side;
    r->frame = xcalloc(1, sizeof *r->frame);
    r->frame->node = f->node;
    r->frame->from = f->from;
    r->frame->to = f->to;
    while (item_next(&in, &type, &body)) {
        size_t begun;
        if (type != ITEM_RAFT)
            continue;
        begun = item_begin(&r->frame->items, type);
        buf_append(&r->frame->items, body.data, body.size);
        item_end(&r->frame->items, begun);
    }
    cluster_later(c, NULL, cluster_draw(c, STREAM_NET, AGAIN_MS), repeat, r);
}

static void pipe_run(struct cluster *c, struct sim_loop *none UNUSED,
                     void *arg, bool dropped)
{
    struct pipe *p = arg;
    struct lane *l = p->lane;
    struct sim_node *to = at(c, l, 1 - p->side);
    struct flying *f = p->head;

    if (dropped)
        return;
    p->armed = false;
    if (!f)
        return;
    if (f->due > c->now) {
        pipe_arm(c, p, f->due - c->now);
        return;
    }
    if (c->network->blocked[l->end[p->side]][l->end[1 - p->side]]) {
        if (c->now - f->sent > GIVE_UP_MS)
            lane_break(c, l);
        else
            pipe_arm(c, p, 5);
        return;
    }
    if (to->paused_until > c->now) {
        pipe_arm(c, p, to->paused_until - c->now);
        return;
    }
    if (!l->told_up[1 - p->side]) {
        pipe_arm(c, p, 1);
        return;
    }
    p->head = f->next;
    if (!p->head)
        p->tail = &p->head;
    if (f->to >= to->n_loops)
        cluster_fail(c, "node %u has no shard %u", to->id, f->to);
    if (c->again && cluster_odds(c, STREAM_NET, c->again))
        repeat_later(c, p, f);
    loop_letter(c, &to->loops[0], &to->loops[f->to], frame_run, f);
    if (p->head)
        pipe_arm(c, p, p->head->due > c->now ? p->head->due - c->now : 0);
}

static struct lane *lane_of(struct cluster *c, unsigned a, unsigned b,
                            enum channel channel, unsigned *side)
{
    *side = a < b ? 0 : 1;
    return &c->network->lanes[a < b ? a : b][a < b ? b : a][channel];
}

/* How long a frame takes; what is lost on the way is sent again after a
 * while, which holds up all that is behind it. */
static uint64_t transit(struct cluster *c, unsigned from, unsigned to)
{
    unsigned slow = c->network->slow[from][to];
    uint64_t ms = 1 + cluster_draw(c, STREAM_NET, c->delay_max) +
                  c->network->lag[from][to];

    if (slow)
        ms += cluster_draw(c, STREAM_NET, slow);
    for (unsigned again = RESEND_MS;
         again < 16 * RESEND_MS && cluster_odds(c, STREAM_NET, c->resend);
         again *= 2)
        ms += again;
    return ms;
}

void network_send(struct cluster *c, struct sim_node *from,
                  unsigned from_shard, uint32_t to, unsigned to_shard,
                  enum channel channel, uint64_t number,
                  struct slice items)
{
    struct sim_node *target = cluster_node(c, to);
    unsigned side;
    struct lane *l;
    struct pipe *p;
    struct flying *f;

    if (!target || target == from)
        cluster_fail(c, "node %u sends to node %u", from->id, to);
    l = lane_of(c, from->place, target->place, channel, &side);
    if (!l->open || !l->told_up[side] || (number && number != l->epoch))
        return; /* the sender has been told, or will be */
    if (cluster_odds(c, STREAM_NET, c->loss)) {
        lane_break(c, l);
        return;
    }
    if (c->judge.sent)
        c->judge.sent(c->judge.arg, from, items);
    p = &l->pipe[side];
    f = xcalloc(1, sizeof *f);
    f->sent = c->now;
    f->node = from->id;
    f->from = from_shard;
    f->to = to_shard;
    f->due = c->now + transit(c, from->place, target->place);
    if (f->due < p->last_due)
        f->due = p->last_due;
    p->last_due = f->due;
    buf_append(&f->items, items.data, items.size);
    *p->tail = f;
    p->tail = &f->next;
    pipe_arm(c, p, f->due - c->now);
}

/* ---- connections ---- */

static void later(struct cluster *c, struct lane *l, unsigned side,
                  uint64_t delay, task_fn *run)
{
    struct notice *n = xmalloc(sizeof *n);

    *n = (struct notice){l, side, l->epoch};
    cluster_later(c, NULL, delay, run, n);
}

static void notice_down(struct cluster *c, struct sim_loop *none UNUSED,
                        void *arg, bool dropped)
{
    struct notice *n = arg;
    struct lane *l = n->lane;
    struct sim_node *x = dropped ? NULL : at(c, l, n->side);

    if (x && l->epoch == n->epoch && l->told_up[n->side]) {
        if (x->paused_until > c->now)
            later(c, l, n->side, x->paused_until - c->now, notice_down);
        else
            tell(c, l, n->side, EVENT_PEER_DOWN);
    }
    free(n);
}

static void notice_up(struct cluster *c, struct sim_loop *none UNUSED,
                      void *arg, bool dropped)
{
    struct notice *n = arg;
    struct lane *l = n->lane;
    struct sim_node *x = dropped ? NULL : at(c, l, n->side);

    if (x && l->epoch == n->epoch && l->open) {
        if (x->paused_until > c->now)
            later(c, l, n->side, x->paused_until - c->now, notice_up);
        else
            tell(c, l, n->side, EVENT_PEER_UP);
    }
    free(n);
}

static void want_redial(struct cluster *c, struct lane *l)
{
    if (l->redialing)
        return;
    l->redialing = true;
    cluster_later(c, NULL, 5 + cluster_draw(c, STREAM_NET, 60), redial, l);
}

/* What the node on this side says, as bytes, and is it accepted? */
static bool greeted(struct cluster *c, struct lane *l, unsigned side)
{
    const struct sim_node *from = at(c, l, side);
    struct sim_node *to = at(c, l, 1 - side);
    struct buf bytes = {0};
    const char *why = NULL;
    struct hello h = {
        .level = HELLO_LEVEL,
        .channel = l->channel,
        .node = from->id,
        .to = to->id,
        .boot_count = from->boot,
        .map_epoch = from->map->epoch,
        .shards = (uint16_t)from->n_loops,
    };
    bool ok;

    memcpy(h.cluster, from->map->cluster, ID_BYTES);
    memcpy(h.directory, from->directory, ID_BYTES);
    hello_encode(&h, &bytes);
    ok = hello_decode(buf_slice(&bytes), &h) == STATUS_OK &&
         hello_check(&h, to->map, to->id, &to->boots, &why) == STATUS_OK;
    buf_release(&bytes);
    c->count.refused_hellos += !ok;
    return ok;
}

static void redial(struct cluster *c, struct sim_loop *none UNUSED, void *arg,
                   bool dropped)
{
    struct lane *l = arg;
    bool free_both =
        !c->network->blocked[l->end[0]][l->end[1]] &&
        !c->network->blocked[l->end[1]][l->end[0]];

    if (dropped)
        return;
    l->redialing = false;
    if (!free_both || !at(c, l, 0)->up || !at(c, l, 1)->up ||
        l->told_up[0] || l->told_up[1] || !greeted(c, l, 0) ||
        !greeted(c, l, 1)) {
        want_redial(c, l);
        return;
    }
    l->open = true;
    l->epoch++;
    l->loops[0] = at(c, l, 0)->n_loops;
    l->loops[1] = at(c, l, 1)->n_loops;
    later(c, l, 0, cluster_draw(c, STREAM_NET, 5), notice_up);
    later(c, l, 1, cluster_draw(c, STREAM_NET, 5), notice_up);
}

static void lane_break(struct cluster *c, struct lane *l)
{
    if (!l->open)
        return;
    l->open = false;
    l->epoch++;
    c->count.broken++;
    for (unsigned side = 0; side < 2; side++) {
        pipe_clear(&l->pipe[side]);
        if (l->told_up[side])
            later(c, l, side, cluster_draw(c, STREAM_NET, 30), notice_down);
    }
    want_redial(c, l);
}

void network_break(struct cluster *c, unsigned a, unsigned b,
                   enum channel channel)
{
    unsigned side;

    lane_break(c, lane_of(c, a, b, channel, &side));
}

void network_cut(struct cluster *c, struct sim_node *from, uint32_t to,
                 const uint64_t *number)
{
    for (unsigned ch = 0; ch < 2; ch++) {
        unsigned side;
        struct lane *l = lane_of(c, from->place, cluster_node(c, to)->place,
                                 (enum channel)ch, &side);
        if (l->open && l->epoch == number[ch])
            lane_break(c, l);
    }
}

void network_node_down(struct cluster *c, struct sim_node *n)
{
    for (unsigned other = 0; other < c->o.nodes; other++) {
        for (unsigned ch = 0; ch < 2 && other != n->place; ch++) {
            unsigned side;
            struct lane *l =
                lane_of(c, n->place, other, (enum channel)ch, &side);
            l->told_up[side] = false;
            lane_break(c, l);
        }
    }
}

void network_block(struct cluster *c, unsigned from, unsigned to, bool block,
                   bool break_now)
{
    if (from == to)
        return;
    c->network->blocked[from][to] = block;
    for (unsigned ch = 0; block && break_now && ch < 2; ch++)
        network_break(c, from, to, (enum channel)ch);
}

void network_hurry(struct cluster *c)
{
    for (unsigned a = 0; a < c->o.nodes; a++) {
        for (unsigned b = a + 1; b < c->o.nodes; b++) {
            for (unsigned k = 0; k < 4; k++) {
                struct pipe *p = &c->network->lanes[a][b][k / 2].pipe[k % 2];
                for (struct flying *f = p->head; f; f = f->next)
                    f->due = MIN_OF(f->due, c->now);
                p->last_due = MIN_OF(p->last_due, c->now);
                if (p->head)
                    pipe_arm(c, p, 0);
            }
        }
    }
}

void network_say(struct cluster *c)
{
    for (unsigned i = 0; i < c->o.nodes; i++) {
        for (unsigned k = i + 1; k < c->o.nodes; k++) {
            for (unsigned ch = 0; ch < 2; ch++) {
                const struct lane *l = &c->network->lanes[i][k][ch];
                cluster_say(c, "lane %u-%u/%u: %s, told %d %d, waiting %d %d",
                            c->nodes[i].id, c->nodes[k].id, ch,
                            l->open ? "open" : "closed", l->told_up[0],
                            l->told_up[1], l->pipe[0].head != NULL,
                            l->pipe[1].head != NULL);
            }
        }
    }
}

void network_slow(struct cluster *c, unsigned from, unsigned to, unsigned ms)
{
    c->network->slow[from][to] = ms;
}

void network_lag(struct cluster *c, unsigned from, unsigned to, unsigned ms)
{
    c->network->lag[from][to] = ms;
}

void network_init(struct cluster *c)
{
    c->network = xcalloc(1, sizeof *c->network);
    for (unsigned a = 0; a < c->o.nodes; a++) {
        for (unsigned b = a + 1; b < c->o.nodes; b++) {
            for (unsigned ch = 0; ch < 2; ch++) {
                struct lane *l = &c->network->lanes[a][b][ch];
                l->end[0] = a;
                l->end[1] = b;
                l->channel = (enum channel)ch;
                for (unsigned s = 0; s < 2; s++) {
                    l->pipe[s].lane = l;
                    l->pipe[s].side = s;
                    l->pipe[s].tail = &l->pipe[s].head;
                }
                want_redial(c, l);
            }
        }
    }
}

void network_release(struct cluster *c)
{
    for (unsigned a = 0; a < c->o.nodes; a++)
        for (unsigned b = a + 1; b < c->o.nodes; b++)
            for (unsigned ch = 0; ch < 2; ch++)
                for (unsigned s = 0; s < 2; s++)
                    pipe_clear(&c->network->lanes[a][b][ch].pipe[s]);
    free(c->network);
    c->network = NULL;
}
