/* test_tcp.c - streams over TCP, straight through their operations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpc/tcp.h"
#include "tests/unit/rpc/bench.h"

/* Two ends of one connection: what each was told. */
struct end {
    struct stream *s;
    uint8_t space[100];
    struct buf got;
    unsigned ends, wrote, shuts, closes, connects;
    enum status why, connected;
    char detail[100];
};

struct both {
    uv_loop_t loop;
    struct listener *listener;
    struct end server, client;
};

static uint8_t *on_space(struct stream *s, size_t *size)
{
    struct end *e = s->user;

    *size = sizeof e->space;
    return e->space;
}

static void on_bytes(struct stream *s, uint8_t *data, size_t size)
{
    struct end *e = s->user;

    assert_ptr_equal(data, e->space);
    buf_append(&e->got, data, size);
}

static void on_end(struct stream *s, enum status why, const char *detail)
{
    struct end *e = s->user;

    e->ends++;
    e->why = why;
    snprintf(e->detail, sizeof e->detail, "%s", detail);
}

static void on_wrote(struct stream *s, enum status result)
{
    struct end *e = s->user;

    e->wrote++;
    e->why = result;
}

static void on_shut(struct stream *s)
{
    ((struct end *)s->user)->shuts++;
}

static void on_closed(struct stream *s)
{
    ((struct end *)s->user)->closes++;
}

static const struct stream_events events = {on_space, on_bytes, on_end,
                                            on_wrote, on_shut,  on_closed};

static void on_connect(struct stream *s, enum status result, const char *detail)
{
    struct end *e = s->user;

    e->connects++;
    e->connected = result;
    snprintf(e->detail, sizeof e->detail, "%s", detail);
}

static void on_accept(struct listener *l, struct stream *s, void *user)
{
    struct both *b = user;

    (void)l;
    if (b->server.s) { /* of a later dial: nobody wants it */
        s->events = NULL;
        s->ops->close(s);
        return;
    }
    b->server.s = s;
    s->events = &events;
    s->user = &b->server;
}

static struct stream *dial(struct both *b, uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const char *why = NULL;
    struct stream *s =
        tcp_connect(&b->loop, (struct sockaddr *)&at, on_connect, &why);

    assert_non_null(s);
    s->events = &events;
    s->user = &b->client;
    return s;
}

static void both_open(struct both *b)
{
    struct listener_options lo = {.address = {.host = "127.0.0.1"},
                                  .conns_max = 9};
    char error[LISTENER_ERROR_SIZE];

    memset(b, 0, sizeof *b);
    rules_begin();
    assert_int_equal(uv_loop_init(&b->loop), 0);
    b->listener = listener_new(&b->loop, &lo, on_accept, b, error);
    assert_non_null(b->listener);
    b->client.s = dial(b, listener_address(b->listener)->port);
    while (!b->server.s || !b->client.connects)
        uv_run(&b->loop, UV_RUN_ONCE);
    assert_int_equal(b->client.connected, STATUS_OK);
}

static void both_close(struct both *b)
{
    struct end *ends[] = {&b->server, &b->client};

    listener_free(b->listener);
    for (unsigned i = 0; i < 2; i++) {
        if (ends[i]->s && !ends[i]->closes)
            ends[i]->s->ops->close(ends[i]->s);
    }
    uv_run(&b->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&b->loop), 0);
    for (unsigned i = 0; i < 2; i++)
        buf_release(&ends[i]->got);
    rules_end();
}

static void bytes_go_both_ways_and_the_end_is_told(void **state)
{
    struct both b;
    size_t taken = 0;

    (void)state;
    both_open(&b);
    assert_int_equal(b.server.s->ops->read_start(b.server.s), STATUS_OK);
    assert_int_equal(b.server.s->ops->read_start(b.server.s), STATUS_OK);
    assert_int_equal(
        b.client.s->ops->try_write(b.client.s, slice_str("ping"), &taken),
        STATUS_OK);
    assert_int_equal(taken, 4);
    while (b.server.got.size < 4)
        uv_run(&b.loop, UV_RUN_ONCE);
    assert_memory_equal(b.server.got.data, "ping", 4);
    assert_int_equal(b.client.s->ops->shutdown(b.client.s), STATUS_OK);
    while (!b.client.shuts || !b.server.ends)
        uv_run(&b.loop, UV_RUN_ONCE);
    assert_int_equal(b.server.why, STATUS_CLOSED);
    /* The other direction still stands. */
    assert_int_equal(b.client.s->ops->read_start(b.client.s), STATUS_OK);
    assert_int_equal(b.server.s->ops->write(b.server.s, slice_str("pong")),
                     STATUS_OK);
    while (b.client.got.size < 4 || !b.server.wrote)
        uv_run(&b.loop, UV_RUN_ONCE);
    assert_memory_equal(b.client.got.data, "pong", 4);
    assert_int_equal(b.server.ends, 1);
    both_close(&b);
}

/* A turn's output is one write: waiting for more (Nagle) would add a round
 * trip to every request. */
static void small_writes_are_not_held_back(void **state)
{
    struct both b;
    int on = 0;
    socklen_t size = sizeof on;
    char peer[ADDRESS_MAX + 1];
    char expected[64];
    struct sockaddr_in at;
    int fd = -1;

    (void)state;
    both_open(&b);
    b.client.s->ops->peer(b.client.s, peer, sizeof peer);
    snprintf(expected, sizeof expected, "127.0.0.1:%u",
             listener_address(b.listener)->port);
    assert_string_equal(peer, expected);
    /* The client's socket is the one whose peer is the listener. */
    for (int i = 3; i < 64 && fd < 0; i++) {
        socklen_t n = sizeof at;
        if (!getpeername(i, (struct sockaddr *)&at, &n) &&
            at.sin_port == htons(listener_address(b.listener)->port))
            fd = i;
    }
    assert_true(fd >= 0);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
    assert_int_equal(on, 1);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, &size), 0);
    assert_int_equal(on, 1);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &on, &size),
                     0);
    assert_true(on > 0);
    both_close(&b);
}

/* A full socket takes a part, says so, and the rest arrives by write. */
static void what_is_not_taken_at_once_can_be_written(void **state)
{
    enum { SIZE = 8 << 20 };
    struct both b;
    uint8_t *all = xcalloc(1, SIZE);
    size_t taken = 0;

    (void)state;
    both_open(&b);
    for (size_t i = 0; i < SIZE; i++)
        all[i] = (uint8_t)(i >> 10);
    assert_int_equal(
        b.client.s->ops->try_write(b.client.s, slice_of(all, SIZE), &taken),
        STATUS_OK);
    assert_true(taken < SIZE);
    assert_int_equal(
        b.client.s->ops->write(b.client.s, slice_of(all + taken, SIZE - taken)),
        STATUS_OK);
    assert_int_equal(b.server.s->ops->read_start(b.server.s), STATUS_OK);
    while (b.server.got.size < SIZE)
        uv_run(&b.loop, UV_RUN_ONCE);
    while (!b.client.wrote)
        uv_run(&b.loop, UV_RUN_ONCE);
    assert_int_equal(b.client.wrote, 1);
    assert_memory_equal(b.server.got.data, all, SIZE);
    free(all);
    both_close(&b);
}

/* Closing with a write under way: it is reported before the end, so that its
 * owner frees the bytes exactly once. */
static void closing_reports_the_write_and_then_the_end(void **state)
{
    enum { SIZE = 8 << 20 };
    struct both b;
    uint8_t *all = xcalloc(1, SIZE);

    (void)state;
    both_open(&b);
    assert_int_equal(b.client.s->ops->write(b.client.s, slice_of(all, SIZE)),
                     STATUS_OK);
    b.client.s->ops->close(b.client.s);
    assert_int_equal(b.client.closes, 0);
    while (!b.client.closes)
        uv_run(&b.loop, UV_RUN_ONCE);
    assert_int_equal(b.client.wrote, 1);
    assert_int_equal(b.client.why, STATUS_CONNECTION);
    free(all);
    both_close(&b);
}

static void a_refused_connection_is_reported_from_the_loop(void **state)
{
    struct both b;
    uint16_t port;

    (void)state;
    both_open(&b);
    port = listener_address(b.listener)->port;
    listener_free(b.listener);
    b.listener = NULL;
    b.client.s->ops->close(b.client.s);
    while (!b.client.closes)
        uv_run(&b.loop, UV_RUN_ONCE);
    b.client = (struct end){.got = b.client.got};
    b.client.s = dial(&b, port);
    assert_int_equal(b.client.connects, 0);
    while (!b.client.connects)
        uv_run(&b.loop, UV_RUN_ONCE);
    assert_int_equal(b.client.connected, STATUS_CONNECTION);
    assert_string_equal(b.client.detail, "connection refused");
    both_close(&b);
}

/* Giving up early must not call back into what is gone. */
static void closing_while_connecting_is_silent(void **state)
{
    struct both b;
    struct end other = {0};
    struct stream *s;

    (void)state;
    both_open(&b);
    s = dial(&b, listener_address(b.listener)->port);
    s->user = &other;
    s->ops->close(s);
    while (!other.closes)
        uv_run(&b.loop, UV_RUN_ONCE);
    assert_int_equal(other.connects, 0);
    s = dial(&b, listener_address(b.listener)->port);
    s->events = NULL; /* nobody is told: legal */
    s->ops->close(s);
    both_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways_and_the_end_is_told),
        cmocka_unit_test(small_writes_are_not_held_back),
        cmocka_unit_test(what_is_not_taken_at_once_can_be_written),
        cmocka_unit_test(closing_reports_the_write_and_then_the_end),
        cmocka_unit_test(a_refused_connection_is_reported_from_the_loop),
        cmocka_unit_test(closing_while_connecting_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
