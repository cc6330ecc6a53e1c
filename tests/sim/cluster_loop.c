/* cluster_loop.c - a shard's turns, and letters between a node's shards. */
#include <stdlib.h>

#include "proto/slot.h"

#include "tests/sim/cluster.h"

static void mix(struct cluster *c, uint64_t x)
{
    c->hash = (c->hash ^ x) * 0x9e3779b97f4a7c15u;
    c->hash ^= c->hash >> 29;
}

/* ---- the turn ---- */

static void wake(struct cluster *c, struct sim_loop *l, void *arg,
                 bool dropped);

static void arm(struct cluster *c, struct sim_loop *l)
{
    struct sim_node *n = l->node;
    instant at = shard_wake_at(l->shard);
    wal_instant log = l->index ? WAL_NEVER : wal_wake_at(n->journal.wal);
    uint64_t delay;

    if (log.us != WAL_NEVER.us)
        at = instant_min(at, (instant){(log.us + 999) / 1000});
    delay = MAX_OF(cluster_until(c, n, at), (uint64_t)1);
    if (c->now + delay >= l->wake_at)
        return;
    l->wake_at = c->now + delay;
    cluster_later(c, l, delay, wake, NULL);
}

static void turn(struct cluster *c, struct sim_loop *l, void *arg UNUSED,
                 bool dropped)
{
    struct sim_node *n = l->node;
    struct event e = {.type = EVENT_TURN};

    if (dropped)
        return;
    e.wall_ms = cluster_wall(c, n);
    loop_step(c, l, &e);
    if (!n->up)
        return;
    l->turn_pending = false;
    if (l->index == 0)
        effects_pump(c, n);
    arm(c, l);
}

static void want_turn(struct cluster *c, struct sim_loop *l)
{
    if (l->turn_pending)
        return;
    l->turn_pending = true;
    cluster_later(c, l, 0, turn, NULL);
}

static void wake(struct cluster *c, struct sim_loop *l, void *arg UNUSED,
                 bool dropped)
{
    if (dropped)
        return;
    if (l->wake_at <= c->now)
        l->wake_at = UINT64_MAX;
    want_turn(c, l);
}

static bool all_stopped(const struct sim_node *n)
{
    for (unsigned i = 0; i < n->n_loops; i++)
        if (!n->loops[i].shard->stopped)
            return false;
    return true;
}

/* Carry everything out. False: the node died in between. */
static bool drain(struct cluster *c, struct sim_loop *l)
{
    struct sim_node *n = l->node;

    l->draining = true;
    for (unsigned i = 0; i < l->fx.n; i++) {
        struct effect one = l->fx.v[i]; /* the vector may move */
        mix(c, (uint64_t)one.type << 16 | one.group);
        l->carried = i;
        if (n->crash_after && !--n->crash_after) {
            cluster_say(c, "node %u dies between two effects", n->id);
            start_crash(c, n);
            return false;
        }
        l->carried = i + 1;
        effects_carry_out(c, l, &one);
    }
    l->fx.n = l->carried = 0;
    l->draining = false;
    return true;
}

void loop_step(struct cluster *c, struct sim_loop *l, struct event *e)
{
    struct sim_node *n = l->node;
    bool alive;

    e->now = cluster_clock(c, n);
    c->count.steps++;
    mix(c, c->now << 12 | (uint64_t)e->type << 6 | n->place << 3 | l->index);
    shard_step(l->shard, e, &l->fx);
    if (l->draining)
        return; /* whoever carries out, further up, goes on with them */
    alive = drain(c, l);
    for (unsigned i = 0; i < l->n_pins; i++)
        blob_unref(l->pins[i]);
    l->n_pins = 0;
    if (!alive)
        return;
    if (n->stopping && all_stopped(n)) {
        start_leave(c, n);
        return;
    }
    if (c->judge.stepped)
        c->judge.stepped(c->judge.arg, l);
    if (e->type != EVENT_TURN)
        want_turn(c, l);
}

void cluster_carry(struct cluster *c, struct sim_node *n, struct replica *r)
{
    struct sim_loop *l = loop_of(n, r->group);
    struct event none = {.type = EVENT_DISK};

    replica_carry(l->shard, r, &l->fx);
    loop_step(c, l, &none);
}

/* Another group that is led by this shard; 0: there is none. */
static uint32_t wrong_group(const struct shard *s, uint32_t right)
{
    for (unsigned i = 0; i < s->n_replicas; i++) {
        const struct replica *r = s->replicas[i];
        if (r->group && r->group != right && r->raft &&
            r->role == GROUP_LEADER)
            return r->group;
    }
    return 0;
}

/* While a node's doors are lost, a request for a key goes where it does not
 * belong, if it can be executed there: nobody but that group says no. */
void loop_request(struct cluster *c, struct sim_loop *l,
                  const struct request *q)
{
    struct event e = {.type = EVENT_REQUEST, .request = q};
    struct shard *s = l->shard;
    uint16_t slot = slot_of(q->operation.key);
    uint32_t right = s->map->owner[slot];
    uint32_t wrong = wrong_group(s, right);

    if (l->node->lost_until <= c->now || !q->operation.key.size || !wrong) {
        loop_step(c, l, &e);
        return;
    }
    s->map->owner[slot] = wrong;
    loop_step(c, l, &e);
    if (l->node->up && l->shard == s)
        s->map->owner[slot] = right;
}

/* ---- letters ---- */

void loop_letter(struct cluster *c, struct sim_loop *from,
                 struct sim_loop *to, task_fn *run, void *arg)
{
    uint64_t due = c->now + cluster_draw(c, STREAM_MAIL, c->mail_max);

    if (from == to) {
        run(c, to, arg, false);
        return;
    }
    if (due < from->letter_due[to->index])
        due = from->letter_due[to->index];
    from->letter_due[to->index] = due;
    cluster_later(c, to, due - c->now, run, arg);
}

static void run_event(struct cluster *c, struct sim_loop *l, void *arg,
                      bool dropped)
{
    struct event *e = arg;

    if (!dropped)
        loop_step(c, l, e);
    free(e);
}

void loop_post_event(struct cluster *c, struct sim_loop *from,
                     struct sim_loop *to, const struct event *e)
{
    struct event *copy = xmalloc(sizeof *copy);

    *copy = *e;
    loop_letter(c, from, to, run_event, copy);
}
