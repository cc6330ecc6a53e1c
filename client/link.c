/* link.c - connections to nodes: sending, receiving, up and down. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/engine.h"
#include "client/watch.h"
#include "proto/codec.h"
#include "rpc/types.h"

/* How long others are preferred after a failure, in ms. */
enum { SUSPECT_FAILED = 500, SUSPECT_LOST = 200, SUSPECT_SILENT = 1000 };
enum { HURRY_INTERVAL = 200, BYTES_PER_MS = 2048 };

static const uint16_t types[] = {
    [REQUEST_GET] = MESSAGE_GET,
    [REQUEST_SET] = MESSAGE_SET,
    [REQUEST_DELETE] = MESSAGE_DELETE,
    [REQUEST_OPERATE] = MESSAGE_OPERATE,
    [REQUEST_MAP] = MESSAGE_MAP,
    [REQUEST_SCAN] = MESSAGE_SCAN,
    [REQUEST_WATCH] = MESSAGE_WATCH,
};

/* ---- sending ---- */

/* A little less than we wait ourselves, so that the node's own answer, which
 * knows more than we do, still arrives in time. */
static duration time_for_node(const struct request *r, instant now)
{
    uint64_t left = instant_since(r->deadline, now).ms;

    return MS(MAX_OF(left - left / 16, 1));
}

static bool link_send(struct link *l, struct request *r)
{
    struct coat_client *c = l->client;
    struct conn *conn = l->up ? dialer_conn(l->dialer) : NULL;
    instant now = engine_now(c);
    struct frame_header header = {
        .id = r->id,
        .remaining = time_for_node(r, now),
        .type = types[r->op],
        .kind = FRAME_REQUEST,
    };
    struct slice payload;

    if (!conn)
        return false;
    if (r->session.sequence)
        identity_stamp(&c->identity, &r->session, &r->payload, now,
                       header.remaining);
    payload = buf_slice(&r->payload);
    if (conn_send(conn, &header, &payload, 1, CONN_NORMAL))
        return false;
    c->counters.retries += r->attempts > 0 && r->op != REQUEST_MAP;
    r->attempts++;
    r->since = now;
    r->link = l;
    request_move(r, REQUEST_SENT, &l->sent);
    if (request_is_write(r)) {
        order_sent(&c->order, &r->order, l);
        engine_wake_key(c, r->order.hash);
    }
    return true;
}

void link_submit(struct link *l, struct request *r)
{
    if (!l->queue.count && link_send(l, r))
        return;
    r->link = l;
    r->since = engine_now(l->client);
    request_move(r, REQUEST_QUEUED, &l->queue);
    link_start(l);
}

/* Send what waited; a write behind another one of its key waits for that. */
static void link_flush(struct link *l)
{
    struct request *r;

    while ((r = l->queue.first)) {
        if (request_is_write(r) &&
            !order_may_send(&l->client->order, &r->order, l))
            request_move(r, REQUEST_PARKED, &l->client->parked);
        else if (!link_send(l, r))
            return;
    }
}

/* A dialer in its pause is hurried when there is work, but not by each. */
void link_start(struct link *l)
{
    enum dialer_state state = dialer_state(l->dialer);
    instant now = engine_now(l->client);

    if (state == DIALER_STOPPED)
        dialer_start(l->dialer);
    if (state == DIALER_WAITING &&
        instant_since(now, l->hurried_at).ms >= HURRY_INTERVAL) {
        l->hurried_at = now;
        dialer_start(l->dialer);
    }
}

/* ---- receiving ---- */

static bool read_reply(const struct frame_header *header, struct slice payload,
                       struct outcome *o)
{
    struct get_reply get;
    struct write_reply write;
    struct scan_reply scan;
    struct operate_reply operate;
    struct error_reply error;

    switch (header->type) {
    case MESSAGE_GET_REPLY:
        if (get_reply_decode(payload, &get))
            return false;
        *o = (struct outcome){get.status, get.value, get.version, get.hint,
                              get.detail, .has_value = !get.status,
                              .expire_at = get.expire_at,
                              .clock = get.clock};
        return true;
    case MESSAGE_WRITE_REPLY:
        if (write_reply_decode(payload, &write))
            return false;
        *o = (struct outcome){.status = write.status,
                              .version = write.version, .hint = write.hint,
                              .detail = write.detail};
        return true;
    case MESSAGE_OPERATE_REPLY:
        if (operate_reply_decode(payload, &operate))
            return false;
        *o = (struct outcome){
            operate.reply.status, operate.reply.value, operate.reply.version,
            operate.hint, operate.detail, operate.reply.has_value,
            operate.reply.argument, operate.reply.expire_at,
            operate.reply.clock};
        return true;
    case MESSAGE_SCAN_REPLY:
        if (scan_reply_decode(payload, &scan))
            return false;
        *o = (struct outcome){.status = scan.status, .value = scan.page,
                              .hint = scan.hint, .detail = scan.detail};
        return true;
    case MESSAGE_ERROR:
        if (error_reply_decode(payload, &error))
            return false;
        *o = (struct outcome){.status = error.status, .hint = error.hint,
                              .detail = error.detail};
        return true;
    default:
        return false;
    }
}

static bool type_answers(const struct request *r, uint16_t type)
{
    if (type == MESSAGE_ERROR)
        return true;
    if (r->op == REQUEST_GET)
        return type == MESSAGE_GET_REPLY;
    if (r->op == REQUEST_SCAN || r->op == REQUEST_WATCH)
        return r->op == REQUEST_SCAN && type == MESSAGE_SCAN_REPLY;
    if (r->op == REQUEST_OPERATE)
        return type == MESSAGE_OPERATE_REPLY;
    return r->op != REQUEST_MAP && type == MESSAGE_WRITE_REPLY;
}

void link_cancel(struct link *l, uint64_t id)
{
    struct conn *conn = l->up ? dialer_conn(l->dialer) : NULL;
    struct frame_header header = {
        .id = id, .type = MESSAGE_WATCH_CANCEL, .kind = FRAME_ONEWAY};

    /* Without room it is told again at the next part. */
    if (conn && conn_send(conn, &header, NULL, 0, CONN_CONTROL))
        return;
}

static void on_part(struct link *l, const struct frame_header *header,
                    struct slice payload)
{
    struct coat_client *c = l->client;
    struct request *r = calls_find(&c->calls, header->id);

    if (r && r->op == REQUEST_WATCH && r->place == REQUEST_SENT &&
        r->link == l && header->type == MESSAGE_WATCH_PART)
        watch_on_part(r->user, payload);
    else
        link_cancel(l, header->id); /* nobody wants it any more */
    engine_run(c);
}

static void on_frame(struct dialer *d, const struct frame_header *header,
                     struct slice payload)
{
    struct link *l = dialer_user(d);
    struct coat_client *c = l->client;
    struct outcome o;
    const struct request *r;
    bool first = !l->heard;

    l->heard = true;
    l->peer->suspect_until = (instant){0};
    if (c->closing)
        return;
    if (header->type == MESSAGE_MAP_REPLY) {
        map_fetch_reply(c, l, header->id, payload);
        return;
    }
    if (header->kind == FRAME_PART) {
        on_part(l, header, payload);
        return;
    }
    r = calls_find(&c->calls, header->id);
    if (header->kind != FRAME_REPLY || !read_reply(header, payload, &o) ||
        (r && !type_answers(r, header->type))) {
        if (dialer_conn(d))
            conn_close(dialer_conn(d), STATUS_BAD_MESSAGE, "unreadable reply");
        return;
    }
    if (!header->id) {
        /* Said before it read anything: too many connections. */
        if (first && o.status == STATUS_BUSY)
            l->refused = STATUS_BUSY;
        return;
    }
    engine_reply(c, l, header->id, &o);
    engine_run(c);
}

/* ---- up and down ---- */

static void on_up(struct dialer *d, struct conn *conn UNUSED)
{
    struct link *l = dialer_user(d);

    l->up = true;
    l->heard = false;
    l->refused = STATUS_OK;
    l->peer->suspect_until = (instant){0};
    l->client->counters.connects++;
    map_fetch_up(l->client, l);
    link_flush(l);
    engine_run(l->client);
}

static void on_drain(struct dialer *d)
{
    struct link *l = dialer_user(d);

    link_flush(l);
    engine_run(l->client);
}

static void note_trouble(struct link *l, const char *detail)
{
    struct coat_client *c = l->client;

    snprintf(c->trouble, sizeof c->trouble, "%s", detail);
}

static void delay_queue(struct link *l)
{
    while (l->queue.first)
        engine_delay(l->client, l->queue.first);
    /* The dialer goes on, so that a node that is back is noticed; but not for
     * one that nobody will ask. */
    if (!l->peer->in_map && !l->peer->endpoint)
        dialer_stop(l->dialer);
}

static void on_down(struct dialer *d, enum status why UNUSED,
                    const char *detail)
{
    struct link *l = dialer_user(d);
    struct coat_client *c = l->client;
    char text[2 * ADDRESS_MAX];

    l->up = false;
    c->counters.disconnects++;
    snprintf(text, sizeof text, "the connection to %s broke: %s",
             l->peer->text, detail ? detail : "");
    note_trouble(l, text);
    peer_suspect(c, l->peer, SUSPECT_LOST);
    delay_queue(l);
    /* A callback may submit, but nothing is sent on this link any more. */
    while (l->sent.first)
        engine_lost(c, l->sent.first, slice_str(text));
    if (!c->closing)
        map_fetch_want(c);
    engine_run(c);
}

static void on_failed(struct dialer *d, enum status why UNUSED,
                      const char *detail)
{
    struct link *l = dialer_user(d);
    struct coat_client *c = l->client;

    note_trouble(l, detail);
    peer_suspect(c, l->peer, SUSPECT_FAILED);
    delay_queue(l);
    map_fetch_want(c);
}

static const struct dialer_events events = {
    .on_up = on_up,
    .on_frame = on_frame,
    .on_drain = on_drain,
    .on_down = on_down,
    .on_failed = on_failed,
};

/* ---- peers ---- */

struct peer *peer_at(struct coat_client *c, const char *text)
{
    struct peer *p;
    struct address address;
    char error[ADDRESS_ERROR_SIZE];

    for (p = c->peers; p; p = p->next)
        if (!strcmp(p->text, text))
            return p;
    if (address_parse(slice_str(text), 7410, &address, error))
        return NULL;
    p = xcalloc(1, sizeof *p);
    snprintf(p->text, sizeof p->text, "%s", text);
    p->address = address;
    p->links = xcalloc(c->settings.connections_per_node, sizeof *p->links);
    p->next = c->peers;
    c->peers = p;
    return p;
}

void peer_suspect(struct coat_client *c, struct peer *p, uint64_t ms)
{
    p->suspect_until = instant_add(engine_now(c), MS(ms));
}

bool peer_is_suspect(const struct coat_client *c, const struct peer *p)
{
    return p->suspect_until.ms > engine_now(c).ms;
}

struct link *peer_up_link(const struct coat_client *c, const struct peer *p)
{
    for (unsigned i = 0; i < c->settings.connections_per_node; i++)
        if (p->links[i] && p->links[i]->up)
            return p->links[i];
    return NULL;
}

struct link *peer_link(struct coat_client *c, struct peer *p, unsigned index)
{
    struct link *l = p->links[index];
    struct dialer_options o;

    assert(index < c->settings.connections_per_node);
    if (l)
        return l;
    o = dialer_options_default(&p->address, rng_next(&c->rng));
    o.connect_timeout = c->settings.connect_timeout;
    l = xcalloc(1, sizeof *l);
    l->client = c;
    l->peer = p;
    l->dialer = dialer_new(c->set, &o, &events, l);
    p->links[index] = l;
    return l;
}

void peer_rest(struct coat_client *c, struct peer *p)
{
    for (unsigned i = 0; i < c->settings.connections_per_node; i++) {
        struct link *l = p->links[i];
        if (l && !l->queue.count && !l->sent.count)
            dialer_stop(l->dialer);
    }
}

void peer_free(struct coat_client *c, struct peer *p)
{
    for (unsigned i = 0; i < c->settings.connections_per_node; i++) {
        struct link *l = p->links[i];
        if (!l)
            continue;
        assert(!l->queue.count && !l->sent.count);
        dialer_free(l->dialer);
        free(l);
    }
    free(p->links);
    free(p);
}

/* ---- silence ---- */

/* What is large takes longer, and sending it again makes it worse. */
static bool is_silent(const struct request *r, instant too_old)
{
    return r->since.ms + r->payload.size / BYTES_PER_MS < too_old.ms;
}

static void link_check(struct link *l, instant too_old)
{
    struct coat_client *c = l->client;
    struct request *r = l->sent.first, *next;

    for (; r && r->since.ms < too_old.ms; r = next) {
        next = r->next;
        if (r->op == REQUEST_MAP || r->op == REQUEST_WATCH ||
            !request_is_repeatable(r) || !is_silent(r, too_old) ||
            r->attempts >= c->settings.attempts_max)
            continue; /* its deadline ends it */
        r->maybe_executed = r->maybe_executed || request_is_write(r);
        peer_suspect(c, l->peer, SUSPECT_SILENT);
        map_fetch_want(c);
        engine_ready(c, r);
    }
    while (l->queue.first && l->queue.first->since.ms < too_old.ms) {
        peer_suspect(c, l->peer, SUSPECT_SILENT);
        engine_delay(c, l->queue.first);
    }
}

void links_check(struct coat_client *c)
{
    uint64_t now = engine_now(c).ms, limit = c->settings.attempt_timeout.ms;

    if (now <= limit)
        return;
    for (struct peer *p = c->peers; p; p = p->next)
        for (unsigned i = 0; i < c->settings.connections_per_node; i++)
            if (p->links[i])
                link_check(p->links[i], (instant){now - limit});
}
