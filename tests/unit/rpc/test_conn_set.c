/* test_conn_set.c - the connections of one loop: flushing, buffers, the end. */
#include "tests/unit/rpc/bench.h"

#include <stdlib.h>
#include <unistd.h>

#include "rpc/conn_private.h"

static enum status reply(struct bench *b, uint64_t id)
{
    struct frame_header h = header_of(FRAME_REPLY, MESSAGE_GET_REPLY, id);

    return conn_send(b->conn, &h, NULL, 0, CONN_NORMAL);
}

/* The client library does not own the loop: what it sends must leave without
 * anybody calling flush, from a callback as well as from outside. */
static void a_driven_set_flushes_by_itself(void **state)
{
    uint8_t got[2 * FRAME_HEADER_SIZE];
    struct bench b;

    (void)state;
    bench_open(&b, conn_options_default());
    conn_set_drive(b.set);
    conn_set_drive(b.set); /* repeating is harmless */
    assert_int_equal(reply(&b, 1), STATUS_OK);
    assert_int_equal(reply(&b, 2), STATUS_OK);
    uv_run(&b.loop, UV_RUN_NOWAIT);
    assert_int_equal(conn_pending(b.conn), 0);
    assert_true(conn_set_stats(b.set).writes == 1);
    raw_read(b.fd, got, sizeof got);
    assert_int_equal(got[FRAME_HEADER_SIZE + 16], 2);
    bench_close(&b);
}

static void expect_flushed(struct bench *b)
{
    assert_int_equal(conn_pending(b->conn), 0);
}

/* What was sent before the loop runs must leave before the loop waits: the
 * answer to it may be all that would ever wake it. */
static void a_driven_set_flushes_before_it_waits(void **state)
{
    struct buf f = {0};
    struct bench b;

    (void)state;
    bench_open(&b, conn_options_default());
    conn_set_drive(b.set);
    b.hook = expect_flushed;
    put_frame(&f, FRAME_REQUEST, MESSAGE_GET, 1, slice_str("x"));
    raw_send(b.fd, buf_slice(&f));
    assert_int_equal(reply(&b, 1), STATUS_OK);
    assert_true(conn_pending(b.conn) > 0);
    while (!b.frames)
        uv_run(&b.loop, UV_RUN_ONCE);
    buf_release(&f);
    bench_close(&b);
}

static void answer(struct bench *b)
{
    assert_int_equal(reply(b, b->header.id), STATUS_OK);
}

/* An answer given in the poll phase leaves in the same turn: waiting for the
 * next one would cost every request a wake-up. */
static void a_driven_set_flushes_in_the_same_turn(void **state)
{
    struct buf f = {0};
    struct bench b;

    (void)state;
    bench_open(&b, conn_options_default());
    conn_set_drive(b.set);
    b.hook = answer;
    put_frame(&f, FRAME_REQUEST, MESSAGE_GET, 1, slice_str("x"));
    raw_send(b.fd, buf_slice(&f));
    while (!b.frames)
        uv_run(&b.loop, UV_RUN_ONCE);
    assert_int_equal(conn_pending(b.conn), 0);
    assert_true(conn_set_stats(b.set).bytes_out == FRAME_HEADER_SIZE);
    buf_release(&f);
    bench_close(&b);
}

/* Ten thousand idle clients must not hold ten thousand buffers. */
static void an_idle_connection_holds_no_buffers(void **state)
{
    uint8_t got[FRAME_HEADER_SIZE];
    struct buf f = {0};
    struct bench b;

    (void)state;
    bench_open(&b, conn_options_default());
    b.hook = answer;
    put_frame(&f, FRAME_REQUEST, MESSAGE_GET, 1, slice_str("in two parts"));
    for (unsigned i = 1; i <= 5; i++) {
        raw_send(b.fd, slice_of(f.data, 30));
        BENCH_UNTIL(&b, b.conn->in.size == 30);
        raw_send(b.fd, slice_of(f.data + 30, f.size - 30));
        BENCH_UNTIL(&b, b.frames == i);
        raw_read(b.fd, got, sizeof got);
        assert_null(b.conn->in.data);
        assert_null(b.conn->out.data);
        assert_null(b.conn->flight.data);
    }
    /* ... and they were used again, not made anew: one for each direction. */
    assert_int_equal(b.set->spare_count, 2);
    buf_release(&f);
    bench_close(&b);
}

/* The pool itself is bounded, in number and in size of each. */
static void the_pool_keeps_few_and_small_buffers(void **state)
{
    struct bench b;
    struct buf bufs[SPARES_MAX + 2];
    struct buf large = {0};

    (void)state;
    bench_open(&b, conn_options_default());
    memset(bufs, 0, sizeof bufs);
    for (unsigned i = 0; i < ARRAY_LEN(bufs); i++)
        conn_set_borrow(b.set, &bufs[i]);
    buf_append(&bufs[0], "x", 1);
    for (unsigned i = 0; i < ARRAY_LEN(bufs); i++) {
        conn_set_return(b.set, &bufs[i]);
        assert_null(bufs[i].data);
    }
    assert_int_equal(b.set->spare_count, SPARES_MAX);
    b.set->spare_count--;
    free(b.set->spares[b.set->spare_count].data);
    buf_reserve(&large, SPARE_SIZE_MAX + 1);
    conn_set_return(b.set, &large);
    assert_int_equal(b.set->spare_count, SPARES_MAX - 1);
    conn_set_borrow(b.set, &large);
    assert_int_equal(large.size, 0); /* emptied when it was returned */
    conn_set_return(b.set, &large);
    bench_close(&b);
}

struct many {
    unsigned closes;
    struct conn *conns[5];
    unsigned count;
    struct conn_set *set;
};

static void many_on_frame(struct conn *c, const struct frame_header *h,
                          struct slice payload)
{
    (void)c;
    (void)h;
    (void)payload;
    fail();
}

static void many_on_close(struct conn *c, enum status why, const char *detail)
{
    struct many *m = conn_user(c);

    assert_int_equal(why, STATUS_CANCELLED);
    assert_string_equal(detail, status_text(STATUS_CANCELLED));
    m->closes++;
}

static const struct conn_events many_events = {many_on_frame, NULL,
                                               many_on_close};

static void many_on_accept(struct listener *l, struct stream *s, void *user)
{
    struct many *m = user;

    (void)l;
    m->conns[m->count++] = conn_new(m->set, s, &many_events, m);
}

/* Stopping: each connection is told exactly once, and nothing stays behind
 * (the sanitizer and uv_loop_close check that). */
static void freeing_the_set_ends_every_connection(void **state)
{
    struct listener_options lo = {.address = {.host = "127.0.0.1"},
                                  .conns_max = 5};
    char error[LISTENER_ERROR_SIZE];
    struct many m = {0};
    struct listener *l;
    uv_loop_t loop;
    int fds[5];

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    m.set = conn_set_new(&loop, conn_options_default());
    conn_set_drive(m.set);
    assert_ptr_equal(conn_set_loop(m.set), &loop);
    l = listener_new(&loop, &lo, many_on_accept, &m, error);
    assert_non_null(l);
    for (unsigned i = 0; i < 5; i++)
        fds[i] = raw_connect(listener_address(l)->port);
    while (m.count < 5)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(conn_set_count(m.set), 5);
    conn_set_free(m.set);
    listener_free(l);
    assert_int_equal(m.closes, 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(m.closes, 5);
    assert_int_equal(uv_loop_close(&loop), 0);
    for (unsigned i = 0; i < 5; i++)
        close(fds[i]);
}

static void a_set_without_connections_goes_at_once(void **state)
{
    uv_loop_t loop;

    (void)state;
    conn_set_free(NULL);
    assert_int_equal(uv_loop_init(&loop), 0);
    conn_set_free(conn_set_new(&loop, conn_options_default()));
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void the_counters_count(void **state)
{
    struct conn_stats s;
    struct buf f = {0};
    struct bench b;

    (void)state;
    bench_open(&b, conn_options_default());
    b.hook = answer;
    put_frame(&f, FRAME_REQUEST, MESSAGE_GET, 1, slice_str("x"));
    put_frame(&f, FRAME_REQUEST, MESSAGE_GET, 2, slice_str("y"));
    raw_send(b.fd, buf_slice(&f));
    BENCH_UNTIL(&b, b.frames == 2);
    s = conn_set_stats(b.set);
    assert_int_equal(s.frames_in, 2);
    assert_int_equal(s.frames_out, 2);
    assert_int_equal(s.bytes_in, f.size);
    assert_int_equal(s.bytes_out, 2 * FRAME_HEADER_SIZE);
    assert_int_equal(s.writes, 1);
    assert_int_equal(s.refused, 0);
    buf_release(&f);
    bench_close(&b);
}

/* Ten thousand clients that each send most of a large frame and then nothing
 * must not take all memory: whoever has most is told so, and goes. */
static void beginnings_of_frames_are_bounded_together(void **state)
{
    enum { PIECE = 50000, TRIES = 100 };
    static uint8_t zeros[PIECE];
    struct conn_options o = conn_options_default();
    struct frame_header h = header_of(FRAME_REQUEST, MESSAGE_SET, 1);
    uint8_t begun[FRAME_HEADER_SIZE];
    uint8_t error[FRAME_ERROR_SIZE], got[FRAME_ERROR_SIZE];
    uint64_t sent = sizeof begun;
    struct bench b;

    (void)state;
    o.partial_max = 1 << 20;
    bench_open(&b, o);
    frame_open(begun, &h);
    put_u32(begun, 8 << 20);
    raw_send(b.fd, slice_of(begun, sizeof begun));
    for (unsigned i = 0; i < TRIES && !conn_closing(b.conn); i++) {
        raw_send(b.fd, slice_of(zeros, sizeof zeros));
        sent += sizeof zeros;
        BENCH_UNTIL(&b, conn_closing(b.conn) ||
                            conn_set_stats(b.set).bytes_in == sent);
        assert_true(b.set->partial <= o.partial_max);
        assert_true(conn_closing(b.conn) || b.set->partial >= sent);
    }
    assert_true(conn_closing(b.conn));
    assert_true(sent > o.partial_max / 2); /* no sooner than it must */
    assert_int_equal(b.set->partial, 0);
    conn_set_flush(b.set);
    raw_read(b.fd, got, sizeof got);
    frame_error(error, STATUS_BUSY);
    assert_memory_equal(got, error, sizeof error);
    BENCH_UNTIL(&b, b.closes);
    assert_int_equal(b.why, STATUS_BUSY);
    bench_close(&b);
}

/* Whole frames leave nothing behind in the sums. */
static void sums_of_a_set_return_to_nothing(void **state)
{
    enum { SIZE = 150000, PIECE = 30000 };
    static uint8_t value[SIZE], sink[SIZE + FRAME_HEADER_SIZE];
    struct frame_header h = header_of(FRAME_REPLY, MESSAGE_GET_REPLY, 1);
    struct slice part = slice_of(value, sizeof value);
    struct buf f = {0};
    struct bench b;

    (void)state;
    bench_open(&b, conn_options_default());
    put_frame(&f, FRAME_REQUEST, MESSAGE_SET, 1, part);
    for (size_t i = 0; i < f.size; i += PIECE) {
        size_t n = MIN_OF(f.size - i, (size_t)PIECE);
        raw_send(b.fd, slice_of(f.data + i, n));
        BENCH_UNTIL(&b, conn_set_stats(b.set).bytes_in == i + n);
    }
    assert_int_equal(b.frames, 1);
    assert_int_equal(b.set->partial, 0);
    assert_int_equal(conn_send(b.conn, &h, &part, 1, CONN_NORMAL), STATUS_OK);
    assert_int_equal(conn_set_pending(b.set), sizeof sink);
    conn_set_flush(b.set);
    raw_read(b.fd, sink, sizeof sink);
    BENCH_UNTIL(&b, conn_set_pending(b.set) == 0);
    assert_int_equal(conn_sent(b.conn), sizeof sink);
    buf_release(&f);
    bench_close(&b);
}

/* A stranger gets no room for more than his first word. */
static void a_connection_may_have_a_smaller_limit(void **state)
{
    static uint8_t value[2000];
    struct buf f = {0};
    struct bench b;

    (void)state;
    bench_open(&b, conn_options_default());
    conn_limit(b.conn, 1000);
    put_frame(&f, FRAME_REQUEST, MESSAGE_SET, 1, slice_of(value, 1000));
    raw_send(b.fd, buf_slice(&f));
    BENCH_UNTIL(&b, b.frames == 1);
    buf_clear(&f);
    put_frame(&f, FRAME_REQUEST, MESSAGE_SET, 2, slice_of(value, 1001));
    raw_send(b.fd, slice_of(f.data, FRAME_HEADER_SIZE));
    BENCH_UNTIL(&b, conn_closing(b.conn));
    close(b.fd);
    b.fd = -1;
    BENCH_UNTIL(&b, b.closes);
    assert_int_equal(b.why, STATUS_BAD_FRAME);
    buf_release(&f);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_driven_set_flushes_by_itself),
        cmocka_unit_test(a_driven_set_flushes_before_it_waits),
        cmocka_unit_test(a_driven_set_flushes_in_the_same_turn),
        cmocka_unit_test(an_idle_connection_holds_no_buffers),
        cmocka_unit_test(the_pool_keeps_few_and_small_buffers),
        cmocka_unit_test(freeing_the_set_ends_every_connection),
        cmocka_unit_test(a_set_without_connections_goes_at_once),
        cmocka_unit_test(the_counters_count),
        cmocka_unit_test(beginnings_of_frames_are_bounded_together),
        cmocka_unit_test(sums_of_a_set_return_to_nothing),
        cmocka_unit_test(a_connection_may_have_a_smaller_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
