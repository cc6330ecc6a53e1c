/* clients.c - see clients.h. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/slot.h"
#include "tests/sim/clients.h"

/* ---- keys ---- */

static void choose_keys(struct clients *l)
{
    unsigned have[CLUSTER_GROUPS_MAX + 1] = {0};

    l->n_keys = l->c->o.groups * KEYS_PER_GROUP;
    for (unsigned i = 0, found = 0; found < l->n_keys; i++) {
        char text[16];
        unsigned group;
        snprintf(text, sizeof text, "key-%u", i);
        group = l->c->initial->owner[slot_of(slice_str(text))];
        if (have[group] == KEYS_PER_GROUP)
            continue;
        memcpy(l->keys[(group - 1) * KEYS_PER_GROUP + have[group]++], text,
               sizeof text);
        found++;
    }
}

/* ---- connections ---- */

static void forget(struct client *x, size_t number)
{
    for (unsigned i = 0; i < x->outstanding; i++)
        if (x->asked[i] == number) {
            x->asked[i] = x->asked[--x->outstanding];
            return;
        }
}

static void hang_up(struct clients *l, struct client *x)
{
    while (x->outstanding)
        history_gone(&l->h, x->asked[--x->outstanding]);
    x->conn = 0;
}

static void connect_to(struct clients *l, struct client *x,
                       const struct sim_node *n)
{
    if (x->conn && x->place == n->place)
        return;
    hang_up(l, x);
    x->place = n->place;
    x->conn = (uint64_t)++x->generation << 32 | (unsigned)(x - l->v);
}

void clients_died(struct clients *l, struct sim_node *n)
{
    for (unsigned i = 0; i < l->n; i++)
        if (l->v[i].conn && l->v[i].place == n->place)
            hang_up(l, &l->v[i]);
    if (l->doubter[n->place].conn)
        hang_up(l, &l->doubter[n->place]);
    for (unsigned i = 0; i < l->n_callers; i++)
        caller_died(&l->caller[i], n);
}

unsigned clients_waiting(const struct clients *l)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < l->n; i++)
        sum += l->v[i].outstanding;
    for (unsigned i = 0; i < CLUSTER_NODES_MAX; i++)
        sum += l->doubter[i].outstanding;
    for (unsigned i = 0; i < l->n_callers; i++)
        sum += caller_waiting(&l->caller[i]);
    return sum;
}

/* ---- asking and being answered ---- */

size_t clients_ask(struct clients *l, unsigned at, struct sim_node *n,
                   enum op op, enum read_mode mode, unsigned key)
{
    struct client *x = &l->v[at];
    struct buf value = {0};
    struct request q = workload_request(op, mode, slice_str(l->keys[key]));
    size_t number;

    connect_to(l, x, n);
    assert(x->outstanding < CLIENT_DEPTH_MAX);
    number = history_ask(&l->h, op, mode, key, x->conn);
    x->asked[x->outstanding++] = number;
    q.from = (struct origin){.conn = x->conn, .id = number};
    q.deadline =
        instant_add(cluster_clock(l->c, n),
                    MS(l->deadline_ms
                           ? l->deadline_ms
                           : 300 + cluster_draw(l->c, STREAM_CLIENTS, 2500)));
    if (op == OP_SET)
        workload_value(number, &value);
    q.operation.value = buf_slice(&value);
    loop_request(l->c, &n->loops[at % n->n_loops], &q);
    buf_release(&value);
    return number;
}

void clients_count(struct clients *l, enum status st)
{
    if (st == STATUS_OK || st == STATUS_NOT_FOUND)
        l->ok++;
    else if (st == STATUS_UNKNOWN)
        l->unknown++;
    else
        l->refused++;
}

/* ---- doubting ---- */

struct doubt {
    struct clients *of;
    size_t number;
};

/* In its socket the request has waited for the end of a pause. */
static void ask_doubted(struct cluster *c, struct sim_loop *l, void *arg,
                        bool dropped)
{
    enum { PATIENCE_MS = 2000 };
    struct doubt *d = arg;
    struct past past = d->of->h.v[d->number];
    struct request q = workload_request(past.op, READ_LINEARIZABLE,
                                        slice_str(d->of->keys[past.key]));
    struct buf value = {0};

    if (past.op == OP_SET)
        workload_value(d->number, &value);
    q.operation.value = buf_slice(&value);
    q.from = (struct origin){.conn = past.conn, .id = d->number};
    if (!dropped) {
        q.deadline = instant_add(cluster_clock(c, l->node), MS(PATIENCE_MS));
        loop_request(c, l, &q);
    }
    buf_release(&value);
    free(d);
}

static void doubt(struct clients *l, struct sim_node *n, enum op op,
                  unsigned key)
{
    struct client *x = &l->doubter[n->place];
    struct sim_loop *to;
    struct doubt *d;

    if (x->outstanding == CLIENT_DEPTH_MAX)
        return;
    if (!x->outstanding) /* by and by, so that they stay in order */
        x->ahead = n->paused_until > l->c->now && n->paused_until % 2;
    if (!x->conn)
        x->conn = (uint64_t)++x->generation << 32 | (DOUBTER_PLACE + n->place);
    d = xmalloc(sizeof *d);
    *d = (struct doubt){
        l, history_ask(&l->h, op, READ_LINEARIZABLE, key, x->conn)};
    x->place = n->place;
    x->asked[x->outstanding++] = d->number;
    to = loop_of(n, key / KEYS_PER_GROUP + 1);
    if (x->ahead)
        cluster_ahead(l->c, to, ask_doubted, d);
    else
        cluster_later(l->c, to, 0, ask_doubted, d);
}

/* The term in which a node takes itself for the group's leader, or 0. */
static uint64_t leads_in(struct sim_node *n, uint32_t group)
{
    const struct replica *r =
        n->up && n->map ? shard_find(loop_of(n, group)->shard, group) : NULL;

    return r && r->raft && r->role == GROUP_LEADER ? r->term : 0;
}

/* All that take themselves for the group's leader; the newest one first. */
static unsigned leaders_of(struct clients *l, uint32_t group,
                           struct sim_node *out[CLUSTER_NODES_MAX])
{
    unsigned n = 0;

    for (unsigned i = 0; i < l->c->o.nodes; i++) {
        struct sim_node *x = &l->c->nodes[i];
        uint64_t term = leads_in(x, group);
        if (!term)
            continue;
        out[n++] = x;
        if (term > leads_in(out[0], group)) {
            out[n - 1] = out[0];
            out[0] = x;
        }
    }
    return n;
}

/* Who was the leader before has to know of this write, or gives no answer. */
static void doubt_the_older(struct clients *l, unsigned key)
{
    struct sim_node *leader[CLUSTER_NODES_MAX];
    unsigned n = leaders_of(l, key / KEYS_PER_GROUP + 1, leader);

    for (unsigned i = 1; i < n; i++)
        doubt(l, leader[i], OP_GET, key);
}

/* Where two take themselves for the leader, one more write by the newer one. */
static void doubt_all(struct clients *l)
{
    struct sim_node *leader[CLUSTER_NODES_MAX];

    for (uint32_t g = 1; g <= l->c->o.groups; g++)
        if (leaders_of(l, g, leader) > 1)
            doubt(l, leader[0], OP_SET,
                  (g - 1) * KEYS_PER_GROUP +
                      (unsigned)(l->h.n % KEYS_PER_GROUP));
}

static struct client *of_conn(struct clients *l, uint32_t at)
{
    return at >= DOUBTER_PLACE ? &l->doubter[at - DOUBTER_PLACE] : &l->v[at];
}

void clients_replied(struct clients *l, const struct effect *e)
{
    const struct reply *r = &e->reply.reply;
    size_t number = e->reply.to.id;
    struct client *x;
    uint64_t value = SIZE_MAX;

    for (unsigned i = 0; i < l->n_callers; i++)
        if (caller_replied(&l->caller[i], e))
            return;
    x = of_conn(l, (uint32_t)e->reply.to.conn);
    if (number >= l->h.n || l->h.v[number].conn != e->reply.to.conn ||
        l->h.v[number].op != e->reply.op)
        cluster_fail(l->c, "an answer to nobody's request");
    if (!workload_expected(e->reply.op, r->status))
        cluster_fail(l->c, "request %zu (op %d) was answered %s", number,
                     (int)e->reply.op, status_name(r->status));
    if (e->reply.op == OP_GET && r->status == STATUS_OK &&
        !workload_number(r->value, &value))
        cluster_fail(l->c, "request %zu read a damaged value", number);
    if (!history_answer(&l->h, number, r->status, value, r->version))
        cluster_fail(l->c, "request %zu was answered twice", number);
    if (x->conn == e->reply.to.conn)
        forget(x, number);
    clients_count(l, r->status);
    if (e->reply.op != OP_GET && r->status == STATUS_OK)
        doubt_the_older(l, l->h.v[number].key);
}

/* ---- load ---- */

static void burst(struct cluster *c, struct sim_loop *none, void *arg,
                  bool dropped);

static void again(struct clients *l, struct client *x)
{
    cluster_later(l->c, NULL,
                  1 + cluster_draw(l->c, STREAM_CLIENTS, l->pause_max), burst,
                  x);
}

static struct sim_node *reachable(struct clients *l, struct client *x)
{
    struct sim_node *n = &l->c->nodes[x->place];

    /* By and by somewhere else. */
    if (!x->conn || cluster_odds(l->c, STREAM_CLIENTS, 10))
        n = &l->c->nodes[cluster_draw(l->c, STREAM_CLIENTS, l->c->o.nodes - 1)];
    if (!n->up || !n->map || n->paused_until > l->c->now)
        return NULL;
    return n;
}

static void one_request(struct clients *l, unsigned at, struct sim_node *n,
                        unsigned key)
{
    const struct workload_kind *k =
        workload_any(&l->c->rng[STREAM_CLIENTS], l->registers);

    clients_ask(l, at, n, k->op, k->mode, key);
}

/* One more, or is that enough? */
static bool may_begin(struct clients *l)
{
    return !l->begun_max || l->begun++ < l->begun_max;
}

static void burst(struct cluster *c, struct sim_loop *none UNUSED, void *arg,
                  bool dropped)
{
    struct client *x = arg;
    struct clients *l = x->owner;
    unsigned at = (unsigned)(x - l->v);
    unsigned n = 1 + (unsigned)cluster_draw(c, STREAM_CLIENTS, 3);
    unsigned key = (unsigned)cluster_draw(c, STREAM_CLIENTS, l->n_keys - 1);
    struct sim_node *node;

    if (dropped || !l->running)
        return;
    doubt_all(l);
    node = reachable(l, x);
    for (; node && node->up && n > 0 && x->outstanding < l->depth &&
           may_begin(l);
         n--) {
        /* Often the same key again: reads behind their own writes. */
        if (cluster_odds(c, STREAM_CLIENTS, 400))
            key = (unsigned)cluster_draw(c, STREAM_CLIENTS, l->n_keys - 1);
        one_request(l, at, node, key);
    }
    again(l, x);
}

static void call_burst(struct cluster *c, struct sim_loop *none UNUSED,
                       void *arg, bool dropped)
{
    struct caller *x = arg;
    struct clients *l = x->of;

    if (dropped || !l->running)
        return;
    for (uint64_t n = 1 + cluster_draw(c, STREAM_CLIENTS, 3);
         n > 0 && may_begin(l); n--)
        caller_begin(x);
    cluster_later(c, NULL, 1 + cluster_draw(c, STREAM_CLIENTS, l->pause_max),
                  call_burst, x);
}

void clients_run(struct clients *l)
{
    l->running = true;
    for (unsigned i = 0; i < l->n; i++)
        again(l, &l->v[i]);
    for (unsigned i = 0; i < l->n_callers; i++)
        cluster_later(l->c, NULL,
                      1 + cluster_draw(l->c, STREAM_CLIENTS, l->pause_max),
                      call_burst, &l->caller[i]);
}

void clients_callers(struct clients *l, unsigned n)
{
    assert(n <= CALLERS_MAX);
    l->n_callers = n;
    for (unsigned i = 0; i < n; i++)
        caller_init(&l->caller[i], l, CLIENTS_MAX + i);
}

void clients_stop(struct clients *l)
{
    l->running = false;
}

void clients_init(struct clients *l, struct cluster *c, unsigned n,
                  unsigned depth)
{
    *l = (struct clients){.c = c, .n = n, .depth = depth, .pause_max = 20};
    assert(n <= CLIENTS_MAX && depth <= CLIENT_DEPTH_MAX);
    for (unsigned i = 0; i < CLIENTS_MAX; i++)
        l->v[i].owner = l;
    choose_keys(l);
}

void clients_release(struct clients *l)
{
    for (unsigned i = 0; i < l->n_callers; i++)
        caller_release(&l->caller[i]);
    l->n_callers = 0;
    history_release(&l->h);
}
