/* native.c - the native door: clients' frames to requests, replies to frames.
 *
 * Requests of one connection are decoded as they come and answered in any
 * order. A connection that has CONN_REQUESTS_MAX under way is not read from
 * until some are answered, so a client cannot make the node hold more. */
#include "node/shell/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "proto/base/log.h"
#include "proto/codec.h"
#include "rpc/types.h"

enum {
    CONN_REQUESTS_MAX = 4096,
    DEADLINE_DEFAULT_MS = 10000,
    DEADLINE_MAX_MS = 300000,
    PENDING_USUAL = 4 << 20,     /* output one client may have waiting ... */
    PENDING_ALL_MAX = 256 << 20, /* ... whatever the others have */
};

struct client {
    struct native *native;
    struct conn *conn;   /* NULL: the place is free */
    uint32_t place;      /* in native.v; never changes */
    uint32_t generation;
    uint32_t next_free;  /* of a free place: index + 1 */
    uint32_t under_way;
    bool paused;
};

struct native {
    struct loop *l;
    struct listener *listener;
    struct client **v;
    uint32_t count, cap;
    uint32_t free_head;  /* index + 1 */
    unsigned open;
    uint8_t full[FRAME_ERROR_SIZE]; /* what one client too many is told */
};

struct native *native_new(struct loop *l)
{
    struct native *d = xcalloc(1, sizeof *d);

    d->l = l;
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
    c->place = d->count;
    d->v[d->count++] = c;
    return c;
}

/* ---- requests ---- */

static bool decode(const struct frame_header *h, struct slice payload,
                   struct request *q, enum status *st)
{
    struct get_request get;
    struct set_request set;
    struct delete_request del;

    switch (h->type) {
    case MESSAGE_GET:
        q->op = OP_GET;
        *st = get_request_decode(payload, &get);
        q->keyspace = get.keyspace;
        q->key = get.key;
        q->mode = get.consistency == CONSISTENCY_STALE ? READ_STALE
                                                       : READ_LINEARIZABLE;
        return true;
    case MESSAGE_SET:
        q->op = OP_SET;
        *st = set_request_decode(payload, &set);
        q->keyspace = set.keyspace;
        q->key = set.key;
        q->value = set.value;
        return true;
    case MESSAGE_DELETE:
        q->op = OP_DELETE;
        *st = delete_request_decode(payload, &del);
        q->keyspace = del.keyspace;
        q->key = del.key;
        return true;
    default:
        return false;
    }
}

static void refuse(struct client *c, const struct request *q, enum status why)
{
    struct effect e = {.type = EFFECT_REPLY};

    e.reply.to = q->from;
    e.reply.op = q->op;
    e.reply.reply.status = why;
    native_reply(c->native->l, &e);
}

static void on_data(struct client *c, const struct frame_header *h,
                    struct request *q, enum status st)
{
    struct loop *l = c->native->l;
    struct event e = {.type = EVENT_REQUEST, .now = node_now()};
    uint64_t ms = h->remaining.ms ? h->remaining.ms : DEADLINE_DEFAULT_MS;

    c->under_way++;
    if (st == STATUS_OK && !l->shard)
        st = STATUS_NOT_INITIALISED;
    if (st != STATUS_OK) {
        refuse(c, q, st);
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

static void on_frame(struct conn *conn, const struct frame_header *h,
                     struct slice payload)
{
    struct client *c = conn_user(conn);
    struct loop *l = c->native->l;
    struct request q = {0};
    enum status st = STATUS_OK;

    q.from.conn = (uint64_t)(c->generation & 0x3fffffff) << 32 | c->place;
    q.from.id = h->id;
    if (h->kind != FRAME_REQUEST) {
        admin_error(l, q.from.conn, h->id, STATUS_BAD_MESSAGE,
                    "a request is expected");
        return;
    }
    if (decode(h, payload, &q, &st)) {
        on_data(c, h, &q, st);
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

static void on_close(struct conn *conn, enum status why, const char *detail)
{
    struct client *c = conn_user(conn);
    struct native *d = c->native;

    if (why == STATUS_BAD_FRAME || why == STATUS_WRONG_VERSION)
        log_info("client_refused", "why=%s detail=\"%s\"", status_name(why),
                 detail);
    c->conn = NULL;
    c->generation++;
    c->under_way = 0;
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

static void encode_reply(struct loop *l, const struct effect *e,
                         struct buf *out)
{
    const struct reply *r = &e->reply.reply;
    struct slice detail = r->detail ? slice_str(r->detail) : slice_of("", 0);

    if (e->reply.op == OP_GET) {
        struct get_reply m = {.status = r->status, .value = r->value,
                              .version = r->version,
                              .hint = hint_of(l, r), .detail = detail};
        get_reply_encode(&m, out);
    } else {
        struct write_reply m = {.status = r->status, .version = r->version,
                                .hint = hint_of(l, r), .detail = detail};
        write_reply_encode(&m, out);
    }
}

/* The client that an origin's `conn` names; NULL when it has gone. */
static struct client *client_of(const struct native *d, uint64_t conn)
{
    uint32_t place = (uint32_t)conn;
    struct client *c = place < d->count ? d->v[place] : NULL;

    return c && c->conn && (c->generation & 0x3fffffff) == conn >> 32 ? c
                                                                      : NULL;
}

/* Costs the number of clients; asked only when one has much waiting. */
static size_t pending_of_all(const struct native *d)
{
    size_t sum = 0;

    for (uint32_t i = 0; i < d->count; i++)
        if (d->v[i]->conn)
            sum += conn_pending(d->v[i]->conn);
    return sum;
}

/* NULL: it does not take its replies, and is cut off: what it misses it can
 * ask again. */
static struct buf *begin_reply(struct client *c, uint64_t id, uint16_t type)
{
    struct frame_header h = {.id = id, .kind = FRAME_REPLY, .type = type};
    struct buf *out = conn_begin(c->conn, &h, CONN_NORMAL);

    if (out && conn_pending(c->conn) > PENDING_USUAL &&
        pending_of_all(c->native) > PENDING_ALL_MAX) {
        conn_undo(c->conn);
        out = NULL;
    }
    if (!out && !conn_closing(c->conn))
        conn_close(c->conn, STATUS_BUSY, "replies are not being read");
    return out;
}

void native_send(struct loop *l, uint64_t conn, uint64_t id, uint16_t type,
                 struct slice payload)
{
    struct client *c = client_of(l->native, conn);
    struct buf *out = c ? begin_reply(c, id, type) : NULL;

    if (!out)
        return;
    buf_append(out, payload.data, payload.size);
    if (conn_end(c->conn) != STATUS_OK)
        conn_close(c->conn, STATUS_INTERNAL, "a reply is too large");
}

void native_reply(struct loop *l, const struct effect *e)
{
    struct client *c = client_of(l->native, e->reply.to.conn);
    struct buf *out;

    if (!c)
        return;
    c->under_way--;
    out = begin_reply(c, e->reply.to.id,
                      e->reply.op == OP_GET ? MESSAGE_GET_REPLY
                                            : MESSAGE_WRITE_REPLY);
    if (!out)
        return;
    encode_reply(l, e, out);
    if (conn_end(c->conn) != STATUS_OK)
        conn_close(c->conn, STATUS_INTERNAL, "a reply is too large");
    if (c->paused && c->under_way < CONN_REQUESTS_MAX / 2) {
        c->paused = false;
        conn_resume(c->conn);
    }
}

void native_stop(struct loop *l)
{
    listener_free(l->native->listener);
    l->native->listener = NULL;
}
