/* map_fetch.c - asks for the cluster map, and keeps the peers up to date.
 *
 * One question is under way at a time. The nodes are asked in turn, those that
 * failed lately last; one that has to be dialled first gets a little time
 * before the next one is tried as well.
 * Questions that follow each other closely are spread by growing, random
 * pauses: many clients learn of one failure at the same time. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/engine.h"
#include "client/retry.h"
#include "proto/codec.h"

/* Times in ms. After a quiet time the pauses start small again. */
enum { ANSWER_MAX = 1000, DIAL_INTERVAL = 100, QUIET = 2000, IN_A_ROW_MAX = 8 };
enum { LEADERS_BYTES_MAX = 64 * 1024 };

void map_fetch_want(struct coat_client *c)
{
    c->map_fetch.wanted = true;
    engine_wake(c);
}

static void pause_next(struct coat_client *c)
{
    struct map_fetch *f = &c->map_fetch;
    instant now = engine_now(c);

    if (instant_since(now, f->next_at).ms > QUIET)
        f->in_a_row = 0;
    f->in_a_row = MIN_OF(f->in_a_row + 1, (unsigned)IN_A_ROW_MAX);
    f->next_at = instant_add(now, retry_pause(f->in_a_row, &c->rng));
}

static void ask(struct coat_client *c, struct link *l)
{
    struct map_fetch *f = &c->map_fetch;
    struct map_request m = {c->routes.map ? c->routes.map->epoch : 0};
    struct request *r = request_take(&c->pool);

    assert(!f->pending && l->up);
    r->op = REQUEST_MAP;
    r->deadline = instant_add(engine_now(c), MS(ANSWER_MAX));
    map_request_encode(&m, &r->payload);
    if (calls_add(&c->calls, r->deadline, r, &r->id)) {
        request_give(&c->pool, r);
        return;
    }
    f->wanted = false;
    f->pending = r;
    f->turn = l->peer;
    pause_next(c);
    request_move(r, REQUEST_READY, &c->ready);
    link_submit(l, r);
}

void map_fetch_up(struct coat_client *c, struct link *l)
{
    if (c->map_fetch.wanted && !c->map_fetch.pending && !c->closing)
        ask(c, l);
}

/* The peer behind `p` in turn. */
static struct peer *next_peer(struct coat_client *c, struct peer *p)
{
    return p && p->next ? p->next : c->peers;
}

/* Whom to ask: in turn, those that are not suspect first. NULL when there is
 * nobody. */
static struct peer *choose(struct coat_client *c)
{
    struct peer *p = c->map_fetch.turn, *suspect = NULL;
    unsigned n = 0;

    for (struct peer *q = c->peers; q; q = q->next)
        n++;
    while (n-- > 0) {
        p = next_peer(c, p);
        if (!p->endpoint && !p->in_map)
            continue;
        if (!peer_is_suspect(c, p))
            return p;
        suspect = suspect ? suspect : p;
    }
    return suspect;
}

void map_fetch_tick(struct coat_client *c)
{
    struct map_fetch *f = &c->map_fetch;
    struct peer *p;
    struct link *l;

    if (!f->wanted || f->pending ||
        !instant_reached(engine_now(c), f->next_at))
        return;
    p = choose(c);
    if (!p)
        return;
    f->turn = p;
    l = peer_up_link(c, p);
    if (l) {
        ask(c, l);
        return;
    }
    /* When it comes up it is asked, unless another one is by then. */
    f->next_at = instant_add(engine_now(c), MS(DIAL_INTERVAL));
    link_start(peer_link(c, p, 0));
}

/* ---- answers ---- */

static bool is_busy(const struct coat_client *c, const struct peer *p)
{
    for (unsigned i = 0; i < c->settings.connections_per_node; i++) {
        const struct link *l = p->links[i];
        if (l && (l->queue.count || l->sent.count))
            return true;
    }
    return false;
}

void peers_let_go(struct coat_client *c)
{
    struct peer *p, **at = &c->peers;

    c->peers_leaving = false;
    while ((p = *at)) {
        bool busy = !p->in_map && is_busy(c, p);
        c->peers_leaving |= busy;
        if (!p->in_map && !busy)
            peer_rest(c, p);
        if (p->in_map || p->endpoint || busy) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        if (c->map_fetch.turn == p)
            c->map_fetch.turn = NULL;
        peer_free(c, p);
    }
}

/* Peers for the map's nodes; those that are not in it any more are let go when
 * nothing is under way with them. */
static void peers_follow_map(struct coat_client *c)
{
    const struct cluster_map *map = c->routes.map;

    for (struct peer *p = c->peers; p; p = p->next)
        p->in_map = false;
    free(c->node_peers);
    c->node_peers = xcalloc(map->n_nodes, sizeof *c->node_peers);
    for (unsigned i = 0; i < map->n_nodes; i++) {
        struct peer *n = peer_at(c, map->nodes[i].client_address);
        /* A node with an unreadable address is asked through the others. */
        c->node_peers[i] = n ? n : c->peers;
        c->node_peers[i]->in_map = true;
    }
    peers_let_go(c);
}

static void routed(struct coat_client *c)
{
    while (c->unrouted.first)
        engine_ready(c, c->unrouted.first);
}

void map_fetch_failed(struct coat_client *c, const struct outcome *o)
{
    struct request_list *list = &c->unrouted;

    c->denied[0] = 0;
    engine_finish(c, c->map_fetch.pending, o);
    map_fetch_want(c);
    if (o->status != STATUS_NOT_INITIALISED)
        return;
    snprintf(c->denied, sizeof c->denied, "%s",
             status_text(STATUS_NOT_INITIALISED));
    /* Waiting does not help: say so. Only those here now: a callback may ask
     * again. */
    for (unsigned n = list->count; n > 0 && list->first; n--)
        engine_finish(c, list->first, o);
}

static void take_reply(struct coat_client *c, const struct map_reply *m)
{
    struct cluster_map *map;

    c->counters.map_fetches++;
    if (m->map.size && !map_decode(m->map, &map) &&
        routes_set_map(&c->routes, map))
        peers_follow_map(c);
    for (unsigned i = 0; i < m->n_leaders; i++)
        /* An unknown one: the node's leaders are newer than its map. */
        if (m->leaders[i].node &&
            !routes_set_leader(&c->routes, m->leaders[i].group,
                               m->leaders[i].node))
            map_fetch_want(c);
    if (c->routes.map)
        routed(c);
    else
        map_fetch_want(c);
}

void map_fetch_reply(struct coat_client *c, struct link *l, uint64_t id,
                     struct slice payload)
{
    struct request *r = c->map_fetch.pending;
    struct outcome o = {.status = STATUS_OK};
    struct map_reply m;
    struct arena arena;

    if (!r || r->id != id || r->link != l)
        return;
    arena_init(&arena, NULL, 0, LEADERS_BYTES_MAX);
    if (map_reply_decode(payload, &arena, &m)) {
        o.status = STATUS_BAD_MESSAGE;
        map_fetch_failed(c, &o);
    } else if (m.status) {
        o.status = m.status;
        o.detail = m.detail;
        map_fetch_failed(c, &o);
    } else {
        engine_finish(c, r, &o);
        if (m.clock_ms)
            identity_told(&c->identity, engine_now(c), m.clock_ms);
        take_reply(c, &m);
    }
    arena_release(&arena);
    engine_run(c);
}
