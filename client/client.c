/* client.c - the asynchronous functions of coatcheck.h. */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "client/engine.h"
#include "client/flow.h"
#include "proto/codec.h"
#include "proto/crc.h"
#include "proto/slot.h"

/* ---- fork ---- */

static atomic_uint forks;
static pthread_once_t forks_once = PTHREAD_ONCE_INIT;

static void count_fork(void)
{
    forks++;
}

unsigned client_forks(void)
{
    return forks;
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, count_fork);
}

/* ---- life ---- */

static uint64_t random_seed(const void *client)
{
    uint64_t seed;

    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed)
        seed = uv_hrtime() ^ (uintptr_t)client;
    return seed;
}

static void add_endpoints(struct coat_client *c)
{
    for (unsigned i = c->settings.n_endpoints; i-- > 0;) {
        char text[ADDRESS_MAX + 1];
        address_format(&c->settings.endpoints[i], text);
        peer_at(c, text)->endpoint = true;
    }
}

struct coat_client *coat_client_new(struct uv_loop_s *loop,
                                    const struct coat_options *options,
                                    char *error, size_t error_size)
{
    struct coat_client *c = xcalloc(1, sizeof *c);
    struct conn_options conn = conn_options_default();
    char why[COAT_ERROR_MAX] = "";

    if (settings_from(options, &c->settings, why)) {
        snprintf(error, error_size, "%s", why);
        free(c);
        return NULL;
    }
    pthread_once(&forks_once, watch_forks);
    c->forks = forks;
    c->loop = loop;
    rng_init(&c->rng, c->settings.seed ? c->settings.seed : random_seed(c));
    conn.gate_reads = false; /* the side that asks always reads */
    c->set = conn_set_new(loop, conn);
    conn_set_drive(c->set);
    routes_init(&c->routes);
    order_init(&c->order);
    /* One more than the caller's: the question for the map. */
    calls_init(&c->calls, c->settings.requests_max + 1);
    if (uv_timer_init(loop, &c->tick))
        abort(); /* libuv knows no failure here */
    c->tick.data = c;
    add_endpoints(c);
    map_fetch_want(c);
    return c;
}

/* ---- the end, in turns of the loop ---- */

static void on_tick_closed(uv_handle_t *handle)
{
    struct coat_client *c = handle->data;
    coat_on_close *on_close = c->on_close;
    void *user = c->on_close_user;

    calls_release(&c->calls);
    order_release(&c->order);
    routes_release(&c->routes);
    request_pool_release(&c->pool);
    free(c->node_peers);
    free(c);
    if (on_close)
        on_close(user);
}

static void on_set_gone(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, on_tick_closed);
}

/* Comes once per turn until the last connection is gone. */
static void on_links_closing(uv_timer_t *timer)
{
    struct coat_client *c = timer->data;

    if (conn_set_count(c->set))
        return;
    conn_set_free(c->set);
    uv_timer_start(timer, on_set_gone, 0, 0);
}

static void end_call(void *context, uint64_t id UNUSED, void *user)
{
    struct request *r = user;
    bool may_be_executed = r->place == REQUEST_SENT && request_is_write(r);
    struct outcome o = {
        .status = may_be_executed ? STATUS_UNKNOWN : STATUS_CANCELLED,
        .detail = slice_str("the client was closed"),
    };

    engine_finish(context, r, &o);
}

static void on_closing(uv_timer_t *timer)
{
    struct coat_client *c = timer->data;

    calls_fail_all(&c->calls, end_call, c);
    flows_end(c);
    assert(!c->outstanding && !c->map_fetch.pending);
    while (c->peers) {
        struct peer *p = c->peers;
        c->peers = p->next;
        peer_free(c, p);
    }
    uv_timer_start(timer, on_links_closing, 0, 1);
}

void coat_client_close(struct coat_client *c, coat_on_close *on_close,
                       void *user)
{
    assert(!c->closing);
    if (c->forks != forks)
        return;
    c->closing = true;
    c->on_close = on_close;
    c->on_close_user = user;
    uv_timer_start(&c->tick, on_closing, 0, 0);
}

/* ---- submitting ---- */

static const struct coat_call no_wishes;

static enum status admit(const struct coat_client *c, struct slice key,
                         struct slice value, const struct coat_call *how)
{
    enum status rv;

    if (c->closing || c->forks != forks)
        return STATUS_CLOSED;
    if ((rv = key_check(key)) || (rv = value_check(value)))
        return rv;
    if (how->timeout > COAT_TIMEOUT_MAX ||
        (unsigned)how->consistency > COAT_STALE)
        return STATUS_INVALID;
    /* A single large request is always let in. */
    if (c->outstanding >= c->settings.requests_max ||
        (c->outstanding &&
         c->bytes + key.size + value.size > c->settings.bytes_max))
        return STATUS_BUSY;
    return STATUS_OK;
}

static void encode(const struct coat_client *c, struct request *r,
                   struct slice key, struct slice value)
{
    struct slice keyspace = slice_str(c->settings.keyspace);

    if (r->op == REQUEST_GET) {
        struct get_request m = {keyspace, key, r->consistency};
        get_request_encode(&m, &r->payload);
    } else if (r->op == REQUEST_SET) {
        struct set_request m = {keyspace, key, value};
        set_request_encode(&m, &r->payload);
    } else {
        struct delete_request m = {keyspace, key};
        delete_request_encode(&m, &r->payload);
    }
}

static enum consistency consistency_of(const struct coat_client *c,
                                       const struct coat_call *how)
{
    if (how->consistency == COAT_DEFAULT)
        return c->settings.consistency;
    return how->consistency == COAT_STALE ? CONSISTENCY_STALE
                                          : CONSISTENCY_LINEARIZABLE;
}

static enum coat_status submit(struct coat_client *c, enum request_op op,
                               struct slice key, struct slice value,
                               const struct coat_call *how,
                               coat_on_reply *on_reply, void *user)
{
    struct request *r;
    enum status rv;

    how = how ? how : &no_wishes;
    rv = admit(c, key, value, how);
    if (rv)
        return (enum coat_status)rv;
    r = request_take(&c->pool);
    r->op = op;
    r->consistency = op == REQUEST_GET ? consistency_of(c, how)
                                       : CONSISTENCY_LINEARIZABLE;
    r->slot = slot_of(key);
    r->lane = how->lane;
    r->deadline = instant_add(engine_now(c), how->timeout
                                                 ? MS(how->timeout)
                                                 : c->settings.timeout);
    r->on_reply = on_reply;
    r->user = user;
    encode(c, r, key, value);
    rv = calls_add(&c->calls, r->deadline, r, &r->id);
    assert(!rv); /* admitted */
    if (request_is_write(r))
        order_add(&c->order, &r->order, crc32c(r->lane, key.data, key.size));
    c->outstanding++;
    c->bytes += r->payload.size;
    c->counters.requests++;
    engine_wake(c);
    request_move(r, REQUEST_READY, &c->ready);
    engine_dispatch(c, r);
    return COAT_OK;
}

enum coat_status coat_get(struct coat_client *client, struct coat_bytes key,
                          const struct coat_call *how, coat_on_reply *on_reply,
                          void *user)
{
    return submit(client, REQUEST_GET, slice_of(key.data, key.size),
                  slice_of(NULL, 0), how, on_reply, user);
}

enum coat_status coat_set(struct coat_client *client, struct coat_bytes key,
                          struct coat_bytes value, const struct coat_call *how,
                          coat_on_reply *on_reply, void *user)
{
    return submit(client, REQUEST_SET, slice_of(key.data, key.size),
                  slice_of(value.data, value.size), how, on_reply, user);
}

enum coat_status coat_delete(struct coat_client *client, struct coat_bytes key,
                             const struct coat_call *how,
                             coat_on_reply *on_reply, void *user)
{
    return submit(client, REQUEST_DELETE, slice_of(key.data, key.size),
                  slice_of(NULL, 0), how, on_reply, user);
}

unsigned coat_outstanding(const struct coat_client *client)
{
    return client->outstanding;
}

void coat_client_counters(const struct coat_client *client,
                          struct coat_counters *out)
{
    *out = client->counters;
}
