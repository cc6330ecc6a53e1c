/* election.c - leader election among clients: a lock that is tried for, kept
 * and given back by itself.
 *
 *   TRYING --taken--> LEADING --lost, or out of time--> TRYING
 *      \                 |
 *       `----- end ------+--> ENDING --given back--> gone
 *
 * One request is under way at most. `until` is when our time is over by this
 * machine's clock, counted from before the request that took or kept the lock
 * was sent, so it is never later than the cluster's idea of it but for the
 * drift of clocks within one ttl, for which a tenth is taken off. */
#include <assert.h>
#include <stdlib.h>

#include "client/operate.h"

enum { TTL_MIN = 100, TRY_EVERY_MAX = 500 };
enum election_state { TRYING, LEADING, ENDING };

struct coat_election {
    struct coat_client *client;
    struct buf name, owner;
    uint64_t ttl;
    coat_on_election *on_change;
    void *user;
    coat_on_close *on_end;
    void *end_user;
    enum election_state state;
    bool asked;         /* a request is under way */
    uint64_t asked_at;  /* ms */
    uint64_t token, until;
    uv_timer_t timer;
};

static void on_timer(uv_timer_t *timer);

static struct coat_bytes bytes_of(const struct buf *b)
{
    return COAT_BYTES(b->data, b->size);
}

static uint64_t now_ms(const struct coat_election *e)
{
    return uv_now(e->client->loop);
}

static void wait_for(struct coat_election *e, uint64_t ms)
{
    uv_timer_start(&e->timer, on_timer, ms, 0);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct coat_election *e = handle->data;
    coat_on_close *on_end = e->on_end;
    void *user = e->end_user;

    buf_release(&e->name);
    buf_release(&e->owner);
    free(e);
    if (on_end)
        on_end(user);
}

static void gone(struct coat_election *e)
{
    uv_close((uv_handle_t *)&e->timer, on_timer_closed);
}

static uint64_t time_given(const struct coat_election *e)
{
    return e->ttl - e->ttl / 10;
}

static void step_down(struct coat_election *e)
{
    e->state = TRYING;
    e->token = 0;
    e->on_change(0, e->user);
}

static void on_tried(struct coat_election *e, const struct coat_reply *reply)
{
    if (reply->status != COAT_OK) {
        wait_for(e, MIN_OF(e->ttl / 4, (uint64_t)TRY_EVERY_MAX));
        return;
    }
    e->token = reply->version;
    e->until = e->asked_at + time_given(e);
    e->state = LEADING;
    wait_for(e, e->ttl / 3);
    e->on_change(e->token, e->user);
}

static void on_kept(struct coat_election *e, const struct coat_reply *reply)
{
    if (reply->status == COAT_OK) {
        e->until = e->asked_at + time_given(e);
        wait_for(e, e->ttl / 3);
    } else if (reply->status == COAT_NOT_MET ||
               reply->status == COAT_NOT_FOUND) {
        wait_for(e, 0);
        step_down(e);
    } else {
        wait_for(e, MIN_OF(e->ttl / 20, (uint64_t)TRY_EVERY_MAX));
    }
}

static void give_back(struct coat_election *e);

static void on_reply(const struct coat_reply *reply, void *user)
{
    struct coat_election *e = user;

    e->asked = false;
    if (e->state == ENDING) {
        /* The try that was under way may have taken it after all. */
        if (!e->token && reply->status == COAT_OK && reply->version)
            e->token = reply->version;
        give_back(e);
    } else if (e->state == LEADING) {
        on_kept(e, reply);
    } else {
        /* Also of a keep whose time was over here first: if it succeeded, the
         * lock is ours again, from when it was sent. */
        on_tried(e, reply);
    }
}

static void on_given_back(const struct coat_reply *reply UNUSED, void *user)
{
    gone(user);
}

static void give_back(struct coat_election *e)
{
    struct coat_write with = {.flags = COAT_IF_VERSION,
                              .if_version = e->token};

    if (!e->token ||
        coat_delete_with(e->client, bytes_of(&e->name), &with, NULL,
                         on_given_back, e))
        gone(e);
}

static enum coat_status ask(struct coat_election *e)
{
    struct coat_write with = {.ttl = e->ttl};
    struct coat_call how = {.timeout = (unsigned)MIN_OF(
                                MAX_OF(e->ttl / 2, 50u), 10000u)};

    e->asked_at = now_ms(e);
    if (e->state == LEADING) {
        with.flags = COAT_IF_VERSION;
        with.if_version = e->token;
        return coat_expire(e->client, bytes_of(&e->name), &with, &how,
                           on_reply, e);
    }
    with.flags = COAT_IF_ABSENT;
    return coat_set_with(e->client, bytes_of(&e->name), bytes_of(&e->owner),
                         &with, &how, on_reply, e);
}

/* Time to try or to keep; and the watch over our own time meanwhile. */
static void on_timer(uv_timer_t *timer)
{
    struct coat_election *e = timer->data;

    if (e->state == ENDING)
        return;
    if (e->state == LEADING && now_ms(e) >= e->until) {
        step_down(e);
        if (e->state == ENDING)
            return; /* the callback ended it */
    }
    if (!e->asked)
        e->asked = ask(e) == COAT_OK;
    if (e->state == LEADING)
        wait_for(e, MIN_OF(e->until - MIN_OF(now_ms(e), e->until),
                           e->ttl / 3));
    else if (!e->asked)
        wait_for(e, MIN_OF(e->ttl / 4, (uint64_t)TRY_EVERY_MAX));
}

struct coat_election *coat_election_new(struct coat_client *client,
                                        struct coat_bytes name,
                                        struct coat_bytes owner, uint64_t ttl,
                                        coat_on_election *on_change,
                                        void *user)
{
    struct coat_election *e;

    if (!name.size || name.size > KEY_BYTES_MAX ||
        owner.size > VALUE_BYTES_MAX || ttl < TTL_MIN)
        return NULL;
    e = xcalloc(1, sizeof *e);
    e->client = client;
    buf_append(&e->name, name.data, name.size);
    if (owner.size)
        buf_append(&e->owner, owner.data, owner.size);
    e->ttl = ttl;
    e->on_change = on_change;
    e->user = user;
    if (uv_timer_init(client->loop, &e->timer))
        abort(); /* libuv knows no failure here */
    e->timer.data = e;
    wait_for(e, 0);
    return e;
}

void coat_election_end(struct coat_election *e, coat_on_close *on_end,
                       void *user)
{
    assert(e->state != ENDING);
    e->state = ENDING;
    e->on_end = on_end;
    e->end_user = user;
    uv_timer_stop(&e->timer);
    if (!e->asked)
        give_back(e);
}
