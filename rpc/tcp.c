/* tcp.c - see tcp.h and stream.h. */
#include "rpc/tcp.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
    KEEPALIVE_SECONDS = 30, /* of silence before the first probe */
    PROBE_SECONDS = 5,      /* between probes */
    UNACKED_MS_MAX = 20000, /* data not acknowledged: the peer is gone */
};

struct tcp {
    struct stream stream;
    uv_tcp_t handle;
    uv_write_t write;
    uv_shutdown_t shutdown;
    uv_connect_t connect;
    tcp_on_connect *on_connect;
    bool reading;
    bool closing;
};

static struct tcp *tcp_of(struct stream *s)
{
    return CONTAINER_OF(s, struct tcp, stream);
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct tcp *t = handle->data;
    size_t size = 0;
    uint8_t *at = t->stream.events->on_space(&t->stream, &size);

    (void)suggested;
    assert(size > 0);
    *buf = uv_buf_init((char *)at, (unsigned)size);
}

static void on_read(uv_stream_t *handle, ssize_t n, const uv_buf_t *buf)
{
    struct tcp *t = handle->data;

    if (n > 0) {
        t->stream.events->on_bytes(&t->stream, (uint8_t *)buf->base, (size_t)n);
        return;
    }
    if (n == 0) /* nothing there after all */
        return;
    t->reading = false;
    uv_read_stop(handle);
    if (n == UV_EOF)
        t->stream.events->on_end(&t->stream, STATUS_CLOSED,
                                 "the peer closed the connection");
    else
        t->stream.events->on_end(&t->stream, STATUS_CONNECTION,
                                 uv_strerror((int)n));
}

static enum status tcp_read_start(struct stream *s)
{
    struct tcp *t = tcp_of(s);

    assert(!t->closing);
    if (t->reading)
        return STATUS_OK;
    if (uv_read_start((uv_stream_t *)&t->handle, on_alloc, on_read))
        return STATUS_CONNECTION;
    t->reading = true;
    return STATUS_OK;
}

static void tcp_read_stop(struct stream *s)
{
    struct tcp *t = tcp_of(s);

    if (!t->reading)
        return;
    t->reading = false;
    uv_read_stop((uv_stream_t *)&t->handle);
}

/* ---- writing ---- */

static enum status tcp_try_write(struct stream *s, struct slice bytes,
                                 size_t *taken)
{
    struct tcp *t = tcp_of(s);
    uv_buf_t buf =
        uv_buf_init((char *)(uintptr_t)bytes.data, (unsigned)bytes.size);
    int n = uv_try_write((uv_stream_t *)&t->handle, &buf, 1);

    assert(!t->closing);
    *taken = n > 0 ? (size_t)n : 0;
    return n >= 0 || n == UV_EAGAIN ? STATUS_OK : STATUS_CONNECTION;
}

static void on_written(uv_write_t *req, int result)
{
    struct tcp *t = CONTAINER_OF(req, struct tcp, write);

    t->stream.events->on_wrote(&t->stream,
                               result ? STATUS_CONNECTION : STATUS_OK);
}

static enum status tcp_write(struct stream *s, struct slice bytes)
{
    struct tcp *t = tcp_of(s);
    uv_buf_t buf =
        uv_buf_init((char *)(uintptr_t)bytes.data, (unsigned)bytes.size);
    int rv =
        uv_write(&t->write, (uv_stream_t *)&t->handle, &buf, 1, on_written);

    assert(!t->closing);
    return rv ? STATUS_CONNECTION : STATUS_OK;
}

/* ---- ending ---- */

static void on_shutdown(uv_shutdown_t *req, int result)
{
    struct tcp *t = CONTAINER_OF(req, struct tcp, shutdown);

    (void)result; /* the end was not sent: the peer is gone, which ends too */
    if (!t->closing)
        t->stream.events->on_shut(&t->stream);
}

static enum status tcp_shutdown(struct stream *s)
{
    struct tcp *t = tcp_of(s);

    assert(!t->closing);
    return uv_shutdown(&t->shutdown, (uv_stream_t *)&t->handle, on_shutdown)
               ? STATUS_CONNECTION
               : STATUS_OK;
}

static void on_closed(uv_handle_t *handle)
{
    struct tcp *t = handle->data;

    if (t->stream.events)
        t->stream.events->on_closed(&t->stream);
    free(t);
}

static void tcp_close(struct stream *s)
{
    struct tcp *t = tcp_of(s);

    assert(!t->closing);
    t->closing = true;
    t->reading = false;
    uv_close((uv_handle_t *)&t->handle, on_closed);
}

static void tcp_peer(struct stream *s, char *text, size_t size)
{
    struct tcp *t = tcp_of(s);
    struct sockaddr_storage at;
    int length = sizeof at;
    char host[INET6_ADDRSTRLEN];

    text[0] = 0;
    if (t->closing ||
        uv_tcp_getpeername(&t->handle, (struct sockaddr *)&at, &length))
        return;
    if (at.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&at;
        uv_ip4_name(v4, host, sizeof host);
        snprintf(text, size, "%s:%u", host, ntohs(v4->sin_port));
    } else if (at.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&at;
        uv_ip6_name(v6, host, sizeof host);
        snprintf(text, size, "[%s]:%u", host, ntohs(v6->sin6_port));
    }
}

static const struct stream_ops tcp_ops = {
    .read_start = tcp_read_start,
    .read_stop = tcp_read_stop,
    .try_write = tcp_try_write,
    .write = tcp_write,
    .shutdown = tcp_shutdown,
    .close = tcp_close,
    .peer = tcp_peer,
};

/* ---- beginning ---- */

static struct tcp *tcp_new(uv_loop_t *loop)
{
    struct tcp *t = xcalloc(1, sizeof *t);

    if (uv_tcp_init(loop, &t->handle)) {
        free(t);
        return NULL;
    }
    t->handle.data = t;
    t->stream.ops = &tcp_ops;
    return t;
}

/* Best effort: a socket that is gone already reports it when it is used. */
static void tune(struct tcp *t)
{
    unsigned unacked = UNACKED_MS_MAX;
    int probe = PROBE_SECONDS;
    uv_os_fd_t fd;

    uv_tcp_nodelay(&t->handle, 1);
    uv_tcp_keepalive(&t->handle, 1, KEEPALIVE_SECONDS);
    if (uv_fileno((uv_handle_t *)&t->handle, &fd))
        return;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &probe, sizeof probe);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked,
                     sizeof unacked);
}

struct stream *tcp_accept(uv_stream_t *server)
{
    struct tcp *t = tcp_new(server->loop);

    if (!t)
        return NULL;
    if (uv_accept(server, (uv_stream_t *)&t->handle)) {
        tcp_close(&t->stream);
        return NULL;
    }
    tune(t);
    return &t->stream;
}

static void on_connected(uv_connect_t *req, int result)
{
    struct tcp *t = CONTAINER_OF(req, struct tcp, connect);

    if (t->closing)
        return;
    if (!result)
        tune(t);
    t->on_connect(&t->stream, result ? STATUS_CONNECTION : STATUS_OK,
                  result ? uv_strerror(result) : "connected");
}

struct stream *tcp_connect(uv_loop_t *loop, const struct sockaddr *to,
                           tcp_on_connect *on_connect, const char **detail)
{
    struct tcp *t = tcp_new(loop);
    int rv;

    if (!t) {
        *detail = "no socket to be had";
        return NULL;
    }
    t->on_connect = on_connect;
    rv = uv_tcp_connect(&t->connect, &t->handle, to, on_connected);
    if (rv) {
        *detail = uv_strerror(rv);
        tcp_close(&t->stream);
        return NULL;
    }
    return &t->stream;
}
