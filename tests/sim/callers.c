/* callers.c - see callers.h. */
#include "tests/sim/callers.h"

#include <string.h>

#include "client/retry.h"
#include "proto/slot.h"
#include "tests/sim/clients.h"

void caller_init(struct caller *x, struct clients *of, unsigned index)
{
    *x = (struct caller){.of = of, .index = index};
    routes_init(&x->routes);
    order_init(&x->order);
    rng_init(&x->rng, of->c->o.seed * 1000 + index);
    routes_set_map(&x->routes, map_copy(of->c->initial));
    for (unsigned i = 0; i < CALLS_MAX; i++)
        x->call[i].owner = x;
}

void caller_release(struct caller *x)
{
    for (unsigned i = 0; i < CALLS_MAX; i++)
        if (x->call[i].order.listed)
            order_remove(&x->order, &x->call[i].order);
    order_release(&x->order);
    routes_release(&x->routes);
}

unsigned caller_waiting(const struct caller *x)
{
    unsigned n = 0;

    for (unsigned i = 0; i < CALLS_MAX; i++)
        n += x->call[i].busy;
    return n;
}

static bool is_write(const struct call *k)
{
    return k->op != OP_GET;
}

static uint32_t hash_of(const struct call *k)
{
    return k->key * 2654435761u;
}

static uint64_t conn_of(const struct caller *x, unsigned place)
{
    return (uint64_t)(x->generation[place] + 1) << 32 | x->index;
}

/* Which connection, as order.h wants to know it. */
static const void *line_of(const struct caller *x, unsigned place)
{
    return &x->generation[place];
}

static void try_send(struct cluster *c, struct call *k);

static void wake(struct cluster *c, struct sim_loop *none UNUSED, void *arg,
                 bool dropped)
{
    struct call *k = arg;

    if (!dropped && k->busy && !k->sent && k->wake <= c->now)
        try_send(c, k);
}

static void again(struct call *k, uint64_t ms)
{
    struct cluster *c = k->owner->of->c;

    k->wake = c->now + ms;
    cluster_later(c, NULL, ms, wake, k);
}

/* Those behind it may go now. */
static void next_of(struct caller *x, uint32_t hash)
{
    struct order_write *w = order_first_unsent(&x->order, hash);

    if (w)
        again(CONTAINER_OF(w, struct call, order), 1);
}

static void finish(struct call *k, enum status st, uint64_t value,
                   uint64_t version)
{
    struct caller *x = k->owner;

    if (!history_answer(&x->of->h, k->number, st, value, version))
        cluster_fail(x->of->c, "request %zu was answered twice", k->number);
    k->busy = k->sent = false;
    if (k->order.listed) {
        order_remove(&x->order, &k->order);
        next_of(x, hash_of(k));
    }
    clients_count(x->of, st);
}

/* What happened to it when no time is left: it was not executed, as far as the
 * last refusal goes. */
static enum status late(const struct call *k)
{
    if (k->last == STATUS_OK)
        return is_write(k) ? STATUS_UNAVAILABLE : STATUS_TIMEOUT;
    return k->last;
}

static struct sim_node *choose(struct cluster *c, struct call *k)
{
    const struct routes *r = &k->owner->routes;
    uint16_t at[REPLICA_COUNT_MAX];
    uint16_t slot = slot_of(slice_str(k->owner->of->keys[k->key]));
    bool leader = k->mode == READ_LINEARIZABLE && k->attempts % 4 != 3;
    unsigned n = routes_candidates(r, slot, leader, k->attempts, at);

    for (unsigned i = 0; i < n; i++) {
        struct sim_node *x = cluster_node(c, r->map->nodes[at[i]].id);
        if (x && x->up && x->map && x->paused_until <= c->now)
            return x;
    }
    return NULL;
}

static void try_send(struct cluster *c, struct call *k)
{
    struct caller *x = k->owner;
    struct sim_node *n = choose(c, k);
    struct buf value = {0};
    struct request q;

    /* Repeating it would undo a younger one. */
    if (c->now >= k->deadline ||
        (is_write(k) && k->order.overtaken && k->last != STATUS_OK)) {
        finish(k, late(k), SIZE_MAX, 0);
        return;
    }
    if (!n) {
        k->attempts++;
        again(k, 20);
        return;
    }
    if (is_write(k) &&
        !order_may_send(&x->order, &k->order, line_of(x, n->place))) {
        again(k, 10);
        return;
    }
    if (is_write(k))
        order_sent(&x->order, &k->order, line_of(x, n->place));
    k->sent = true;
    k->attempts++;
    k->place = n->place;
    q = workload_request(k->op, k->mode, slice_str(x->of->keys[k->key]));
    q.from = (struct origin){.conn = conn_of(x, n->place), .id = k->number};
    q.deadline = instant_add(cluster_clock(c, n), MS(k->deadline - c->now));
    if (k->op == OP_SET)
        workload_value(k->number, &value);
    q.operation.value = buf_slice(&value);
    loop_request(c, &n->loops[x->index % n->n_loops], &q);
    buf_release(&value);
}

void caller_begin(struct caller *x)
{
    const struct workload_kind *w = workload_any(&x->rng, x->of->registers);
    struct clients *l = x->of;
    struct call *k = NULL;

    for (unsigned i = 0; i < CALLS_MAX; i++)
        if (!x->call[i].busy)
            k = &x->call[i];
    if (!k)
        return;
    k->busy = true;
    k->sent = false;
    k->op = w->op;
    k->mode = w->mode;
    k->key = (unsigned)rng_below(&x->rng, l->n_keys);
    k->attempts = 0;
    k->last = STATUS_OK;
    k->deadline = l->c->now + 300 + rng_below(&x->rng, 2500);
    /* Only its writes to a key are promised to keep their order. */
    k->number = history_ask(&l->h, k->op, k->mode, k->key,
                            is_write(k) ? x->index + 1
                                        : CALLER_READS + l->h.n);
    if (is_write(k))
        order_add(&x->order, &k->order, hash_of(k));
    again(k, 1);
}

static void refused(struct call *k, enum status st)
{
    struct caller *x = k->owner;
    enum verdict v = retry_verdict(st, !is_write(k));

    k->sent = false;
    k->last = st;
    if (v == VERDICT_DONE || (is_write(k) && k->order.overtaken)) {
        if (is_write(k) && status_retry(st) == RETRY_UNSAFE)
            order_executed(&k->order);
        finish(k, st, SIZE_MAX, 0);
        return;
    }
    if (is_write(k))
        order_refused(&x->order, &k->order);
    again(k, retry_pause(k->attempts, &x->rng).ms);
}

bool caller_replied(struct caller *x, const struct effect *e)
{
    const struct reply *r = &e->reply.reply;
    struct cluster *c = x->of->c;
    struct call *k = NULL;
    uint64_t value = SIZE_MAX;

    if ((uint32_t)e->reply.to.conn != x->index)
        return false;
    for (unsigned i = 0; i < CALLS_MAX; i++)
        if (x->call[i].busy && x->call[i].number == e->reply.to.id)
            k = &x->call[i];
    if (!k || !k->sent || conn_of(x, k->place) != e->reply.to.conn)
        cluster_fail(c, "an answer to nobody's request");
    if (!workload_expected(k->op, r->status))
        cluster_fail(c, "request %zu (op %d) was answered %s", k->number,
                     (int)k->op, status_name(r->status));
    if (r->hint_node)
        (void)routes_set_leader(&x->routes, r->hint_group, r->hint_node);
    if (r->status != STATUS_OK && r->status != STATUS_NOT_FOUND) {
        refused(k, r->status);
        return true;
    }
    if (k->op == OP_GET && r->status == STATUS_OK &&
        !workload_number(r->value, &value))
        cluster_fail(c, "request %zu read a damaged value", k->number);
    if (is_write(k))
        order_executed(&k->order);
    finish(k, r->status, value, r->version);
    return true;
}

void caller_died(struct caller *x, const struct sim_node *n)
{
    x->generation[n->place]++;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        struct call *k = &x->call[i];
        if (!k->busy || !k->sent || k->place != n->place)
            continue;
        /* Nobody knows what became of it. */
        refused(k, is_write(k) ? STATUS_UNKNOWN : STATUS_CONNECTION);
    }
}
