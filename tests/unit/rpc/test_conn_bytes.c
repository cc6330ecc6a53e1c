/* test_conn_bytes.c - a connection with a protocol of other messages: here, a
 * size in four digits and so many bytes. */
#include "tests/unit/rpc/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpc/conn_private.h"

enum { DIGITS = 7 };

/* b->wanted: pause instead of taking every so manieth message. */
static size_t take(struct conn *c, struct slice bytes, size_t *wanted)
{
    struct bench *b = conn_user(c);
    char digits[DIGITS + 1] = "";
    size_t size = DIGITS;

    if (bytes.size >= DIGITS) {
        memcpy(digits, bytes.data, DIGITS);
        size += strtoul(digits, NULL, 10);
    }
    if (bytes.size < size) {
        *wanted = bytes.size < DIGITS ? bytes.size + 1 : size;
        return 0;
    }
    if (b->wanted && ++b->drains % b->wanted == 0) {
        conn_pause(c);
        return 0;
    }
    b->frames++;
    buf_clear(&b->payload);
    buf_append(&b->payload, bytes.data + DIGITS, size - DIGITS);
    buf_append(&b->ids, bytes.data + DIGITS, MIN_OF(size - DIGITS, 4));
    return size;
}

static void put(struct buf *out, struct slice s)
{
    char digits[DIGITS + 1];

    snprintf(digits, sizeof digits, "%07u", (unsigned)s.size);
    buf_append(out, digits, DIGITS);
    buf_append(out, s.data, s.size);
}

static void put_text(struct buf *out, const char *text)
{
    put(out, slice_str(text));
}

/* Would break: TCP cuts anywhere, and the owner knows of a beginning only that
 * more is needed. */
static void messages_arrive_whole_however_they_are_cut(void **state)
{
    struct buf all = {0};
    struct bench b;
    uint64_t sent = 0;

    (void)state;
    bench_open_bytes(&b, conn_options_default(), take);
    put_text(&all, "aaaa");
    put_text(&all, "");
    put_text(&all, "bbbb");
    put_text(&all, "cccc and more");
    for (size_t cut = 1; cut < all.size; cut++) {
        raw_send(b.fd, slice_of(all.data, cut));
        sent += cut;
        BENCH_UNTIL(&b, conn_set_stats(b.set).bytes_in == sent);
        raw_send(b.fd, slice_of(all.data + cut, all.size - cut));
        sent += all.size - cut;
        BENCH_UNTIL(&b, conn_set_stats(b.set).bytes_in == sent);
        assert_int_equal(b.frames, 4 * cut);
        assert_int_equal(b.ids.size, 12 * cut);
        assert_memory_equal(b.ids.data + 12 * (cut - 1), "aaaabbbbcccc", 12);
    }
    buf_release(&all);
    bench_close(&b);
}

/* Would break: a message larger than the read buffer, read straight to its
 * place, with small ones around it. */
static void large_messages_arrive_whole_among_small_ones(void **state)
{
    enum { BIG = 3000000 };
    struct buf all = {0}, big = {0};
    struct bench b;
    size_t at = 0;

    (void)state;
    bench_open_bytes(&b, conn_options_default(), take);
    for (size_t i = 0; i < BIG; i++)
        buf_u8(&big, (uint8_t)(i * 7 + i / 251));
    for (unsigned i = 0; i < 3; i++) {
        put_text(&all, "small");
        put(&all, buf_slice(&big));
    }
    put_text(&all, "last");
    while (at < all.size) {
        ssize_t n = send(b.fd, all.data + at, all.size - at,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        at += n > 0 ? (size_t)n : 0;
        uv_run(&b.loop, UV_RUN_NOWAIT);
        if (b.frames % 2 == 0 && b.frames)
            assert_true(slice_equal(buf_slice(&b.payload), buf_slice(&big)));
    }
    BENCH_UNTIL(&b, b.frames == 7);
    assert_true(slice_equal(buf_slice(&b.payload), slice_str("last")));
    assert_null(b.conn->in.data);
    buf_release(&all);
    buf_release(&big);
    bench_close(&b);
}

/* Would break: a message that has to wait for others would be lost, or be
 * given twice, or be overtaken. */
static void a_message_that_was_held_back_is_given_again(void **state)
{
    enum { MANY = 20000 };
    struct buf all = {0}, expected = {0};
    struct bench b;
    size_t at = 0;

    (void)state;
    bench_open_bytes(&b, conn_options_default(), take);
    b.wanted = 3;
    for (unsigned i = 0; i < MANY; i++) {
        char text[20];
        snprintf(text, sizeof text, "%04u%.*s", i % 10000, (int)(i % 9),
                 "and more");
        put_text(&all, text);
        buf_append(&expected, text, 4);
    }
    while (b.frames < MANY) {
        size_t n = MIN_OF(all.size - at, 1 + at * 31 % 5000);
        ssize_t done = send(b.fd, all.data + at, n, MSG_DONTWAIT);
        at += done > 0 ? (size_t)done : 0;
        uv_run(&b.loop, UV_RUN_NOWAIT);
        conn_resume(b.conn);
    }
    assert_true(slice_equal(buf_slice(&b.ids), buf_slice(&expected)));
    buf_release(&all);
    buf_release(&expected);
    bench_close(&b);
}

/* Would break: each reply of a pipeline would be a system call. */
static void what_is_appended_in_a_turn_leaves_in_one_write(void **state)
{
    struct bench b;
    char got[21] = "";

    (void)state;
    bench_open_bytes(&b, conn_options_default(), take);
    for (unsigned i = 0; i < 5; i++) {
        struct buf *out = conn_begin_bytes(b.conn);
        assert_non_null(out);
        buf_append(out, "+OK\r", 4);
        conn_end_bytes(b.conn);
    }
    conn_set_flush(b.set);
    raw_read(b.fd, got, 20);
    assert_string_equal(got, "+OK\r+OK\r+OK\r+OK\r+OK\r");
    assert_int_equal(conn_set_stats(b.set).writes, 1);
    bench_close(&b);
}

/* Would break: a client that does not read fills the node's memory. */
static void too_much_that_waits_is_refused(void **state)
{
    struct conn_options o = conn_options_default();
    struct bench b;
    struct buf *out;

    (void)state;
    o.pending_max = 1000;
    bench_open_bytes(&b, o, take);
    out = conn_begin_bytes(b.conn);
    assert_non_null(out);
    memset(buf_grow(out, 1000), 'x', 1000);
    conn_end_bytes(b.conn);
    assert_null(conn_begin_bytes(b.conn));
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_arrive_whole_however_they_are_cut),
        cmocka_unit_test(large_messages_arrive_whole_among_small_ones),
        cmocka_unit_test(a_message_that_was_held_back_is_given_again),
        cmocka_unit_test(what_is_appended_in_a_turn_leaves_in_one_write),
        cmocka_unit_test(too_much_that_waits_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
