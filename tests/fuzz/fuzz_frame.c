/* fuzz_frame.c - a byte stream as a connection sees it.
 *
 * Byte 0 says how: bit 0, whether checksums are made right first (else hardly
 * any input would get behind them); the rest, into pieces of which size the
 * stream is cut. Checked: a frame is the bytes that encoding it again gives; no
 * prefix of it is taken for anything; and a connection that gets the pieces
 * delivers exactly the frames that parsing the whole finds. */
#include <assert.h>
#include <stdlib.h>

#include "rpc/conn.h"
#include "rpc/frame.h"
#include "tests/fuzz/sham.h"

enum { PAYLOAD_MAX = 100000 };

/* A running sum over frames and their order. */
struct sum {
    uint64_t value;
    unsigned frames;
};

static void sum_add(struct sum *s, const struct frame_header *h,
                    struct slice payload)
{
    s->frames++;
    s->value = s->value * 31 + h->id;
    s->value = s->value * 31 + h->type;
    s->value = s->value * 31 + h->remaining.ms;
    for (size_t i = 0; i < payload.size; i++)
        s->value = s->value * 31 + payload.data[i];
}

/* ---- parsing ---- */

static void check_frame(struct slice frame, const struct frame_header *h,
                        struct slice payload)
{
    uint8_t head[FRAME_HEADER_SIZE];
    size_t n = frame.size;

    frame_encode(head, h, &payload, 1);
    assert(!memcmp(head, frame.data, sizeof head));
    assert(n == sizeof head + payload.size);
    while (n > 0) {
        struct frame_header ignored;
        struct slice none;
        size_t wanted = 0;
        n = n > 40 ? n / 2 : n - 1;
        assert(frame_parse(slice_of(frame.data, n), PAYLOAD_MAX, &ignored,
                           &none, &wanted) == FRAME_INCOMPLETE);
        assert(wanted > n && wanted <= frame.size);
    }
}

static enum frame_result parse_all(struct slice left, struct sum *sum)
{
    for (;;) {
        struct frame_header h;
        struct slice payload;
        size_t size = 0;
        enum frame_result r =
            frame_parse(left, PAYLOAD_MAX, &h, &payload, &size);
        if (r == FRAME_INCOMPLETE)
            assert(size > left.size);
        else if (r == FRAME_STRANGER)
            assert(stranger_answer(frame_stranger(left)).size > 0);
        if (r != FRAME_OK)
            return r;
        check_frame(slice_of(left.data, size), &h, payload);
        sum_add(sum, &h, payload);
        left = slice_of(left.data + size, left.size - size);
    }
}

/* ---- a connection over a stream that goes nowhere ---- */

static void on_frame(struct conn *c, const struct frame_header *h,
                     struct slice payload)
{
    sum_add(conn_user(c), h, payload);
}

static void on_close(struct conn *c, enum status why, const char *detail)
{
    (void)c;
    (void)why;
    assert(strlen(detail) > 0);
}

static void run_conn(struct slice bytes, size_t cut, struct sum *sum)
{
    static const struct conn_events events = {.on_frame = on_frame,
                                              .on_close = on_close};
    struct conn_options o = conn_options_default();
    struct sham m = {.stream = {.ops = &sham_ops}};
    struct conn_set *set;
    struct conn *c;
    uv_loop_t loop;

    o.payload_max = PAYLOAD_MAX;
    uv_loop_init(&loop);
    set = conn_set_new(&loop, o);
    c = conn_new(set, &m.stream, &events, sum);
    sham_feed(&m, bytes, cut);
    conn_set_flush(set);
    if (m.shut)
        m.stream.events->on_shut(&m.stream);
    conn_close(c, STATUS_CANCELLED, NULL);
    assert(m.closing);
    m.stream.events->on_closed(&m.stream);
    conn_set_free(set);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
}

/* Make every frame's checksum right, as far as lengths lead. */
static void seal_all(uint8_t *data, size_t size)
{
    while (size >= FRAME_HEADER_SIZE) {
        size_t n = get_u32(data);
        if (n > size - FRAME_HEADER_SIZE)
            return;
        frame_seal(data, n);
        data += FRAME_HEADER_SIZE + n;
        size -= FRAME_HEADER_SIZE + n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sum whole = {0}, pieces = {0};
    struct slice bytes;
    uint8_t *copy;

    if (size < 1 || size > 1000000)
        return 0;
    copy = malloc(size);
    memcpy(copy, data + 1, size - 1);
    if (data[0] & 1)
        seal_all(copy, size - 1);
    bytes = slice_of(copy, size - 1);
    parse_all(bytes, &whole);
    run_conn(bytes, (data[0] >> 1) + 1, &pieces);
    assert(whole.frames == pieces.frames);
    assert(whole.value == pieces.value);
    free(copy);
    return 0;
}
