/* engine.c - where a request goes next, and how it ends. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/engine.h"
#include "client/retry.h"
#include "client/flow.h"

enum { TICK = 10, CHECK_EVERY = 10, QUICK_MAX = 3, DELAY_UNSENT = 10 };

void engine_wake(struct coat_client *c)
{
    if (c->ticking)
        return;
    c->ticking = true;
    uv_timer_start(&c->tick, engine_on_tick, TICK, TICK);
}

/* A write of this hash went out, came back or ended: the oldest that is not on
 * its way may have waited for that. */
void engine_wake_key(struct coat_client *c, uint32_t hash)
{
    struct order_write *w = order_first_unsent(&c->order, hash);
    struct request *r;

    if (!w)
        return;
    r = CONTAINER_OF(w, struct request, order);
    if (r->place == REQUEST_PARKED)
        request_move(r, REQUEST_READY, &c->ready);
}

/* `r` is not on its way any more, and was not executed. */
static void come_back(struct coat_client *c, struct request *r)
{
    r->link = NULL;
    if (!request_is_write(r) || !r->order.sent_on)
        return;
    order_refused(&c->order, &r->order);
    engine_wake_key(c, r->order.hash);
}

void engine_ready(struct coat_client *c, struct request *r)
{
    come_back(c, r);
    request_move(r, REQUEST_READY, &c->ready);
}

static void delay(struct coat_client *c, struct request *r, duration d)
{
    come_back(c, r);
    r->wake_at = instant_add(engine_now(c), d);
    request_move(r, REQUEST_DELAYED, &c->delayed);
}

void engine_delay(struct coat_client *c, struct request *r)
{
    delay(c, r, MS(DELAY_UNSENT + rng_below(&c->rng, DELAY_UNSENT)));
}

/* ---- routing ---- */

/* The best node that is not suspect; the best one if all are. */
static struct peer *choose_peer(struct coat_client *c, const struct request *r)
{
    uint16_t nodes[REPLICA_COUNT_MAX];
    bool leader_first = r->consistency == CONSISTENCY_LINEARIZABLE;
    /* Stale reads spread over the replicas; so do tries without a leader. */
    unsigned turn = leader_first ? r->attempts : (unsigned)c->rng.state >> 7;
    unsigned n = routes_candidates(&c->routes, r->slot, leader_first,
                                   turn + r->pauses, nodes);

    if (!leader_first)
        (void)rng_next(&c->rng);
    for (unsigned i = 0; i < n; i++)
        if (!peer_is_suspect(c, c->node_peers[nodes[i]]))
            return c->node_peers[nodes[i]];
    return c->node_peers[nodes[0]];
}

static void finish_refused(struct coat_client *c, struct request *r)
{
    struct outcome o = {.status = r->refusal,
                        .detail = slice_str(r->refusal_detail)};

    engine_finish(c, r, &o);
}

void engine_dispatch(struct coat_client *c, struct request *r)
{
    struct link *l;
    unsigned lane;

    assert(r->place == REQUEST_READY);
    if (request_is_write(r) && r->order.overtaken && r->refusal) {
        finish_refused(c, r);
        return;
    }
    if (!c->routes.map) {
        request_move(r, REQUEST_UNROUTED, &c->unrouted);
        map_fetch_want(c);
        return;
    }
    if (!routes_leader_known(&c->routes, r->slot))
        map_fetch_want(c);
    lane = r->lane ? r->lane : c->routes.group_at[r->slot];
    lane %= c->settings.connections_per_node;
    l = peer_link(c, choose_peer(c, r), lane);
    if (request_is_write(r) && !order_may_send(&c->order, &r->order, l))
        request_move(r, REQUEST_PARKED, &c->parked);
    else
        link_submit(l, r);
}

void engine_run(struct coat_client *c)
{
    while (c->ready.first && !c->closing)
        engine_dispatch(c, c->ready.first);
}

/* ---- endings ---- */

static const char *text_of(struct slice s, char *text, size_t size)
{
    size_t n = MIN_OF(s.size, size - 1);

    if (n)
        memcpy(text, s.data, n);
    text[n] = 0;
    return text;
}

/* Take the write out of the order; the next one of its key may go. */
static void leave_order(struct coat_client *c, struct request *r,
                        enum status status)
{
    /* What was not refused may have been executed. */
    if (r->order.sent_on && status_retry(status) != RETRY_SAFE)
        order_executed(&r->order);
    order_remove(&c->order, &r->order);
    engine_wake_key(c, r->order.hash);
}

/* A refusal is true of the last try only; so is INVALID, which an id gets whose
 * time seems too far ahead. */
static enum status status_for_caller(const struct request *r,
                                     enum status status)
{
    if (r->maybe_executed &&
        (status_retry(status) == RETRY_SAFE || status == STATUS_INVALID))
        return STATUS_UNKNOWN;
    return status;
}

/* Our idea of the cluster's time was wrong (a node whose clock jumped had told
 * it): the reply tells it anew. No copy of the request is on its way, as each
 * try was refused, so it may go out again with another time. */
static bool mistimed(const struct request *r, const struct outcome *o)
{
    return r->session.sequence && !r->maybe_executed &&
           identity_mistimed(&r->session, o->status, o->clock);
}

/* The new number of an incr comes as text; the others' are numbers. */
static int64_t number_of(const struct request *r, const struct outcome *o)
{
    char text[32];

    if (r->op != REQUEST_OPERATE || r->operation != OP_INCR)
        return (int64_t)o->argument;
    return o->status ? 0 : strtoll(text_of(o->value, text, sizeof text), NULL,
                                   10);
}

void engine_finish(struct coat_client *c, struct request *r,
                   const struct outcome *o)
{
    char detail[COAT_ERROR_MAX];
    enum status status = status_for_caller(r, o->status);
    struct coat_reply reply = {
        .status = (enum coat_status)status,
        .value = {o->value.data, o->value.size},
        .version = o->version,
        .detail = text_of(o->detail, detail, sizeof detail),
        .attempts = r->attempts,
        .has_value = o->has_value,
        .number = number_of(r, o),
        .deadline = o->expire_at,
        .clock = o->clock,
    };
    coat_on_reply *on_reply = r->on_reply;
    void *user = r->user;

    (void)calls_take(&c->calls, r->id); /* NULL when its time is over */
    if (r->op == REQUEST_MAP) {
        c->map_fetch.pending = NULL;
        request_give(&c->pool, r);
        return;
    }
    if (request_is_write(r))
        leave_order(c, r, status);
    identity_forget(&c->identity, &r->session);
    assert(c->outstanding > 0 && c->bytes >= r->payload.size);
    c->outstanding--;
    c->bytes -= r->payload.size;
    c->counters.replies++;
    request_give(&c->pool, r);
    on_reply(&reply, user);
}

/* ---- refusals ---- */

static void note_refusal(struct request *r, const struct outcome *o)
{
    r->refusal = o->status;
    text_of(o->detail, r->refusal_detail, sizeof r->refusal_detail);
}

/* `elsewhere`: the refusal named another node. */
static void refused(struct coat_client *c, struct request *r,
                    const struct outcome *o, bool elsewhere)
{
    bool is_write = request_is_write(r);
    bool repeatable = request_is_repeatable(r);
    enum verdict verdict = retry_verdict(o->status, repeatable);

    if (r->op == REQUEST_WATCH) { /* asked anew from another place */
        engine_finish(c, r, o);
        return;
    }
    /* There is a cluster, for we have its map: that one node was made blank. */
    if (o->status == STATUS_NOT_INITIALISED && c->routes.map) {
        verdict = VERDICT_ROUTE;
        map_fetch_want(c);
    }
    if (is_write && status_retry(o->status) == RETRY_UNSAFE)
        r->maybe_executed = true;
    if (verdict == VERDICT_DONE || r->attempts >= c->settings.attempts_max) {
        engine_finish(c, r, o);
        return;
    }
    note_refusal(r, o);
    if (is_write && r->order.overtaken) {
        engine_finish(c, r, o);
        return;
    }
    if (verdict == VERDICT_ROUTE && elsewhere && r->quick < QUICK_MAX) {
        r->quick++;
        engine_ready(c, r);
        return;
    }
    delay(c, r, retry_pause(++r->pauses, &c->rng));
}

/* Learn who leads. True: somebody else than the node that answered. */
static bool take_hint(struct coat_client *c, const struct link *l,
                      const struct outcome *o)
{
    const struct hint *h = &o->hint;
    const struct map_node *node;
    bool other = false;

    if (!c->routes.map)
        return false;
    if (h->epoch > c->routes.map->epoch || o->status == STATUS_MOVED)
        map_fetch_want(c);
    if (h->node) {
        node = map_node_find(c->routes.map, h->node);
        other = node && strcmp(node->client_address, l->peer->text) != 0;
    }
    if ((h->node || h->group) && !routes_set_leader(&c->routes, h->group,
                                                    h->node))
        map_fetch_want(c);
    if (o->status == STATUS_NOT_LEADER && !h->node)
        map_fetch_want(c);
    return other;
}

void engine_reply(struct coat_client *c, struct link *l, uint64_t id,
                  const struct outcome *o)
{
    struct request *r = calls_find(&c->calls, id);
    bool other = take_hint(c, l, o);

    if (!r || r->place != REQUEST_SENT || r->link != l)
        return; /* too late, or of an earlier try */
    if (r->op == REQUEST_MAP) {
        map_fetch_failed(c, o);
        return;
    }
    if (o->clock && request_is_write(r))
        identity_told(&c->identity, engine_now(c), o->clock);
    if (o->status == STATUS_OK || o->status == STATUS_NOT_FOUND) {
        engine_finish(c, r, o);
        return;
    }
    if (mistimed(r, o) && r->attempts < c->settings.attempts_max) {
        r->session.not_after = 0; /* stamped anew when it is sent */
        delay(c, r, retry_pause(++r->pauses, &c->rng));
        return;
    }
    c->counters.redirects +=
        o->status == STATUS_NOT_LEADER || o->status == STATUS_MOVED;
    refused(c, r, o, other);
}

void engine_lost(struct coat_client *c, struct request *r, struct slice why)
{
    struct outcome o = {.status = STATUS_CONNECTION, .detail = why};

    assert(r->place == REQUEST_SENT);
    if (r->op == REQUEST_MAP) {
        map_fetch_failed(c, &o);
        return;
    }
    if (r->link->refused)
        o.status = r->link->refused;
    else if (request_is_write(r))
        o.status = STATUS_UNKNOWN;
    refused(c, r, &o, false);
}

/* ---- time ---- */

/* `r` was sent to a node that says nothing: a stopped one, or none of ours. */
static void note_silence(struct coat_client *c, const struct request *r)
{
    snprintf(c->trouble, sizeof c->trouble, "%.200s does not answer",
             r->link->peer->text);
}

/* What a request that has run out of time ends with. */
static void on_deadline(void *context, uint64_t id UNUSED, void *user)
{
    struct coat_client *c = context;
    struct request *r = user, *map = c->map_fetch.pending;
    struct outcome o = {.status = STATUS_TIMEOUT};

    if (r->place == REQUEST_SENT)
        note_silence(c, r);
    else if (!c->trouble[0] && map && map->place == REQUEST_SENT)
        note_silence(c, map);
    o.detail = slice_str(c->trouble);
    if (r->place == REQUEST_SENT) {
        peer_suspect(c, r->link->peer, 1000);
        if (r->op == REQUEST_MAP) {
            map_fetch_failed(c, &o);
            return;
        }
        map_fetch_want(c);
        if (request_is_write(r))
            o.status = STATUS_UNKNOWN;
    } else if (r->refusal) {
        o.status = r->refusal;
        o.detail = slice_str(r->refusal_detail);
    }
    engine_finish(c, r, &o);
}

static void wake_delayed(struct coat_client *c)
{
    instant now = engine_now(c);
    struct request *r = c->delayed.first, *next;

    for (; r; r = next) {
        next = r->next;
        if (instant_reached(now, r->wake_at))
            engine_ready(c, r);
    }
}

void engine_on_tick(uv_timer_t *timer)
{
    struct coat_client *c = timer->data;

    c->ticks++;
    calls_expire(&c->calls, engine_now(c), on_deadline, c);
    if (c->closing)
        return;
    wake_delayed(c);
    if (c->ticks % CHECK_EVERY == 0)
        links_check(c);
    if (c->peers_leaving)
        peers_let_go(c);
    map_fetch_tick(c);
    flows_tick(c);
    engine_run(c);
    if (!flows_alive(c) && !c->outstanding && !c->map_fetch.wanted &&
        !c->map_fetch.pending && !c->peers_leaving && !c->closing) {
        c->ticking = false;
        uv_timer_stop(&c->tick);
    }
}
