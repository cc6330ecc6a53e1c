/* watch.c - the native door's watches: parts out, room for more back in.
 *
 * A watch is served by the loop that has its group, which may not be the loop
 * that has the client's connection: requests, parts, ends and "taken" travel
 * between the two as letters. So that an origin names one connection of the
 * whole node, bits 24..31 of its number are the loop of the door; places of
 * connections stay below that.
 *
 * A part is taken when what waits for the client is less than WATCH_PENDING:
 * one that does not read gets no further parts, and falls behind. */
#include "node/shell/post.h"

#include <stdlib.h>

#include "proto/codec.h"
#include "proto/watch.h"
#include "rpc/types.h"

enum {
    LOOP_SHIFT = 24,
    WATCH_PENDING = 1 << 20,
};

struct taken {
    uint64_t token;
    uint64_t conn;
    unsigned loop; /* who waits to hear of it */
};

struct watch_door {
    struct taken *v; /* parts that were sent and found no room behind them */
    unsigned n, cap;
};

struct watch_door *watch_door_new(void)
{
    return xcalloc(1, sizeof(struct watch_door));
}

static uint64_t conn_mark(const struct loop *l, uint64_t conn)
{
    return conn | (uint64_t)l->index << LOOP_SHIFT;
}

static uint64_t conn_plain(uint64_t conn)
{
    return conn & ~(UINT64_C(0xff) << LOOP_SHIFT);
}

static struct loop *door_of(struct loop *l, uint64_t conn)
{
    return &l->node->loops[conn >> LOOP_SHIFT & 0xff];
}

/* ---- asking ---- */

struct asked {
    struct post post;
    struct request request;
    uint8_t bytes[]; /* keyspace, then body */
};

static void run_asked(struct loop *to, struct post *p)
{
    struct asked *a = CONTAINER_OF(p, struct asked, post);
    struct event e = {.type = EVENT_REQUEST, .now = node_now()};

    e.request = &a->request;
    loop_step(to, &e);
    free(a);
}

enum status watch_ask(struct loop *l, struct origin from, instant deadline,
                      struct slice payload)
{
    struct stream_request m;
    struct watch_request w;
    enum status st = stream_request_decode(payload, &m);
    struct asked *a;

    if (st == STATUS_OK)
        st = watch_decode(m.body, &w);
    if (st == STATUS_OK && !l->shard)
        st = STATUS_NOT_INITIALISED;
    if (st == STATUS_OK && post_behind(l->node))
        st = STATUS_BUSY;
    if (st != STATUS_OK)
        return st;
    a = xcalloc(1, sizeof *a + m.keyspace.size + m.body.size);
    a->post.run = run_asked;
    a->post.bytes = m.keyspace.size + m.body.size;
    if (m.keyspace.size)
        memcpy(a->bytes, m.keyspace.data, m.keyspace.size);
    memcpy(a->bytes + m.keyspace.size, m.body.data, m.body.size);
    a->request = (struct request){
        .from = {.conn = conn_mark(l, from.conn), .id = from.id,
                 .tag = MESSAGE_WATCH},
        .keyspace = slice_of(a->bytes, m.keyspace.size),
        .operation = {.op = OP_WATCH,
                      .value = slice_of(a->bytes + m.keyspace.size,
                                        m.body.size)},
        .deadline = deadline,
    };
    post_to(l, loop_of(l->node, w.group), &a->post);
    return STATUS_OK;
}

void watch_cancel(struct loop *l, struct origin from, bool whole)
{
    struct event e = {.type = EVENT_WATCH_CANCEL, .now = node_now()};

    e.watch_cancel.from = from;
    e.watch_cancel.from.conn = conn_mark(l, from.conn);
    e.watch_cancel.whole = whole;
    for (unsigned i = 0; i < l->node->n_loops; i++)
        loop_post_event(l, &l->node->loops[i], &e);
}

/* ---- parts ---- */

static void tell_taken(struct loop *l, const struct taken *t)
{
    struct event e = {.type = EVENT_WATCH_TAKEN, .now = node_now()};

    e.watch_taken.token = t->token;
    loop_post_event(l, &l->node->loops[t->loop], &e);
}

/* On the door's loop. */
static void part_here(struct loop *l, const struct taken *t, uint64_t id,
                      struct slice part)
{
    struct watch_door *d = l->watch_door;
    struct origin from = {.conn = t->conn, .id = id};

    if (!native_part(l, t->conn, id, part)) {
        watch_cancel(l, from, true); /* it has gone */
        tell_taken(l, t);
        return;
    }
    if (native_waiting(l, t->conn) < WATCH_PENDING) {
        tell_taken(l, t);
        return;
    }
    if (d->n == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 16;
        d->v = xrealloc(d->v, d->cap * sizeof *d->v);
    }
    d->v[d->n++] = *t;
}

struct part_post {
    struct post post;
    struct taken taken;
    uint64_t id;
    size_t size;
    uint8_t bytes[];
};

static void run_part(struct loop *to, struct post *p)
{
    struct part_post *x = CONTAINER_OF(p, struct part_post, post);

    part_here(to, &x->taken, x->id, slice_of(x->bytes, x->size));
    free(x);
}

void watch_part(struct loop *l, const struct effect *e)
{
    struct loop *door = door_of(l, e->watch.to.conn);
    struct taken t = {e->watch.token, conn_plain(e->watch.to.conn), l->index};
    struct part_post *x;

    if (door == l) {
        part_here(l, &t, e->watch.to.id, e->watch.part);
        return;
    }
    x = xmalloc(sizeof *x + e->watch.part.size);
    *x = (struct part_post){.post = {.run = run_part,
                                     .bytes = e->watch.part.size},
                            .taken = t,
                            .id = e->watch.to.id,
                            .size = e->watch.part.size};
    memcpy(x->bytes, e->watch.part.data, e->watch.part.size);
    post_to(l, door, &x->post);
}

void watch_turn(struct loop *l)
{
    struct watch_door *d = l->watch_door;
    unsigned n = d->n, kept = 0;

    if (!n)
        return;
    for (unsigned i = 0; i < n; i++) {
        struct taken t = d->v[i];
        if (native_waiting(l, t.conn) < WATCH_PENDING)
            tell_taken(l, &t);
        else
            d->v[kept++] = t;
    }
    /* Stepping may have added some behind. */
    memmove(d->v + kept, d->v + n, (d->n - n) * sizeof *d->v);
    d->n = kept + d->n - n;
}

/* ---- the end ---- */

struct end_post {
    struct post post;
    struct effect effect;
};

static void run_end(struct loop *to, struct post *p)
{
    struct end_post *x = CONTAINER_OF(p, struct end_post, post);

    native_reply(to, &x->effect);
    free(x);
}

void watch_reply(struct loop *l, const struct effect *e)
{
    struct loop *door = door_of(l, e->reply.to.conn);
    struct end_post *x = xcalloc(1, sizeof *x);

    x->post.run = run_end;
    x->effect = *e; /* texts are static, there is no value */
    x->effect.reply.to.conn = conn_plain(e->reply.to.conn);
    post_to(l, door, &x->post);
}

void watch_door_free(struct watch_door *d)
{
    if (!d)
        return;
    free(d->v);
    free(d);
}
