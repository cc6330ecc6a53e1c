/* native.c - the native door: clients' frames to requests, replies to frames.
 *
 * Requests of one connection are decoded as they come and answered in any
 * order. A connection that has CONN_REQUESTS_MAX under way is not read from
 * until some are answered, so a client cannot make the node hold more.
 *
 * Values are read only when there is room for them in what waits to be sent: a
 * get whose client has HOLD_BYTES to take already is held back, in order, until
 * it has taken some. What comes by another way (passed on) and finds no room is
 * answered with BUSY in the value's place. Only a client that takes nothing at
 * all, while memory is short, is cut off. */
#include "node/shell/post.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/resource.h>

#include "node/front/room.h"
#include "node/front/translate.h"
#include "proto/base/log.h"
#include "proto/codec.h"
#include "rpc/types.h"

enum {
    CONN_REQUESTS_MAX = 4096,
    CONN_WATCHES_MAX = 4096,
    DEADLINE_DEFAULT_MS = 10000,
    DEADLINE_MAX_MS = 300000,
    HOLD_BYTES = 4 << 20, /* wait to be sent to one client: no reads */
    READING_MAX = 16,     /* on workers, for one client */
    VALUE_SMALL = 64,     /* has room wherever its reply has */
};

/* An EFFECT_READ whose client has no room for the value. */
struct held {
    STAILQ_ENTRY(held) next;
    struct effect effect;
};

struct client {
    struct native *native;
    struct conn *conn;   /* NULL: the place is free */
    uint32_t place;      /* in native.v; never changes */
    uint32_t generation;
    uint32_t next_free;  /* of a free place: index + 1 */
    uint32_t under_way;
    uint32_t watches;    /* not among those */
    bool paused;
    STAILQ_HEAD(, held) held;
    TAILQ_ENTRY(client) in_holding; /* while `held` is not empty */
    unsigned reading;    /* on workers */
    size_t usual;        /* size of values it was sent lately */
    struct room_taking taking;
};

struct native {
    struct loop *l;
    struct listener *listener;
    struct client **v;
    uint32_t count, cap;
    uint32_t free_head;  /* index + 1 */
    unsigned open;
    TAILQ_HEAD(, client) holding;
    uint8_t full[FRAME_ERROR_SIZE]; /* what one client too many is told */
};

struct native *native_new(struct loop *l)
{
    struct native *d = xcalloc(1, sizeof *d);

    d->l = l;
    TAILQ_INIT(&d->holding);
    frame_error(d->full, STATUS_BUSY);
    return d;
}

static struct client *client_add(struct native *d)
{
    struct client *c;

    d->open++;
    if (d->free_head) {
        c = d->v[d->free_head - 1];
        d->free_head = c->next_free;
        return c;
    }
    if (d->count == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 64;
        d->v = xrealloc(d->v, d->cap * sizeof *d->v);
    }
    c = xcalloc(1, sizeof *c);
    c->native = d;
    STAILQ_INIT(&c->held);
    c->place = d->count;
    d->v[d->count++] = c;
    return c;
}

/* What origins call it. */
static uint64_t conn_number(const struct client *c)
{
    return origin_conn(c->generation, c->place, false);
}

/* ---- requests ---- */

static void refuse(struct client *c, const struct request *q, enum status why,
                   const char *detail)
{
    struct effect e = {.type = EFFECT_REPLY};

    e.reply.to = q->from;
    e.reply.op = q->operation.op;
    e.reply.reply.status = why;
    e.reply.reply.detail = detail;
    native_reply(c->native->l, &e);
}

static void on_data(struct client *c, const struct frame_header *h,
                    struct request *q, enum status st, const char *why)
{
    struct loop *l = c->native->l;
    struct event e = {.type = EVENT_REQUEST, .now = node_now()};
    uint64_t ms = h->remaining.ms ? h->remaining.ms : DEADLINE_DEFAULT_MS;

    c->under_way++;
    if (st == STATUS_OK && !l->shard)
        st = STATUS_NOT_INITIALISED;
    if (st == STATUS_OK && post_behind(l->node))
        st = STATUS_BUSY;
    if (st != STATUS_OK) {
        refuse(c, q, st, why);
        return;
    }
    if (ms > DEADLINE_MAX_MS)
        ms = DEADLINE_MAX_MS;
    q->deadline = instant_add(e.now, MS(ms));
    e.request = q;
    loop_step(l, &e);
    if (c->conn && c->under_way >= CONN_REQUESTS_MAX && !c->paused) {
        c->paused = true;
        conn_pause(c->conn);
    }
}

/* Watches are not counted among the requests: they stay. */
static void on_watch(struct client *c, const struct frame_header *h,
                     struct request *q, struct slice payload)
{
    uint64_t ms = h->remaining.ms ? h->remaining.ms : DEADLINE_DEFAULT_MS;
    instant deadline =
        instant_add(node_now(), MS(MIN_OF(ms, DEADLINE_MAX_MS)));
    enum status st = STATUS_BUSY;

    q->from.tag = MESSAGE_WATCH;
    q->operation.op = OP_WATCH;
    c->watches++;
    if (c->watches <= CONN_WATCHES_MAX)
        st = watch_ask(c->native->l, q->from, deadline, payload);
    if (st != STATUS_OK)
        refuse(c, q, st, NULL);
}

static void on_frame(struct conn *conn, const struct frame_header *h,
                     struct slice payload)
{
    struct client *c = conn_user(conn);
    struct loop *l = c->native->l;
    struct request q = {0};
    enum status st = STATUS_OK;
    const char *why;

    q.from.conn = conn_number(c);
    q.from.id = h->id;
    if (h->type == MESSAGE_WATCH_CANCEL && h->kind == FRAME_ONEWAY) {
        watch_cancel(l, q.from, false);
        return;
    }
    if (h->kind != FRAME_REQUEST) {
        admin_error(l, q.from.conn, h->id, STATUS_BAD_MESSAGE,
                    "a request is expected");
        return;
    }
    if (h->type == MESSAGE_WATCH) {
        on_watch(c, h, &q, payload);
        return;
    }
    if (translate_request(h->type, payload, &q, &st, &why)) {
        on_data(c, h, &q, st, why);
        return;
    }
    switch (h->type) {
    case MESSAGE_MAP:
        admin_map(l, q.from.conn, h->id, payload);
        break;
    case MESSAGE_STATUS:
        status_ask(l, q.from.conn, h->id);
        break;
    case MESSAGE_INIT:
        admin_init(l, q.from.conn, h->id, payload);
        break;
    default:
        admin_error(l, q.from.conn, h->id, STATUS_BAD_MESSAGE,
                    message_fits(h->type, h->kind)
                        ? "this message belongs on the peer port"
                        : "unknown message type");
    }
}

/* Who asked has gone: the shard need not wait for these. */
static void forget_held(struct client *c)
{
    struct native *d = c->native;
    struct event e = {.type = EVENT_READ, .now = node_now()};
    struct held *x;

    if (STAILQ_EMPTY(&c->held))
        return;
    TAILQ_REMOVE(&d->holding, c, in_holding);
    e.read.status = STATUS_CANCELLED;
    while ((x = STAILQ_FIRST(&c->held))) {
        STAILQ_REMOVE_HEAD(&c->held, next);
        e.read.token = x->effect.read.token;
        free(x);
        loop_step(d->l, &e);
    }
}

static void on_close(struct conn *conn, enum status why, const char *detail)
{
    struct client *c = conn_user(conn);
    struct native *d = c->native;

    if (why == STATUS_BAD_FRAME || why == STATUS_WRONG_VERSION)
        log_info("client_refused", "why=%s detail=\"%s\"", status_name(why),
                 detail);
    if (c->watches)
        watch_cancel(d->l, (struct origin){.conn = conn_number(c)}, true);
    c->conn = NULL;
    c->generation++;
    c->reading = 0;
    c->usual = 0;
    forget_held(c);
    c->under_way = 0;
    c->watches = 0;
    c->paused = false;
    c->next_free = d->free_head;
    d->free_head = c->place + 1;
    d->open--;
    if (d->listener)
        listener_left(d->listener);
}

static const struct conn_events callbacks = {
    .on_frame = on_frame,
    .on_close = on_close,
};

static void on_accept(struct listener *l, struct stream *stream, void *user)
{
    struct native *d = user;
    struct client *c = client_add(d);

    (void)l;
    c->conn = conn_new(d->l->conns, stream, &callbacks, c);
    c->taking = (struct room_taking){.moved = d->l->ticks};
}

bool native_listen(struct loop *l, char *error)
{
    const struct node *n = l->node;
    unsigned conns_max = n->o.conns_max ? n->o.conns_max : 10000;
    struct rlimit files;
    struct listener_options o = {
        .address = n->o.client_listen,
        .share = n->n_loops == 1 ? LISTENER_ALONE
                 : l->index      ? LISTENER_NEXT
                                 : LISTENER_FIRST,
        .refusal = slice_of(l->native->full, sizeof l->native->full),
    };

    /* Descriptors are the log's and the stores' first. */
    if (!getrlimit(RLIMIT_NOFILE, &files) &&
        files.rlim_cur != RLIM_INFINITY && conns_max > files.rlim_cur / 2)
        conns_max = (unsigned)(files.rlim_cur / 2);
    o.conns_max = (conns_max + n->n_loops - 1) / n->n_loops;
    l->native->listener =
        listener_new(l->uv, &o, on_accept, l->native, error);
    return l->native->listener != NULL;
}

/* ---- replies ---- */

static struct hint hint_of(struct loop *l, const struct reply *r)
{
    struct hint h = {0};
    const struct map_node *m;

    if (!r->hint_node && r->status != STATUS_NOT_LEADER &&
        r->status != STATUS_MOVED && r->status != STATUS_UNAVAILABLE)
        return h;
    h.group = r->hint_group;
    h.node = r->hint_node;
    if (!l->shard)
        return h;
    h.epoch = shard_map(l->shard)->epoch;
    m = r->hint_node ? map_node_find(shard_map(l->shard), r->hint_node)
                     : NULL;
    if (m)
        h.address = slice_str(m->client_address);
    return h;
}

/* The client that an origin's `conn` names; NULL when it has gone. */
static struct client *client_of(const struct native *d, uint64_t conn)
{
    uint32_t place = (uint32_t)conn >> 1;
    struct client *c = place < d->count ? d->v[place] : NULL;

    return c && c->conn && origin_conn(c->generation, place, false) == conn
               ? c
               : NULL;
}

static void cut_off(struct client *c)
{
    char peer[ADDRESS_MAX + 1];

    if (conn_closing(c->conn))
        return;
    conn_peer(c->conn, peer);
    log_warn("client_cut_off", "client=%s waiting=%zu", peer,
             conn_pending(c->conn));
    conn_close(c->conn, STATUS_BUSY, "replies are not being read");
}

/* NULL: there is no room. */
static struct buf *begin_reply(struct client *c, uint64_t id, uint16_t type,
                               enum conn_priority priority)
{
    struct frame_header h = {.id = id, .kind = FRAME_REPLY, .type = type};

    if (conn_pending(c->conn) > HOLD_BYTES && priority == CONN_NORMAL &&
        conn_set_pending(c->native->l->conns) > ROOM_ALL_MAX)
        return NULL;
    return conn_begin(c->conn, &h, priority);
}

static void end_reply(struct client *c)
{
    if (conn_end(c->conn) != STATUS_OK)
        conn_close(c->conn, STATUS_INTERNAL, "a reply is too large");
}

void native_send(struct loop *l, uint64_t conn, uint64_t id, uint16_t type,
                 struct slice payload)
{
    struct client *c = client_of(l->native, conn);
    struct buf *out = c ? begin_reply(c, id, type, CONN_NORMAL) : NULL;

    if (out) {
        buf_append(out, payload.data, payload.size);
        end_reply(c);
    } else if (c) {
        cut_off(c);
    }
}

bool native_part(struct loop *l, uint64_t conn, uint64_t id,
                 struct slice part)
{
    struct client *c = client_of(l->native, conn);
    struct frame_header h = {.id = id, .kind = FRAME_PART,
                             .type = MESSAGE_WATCH_PART};

    if (!c || conn_closing(c->conn))
        return false;
    if (conn_send(c->conn, &h, &part, 1, CONN_CONTROL) == STATUS_OK)
        return true;
    cut_off(c); /* a part that is left out would be a gap */
    return false;
}

size_t native_waiting(const struct loop *l, uint64_t conn)
{
    const struct client *c = client_of(l->native, conn);

    return c && !conn_closing(c->conn) ? conn_pending(c->conn) : 0;
}

void native_reply(struct loop *l, const struct effect *e)
{
    struct client *c = client_of(l->native, e->reply.to.conn);
    uint16_t type = translate_reply_type(e->reply.to.tag);
    size_t size = e->reply.reply.value.size;
    bool write = operation_is_write(e->reply.op);
    struct effect instead = *e;
    struct hint hint;
    struct buf *out;

    if (!c)
        return;
    if (e->reply.op == OP_WATCH)
        c->watches--;
    else
        c->under_way--;
    c->usual = MAX_OF(size, c->usual - c->usual / 8);
    out = begin_reply(c, e->reply.to.id, type,
                      size > VALUE_SMALL ? CONN_NORMAL : CONN_CONTROL);
    if (!out && size) {
        /* A read can be repeated; a write has happened. */
        instead.reply.reply = (struct reply){
            .status = write ? STATUS_UNKNOWN : STATUS_BUSY};
        e = &instead;
        out = begin_reply(c, e->reply.to.id, type, CONN_CONTROL);
    }
    if (!out) {
        cut_off(c);
        return;
    }
    hint = hint_of(l, &e->reply.reply);
    translate_reply(e->reply.to.tag, &e->reply.reply, &hint, out);
    end_reply(c);
    if (c->paused && c->under_way < CONN_REQUESTS_MAX / 2) {
        c->paused = false;
        conn_resume(c->conn);
    }
}

/* ---- reads held back ---- */

static bool has_room(const struct client *c)
{
    size_t all = conn_set_pending(c->native->l->conns);
    size_t pending = conn_pending(c->conn);

    if (room_is_short(all, pending))
        return false;
    return c->reading < READING_MAX &&
           pending + c->reading * c->usual < HOLD_BYTES;
}

bool native_hold_read(struct loop *l, const struct effect *e)
{
    struct client *c = client_of(l->native, e->read.from.conn);
    struct held *x;

    if (!c || conn_closing(c->conn))
        return false;
    if (STAILQ_EMPTY(&c->held)) {
        if (has_room(c))
            return false;
        TAILQ_INSERT_TAIL(&l->native->holding, c, in_holding);
    }
    x = xmalloc(sizeof *x);
    x->effect = *e;
    STAILQ_INSERT_TAIL(&c->held, x, next);
    return true;
}

void native_reading(struct loop *l, struct origin from, bool begins)
{
    struct client *c = client_of(l->native, from.conn);

    if (c && (begins || c->reading))
        c->reading += begins ? 1 : -1u;
}

/* Carry out the client's oldest held read; false when it has gone. */
static bool release_one(struct native *d, struct client *c)
{
    struct held *x = STAILQ_FIRST(&c->held);
    struct effect e = x->effect;

    STAILQ_REMOVE_HEAD(&c->held, next);
    free(x);
    if (STAILQ_EMPTY(&c->held))
        TAILQ_REMOVE(&d->holding, c, in_holding);
    loop_read(d->l, &e);
    return c->conn && !conn_closing(c->conn);
}

void native_turn(struct loop *l)
{
    struct native *d = l->native;
    struct client *c = TAILQ_FIRST(&d->holding), *next;

    for (; c; c = next) {
        next = TAILQ_NEXT(c, in_holding);
        while (!STAILQ_EMPTY(&c->held) && has_room(c) && release_one(d, c))
            continue;
    }
}

bool native_wants_turn(const struct loop *l)
{
    const struct client *c;

    TAILQ_FOREACH(c, &l->native->holding, in_holding)
        if (has_room(c))
            return true;
    return false;
}

void native_tick(struct loop *l)
{
    struct native *d = l->native;

    if (l->ticks % ROOM_LOOK_TICKS)
        return;
    for (uint32_t i = 0; i < d->count; i++) {
        struct client *c = d->v[i];
        if (!c->conn || conn_closing(c->conn))
            continue;
        if (room_is_stuck(&c->taking, l->ticks, conn_sent(c->conn),
                          conn_pending(c->conn), conn_set_pending(l->conns)))
            cut_off(c);
    }
}

void native_stop(struct loop *l)
{
    listener_free(l->native->listener);
    l->native->listener = NULL;
}
