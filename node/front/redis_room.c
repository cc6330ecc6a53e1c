/* redis_room.c - values are read only when their client has room for them.
 *
 * A client has at most about REDIS_HOLD_BYTES to take: what waits in its output
 * and what is done before its turn. A read beyond that waits, but not the one
 * whose turn it is: all behind it wait for it. How much is asked for at once
 * follows from the size of the values that the client was sent lately, for a
 * new client as if they were large. What is passed on to other nodes cannot be
 * held back any more when it comes: far over the limit it is answered BUSY in
 * the value's place. Only a client that takes nothing at all while memory is
 * short is cut off. */
#include "node/front/redis.h"

#include <stdlib.h>

enum {
    USUAL_FIRST = 128 << 10,
    FETCHING_MAX = 16,    /* on workers, for one client */
    TAKEN_MAX = 32 << 20, /* waits for one client, with what comes */
};

void redis_room_init(struct redis_client *c)
{
    STAILQ_INIT(&c->held);
    c->usual = USUAL_FIRST;
    c->fetching = 0;
    c->taking = (struct room_taking){.moved = c->door->l->ticks};
}

static size_t waiting(const struct redis_client *c)
{
    return conn_pending(c->conn) + c->early;
}

bool redis_is_full(const struct redis_client *c)
{
    return waiting(c) + c->reads * c->usual > REDIS_HOLD_BYTES;
}

bool redis_takes(struct redis_cmd *cmd, size_t size)
{
    struct redis_client *c = cmd->client;

    c->usual = MAX_OF(size, c->usual - c->usual / 8);
    return !size || waiting(c) + size <= TAKEN_MAX ||
           (TAILQ_FIRST(&c->cmds) == cmd && !conn_pending(c->conn));
}

static bool has_room(const struct redis_client *c, const struct redis_cmd *cmd)
{
    const struct redis *d = c->door;
    size_t pending = conn_pending(c->conn);
    size_t all = conn_set_pending(d->l->conns);

    if (room_is_short(all, pending))
        return false;
    if (cmd && TAILQ_FIRST(&c->cmds) == cmd)
        return pending < REDIS_HOLD_BYTES;
    return d->early < ROOM_MANY && c->fetching < FETCHING_MAX &&
           waiting(c) + c->fetching * c->usual < REDIS_HOLD_BYTES;
}

bool redis_hold_read(struct loop *l, const struct effect *e)
{
    struct redis_cmd *cmd = redis_cmd_of(l->redis, e->read.from.id);
    struct redis_client *c = cmd ? cmd->client : NULL;
    struct redis_held *x;

    if (!c || conn_closing(c->conn) || has_room(c, cmd))
        return false;
    if (STAILQ_EMPTY(&c->held))
        TAILQ_INSERT_TAIL(&l->redis->holding, c, in_holding);
    x = xmalloc(sizeof *x);
    x->effect = *e;
    STAILQ_INSERT_TAIL(&c->held, x, next);
    return true;
}

void redis_reading(struct loop *l, struct origin from, bool begins)
{
    struct redis_cmd *cmd = redis_cmd_of(l->redis, from.id);
    struct redis_client *c = cmd ? cmd->client : NULL;

    if (c && (begins || c->fetching))
        c->fetching += begins ? 1 : -1u;
}

static void remove_held(struct redis_client *c, struct redis_held *x)
{
    STAILQ_REMOVE(&c->held, x, redis_held, next);
    if (STAILQ_EMPTY(&c->held))
        TAILQ_REMOVE(&c->door->holding, c, in_holding);
    free(x);
}

/* One that there is room for; NULL: none. */
static struct redis_held *ready(struct redis_client *c)
{
    struct redis_held *x;

    if (conn_closing(c->conn))
        return NULL;
    STAILQ_FOREACH(x, &c->held, next)
        if (has_room(c, redis_cmd_of(c->door, x->effect.read.from.id)))
            return x;
    return NULL;
}

void redis_turn(struct loop *l)
{
    struct redis_client *c = TAILQ_FIRST(&l->redis->holding), *next;
    struct redis_held *x;

    for (; c; c = next) {
        next = TAILQ_NEXT(c, in_holding);
        while ((x = ready(c))) {
            struct effect e = x->effect;
            remove_held(c, x);
            loop_read(l, &e);
        }
    }
}

bool redis_wants_turn(const struct loop *l)
{
    struct redis_client *c;

    TAILQ_FOREACH(c, &l->redis->holding, in_holding)
        if (ready(c))
            return true;
    return false;
}

void redis_forget_held(struct redis_client *c)
{
    struct event e = {.type = EVENT_READ, .now = node_now()};
    struct redis_held *x;

    e.read.status = STATUS_CANCELLED;
    while ((x = STAILQ_FIRST(&c->held))) {
        e.read.token = x->effect.read.token;
        remove_held(c, x);
        loop_step(c->door->l, &e);
    }
}

void redis_tick(struct loop *l)
{
    struct redis *d = l->redis;

    if (l->ticks % ROOM_LOOK_TICKS)
        return;
    for (uint32_t i = 0; i < d->n_clients; i++) {
        struct redis_client *c = d->clients[i];
        if (!c->conn || conn_closing(c->conn))
            continue;
        if (room_is_stuck(&c->taking, l->ticks, conn_sent(c->conn),
                          conn_pending(c->conn), conn_set_pending(l->conns)))
            redis_cut_off(c);
    }
}
