/* flow.c - see flow.h. */
#include "client/flow.h"

#include <assert.h>

enum { SUSPECT_MS = 1000 };

enum status flow_open(struct flow *s, struct coat_client *c)
{
    if (c->closing || c->forks != client_forks())
        return STATUS_CLOSED;
    s->client = c;
    s->prev = NULL;
    s->next = c->flows;
    if (s->next)
        s->next->prev = s;
    c->flows = s;
    engine_wake(c);
    return STATUS_OK;
}

void flow_close(struct flow *s)
{
    struct coat_client *c = s->client;

    if (c->flows_at == s) /* the tick goes on behind it */
        c->flows_at = s->next;
    if (s->prev)
        s->prev->next = s->next;
    else
        c->flows = s->next;
    if (s->next)
        s->next->prev = s->prev;
}

void flow_detach(struct flow *s)
{
    flow_close(s);
    s->client = NULL;
}

void flows_tick(struct coat_client *c)
{
    struct flow *s = c->flows;

    while (s) {
        c->flows_at = s->next;
        s->on_tick(s);
        s = c->flows_at;
    }
    c->flows_at = NULL;
}

bool flows_alive(const struct coat_client *c)
{
    return c->flows;
}

void flows_end(struct coat_client *c)
{
    while (c->flows) {
        struct flow *s = c->flows;
        s->on_close(s);
        assert(c->flows != s);
    }
}

enum status flow_submit(struct coat_client *c, enum request_op op,
                        uint16_t slot, enum consistency consistency,
                        struct slice payload, unsigned timeout, unsigned turn,
                        coat_on_reply *on_reply, void *user, uint64_t *id)
{
    struct request *r;
    enum status rv;

    *id = 0;
    if (c->closing || c->forks != client_forks())
        return STATUS_CLOSED;
    if (c->outstanding >= c->settings.requests_max)
        return STATUS_BUSY;
    r = request_take(&c->pool);
    r->op = op;
    r->consistency = consistency;
    r->slot = slot;
    r->pauses = turn;
    r->deadline = op == REQUEST_WATCH
                      ? INSTANT_NEVER
                      : instant_add(engine_now(c),
                                    timeout ? MS(timeout)
                                            : c->settings.timeout);
    r->on_reply = on_reply;
    r->user = user;
    buf_append(&r->payload, payload.data, payload.size);
    rv = calls_add(&c->calls, r->deadline, r, &r->id);
    assert(!rv); /* there is room */
    *id = r->id;
    c->outstanding++;
    c->bytes += r->payload.size;
    c->counters.requests++;
    engine_wake(c);
    request_move(r, REQUEST_READY, &c->ready);
    engine_dispatch(c, r);
    return STATUS_OK;
}

static void on_unwanted(const struct coat_reply *reply UNUSED,
                        void *user UNUSED)
{
}

void flow_forget(struct coat_client *c, uint64_t id)
{
    struct request *r = id ? calls_find(&c->calls, id) : NULL;

    if (!r)
        return;
    r->on_reply = on_unwanted;
    r->user = NULL;
}

void flow_silent(struct coat_client *c, uint64_t id)
{
    const struct request *r = id ? calls_find(&c->calls, id) : NULL;

    if (r && r->place == REQUEST_SENT)
        peer_suspect(c, r->link->peer, SUSPECT_MS);
    map_fetch_want(c);
}

void flow_end(struct coat_client *c, uint64_t id)
{
    const struct outcome o = {.status = STATUS_CANCELLED};
    struct request *r = id ? calls_find(&c->calls, id) : NULL;

    if (!r)
        return;
    flow_forget(c, id);
    if (r->op == REQUEST_WATCH && r->place == REQUEST_SENT)
        link_cancel(r->link, id);
    engine_finish(c, r, &o);
}

int flow_slot_of(const struct coat_client *c, uint32_t group)
{
    const struct cluster_map *map = c->routes.map;

    for (unsigned slot = 0; map && slot < SLOT_COUNT; slot++)
        if (map->owner[slot] == group)
            return (int)slot;
    return -1;
}
