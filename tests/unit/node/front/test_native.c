/* test_native.c - the native door: every frame of a client gets its answer, and
 * a wrong one costs nobody else anything. */
#include "tests/unit/node/shell/ask.h"
#include "tests/unit/node/shell/daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* One daemon for the whole file, a cluster of one; no test harms it. */
static struct daemon *shared;

static int start_shared(void **state)
{
    struct ask a;

    (void)state;
    shared = daemon_new();
    shared->args[0] = "--connections-max";
    shared->args[1] = "8";
    daemon_start(shared);
    daemon_init(shared, "3");
    ask_open(&a, shared->port);
    ask_must_set(&a, "ready", "yes");
    ask_close(&a);
    return 0;
}

static int stop_shared(void **state)
{
    (void)state;
    daemon_stop(shared);
    daemon_free(shared);
    return 0;
}

static int setup(void **state)
{
    *state = xcalloc(1, sizeof(struct ask));
    ask_open(*state, shared->port);
    return 0;
}

/* Whatever the test did: the daemon still serves, on this connection too. */
static int teardown(void **state)
{
    struct ask *a = *state;

    ask_get(a, "ready", "yes");
    ask_close(a);
    free(a);
    return 0;
}

/* The next frame must be an ERROR reply to `id` with this status and a detail
 * that contains `text`. */
static void must_be_error(struct ask *a, uint64_t id, enum status why,
                          const char *text)
{
    struct error_reply r;
    char detail[256];

    assert_true(ask_receive(a));
    assert_int_equal(a->h.type, MESSAGE_ERROR);
    assert_int_equal(a->h.kind, FRAME_REPLY);
    assert_int_equal(a->h.id, id);
    assert_int_equal(error_reply_decode(a->payload, &r), STATUS_OK);
    assert_int_equal(r.status, why);
    snprintf(detail, sizeof detail, "%.*s", (int)r.detail.size,
             (const char *)r.detail.data);
    must_say(detail, text);
}

static enum status get_status(struct ask *a, struct slice payload)
{
    struct get_reply r;
    struct buf b = {0};

    buf_append(&b, payload.data, payload.size);
    ask_one(a, MESSAGE_GET, &b, MESSAGE_GET_REPLY);
    assert_int_equal(get_reply_decode(a->payload, &r), STATUS_OK);
    return r.status;
}

static enum status write_status(struct ask *a, uint16_t type,
                                struct slice payload)
{
    struct write_reply r;
    struct buf b = {0};

    buf_append(&b, payload.data, payload.size);
    ask_one(a, type, &b, MESSAGE_WRITE_REPLY);
    assert_int_equal(write_reply_decode(a->payload, &r), STATUS_OK);
    return r.status;
}

/* Would break: a newer client could not find out what an older node lacks: it
 * would wait, or lose its connection with all that is under way. */
static void unknown_types_are_answered_and_the_connection_lives(void **state)
{
    static const uint16_t types[] = {0, 0x7777, 0xffff};
    struct ask *a = *state;

    for (unsigned i = 0; i < ARRAY_LEN(types); i++) {
        ask_send(a, FRAME_REQUEST, types[i], 40 + i, slice_str("whatever"));
        must_be_error(a, 40 + i, STATUS_BAD_MESSAGE, "unknown message type");
    }
}

/* Would break: a client could speak to the peers' side of a node, past hello,
 * or make it wait for an answer that nobody gives. */
static void peers_messages_are_refused_at_the_clients_door(void **state)
{
    static const uint16_t types[] = {MESSAGE_HELLO};
    struct ask *a = *state;

    for (unsigned i = 0; i < ARRAY_LEN(types); i++) {
        ask_send(a, FRAME_REQUEST, types[i], 50 + i, slice_str(""));
        must_be_error(a, 50 + i, STATUS_BAD_MESSAGE, "peer port");
    }
}

/* Would break: a reply taken for a request, a request without an answer. */
static void other_kinds_of_frames_are_refused(void **state)
{
    struct ask *a = *state;

    ask_send(a, FRAME_ONEWAY, MESSAGE_SET, 60, slice_str(""));
    must_be_error(a, 60, STATUS_BAD_MESSAGE, "a request is expected");
    ask_send(a, FRAME_REPLY, MESSAGE_GET_REPLY, 61, slice_str(""));
    must_be_error(a, 61, STATUS_BAD_MESSAGE, "a request is expected");
    ask_send(a, FRAME_ONEWAY, MESSAGE_ITEMS, 62, slice_str("x"));
    must_be_error(a, 62, STATUS_BAD_MESSAGE, "a request is expected");
    /* a reply's type in a request's frame */
    ask_send(a, FRAME_REQUEST, MESSAGE_WRITE_REPLY, 63, slice_str(""));
    must_be_error(a, 63, STATUS_BAD_MESSAGE, "unknown message type");
}

/* Would break: keys that no other node, store or client could hold. */
static void keys_beyond_the_limits_are_refused_by_status(void **state)
{
    struct ask *a = *state;
    struct buf key = {0}, b = {0};
    struct get_request get = {.key = slice_of("", 0)};
    struct set_request set = {.value = slice_str("v")};
    struct delete_request del = {.key = slice_of("", 0)};

    get_request_encode(&get, &b);
    assert_int_equal(get_status(a, buf_slice(&b)), STATUS_KEY_EMPTY);
    buf_clear(&b);
    set_request_encode(&set, &b);
    assert_int_equal(write_status(a, MESSAGE_SET, buf_slice(&b)),
                     STATUS_KEY_EMPTY);
    buf_clear(&b);
    delete_request_encode(&del, &b);
    assert_int_equal(write_status(a, MESSAGE_DELETE, buf_slice(&b)),
                     STATUS_KEY_EMPTY);

    memset(buf_grow(&key, KEY_BYTES_MAX + 1), 'k', KEY_BYTES_MAX + 1);
    get.key = set.key = del.key = buf_slice(&key);
    buf_clear(&b);
    get_request_encode(&get, &b);
    assert_int_equal(get_status(a, buf_slice(&b)), STATUS_KEY_TOO_LARGE);
    buf_clear(&b);
    set_request_encode(&set, &b);
    assert_int_equal(write_status(a, MESSAGE_SET, buf_slice(&b)),
                     STATUS_KEY_TOO_LARGE);
    buf_clear(&b);
    delete_request_encode(&del, &b);
    assert_int_equal(write_status(a, MESSAGE_DELETE, buf_slice(&b)),
                     STATUS_KEY_TOO_LARGE);

    key.size--; /* and the longest one is served */
    assert_int_equal(ask_set_bytes(a, buf_slice(&key), slice_str("v")),
                     STATUS_OK);
    buf_release(&key);
    buf_release(&b);
}

/* Would break: one byte more than everybody else can hold. */
static void value_above_the_limit_is_refused_by_status(void **state)
{
    struct ask *a = *state;
    struct buf value = {0};

    memset(buf_grow(&value, VALUE_BYTES_MAX + 1), 'v', VALUE_BYTES_MAX + 1);
    assert_int_equal(ask_set_bytes(a, slice_str("k"), buf_slice(&value)),
                     STATUS_VALUE_TOO_LARGE);
    buf_release(&value);
}

/* Would break: bytes that are no message would be guessed at. */
static void malformed_payloads_are_refused_in_their_reply(void **state)
{
    struct ask *a = *state;
    struct slice bad = slice_str("\xff\xff\xff\xff\xff\xff");

    assert_int_equal(get_status(a, bad), STATUS_BAD_MESSAGE);
    assert_int_equal(write_status(a, MESSAGE_SET, bad), STATUS_BAD_MESSAGE);
    assert_int_equal(write_status(a, MESSAGE_DELETE, bad),
                     STATUS_BAD_MESSAGE);
    ask_send(a, FRAME_REQUEST, MESSAGE_MAP, 70, bad);
    must_be_error(a, 70, STATUS_BAD_MESSAGE, "not a map request");
}

/* Would break: a name of a keyspace that does not exist would be served from
 * the default one. */
static void unknown_keyspace_is_refused(void **state)
{
    struct ask *a = *state;
    struct get_request get = {.keyspace = slice_str("nowhere"),
                              .key = slice_str("ready")};
    struct buf b = {0};

    get_request_encode(&get, &b);
    assert_int_equal(get_status(a, buf_slice(&b)), STATUS_NO_KEYSPACE);
    buf_clear(&b);
    get.keyspace = slice_str("default");
    get_request_encode(&get, &b);
    assert_int_equal(get_status(a, buf_slice(&b)), STATUS_OK);
    buf_release(&b);
}

/* Would break: pipelining. Each of many requests sent at once, more than may
 * be under way, is answered exactly once, with its own id. */
static void every_pipelined_request_is_answered_once(void **state)
{
    enum { COUNT = 10000 };
    static uint8_t answers[COUNT];
    struct ask *a = *state;
    struct buf b = {0}, all = {0};
    struct get_request get = {.key = slice_str("ready")};
    struct set_request set = {.key = slice_str("piped"),
                              .value = slice_str("value")};

    memset(answers, 0, sizeof answers);
    for (unsigned i = 0; i < COUNT; i++) {
        struct frame_header h = {.id = i, .kind = FRAME_REQUEST,
                                 .type = i % 2 ? MESSAGE_GET : MESSAGE_SET,
                                 .remaining = MS(60000)};
        struct slice part;
        buf_clear(&b);
        if (i % 2)
            get_request_encode(&get, &b);
        else
            set_request_encode(&set, &b);
        part = buf_slice(&b);
        frame_encode(buf_grow(&all, FRAME_HEADER_SIZE), &h, &part, 1);
        buf_append(&all, b.data, b.size);
    }
    ask_send_bytes(a, buf_slice(&all));
    for (unsigned i = 0; i < COUNT; i++) {
        assert_true(ask_receive(a));
        assert_true(a->h.id < COUNT);
        assert_int_equal(a->h.type, a->h.id % 2 ? MESSAGE_GET_REPLY
                                                : MESSAGE_WRITE_REPLY);
        assert_int_equal(answers[a->h.id]++, 0);
    }
    buf_release(&b);
    buf_release(&all);
}

/* Would break: a client that went away with requests under way would get its
 * answers into the next client's connection, which takes its place. */
static void answers_of_one_gone_reach_nobody_else(void **state)
{
    struct set_request set = {.key = slice_str("left"),
                              .value = slice_str("behind")};
    struct ask *a = *state;
    struct buf b = {0};

    set_request_encode(&set, &b);
    for (unsigned round = 0; round < 50; round++) {
        struct ask gone, next;
        ask_open(&gone, shared->port);
        for (unsigned i = 0; i < 20; i++)
            ask_send(&gone, FRAME_REQUEST, MESSAGE_SET, 900 + i,
                     buf_slice(&b));
        ask_close(&gone);
        ask_open(&next, shared->port);
        ask_get(&next, "ready", "yes"); /* checks the id of what it gets */
        ask_close(&next);
    }
    /* Behind all of them in the same group's log. */
    ask_must_set(a, "{left}", "is decided");
    ask_get(a, "left", "behind");
    buf_release(&b);
}

/* Would break: one stranger more, and the node has no descriptors left. */
static void connections_above_the_limit_are_turned_away(void **state)
{
    enum { MORE = 12 };
    struct ask many[MORE];
    unsigned refused = 0;

    (void)state; /* one of the eight */
    for (unsigned i = 0; i < MORE; i++) {
        struct buf none = {0};
        ask_open(&many[i], shared->port);
        ask_send(&many[i], FRAME_REQUEST, MESSAGE_STATUS, 1,
                 buf_slice(&none));
    }
    for (unsigned i = 0; i < MORE; i++)
        refused += !ask_receive(&many[i]) ||
                   many[i].h.type == MESSAGE_ERROR;
    assert_true(refused >= MORE - 7);
    assert_true(refused < MORE);
    for (unsigned i = 0; i < MORE; i++)
        ask_close(&many[i]);
}

/* Would break: what is not a frame would be taken for one; the others on this
 * node would notice. */
static void broken_frames_close_only_their_own_connection(void **state)
{
    static const char *const bytes[] = {
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "*1\r\n$4\r\nPING\r\n",
        "\x16\x03\x01\x02\x01\x01\x01\xfc\x03\x03 hello there from tls",
    };
    struct ask *a = *state;

    for (unsigned i = 0; i < ARRAY_LEN(bytes); i++) {
        struct ask bad;
        char sink[1024];
        ssize_t n;
        ask_open(&bad, shared->port);
        ask_send_bytes(&bad, slice_str(bytes[i]));
        while ((n = recv(bad.fd, sink, sizeof sink, 0)) > 0)
            continue; /* a word in his own protocol, then the end */
        ask_close(&bad);
        ask_get(a, "ready", "yes");
    }
}

/* Ask `count` times for the key at once; replies are not read here. */
static void ask_many(struct ask *a, const char *key, unsigned count)
{
    struct get_request get = {.key = slice_str(key)};
    struct buf b = {0}, all = {0};

    get_request_encode(&get, &b);
    for (unsigned i = 0; i < count; i++) {
        struct frame_header h = {.id = i, .kind = FRAME_REQUEST,
                                 .type = MESSAGE_GET,
                                 .remaining = MS(60000)};
        struct slice part = buf_slice(&b);
        frame_encode(buf_grow(&all, FRAME_HEADER_SIZE), &h, &part, 1);
        buf_append(&all, b.data, b.size);
    }
    ask_send_bytes(a, buf_slice(&all));
    buf_release(&b);
    buf_release(&all);
}

static void set_large(struct ask *a, size_t size)
{
    struct buf value = {0};

    memset(buf_grow(&value, size), 'v', size);
    assert_int_equal(ask_set_bytes(a, slice_str("large"), buf_slice(&value)),
                     STATUS_OK);
    buf_release(&value);
}

/* Would break: whoever pipelines gets of large values would be cut off although
 * he reads as fast as he can, retry, and be cut off again. Reads wait until
 * there is room for their values; nothing is refused. */
static void a_fast_reader_of_large_values_gets_all(void **state)
{
    enum { COUNT = 150, SIZE = 1 << 20 };
    static uint8_t answers[COUNT];
    struct ask *a = *state;
    struct get_reply r;

    set_large(a, SIZE);
    memset(answers, 0, sizeof answers);
    ask_many(a, "large", COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_true(ask_receive(a));
        assert_true(a->h.id < COUNT);
        assert_int_equal(answers[a->h.id]++, 0);
        assert_int_equal(get_reply_decode(a->payload, &r), STATUS_OK);
        assert_int_equal(r.status, STATUS_OK);
        assert_int_equal(r.value.size, SIZE);
        assert_int_equal(r.value.data[SIZE - 1], 'v');
    }
    assert_false(daemon_said(shared, "client_cut_off"));
}

/* Would break: one who asks for much and takes nothing would fill the memory,
 * or hold up the others; what waits for him would outlive him. */
static void one_who_takes_nothing_costs_little(void **state)
{
    enum { COUNT = 500, SIZE = 1 << 20 };
    struct ask *a = *state;
    struct ask lazy;
    uint64_t before, after;

    set_large(a, SIZE);
    before = ask_status(a).resident_bytes;
    ask_open(&lazy, shared->port);
    ask_many(&lazy, "large", COUNT);
    for (unsigned i = 0; i < 100; i++)
        ask_get(a, "ready", "yes");
    after = ask_status(a).resident_bytes;
    assert_true(after < before + (64u << 20));
    ask_close(&lazy); /* hundreds of his reads are held */
    for (unsigned i = 0; i < 100; i++)
        ask_get(a, "ready", "yes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(unknown_types_are_answered_and_the_connection_lives),
        T(peers_messages_are_refused_at_the_clients_door),
        T(other_kinds_of_frames_are_refused),
        T(keys_beyond_the_limits_are_refused_by_status),
        T(value_above_the_limit_is_refused_by_status),
        T(malformed_payloads_are_refused_in_their_reply),
        T(unknown_keyspace_is_refused),
        T(every_pipelined_request_is_answered_once),
        T(a_fast_reader_of_large_values_gets_all),
        T(one_who_takes_nothing_costs_little),
        T(answers_of_one_gone_reach_nobody_else),
        T(connections_above_the_limit_are_turned_away),
        T(broken_frames_close_only_their_own_connection),
    };
    return cmocka_run_group_tests(tests, start_shared, stop_shared);
}
