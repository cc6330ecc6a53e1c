/* listener.c - see listener.h.
 *
 * A connection too many is told so and then read, and forgotten, until the peer
 * hangs up: closing a socket with unread bytes would reset it, and the peer
 * would lose what it was told. A bounded number is kept so; the oldest makes
 * room. */
#include "rpc/listener.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpc/tcp.h"

enum { BACKLOG = 1024, REFUSED_MAX = 32, SINK_SIZE = 1024 };

struct refused {
    TAILQ_ENTRY(refused) link;
    struct listener *listener;
    struct stream *stream;
};

struct listener {
    uv_tcp_t handle;
    struct address address;
    unsigned conns_max;
    unsigned count;
    struct slice refusal;
    listener_on_accept *on_accept;
    void *user;
    uint64_t refused_total;
    TAILQ_HEAD(, refused) refused; /* oldest first; not those being closed */
    unsigned refused_count;
    unsigned parts; /* handle and refused that are not closed yet */
    bool freeing;
    uint8_t sink[SINK_SIZE];
};

static void part_gone(struct listener *l)
{
    if (--l->parts == 0)
        free(l);
}

/* ---- those who are refused ---- */

static void dismiss(struct refused *r)
{
    struct listener *l = r->listener;

    TAILQ_REMOVE(&l->refused, r, link);
    l->refused_count--;
    r->stream->ops->close(r->stream);
}

static uint8_t *refused_on_space(struct stream *s, size_t *size)
{
    struct refused *r = s->user;

    *size = sizeof r->listener->sink;
    return r->listener->sink;
}

static void refused_on_bytes(struct stream *s, uint8_t *data, size_t size)
{
    (void)s;
    (void)data;
    (void)size;
}

static void refused_on_end(struct stream *s, enum status why,
                           const char *detail)
{
    (void)why;
    (void)detail;
    dismiss(s->user);
}

static void refused_on_wrote(struct stream *s, enum status result)
{
    (void)s;
    (void)result;
}

static void refused_on_shut(struct stream *s)
{
    (void)s;
}

static void refused_on_closed(struct stream *s)
{
    struct refused *r = s->user;
    struct listener *l = r->listener;

    free(r);
    part_gone(l);
}

static const struct stream_events refused_events = {
    .on_space = refused_on_space,
    .on_bytes = refused_on_bytes,
    .on_end = refused_on_end,
    .on_wrote = refused_on_wrote,
    .on_shut = refused_on_shut,
    .on_closed = refused_on_closed,
};

static void refuse(struct listener *l, struct stream *s)
{
    struct refused *r = xcalloc(1, sizeof *r);
    size_t taken;

    l->refused_total++;
    if (l->refused_count == REFUSED_MAX)
        dismiss(TAILQ_FIRST(&l->refused));
    r->listener = l;
    r->stream = s;
    s->events = &refused_events;
    s->user = r;
    TAILQ_INSERT_TAIL(&l->refused, r, link);
    l->refused_count++;
    l->parts++;
    /* A line or a frame fits into the buffer of a fresh socket. */
    if (l->refusal.size &&
        s->ops->try_write(s, l->refusal, &taken) != STATUS_OK) {
        dismiss(r);
        return;
    }
    if (s->ops->shutdown(s) != STATUS_OK || s->ops->read_start(s) != STATUS_OK)
        dismiss(r);
}

static void on_connection(uv_stream_t *server, int result)
{
    struct listener *l = server->data;
    struct stream *s;

    if (result < 0) {
        /* No descriptors left: libuv has accepted and closed it. */
        l->refused_total++;
        return;
    }
    s = tcp_accept(server);
    if (!s)
        return;
    if (l->count >= l->conns_max) {
        refuse(l, s);
        return;
    }
    l->count++;
    l->on_accept(l, s, l->user);
}

/* ---- binding ---- */

static const char *reason(int error)
{
    switch (error) {
    case UV_EADDRINUSE:
        return "port in use";
    case UV_EADDRNOTAVAIL:
        return "not an address of this machine";
    case UV_EACCES:
        return "no permission for this port";
    }
    return uv_strerror(error);
}

/* Sharing a port must not hide that another process has it: without
 * SO_REUSEPORT, binding tells. Gives 0 or an error of libuv. */
static int probe(const struct addrinfo *at)
{
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    int rv = 0;

    if (fd < 0)
        return uv_translate_sys_error(errno);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, at->ai_addr, at->ai_addrlen))
        rv = uv_translate_sys_error(errno);
    close(fd);
    return rv;
}

/* Gives 0 or an error of libuv. */
static int bind_and_listen(struct listener *l, enum listener_share share,
                           const struct addrinfo *at)
{
    uv_os_fd_t fd;
    int on = 1;
    int rv = 0;

    if (share == LISTENER_FIRST && l->address.port)
        rv = probe(at);
    if (!rv && share != LISTENER_ALONE) {
        rv = uv_fileno((uv_handle_t *)&l->handle, &fd);
        if (!rv && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on))
            rv = uv_translate_sys_error(errno);
    }
    if (!rv)
        rv = uv_tcp_bind(&l->handle, at->ai_addr, 0);
    if (!rv) /* an address in use is reported here, not by uv_tcp_bind */
        rv = uv_listen((uv_stream_t *)&l->handle, BACKLOG, on_connection);
    return rv;
}

/* With port 0 the system has chosen one. */
static int learn_port(struct listener *l)
{
    struct sockaddr_storage at;
    int size = sizeof at;
    int rv = uv_tcp_getsockname(&l->handle, (struct sockaddr *)&at, &size);

    if (rv)
        return rv;
    l->address.port =
        ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
                                       : ((struct sockaddr_in *)&at)->sin_port);
    return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
    part_gone(handle->data);
}

/* Gives NULL and `*rv` on failure. */
static struct listener *open_at(uv_loop_t *loop,
                                const struct listener_options *o,
                                const struct addrinfo *at, int *rv)
{
    struct listener *l = xcalloc(1, sizeof *l);

    *rv = uv_tcp_init_ex(loop, &l->handle, (unsigned)at->ai_family);
    if (*rv) {
        free(l);
        return NULL;
    }
    l->handle.data = l;
    l->parts = 1;
    l->address = o->address;
    l->conns_max = o->conns_max;
    l->refusal = o->refusal;
    TAILQ_INIT(&l->refused);
    *rv = bind_and_listen(l, o->share, at);
    if (!*rv)
        *rv = learn_port(l);
    if (!*rv)
        return l;
    l->freeing = true;
    uv_close((uv_handle_t *)&l->handle, on_handle_closed);
    return NULL;
}

struct listener *listener_new(uv_loop_t *loop,
                              const struct listener_options *options,
                              listener_on_accept *on_accept, void *user,
                              char *error)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct listener *l = NULL;
    struct addrinfo *found = NULL;
    char text[ADDRESS_MAX + 1];
    char port[8];
    int rv;

    assert(on_accept);
    address_format(&options->address, text);
    snprintf(port, sizeof port, "%u", options->address.port);
    rv = getaddrinfo(options->address.host, port, &hints, &found);
    if (rv) {
        snprintf(error, LISTENER_ERROR_SIZE, "%s: %s", gai_strerror(rv), text);
        return NULL;
    }
    for (const struct addrinfo *at = found; at && !l; at = at->ai_next)
        l = open_at(loop, options, at, &rv);
    freeaddrinfo(found);
    if (!l) {
        snprintf(error, LISTENER_ERROR_SIZE, "%s: %s", reason(rv), text);
        return NULL;
    }
    l->on_accept = on_accept;
    l->user = user;
    return l;
}

void listener_free(struct listener *l)
{
    if (!l)
        return;
    assert(!l->freeing);
    l->freeing = true;
    while (!TAILQ_EMPTY(&l->refused))
        dismiss(TAILQ_FIRST(&l->refused));
    uv_close((uv_handle_t *)&l->handle, on_handle_closed);
}

void listener_left(struct listener *l)
{
    assert(l->count > 0);
    l->count--;
}

const struct address *listener_address(const struct listener *l)
{
    return &l->address;
}

unsigned listener_count(const struct listener *l)
{
    return l->count;
}

uint64_t listener_refused(const struct listener *l)
{
    return l->refused_total;
}
