/* doors.c - which door is meant: the loop speaks to all of them by this. */
#include "node/shell/node.h"

#include "node/core/shard.h"

bool doors_listen(struct loop *l, char *error)
{
    return native_listen(l, error) && redis_listen(l, error);
}

static void reply(struct loop *l, const struct effect *e)
{
    if (origin_is_redis(e->reply.to.conn))
        redis_reply(l, e);
    else
        native_reply(l, e);
}

/* The clock of the state that was read stands still while nobody writes: what
 * is left until a deadline is told as of now. */
static void reply_as_of_now(struct loop *l, const struct effect *e)
{
    struct effect now = *e;

    now.reply.reply.clock =
        MAX_OF(e->reply.reply.clock, shard_clock(l->shard));
    reply(l, &now);
}

void doors_reply(struct loop *l, const struct effect *e)
{
    if (e->reply.op == OP_GET && e->reply.reply.expire_at)
        reply_as_of_now(l, e);
    else
        reply(l, e);
}

bool doors_hold_read(struct loop *l, const struct effect *e)
{
    return origin_is_redis(e->read.from.conn) ? redis_hold_read(l, e)
                                              : native_hold_read(l, e);
}

void doors_reading(struct loop *l, struct origin from, bool begins)
{
    if (origin_is_redis(from.conn))
        redis_reading(l, from, begins);
    else
        native_reading(l, from, begins);
}

void doors_turn(struct loop *l)
{
    native_turn(l);
    redis_turn(l);
}

bool doors_want_turn(const struct loop *l)
{
    return native_wants_turn(l) || redis_wants_turn(l);
}

void doors_tick(struct loop *l)
{
    native_tick(l);
    redis_tick(l);
}

void doors_stop(struct loop *l)
{
    native_stop(l);
    redis_stop(l);
}

void doors_release(struct loop *l)
{
    redis_loop_release(l);
}
