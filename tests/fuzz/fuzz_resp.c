/* fuzz_resp.c - a Redis client's byte stream, whole and in pieces.
 *
 * Byte 0 says into pieces of which size the stream is cut, byte 1 how often the
 * owner holds a command back and looks at it again later. Checked: a parser
 * that gets the stream byte by byte, and a connection that gets the pieces,
 * find exactly the commands that parsing the whole finds, and the same error;
 * arguments stand inside what the command took. */
#include <assert.h>
#include <stdlib.h>

#include "rpc/conn.h"
#include "rpc/resp.h"
#include "tests/fuzz/sham.h"

/* A running sum over commands and their order. */
struct sum {
    uint64_t value;
    unsigned commands;
    bool failed;
};

static void sum_add(struct sum *sum, const struct resp_parser *p,
                    struct slice bytes)
{
    sum->commands++;
    sum->value = sum->value * 31 + p->n_args;
    for (uint32_t i = 0; i < p->n_args; i++) {
        struct slice a = resp_argument(p, i);
        if (p->base == bytes.data)
            assert(p->args[i].at + a.size <= bytes.size);
        for (size_t k = 0; k < a.size; k++)
            sum->value = sum->value * 31 + a.data[k];
        sum->value = sum->value * 31 + a.size;
    }
}

static void sum_error(struct sum *sum, const struct resp_parser *p)
{
    assert(!memcmp(p->error, "Protocol error: ", 16));
    sum->failed = true;
    for (const char *at = p->error; *at; at++)
        sum->value = sum->value * 31 + (uint8_t)*at;
}

/* `grow`: 0 shows the parser everything at once, else so much more each time
 * as it asks for. */
static void parse_all(struct slice left, bool grow, struct sum *sum)
{
    struct resp_parser p = {0};
    size_t shown = grow ? 0 : left.size;

    for (;;) {
        size_t size = 0;
        struct slice seen = slice_of(left.data, shown);
        enum resp_result r = resp_parse(&p, seen, &size);
        if (r == RESP_COMMAND) {
            assert(size > 0 && size <= shown);
            sum_add(sum, &p, slice_of(left.data, size));
            left = slice_of(left.data + size, left.size - size);
            shown = grow ? 0 : left.size;
        } else if (r == RESP_ERROR) {
            sum_error(sum, &p);
            break;
        } else {
            assert(size > shown);
            if (size > left.size)
                break;
            shown = grow ? shown + 1 : size;
        }
    }
    resp_parser_release(&p);
}

/* ---- a connection ---- */

struct owner {
    struct resp_parser p;
    struct sum sum;
    unsigned hold; /* every so manieth command waits; 0: none */
    unsigned seen;
    bool held;
};

static size_t on_bytes(struct conn *c, struct slice bytes, size_t *wanted)
{
    struct owner *o = conn_user(c);
    size_t size = 0;

    switch (resp_parse(&o->p, bytes, &size)) {
    case RESP_INCOMPLETE:
        *wanted = size;
        return 0;
    case RESP_ERROR:
        sum_error(&o->sum, &o->p);
        conn_close(c, STATUS_BAD_FRAME, o->p.error);
        return 0;
    case RESP_COMMAND:
        break;
    }
    if (o->hold && !o->held && ++o->seen % o->hold == 0) {
        o->held = true;
        conn_pause(c);
        return 0;
    }
    o->held = false;
    sum_add(&o->sum, &o->p, slice_of(bytes.data, size));
    return size;
}

static void on_close(struct conn *c, enum status why, const char *detail)
{
    (void)c;
    (void)why;
    assert(strlen(detail) > 0);
}

static void on_prepare(uv_prepare_t *h)
{
    (void)h;
}

static void run_conn(struct slice bytes, size_t cut, struct owner *o)
{
    static const struct conn_events events = {.on_bytes = on_bytes,
                                              .on_close = on_close};
    struct sham m = {.stream = {.ops = &sham_ops}};
    struct conn_set *set;
    struct conn *c;
    uv_prepare_t alive; /* in place of a socket */
    uv_loop_t loop;

    uv_loop_init(&loop);
    uv_prepare_init(&loop, &alive);
    uv_prepare_start(&alive, on_prepare);
    set = conn_set_new(&loop, conn_options_default());
    c = conn_new(set, &m.stream, &events, o);
    while (!m.closing) {
        size_t n = sham_feed(&m, bytes, cut);
        bytes = slice_of(bytes.data + n, bytes.size - n);
        if (!o->held && !bytes.size)
            break;
        if (o->held)
            conn_resume(c);
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    conn_close(c, STATUS_CANCELLED, NULL);
    m.stream.events->on_closed(&m.stream);
    conn_set_free(set);
    uv_close((uv_handle_t *)&alive, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    resp_parser_release(&o->p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sum whole = {0}, grown = {0};
    struct owner o = {0};
    struct slice bytes;

    if (size < 2 || size > 200000)
        return 0;
    bytes = slice_of(data + 2, size - 2);
    o.hold = data[1];
    parse_all(bytes, false, &whole);
    parse_all(bytes, true, &grown);
    run_conn(bytes, data[0] + 1u, &o);
    assert(whole.commands == grown.commands);
    assert(whole.value == grown.value);
    assert(whole.failed == grown.failed);
    assert(whole.commands == o.sum.commands);
    assert(whole.value == o.sum.value);
    assert(whole.failed == o.sum.failed);
    return 0;
}
