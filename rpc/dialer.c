/* dialer.c - see dialer.h. */
#include "rpc/dialer.h"

#include <assert.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/rng.h"
#include "rpc/tcp.h"

enum { DETAIL_SIZE = 400 };

/* A name being looked up. It may outlive its dialer: a lookup that a thread
 * works on already cannot be cancelled. */
struct lookup {
    uv_getaddrinfo_t req;
    struct dialer *dialer; /* NULL: nobody waits for it any more */
};

struct dialer {
    struct conn_set *set;
    uv_loop_t *loop;
    struct dialer_options options;
    const struct dialer_events *events;
    void *user;
    enum dialer_state state;
    struct rng rng;
    duration pause; /* the next one; its jitter is still to be taken */
    uv_timer_t timer;

    struct lookup *lookup;  /* RESOLVING */
    struct addrinfo *found; /* CONNECTING by name; `next` is still to try */
    struct addrinfo *next;
    struct stream *stream; /* CONNECTING */
    /* UP, or one that was and whose on_close is still to come: no new try is
     * begun before that, so downs and ups are told in their order. */
    struct conn *conn;
};

/* ---- states ---- */

static const bool legal[5][5] = {
    [DIALER_STOPPED] = {[DIALER_WAITING] = true},
    [DIALER_WAITING] = {[DIALER_RESOLVING] = true, [DIALER_STOPPED] = true},
    [DIALER_RESOLVING] = {[DIALER_CONNECTING] = true,
                          [DIALER_WAITING] = true,
                          [DIALER_STOPPED] = true},
    [DIALER_CONNECTING] =
        {[DIALER_UP] = true, [DIALER_WAITING] = true, [DIALER_STOPPED] = true},
    [DIALER_UP] = {[DIALER_WAITING] = true, [DIALER_STOPPED] = true},
};

static void move(struct dialer *d, enum dialer_state to)
{
    assert(legal[d->state][to]);
    d->state = to;
}

const char *dialer_state_name(enum dialer_state s)
{
    static const char *const names[] = {
        [DIALER_STOPPED] = "stopped",       [DIALER_RESOLVING] = "resolving",
        [DIALER_CONNECTING] = "connecting", [DIALER_UP] = "up",
        [DIALER_WAITING] = "waiting",
    };
    return names[s];
}

static void on_timer(uv_timer_t *timer);
static void try_next(struct dialer *d, const char *why);

static void wait_for(struct dialer *d, duration time)
{
    move(d, DIALER_WAITING);
    uv_timer_start(&d->timer, on_timer, time.ms, 0);
}

/* The next pause with its jitter; the one after is longer. */
static duration take_pause(struct dialer *d)
{
    uint64_t half = d->pause.ms / 2;
    uint64_t ms = d->pause.ms - half + rng_below(&d->rng, half + 1);

    d->pause.ms = MIN_OF(d->pause.ms * 2, d->options.backoff_max.ms);
    return MS(ms);
}

static void forget_found(struct dialer *d)
{
    if (d->found)
        uv_freeaddrinfo(d->found);
    d->found = NULL;
    d->next = NULL;
}

/* This try came to nothing. */
static void fail(struct dialer *d, const char *why)
{
    char detail[DETAIL_SIZE];
    char text[ADDRESS_MAX + 1];

    address_format(&d->options.address, text);
    snprintf(detail, sizeof detail, "cannot connect to %s: %s", text, why);
    forget_found(d);
    wait_for(d, take_pause(d));
    if (d->events->on_failed)
        d->events->on_failed(d, STATUS_CONNECTION, detail);
}

/* ---- up and down ---- */

static void on_frame(struct conn *c, const struct frame_header *header,
                     struct slice payload)
{
    struct dialer *d = conn_user(c);

    d->pause = d->options.backoff_min; /* somebody answers who speaks with us */
    d->events->on_frame(d, header, payload);
}

static void on_drain(struct conn *c)
{
    struct dialer *d = conn_user(c);

    if (d->events->on_drain)
        d->events->on_drain(d);
}

static void on_close(struct conn *c, enum status why, const char *detail)
{
    struct dialer *d = conn_user(c);

    if (!d) /* dialer_free */
        return;
    assert(d->conn == c);
    d->conn = NULL;
    if (d->state == DIALER_UP)
        wait_for(d, take_pause(d));
    else if (d->state == DIALER_WAITING) /* held back by this one */
        uv_timer_start(&d->timer, on_timer, 0, 0);
    d->events->on_down(d, why, detail);
}

static const struct conn_events dialer_conn_events = {
    .on_frame = on_frame,
    .on_drain = on_drain,
    .on_close = on_close,
};

static void on_connect(struct stream *s, enum status result, const char *detail)
{
    struct dialer *d = s->user;

    assert(d->stream == s);
    d->stream = NULL;
    uv_timer_stop(&d->timer);
    if (result != STATUS_OK) {
        s->ops->close(s);
        try_next(d, detail);
        return;
    }
    forget_found(d);
    move(d, DIALER_UP);
    d->conn = conn_new(d->set, s, &dialer_conn_events, d);
    d->events->on_up(d, d->conn);
}

/* ---- trying ---- */

/* Gives NULL, or why it cannot be tried. */
static const char *try_at(struct dialer *d, const struct sockaddr *at)
{
    const char *why = NULL;

    d->stream = tcp_connect(d->loop, at, on_connect, &why);
    if (!d->stream)
        return why;
    d->stream->user = d;
    uv_timer_start(&d->timer, on_timer, d->options.connect_timeout.ms, 0);
    return NULL;
}

/* The next of a name's addresses; `why` is what was wrong with the last. */
static void try_next(struct dialer *d, const char *why)
{
    while (d->next) {
        struct addrinfo *at = d->next;
        d->next = at->ai_next;
        if (at->ai_family == AF_INET)
            ((struct sockaddr_in *)at->ai_addr)->sin_port =
                htons(d->options.address.port);
        else if (at->ai_family == AF_INET6)
            ((struct sockaddr_in6 *)at->ai_addr)->sin6_port =
                htons(d->options.address.port);
        else
            continue;
        why = try_at(d, at->ai_addr);
        if (!why)
            return;
    }
    fail(d, why);
}

static void on_found(uv_getaddrinfo_t *req, int result, struct addrinfo *found)
{
    struct lookup *l = CONTAINER_OF(req, struct lookup, req);
    struct dialer *d = l->dialer;

    free(l);
    if (!d) {
        uv_freeaddrinfo(found);
        return;
    }
    d->lookup = NULL;
    if (result) {
        fail(d, uv_strerror(result));
        return;
    }
    d->found = found;
    d->next = found;
    move(d, DIALER_CONNECTING);
    try_next(d, "the name has no address");
}

static void look_up(struct dialer *d)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    int rv;

    d->lookup = xcalloc(1, sizeof *d->lookup);
    d->lookup->dialer = d;
    rv = uv_getaddrinfo(d->loop, &d->lookup->req, on_found,
                        d->options.address.host, NULL, &hints);
    if (!rv)
        return;
    free(d->lookup);
    d->lookup = NULL;
    fail(d, uv_strerror(rv));
}

static void begin_try(struct dialer *d)
{
    const struct address *a = &d->options.address;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at;
    const char *why;

    move(d, DIALER_RESOLVING);
    if (uv_ip4_addr(a->host, a->port, &at.v4) &&
        uv_ip6_addr(a->host, a->port, &at.v6)) {
        look_up(d);
        return;
    }
    move(d, DIALER_CONNECTING);
    why = try_at(d, &at.any);
    if (why)
        fail(d, why);
}

static void on_timer(uv_timer_t *timer)
{
    struct dialer *d = timer->data;
    struct stream *late = d->stream;

    if (d->state == DIALER_WAITING && !d->conn) {
        begin_try(d);
    } else if (d->state == DIALER_CONNECTING) {
        d->stream = NULL;
        late->ops->close(late);
        try_next(d, "no answer in time");
    }
}

/* Whatever is under way ends; `d->conn` stays until its on_close. */
static void drop(struct dialer *d, const char *why)
{
    uv_timer_stop(&d->timer);
    if (d->lookup) {
        d->lookup->dialer = NULL;
        uv_cancel((uv_req_t *)&d->lookup->req);
        d->lookup = NULL;
    }
    forget_found(d);
    if (d->stream)
        d->stream->ops->close(d->stream);
    d->stream = NULL;
    if (d->conn)
        conn_close(d->conn, STATUS_CANCELLED, why);
}

/* ---- what the owner calls ---- */

struct dialer_options dialer_options_default(const struct address *address,
                                             uint64_t seed)
{
    return (struct dialer_options){.address = *address,
                                   .connect_timeout = MS(2000),
                                   .backoff_min = MS(50),
                                   .backoff_max = MS(2000),
                                   .seed = seed};
}

struct dialer *dialer_new(struct conn_set *set,
                          const struct dialer_options *options,
                          const struct dialer_events *events, void *user)
{
    struct dialer *d = xcalloc(1, sizeof *d);

    assert(options->backoff_min.ms > 0);
    assert(options->backoff_min.ms <= options->backoff_max.ms);
    assert(events->on_up && events->on_frame && events->on_down);
    d->set = set;
    d->loop = conn_set_loop(set);
    d->options = *options;
    d->events = events;
    d->user = user;
    d->pause = options->backoff_min;
    rng_init(&d->rng, options->seed);
    uv_timer_init(d->loop, &d->timer);
    d->timer.data = d;
    return d;
}

void dialer_start(struct dialer *d)
{
    /* By way of the timer: a failure that is known at once must not be told
     * from inside this call. */
    if (d->state == DIALER_STOPPED)
        wait_for(d, MS(0));
    else if (d->state == DIALER_WAITING)
        uv_timer_start(&d->timer, on_timer, 0, 0);
}

void dialer_stop(struct dialer *d)
{
    if (d->state == DIALER_STOPPED)
        return;
    drop(d, "stopped by this side");
    move(d, DIALER_STOPPED);
}

void dialer_move(struct dialer *d, const struct address *address)
{
    d->options.address = *address;
    if (d->state == DIALER_STOPPED)
        return;
    drop(d, "the address has changed");
    move(d, DIALER_STOPPED);
    d->pause = d->options.backoff_min;
    dialer_start(d);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void dialer_free(struct dialer *d)
{
    if (!d)
        return;
    if (d->conn)
        conn_set_user(d->conn, NULL);
    drop(d, "stopped by this side");
    uv_close((uv_handle_t *)&d->timer, on_timer_closed);
}

enum dialer_state dialer_state(const struct dialer *d)
{
    return d->state;
}

duration dialer_pause(const struct dialer *d)
{
    return d->pause;
}

struct conn *dialer_conn(const struct dialer *d)
{
    return d->state == DIALER_UP && !conn_closing(d->conn) ? d->conn : NULL;
}

void *dialer_user(const struct dialer *d)
{
    return d->user;
}

const struct address *dialer_address(const struct dialer *d)
{
    return &d->options.address;
}
