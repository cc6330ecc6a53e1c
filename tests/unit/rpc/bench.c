/* bench.c - see bench.h. */
#include "tests/unit/rpc/bench.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static void on_frame(struct conn *c, const struct frame_header *header,
                     struct slice payload)
{
    struct bench *b = conn_user(c);

    assert_int_equal(b->closes, 0);
    b->frames++;
    b->header = *header;
    buf_clear(&b->payload);
    buf_append(&b->payload, payload.data, payload.size);
    buf_u64(&b->ids, header->id);
    if (b->hook)
        b->hook(b);
}

static void on_drain(struct conn *c)
{
    struct bench *b = conn_user(c);

    b->drains++;
}

static void on_close(struct conn *c, enum status why, const char *detail)
{
    struct bench *b = conn_user(c);

    assert_true(conn_closing(c));
    b->closes++;
    b->why = why;
    snprintf(b->detail, sizeof b->detail, "%s", detail);
    b->conn = NULL;
    listener_left(b->listener);
}

static const struct conn_events frames = {
    .on_frame = on_frame, .on_drain = on_drain, .on_close = on_close};

static void on_accept(struct listener *l, struct stream *s, void *user)
{
    struct bench *b = user;

    (void)l;
    assert_null(b->conn);
    b->conn = conn_new(b->set, s, &b->events, b);
}

void rules_begin(void)
{
    signal(SIGPIPE, SIG_IGN);
    alarm(60);
}

void rules_end(void)
{
    alarm(0);
}

static void open_with(struct bench *b, struct conn_options options,
                      struct conn_events events)
{
    struct listener_options lo = {.address = {.host = "127.0.0.1"},
                                  .conns_max = 10};
    char error[LISTENER_ERROR_SIZE];

    memset(b, 0, sizeof *b);
    b->events = events;
    rules_begin();
    assert_int_equal(uv_loop_init(&b->loop), 0);
    b->set = conn_set_new(&b->loop, options);
    b->listener = listener_new(&b->loop, &lo, on_accept, b, error);
    assert_non_null(b->listener);
    b->fd = raw_connect(listener_address(b->listener)->port);
    BENCH_UNTIL(b, b->conn);
}

void bench_open(struct bench *b, struct conn_options options)
{
    open_with(b, options, frames);
}

void bench_open_bytes(struct bench *b, struct conn_options options,
                      bench_on_bytes *on_bytes)
{
    struct conn_events events = frames;

    events.on_frame = NULL;
    events.on_bytes = on_bytes;
    open_with(b, options, events);
}

void bench_close(struct bench *b)
{
    if (b->fd >= 0)
        close(b->fd);
    conn_set_free(b->set);
    b->hook = NULL;
    while (b->conn)
        uv_run(&b->loop, UV_RUN_ONCE);
    assert_int_equal(b->closes, 1);
    listener_free(b->listener);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&b->loop), 0);
    buf_release(&b->payload);
    buf_release(&b->ids);
    rules_end();
}

void bench_turn(struct bench *b)
{
    uv_run(&b->loop, UV_RUN_ONCE);
    conn_set_flush(b->set);
}

void bench_settle(struct bench *b)
{
    for (unsigned i = 0; i < 10; i++) {
        uv_run(&b->loop, UV_RUN_NOWAIT);
        conn_set_flush(b->set);
    }
}

int raw_connect(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

void raw_send(int fd, struct slice bytes)
{
    while (bytes.size) {
        ssize_t n = send(fd, bytes.data, bytes.size, MSG_NOSIGNAL);
        assert_true(n > 0);
        bytes = slice_of(bytes.data + n, bytes.size - (size_t)n);
    }
}

void raw_read(int fd, void *to, size_t size)
{
    ssize_t n = size ? recv(fd, to, size, MSG_WAITALL) : 0;

    assert_int_equal(n, (ssize_t)size);
}

long raw_read_some(int fd, void *to, size_t size)
{
    ssize_t n = recv(fd, to, size, MSG_DONTWAIT);

    if (n > 0)
        return n;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    return -1;
}

struct frame_header header_of(uint8_t kind, uint16_t type, uint64_t id)
{
    return (struct frame_header){.kind = kind, .type = type, .id = id};
}

void put_frame(struct buf *out, uint8_t kind, uint16_t type, uint64_t id,
               struct slice payload)
{
    struct frame_header h = header_of(kind, type, id);

    frame_encode(buf_grow(out, FRAME_HEADER_SIZE), &h, &payload, 1);
    buf_append(out, payload.data, payload.size);
}
