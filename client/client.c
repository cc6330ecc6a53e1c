/* client.c - the asynchronous functions of coatcheck.h. */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "client/flow.h"
#include "client/operate.h"
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

/* Two clients with one id would take each other's results for their own: this
 * waits until the system has gathered enough at its start. */
static void make_identity(struct coat_client *c)
{
    uint8_t id[sizeof c->identity.client];
    struct timespec now;

    if (getrandom(id, sizeof id, 0) != sizeof id)
        abort(); /* no kernel that we run on does that */
    identity_init(&c->identity, id);
    clock_gettime(CLOCK_REALTIME, &now);
    identity_guess(&c->identity, engine_now(c),
                   (uint64_t)now.tv_sec * 1000 +
                       (uint64_t)now.tv_nsec / 1000000);
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
    make_identity(c);
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
    bool may_be_executed = request_is_write(r) &&
                           (r->place == REQUEST_SENT || r->maybe_executed);
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

static enum status admit(struct coat_client *c, const struct operation *o,
                         const struct coat_call *how)
{
    enum status rv;

    c->why = NULL;
    if (c->closing || c->forks != forks)
        return STATUS_CLOSED;
    if ((rv = operation_check(o, &c->why)))
        return rv;
    if (how->timeout > COAT_TIMEOUT_MAX ||
        (unsigned)how->consistency > COAT_STALE) {
        c->why = "a timeout or consistency out of range";
        return STATUS_INVALID;
    }
    /* A single large request is always let in. */
    if (c->outstanding >= c->settings.requests_max ||
        (c->outstanding &&
         c->bytes + operation_bytes(o) > c->settings.bytes_max))
        return STATUS_BUSY;
    return STATUS_OK;
}

/* The request's bytes; `o` as the caller wants it. */
static void encode(struct coat_client *c, struct request *r,
                   const struct operation *o)
{
    struct slice keyspace = slice_str(c->settings.keyspace);

    if (r->op == REQUEST_GET) {
        struct get_request m = {keyspace, o->key, r->consistency};
        get_request_encode(&m, &r->payload);
    } else if (r->op == REQUEST_SET) {
        struct set_request m = {keyspace, o->key, o->value};
        set_request_encode(&m, &r->payload);
    } else if (r->op == REQUEST_DELETE) {
        struct delete_request m = {keyspace, o->key};
        delete_request_encode(&m, &r->payload);
    } else {
        /* The session's bytes stand at the end: filled in when it is sent. */
        struct operate_request m = {
            keyspace, *o, {.sequence = r->session.sequence}};
        operate_request_encode(&m, &r->payload);
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

/* The shortest message that says it. */
static enum request_op message_for(const struct coat_client *c,
                                   const struct operation *o)
{
    if (o->op == OP_GET && !o->flags)
        return REQUEST_GET;
    if (c->settings.at_most_once && !o->flags) {
        if (o->op == OP_SET)
            return REQUEST_SET;
        if (o->op == OP_DELETE)
            return REQUEST_DELETE;
    }
    return REQUEST_OPERATE;
}

enum coat_status operate_submit(struct coat_client *c,
                                const struct operation *op,
                                const struct coat_call *how,
                                coat_on_reply *on_reply, void *user)
{
    struct operation o = *op;
    bool write = operation_is_write(o.op);
    struct request *r;
    enum status rv;

    how = how ? how : &no_wishes;
    rv = admit(c, &o, how);
    if (rv)
        return (enum coat_status)rv;
    r = request_take(&c->pool);
    r->consistency = write ? CONSISTENCY_LINEARIZABLE : consistency_of(c, how);
    r->op = message_for(c, &o);
    r->operation = o.op;
    if (r->op == REQUEST_OPERATE && r->consistency == CONSISTENCY_STALE)
        o.flags |= OPERATION_STALE;
    r->slot = slot_of(o.key);
    r->lane = how->lane;
    r->deadline = instant_add(engine_now(c), how->timeout
                                                 ? MS(how->timeout)
                                                 : c->settings.timeout);
    r->on_reply = on_reply;
    r->user = user;
    if (write && !c->settings.at_most_once)
        identity_add(&c->identity, &r->session);
    encode(c, r, &o);
    rv = calls_add(&c->calls, r->deadline, r, &r->id);
    assert(!rv); /* admitted */
    if (write)
        order_add(&c->order, &r->order,
                  crc32c(r->lane, o.key.data, o.key.size));
    c->outstanding++;
    c->bytes += r->payload.size;
    c->counters.requests++;
    engine_wake(c);
    request_move(r, REQUEST_READY, &c->ready);
    engine_dispatch(c, r);
    return COAT_OK;
}

static struct operation plain(enum op op, struct coat_bytes key)
{
    return (struct operation){.op = op, .key = slice_of(key.data, key.size)};
}

enum coat_status coat_get(struct coat_client *client, struct coat_bytes key,
                          const struct coat_call *how, coat_on_reply *on_reply,
                          void *user)
{
    struct operation o = plain(OP_GET, key);

    return operate_submit(client, &o, how, on_reply, user);
}

enum coat_status coat_set(struct coat_client *client, struct coat_bytes key,
                          struct coat_bytes value, const struct coat_call *how,
                          coat_on_reply *on_reply, void *user)
{
    struct operation o = plain(OP_SET, key);

    o.value = slice_of(value.data, value.size);
    return operate_submit(client, &o, how, on_reply, user);
}

enum coat_status coat_delete(struct coat_client *client, struct coat_bytes key,
                             const struct coat_call *how,
                             coat_on_reply *on_reply, void *user)
{
    struct operation o = plain(OP_DELETE, key);

    return operate_submit(client, &o, how, on_reply, user);
}

const char *coat_client_refusal(const struct coat_client *client)
{
    return client->why ? client->why : "";
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
