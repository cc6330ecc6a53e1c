/* test_conn.c - one connection: frames in and out, limits, every way to end. */
#include "tests/unit/rpc/bench.h"

#include <sys/socket.h>
#include <unistd.h>

#include "rpc/conn_private.h"

static void request(struct buf *out, uint64_t id, const char *payload)
{
    put_frame(out, FRAME_REQUEST, MESSAGE_GET, id, slice_str(payload));
}

static uint64_t in_bytes(struct bench *b)
{
    return conn_set_stats(b->set).bytes_in;
}

static enum status reply(struct bench *b, uint64_t id, struct slice payload,
                         enum conn_priority priority)
{
    struct frame_header h = header_of(FRAME_REPLY, MESSAGE_GET_REPLY, id);

    return conn_send(b->conn, &h, &payload, 1, priority);
}

/* ---- receiving ---- */

/* TCP cuts anywhere: in the header, between the two, in a payload. */
static void frames_arrive_whole_however_they_are_cut(void **state)
{
    struct buf two = {0};
    struct bench b;
    uint64_t sent = 0;

    (void)state;
    bench_open(&b, conn_options_default());
    request(&two, 1, "first");
    request(&two, 2, "the second");
    for (size_t cut = 1; cut < two.size; cut++) {
        raw_send(b.fd, slice_of(two.data, cut));
        sent += cut;
        BENCH_UNTIL(&b, in_bytes(&b) == sent);
        assert_int_equal(b.frames, 2 * (cut - 1) + (cut >= 24 + 5));
        raw_send(b.fd, slice_of(two.data + cut, two.size - cut));
        sent += two.size - cut;
        BENCH_UNTIL(&b, in_bytes(&b) == sent);
        assert_int_equal(b.frames, 2 * cut);
        assert_true(b.header.id == 2);
        assert_true(
            slice_equal(buf_slice(&b.payload), slice_str("the second")));
    }
    buf_release(&two);
    bench_close(&b);
}

static void a_frame_may_come_byte_by_byte(void **state)
{
    struct buf f = {0};
    struct bench b;

    (void)state;
    bench_open(&b, conn_options_default());
    request(&f, 7, "slowly");
    for (size_t i = 0; i < f.size; i++) {
        assert_int_equal(b.frames, 0);
        raw_send(b.fd, slice_of(f.data + i, 1));
        BENCH_UNTIL(&b, in_bytes(&b) == i + 1);
    }
    assert_int_equal(b.frames, 1);
    assert_true(b.header.id == 7);
    buf_release(&f);
    bench_close(&b);
}

/* A burst larger than the read buffer: order kept, none lost at its seams. */
static void a_burst_of_frames_arrives_in_order(void **state)
{
    enum { MANY = 5000 };
    struct buf all = {0};
    struct bench b;

    (void)state;
    bench_open(&b, conn_options_default());
    for (unsigned i = 0; i < MANY; i++)
        request(&all, i, i % 3 ? "a payload" : "");
    raw_send(b.fd, buf_slice(&all));
    BENCH_UNTIL(&b, b.frames == MANY);
    for (unsigned i = 0; i < MANY; i++)
        assert_true(get_u64(b.ids.data + 8 * i) == i);
    buf_release(&all);
    bench_close(&b);
}

/* The largest frame there is, followed at once by a small one: the path that
 * reads straight into the frame must stop at its end. */
static void the_largest_frame_arrives_whole(void **state)
{
    struct buf all = {0};
    struct buf big = {0};
    struct bench b;
    size_t at = 0;

    (void)state;
    bench_open(&b, conn_options_default());
    buf_grow(&big, FRAME_PAYLOAD_MAX);
    for (size_t i = 0; i < big.size; i++)
        big.data[i] = (uint8_t)(i * 7 + i / 251);
    put_frame(&all, FRAME_REQUEST, MESSAGE_SET, 1, buf_slice(&big));
    request(&all, 2, "small");
    while (at < all.size) {
        ssize_t n = send(b.fd, all.data + at, all.size - at,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        at += n > 0 ? (size_t)n : 0;
        uv_run(&b.loop, UV_RUN_NOWAIT);
        if (b.frames == 1)
            assert_true(slice_equal(buf_slice(&b.payload), buf_slice(&big)));
    }
    BENCH_UNTIL(&b, b.frames == 2);
    assert_true(slice_equal(buf_slice(&b.payload), slice_str("small")));
    buf_release(&all);
    buf_release(&big);
    bench_close(&b);
}

/* A length costs its sender nothing; so it must not cost us memory. */
static void memory_grows_with_what_arrives_not_with_a_length(void **state)
{
    uint8_t f[FRAME_HEADER_SIZE + 100] = {0};
    struct frame_header h = header_of(FRAME_REQUEST, MESSAGE_SET, 1);
    struct bench b;

    (void)state;
    bench_open(&b, conn_options_default());
    frame_open(f, &h);
    put_u32(f, FRAME_PAYLOAD_MAX);
    raw_send(b.fd, slice_of(f, sizeof f));
    BENCH_UNTIL(&b, in_bytes(&b) == sizeof f);
    raw_send(b.fd, slice_of(f + FRAME_HEADER_SIZE, 100));
    BENCH_UNTIL(&b, in_bytes(&b) == sizeof f + 100);
    assert_true(b.conn->in.cap <= 4 * READ_SIZE);
    bench_close(&b);
}

/* ---- pausing ---- */

static void pause_after_each(struct bench *b)
{
    conn_pause(b->conn);
}

/* An owner with a limit of requests under way relies on getting none beyond
 * it, also of a burst that was read already. */
static void a_paused_connection_delivers_nothing(void **state)
{
    struct buf all = {0};
    struct bench b;

    (void)state;
    bench_open(&b, conn_options_default());
    b.hook = pause_after_each;
    for (unsigned i = 1; i <= 3; i++)
        request(&all, i, "p");
    buf_append(&all, "\x01", 1); /* and the beginning of a fourth */
    raw_send(b.fd, buf_slice(&all));
    for (unsigned i = 1; i <= 3; i++) {
        BENCH_UNTIL(&b, b.frames == i);
        bench_settle(&b);
        assert_int_equal(b.frames, i);
        conn_resume(b.conn);
        assert_int_equal(b.frames, i); /* never from inside the call */
    }
    buf_clear(&all);
    request(&all, 4, "q");
    assert_int_equal(all.data[0], 1);
    raw_send(b.fd, slice_of(all.data + 1, all.size - 1));
    BENCH_UNTIL(&b, b.frames == 4);
    assert_true(b.header.id == 4);
    /* Else the loop would never wait again, and burn a core. */
    bench_settle(&b);
    assert_false(uv_is_active((uv_handle_t *)&b.set->idle));
    buf_release(&all);
    bench_close(&b);
}

static void a_paused_connection_reads_nothing(void **state)
{
    struct buf f = {0};
    struct bench b;

    (void)state;
    bench_open(&b, conn_options_default());
    conn_pause(b.conn);
    request(&f, 1, "x");
    raw_send(b.fd, buf_slice(&f));
    bench_settle(&b);
    assert_true(in_bytes(&b) == 0);
    conn_resume(b.conn);
    BENCH_UNTIL(&b, b.frames == 1);
    buf_release(&f);
    bench_close(&b);
}

/* ---- sending ---- */

/* System calls are what small requests cost: a turn's output is one. */
static void the_output_of_a_turn_leaves_in_one_write(void **state)
{
    enum { MANY = 100 };
    struct buf expected = {0};
    uint8_t got[MANY * 64];
    struct conn_stats before;
    struct bench b;

    (void)state;
    bench_open(&b, conn_options_default());
    before = conn_set_stats(b.set);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(reply(&b, i, slice_str("value"), CONN_NORMAL),
                         STATUS_OK);
        put_frame(&expected, FRAME_REPLY, MESSAGE_GET_REPLY, i,
                  slice_str("value"));
    }
    assert_true(conn_set_stats(b.set).writes == before.writes);
    conn_set_flush(b.set);
    assert_true(conn_set_stats(b.set).writes == before.writes + 1);
    assert_int_equal(conn_pending(b.conn), 0);
    conn_set_flush(b.set); /* nothing more to do */
    assert_true(conn_set_stats(b.set).writes == before.writes + 1);
    raw_read(b.fd, got, expected.size);
    assert_memory_equal(got, expected.data, expected.size);
    buf_release(&expected);
    bench_close(&b);
}

static void a_frame_built_in_place_equals_a_sent_one(void **state)
{
    struct frame_header h = header_of(FRAME_REPLY, MESSAGE_GET_REPLY, 5);
    uint8_t got[3 * (FRAME_HEADER_SIZE + 5)];
    struct buf expected = {0};
    struct bench b;
    struct buf *out;

    (void)state;
    bench_open(&b, conn_options_default());
    for (unsigned i = 0; i < 3; i++) {
        put_frame(&expected, h.kind, h.type, h.id, slice_str("hello"));
        out = conn_begin(b.conn, &h, CONN_NORMAL);
        assert_non_null(out);
        buf_append(out, "hel", 3);
        if (i == 1) { /* changed its mind: must leave no trace */
            conn_undo(b.conn);
            out = conn_begin(b.conn, &h, CONN_NORMAL);
            buf_append(out, "hel", 3);
        }
        buf_append(out, "lo", 2);
        assert_int_equal(conn_end(b.conn), STATUS_OK);
    }
    conn_set_flush(b.set);
    raw_read(b.fd, got, sizeof got);
    assert_int_equal(expected.size, sizeof got);
    assert_memory_equal(got, expected.data, sizeof got);
    buf_release(&expected);
    bench_close(&b);
}

/* The peer would close the connection, and with it lose other requests. */
static void a_payload_above_the_limit_is_not_sent(void **state)
{
    struct frame_header h = header_of(FRAME_REPLY, MESSAGE_GET_REPLY, 1);
    struct buf big = {0};
    struct slice parts[2];
    struct bench b;
    struct buf *out;
    size_t pending;

    (void)state;
    bench_open(&b, conn_options_default());
    buf_grow(&big, FRAME_PAYLOAD_MAX);
    memset(big.data, 'b', big.size);
    parts[0] = buf_slice(&big);
    parts[1] = slice_str("!");
    assert_int_equal(conn_send(b.conn, &h, parts, 2, CONN_NORMAL),
                     STATUS_INVALID);
    assert_int_equal(reply(&b, 1, slice_str("small"), CONN_NORMAL), STATUS_OK);
    pending = conn_pending(b.conn);
    out = conn_begin(b.conn, &h, CONN_NORMAL);
    buf_append(out, big.data, big.size);
    buf_append(out, "!", 1);
    assert_int_equal(conn_end(b.conn), STATUS_INVALID);
    assert_int_equal(conn_pending(b.conn), pending);
    buf_release(&big);
    bench_close(&b);
}

/* Read at the raw end until `size` bytes have come in all. */
static void raw_collect(struct bench *b, struct buf *got, size_t size)
{
    while (got->size < size) {
        long n = raw_read_some(b->fd, buf_reserve(got, 65536), 65536);
        assert_true(n >= 0);
        got->size += (size_t)n;
        uv_run(&b->loop, UV_RUN_NOWAIT);
        conn_set_flush(b->set);
    }
}

/* Every frame of `got` is whole; gives how many. */
static unsigned count_frames(const struct buf *got)
{
    struct slice left = buf_slice(got);
    unsigned n = 0;

    while (left.size) {
        struct frame_header h;
        struct slice payload;
        size_t size;
        assert_int_equal(
            frame_parse(left, FRAME_PAYLOAD_MAX, &h, &payload, &size),
            FRAME_OK);
        assert_true(h.id == n);
        left = slice_of(left.data + size, left.size - size);
        n++;
    }
    return n;
}

/* A peer that does not read must cost bounded memory, be told apart by BUSY,
 * and be served on once it reads: with every frame whole and in order. */
static void a_slow_reader_makes_it_busy_and_recovers(void **state)
{
    static uint8_t value[16384];
    struct conn_options o = conn_options_default();
    struct buf got = {0};
    struct bench b;
    unsigned sent = 0;
    size_t total;

    (void)state;
    o.pending_max = 256 * 1024;
    o.reserve = 64 * 1024;
    bench_open(&b, o);
    while (reply(&b, sent, slice_of(value, sizeof value), CONN_NORMAL) ==
           STATUS_OK) {
        sent++;
        conn_set_flush(b.set);
    }
    assert_int_equal(reply(&b, 0, slice_str(""), CONN_NORMAL), STATUS_BUSY);
    assert_true(conn_pending(b.conn) >= o.pending_max);
    assert_true(conn_pending(b.conn) <=
                o.pending_max + FRAME_HEADER_SIZE + sizeof value);
    /* The reserve is for what keeps the cluster alive, and ends too. */
    while (reply(&b, sent, slice_of(value, sizeof value), CONN_CONTROL) ==
           STATUS_OK)
        sent++;
    assert_true(conn_pending(b.conn) >= o.pending_max + o.reserve);
    assert_int_equal(b.drains, 0);
    total = sent * (FRAME_HEADER_SIZE + sizeof value);
    raw_collect(&b, &got, total);
    BENCH_UNTIL(&b, b.drains == 1);
    assert_int_equal(count_frames(&got), sent);
    assert_int_equal(conn_pending(b.conn), 0);
    assert_int_equal(reply(&b, 0, slice_str(""), CONN_NORMAL), STATUS_OK);
    bench_settle(&b);
    assert_int_equal(b.drains, 1);
    buf_release(&got);
    bench_close(&b);
}

static void answer_large(struct bench *b)
{
    static uint8_t value[65536];

    if (reply(b, b->frames - 1, slice_of(value, sizeof value), CONN_NORMAL) !=
        STATUS_OK)
        b->wanted++;
}

/* Who asks and does not read the answers is not read from: none of his
 * requests is refused, and his answers do not pile up. */
static void reading_stops_while_output_waits(void **state)
{
    enum { MANY = 400 };
    struct conn_options o = conn_options_default();
    struct buf all = {0};
    struct buf got = {0};
    struct bench b;
    unsigned before;

    (void)state;
    o.pending_max = 512 * 1024;
    bench_open(&b, o);
    b.hook = answer_large;
    for (unsigned i = 0; i < MANY; i++)
        request(&all, i, "give");
    raw_send(b.fd, buf_slice(&all));
    do { /* until it stands still */
        before = b.frames;
        bench_settle(&b);
    } while (b.frames != before || b.frames == 0);
    assert_true(b.frames < MANY);
    assert_true(conn_pending(b.conn) < o.pending_max);
    raw_collect(&b, &got, MANY * (FRAME_HEADER_SIZE + (size_t)65536));
    assert_int_equal(count_frames(&got), MANY);
    assert_int_equal(b.frames, MANY);
    assert_int_equal(b.wanted, 0);
    buf_release(&all);
    buf_release(&got);
    bench_close(&b);
}

/* The side that asks goes on reading, else both ends could stop for ever. */
static void without_the_gate_reading_goes_on(void **state)
{
    static uint8_t value[65536];
    struct conn_options o = conn_options_default();
    struct buf f = {0};
    struct bench b;

    (void)state;
    o.pending_max = 256 * 1024;
    o.gate_reads = false;
    bench_open(&b, o);
    while (reply(&b, 0, slice_of(value, sizeof value), CONN_NORMAL) ==
           STATUS_OK)
        conn_set_flush(b.set);
    request(&f, 1, "still");
    raw_send(b.fd, buf_slice(&f));
    BENCH_UNTIL(&b, b.frames == 1);
    buf_release(&f);
    bench_close(&b);
}

/* ---- ends ---- */

static void close_at_once(struct bench *b)
{
    conn_close(b->conn, STATUS_DENIED, "not you");
    conn_close(b->conn, STATUS_INTERNAL, "a second reason");
    assert_int_equal(b->closes, 0); /* never from inside the call */
    assert_int_equal(reply(b, 1, slice_str("x"), CONN_CONTROL), STATUS_CLOSED);
}

/* The callback may free everything of the connection's; whatever else was
 * read must not be delivered to it any more. */
static void closing_inside_on_frame_ends_delivery(void **state)
{
    struct buf all = {0};
    struct bench b;

    (void)state;
    bench_open(&b, conn_options_default());
    b.hook = close_at_once;
    request(&all, 1, "one");
    request(&all, 2, "two");
    buf_append(&all, all.data, 10);
    raw_send(b.fd, buf_slice(&all));
    BENCH_UNTIL(&b, b.closes);
    assert_int_equal(b.frames, 1);
    assert_int_equal(b.why, STATUS_DENIED);
    assert_string_equal(b.detail, "not you");
    buf_release(&all);
    bench_close(&b);
}

static void a_peer_that_leaves_is_reported_once(void **state)
{
    struct buf f = {0};
    struct bench b;

    (void)state;
    bench_open(&b, conn_options_default());
    request(&f, 1, "bye");
    raw_send(b.fd, buf_slice(&f));
    close(b.fd);
    b.fd = -1;
    BENCH_UNTIL(&b, b.closes);
    assert_int_equal(b.frames, 1); /* what came before counts */
    assert_int_equal(b.why, STATUS_CLOSED);
    buf_release(&f);
    bench_close(&b);
}

/* With output that cannot leave: the write under way must not outlive it. */
static void closing_with_a_write_under_way_is_clean(void **state)
{
    static uint8_t value[65536];
    struct bench b;

    (void)state;
    bench_open(&b, conn_options_default());
    while (reply(&b, 0, slice_of(value, sizeof value), CONN_NORMAL) ==
           STATUS_OK)
        conn_set_flush(b.set);
    assert_true(b.conn->flying);
    conn_close(b.conn, STATUS_TIMEOUT, NULL);
    BENCH_UNTIL(&b, b.closes);
    assert_int_equal(b.why, STATUS_TIMEOUT);
    assert_string_equal(b.detail, status_text(STATUS_TIMEOUT));
    bench_close(&b);
}

/* The answer "no" must reach the peer before the end does. */
static void finishing_sends_what_waits_and_then_ends(void **state)
{
    static uint8_t value[65536];
    struct buf got = {0};
    struct bench b;
    unsigned sent = 0;
    long n = 0;

    (void)state;
    bench_open(&b, conn_options_default());
    while (reply(&b, sent, slice_of(value, sizeof value), CONN_NORMAL) ==
           STATUS_OK) {
        sent++;
        conn_set_flush(b.set);
    }
    conn_finish(b.conn, STATUS_DENIED, "go");
    assert_int_equal(reply(&b, 0, slice_str("x"), CONN_CONTROL), STATUS_CLOSED);
    while (n >= 0) {
        n = raw_read_some(b.fd, buf_reserve(&got, 65536), 65536);
        got.size += n > 0 ? (size_t)n : 0;
        uv_run(&b.loop, UV_RUN_NOWAIT);
        conn_set_flush(b.set);
    }
    assert_int_equal(count_frames(&got), sent);
    BENCH_UNTIL(&b, b.closes);
    assert_int_equal(b.why, STATUS_DENIED);
    buf_release(&got);
    bench_close(&b);
}

/* ---- nonsense ---- */

/* Sends `bytes`; the connection must end with `why`. What it answered before
 * its end is in `answer[256]`; gives its size. */
static size_t nonsense(struct slice bytes, enum status why, const char *detail,
                       uint8_t *answer)
{
    struct bench b;
    size_t got = 0;
    ssize_t n;

    bench_open(&b, conn_options_default());
    raw_send(b.fd, bytes);
    BENCH_UNTIL(&b, b.closes);
    while ((n = recv(b.fd, answer + got, 256 - got, 0)) > 0)
        got += (size_t)n;
    assert_int_equal(n, 0);
    assert_int_equal(b.frames, 0);
    assert_int_equal(b.why, why);
    assert_string_equal(b.detail, detail);
    bench_close(&b);
    return got;
}

/* A peer of ours must learn the reason, not only that the line went dead. */
static void expect_error_frame(struct slice answer, enum status why)
{
    struct frame_header h;
    struct slice payload;
    size_t size;

    assert_int_equal(
        frame_parse(answer, FRAME_PAYLOAD_MAX, &h, &payload, &size), FRAME_OK);
    assert_int_equal(size, answer.size);
    assert_int_equal(h.type, MESSAGE_ERROR);
    assert_true(h.id == 0);
    assert_int_equal(payload.size, 2);
    assert_int_equal(payload.data[0], 0x08); /* field 1, a number */
    assert_int_equal(payload.data[1], why);
}

static void damaged_frames_end_the_connection_with_a_reason(void **state)
{
    uint8_t answer[256];
    struct buf f = {0};
    size_t n;

    (void)state;
    request(&f, 1, "x");
    f.data[f.size - 1] ^= 1;
    n = nonsense(buf_slice(&f), STATUS_BAD_FRAME,
                 "a frame's checksum or kind is wrong", answer);
    expect_error_frame(slice_of(answer, n), STATUS_BAD_FRAME);
    f.data[f.size - 1] ^= 1;
    f.data[8] = 9;
    n = nonsense(buf_slice(&f), STATUS_WRONG_VERSION,
                 "protocol version 9, ours is 1", answer);
    expect_error_frame(slice_of(answer, n), STATUS_WRONG_VERSION);
    n = nonsense(slice_of("\xff\xff\xff\xff", 4), STATUS_BAD_FRAME,
                 "a payload of 4294967295 bytes, at most 16846847", answer);
    expect_error_frame(slice_of(answer, n), STATUS_BAD_FRAME);
    buf_release(&f);
}

static void strangers_get_a_clear_answer(void **state)
{
    static const uint8_t tls[] = {0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0};
    uint8_t answer[256];
    size_t n;

    (void)state;
    n = nonsense(slice_str("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
                 STATUS_BAD_FRAME, "an HTTP client spoke to the native port",
                 answer);
    assert_true(n > 34);
    assert_memory_equal(answer, "HTTP/1.1 400 Bad Request\r\n", 26);
    n = nonsense(slice_str("*1\r\n$4\r\nPING\r\n"), STATUS_BAD_FRAME,
                 "a Redis client spoke to the native port", answer);
    assert_memory_equal(answer, "-ERR coatcheck: this is the native port", 39);
    n = nonsense(slice_of(tls, sizeof tls), STATUS_BAD_FRAME,
                 "a TLS client spoke to the native port", answer);
    assert_int_equal(n, 7);
    assert_int_equal(answer[0], 0x15);
}

/* Good frames in front of the damage were received: their requests may have
 * been executed, so they have to be delivered. */
static void frames_before_the_damage_count(void **state)
{
    struct buf f = {0};
    struct bench b;

    (void)state;
    bench_open(&b, conn_options_default());
    request(&f, 1, "good");
    buf_append(&f, "HELO mail\r\n", 11);
    raw_send(b.fd, buf_slice(&f));
    BENCH_UNTIL(&b, b.closes);
    assert_int_equal(b.frames, 1);
    assert_int_equal(b.why, STATUS_BAD_FRAME);
    buf_release(&f);
    bench_close(&b);
}

/* Before a HELLO nobody may make us hold megabytes. */
static void a_smaller_payload_limit_is_kept(void **state)
{
    struct conn_options o = conn_options_default();
    struct buf f = {0};
    struct bench b;

    (void)state;
    o.payload_max = 8;
    bench_open(&b, o);
    request(&f, 1, "12345678");
    request(&f, 2, "123456789");
    raw_send(b.fd, buf_slice(&f));
    BENCH_UNTIL(&b, b.closes);
    assert_int_equal(b.frames, 1);
    assert_int_equal(b.why, STATUS_BAD_FRAME);
    buf_release(&f);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_arrive_whole_however_they_are_cut),
        cmocka_unit_test(a_frame_may_come_byte_by_byte),
        cmocka_unit_test(a_burst_of_frames_arrives_in_order),
        cmocka_unit_test(the_largest_frame_arrives_whole),
        cmocka_unit_test(memory_grows_with_what_arrives_not_with_a_length),
        cmocka_unit_test(a_paused_connection_delivers_nothing),
        cmocka_unit_test(a_paused_connection_reads_nothing),
        cmocka_unit_test(the_output_of_a_turn_leaves_in_one_write),
        cmocka_unit_test(a_frame_built_in_place_equals_a_sent_one),
        cmocka_unit_test(a_payload_above_the_limit_is_not_sent),
        cmocka_unit_test(a_slow_reader_makes_it_busy_and_recovers),
        cmocka_unit_test(reading_stops_while_output_waits),
        cmocka_unit_test(without_the_gate_reading_goes_on),
        cmocka_unit_test(closing_inside_on_frame_ends_delivery),
        cmocka_unit_test(a_peer_that_leaves_is_reported_once),
        cmocka_unit_test(closing_with_a_write_under_way_is_clean),
        cmocka_unit_test(finishing_sends_what_waits_and_then_ends),
        cmocka_unit_test(damaged_frames_end_the_connection_with_a_reason),
        cmocka_unit_test(strangers_get_a_clear_answer),
        cmocka_unit_test(frames_before_the_damage_count),
        cmocka_unit_test(a_smaller_payload_limit_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
