/* test_frame.c - building and parsing frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/crc.h"
#include "rpc/frame.h"

static const struct frame_header sample = {.id = 0x1122334455667788u,
                                           .remaining = {1500},
                                           .type = MESSAGE_SET,
                                           .kind = FRAME_REQUEST};

/* A frame of `sample` with `payload` into `out`; gives its size. */
static size_t build(uint8_t *out, struct slice payload)
{
    frame_encode(out, &sample, &payload, 1);
    memcpy(out + FRAME_HEADER_SIZE, payload.data, payload.size);
    return FRAME_HEADER_SIZE + payload.size;
}

static enum frame_result parse(struct slice bytes, size_t *size)
{
    struct frame_header h;
    struct slice payload;

    return frame_parse(bytes, FRAME_PAYLOAD_MAX, &h, &payload, size);
}

/* Set the CRC right again after the test changed something it covers. */
static void reseal(uint8_t *f, size_t size)
{
    uint32_t crc = crc32c(0, f, 4);

    put_u32(f + 4, crc32c(crc, f + 8, size - 8));
}

/* Another implementation follows docs/PROTOCOL.md: offsets are a promise. */
static void the_layout_is_the_documented_one(void **state)
{
    uint8_t f[FRAME_HEADER_SIZE + 3];
    size_t size = build(f, slice_str("abc"));

    (void)state;
    assert_int_equal(size, 27);
    assert_int_equal(get_u32(f), 3);
    assert_int_equal(f[8], PROTOCOL_VERSION);
    assert_int_equal(f[9], FRAME_REQUEST);
    assert_int_equal(get_u16(f + 10), MESSAGE_SET);
    assert_int_equal(get_u32(f + 12), 1500);
    assert_true(get_u64(f + 16) == sample.id);
    assert_memory_equal(f + 24, "abc", 3);
    assert_int_equal(get_u32(f + 4), crc32c(crc32c(0, f, 4), f + 8, size - 8));
}

static void what_is_encoded_is_parsed_again(void **state)
{
    uint8_t f[FRAME_HEADER_SIZE + 5];
    struct frame_header h = {0};
    struct slice payload;
    size_t size = 0;

    (void)state;
    build(f, slice_str("hello"));
    assert_int_equal(frame_parse(slice_of(f, sizeof f), FRAME_PAYLOAD_MAX, &h,
                                 &payload, &size),
                     FRAME_OK);
    assert_int_equal(size, sizeof f);
    assert_true(slice_equal(payload, slice_str("hello")));
    assert_ptr_equal(payload.data, f + FRAME_HEADER_SIZE);
    assert_true(h.id == sample.id);
    assert_int_equal(h.remaining.ms, 1500);
    assert_int_equal(h.type, MESSAGE_SET);
    assert_int_equal(h.kind, FRAME_REQUEST);
    assert_int_equal(h.payload_size, 5);
}

/* Encoding in place and from parts must give the same bytes: both sides use
 * whichever is faster. */
static void parts_and_in_place_give_the_same_bytes(void **state)
{
    const struct slice parts[] = {slice_str("he"), slice_of(NULL, 0),
                                  slice_str("llo")};
    uint8_t a[FRAME_HEADER_SIZE + 5];
    uint8_t b[FRAME_HEADER_SIZE + 5];

    (void)state;
    frame_encode(a, &sample, parts, 3);
    memcpy(a + FRAME_HEADER_SIZE, "hello", 5);
    frame_open(b, &sample);
    memcpy(b + FRAME_HEADER_SIZE, "hello", 5);
    frame_seal(b, 5);
    assert_memory_equal(a, b, sizeof a);
}

/* TCP cuts where it likes: every prefix has to ask for more, and always for
 * more than is there, else a connection would spin or stand still. */
static void every_prefix_is_incomplete_and_asks_for_more(void **state)
{
    uint8_t f[FRAME_HEADER_SIZE + 40];
    size_t size = 0;

    (void)state;
    memset(f, 'v', sizeof f);
    build(f, slice_of(f + FRAME_HEADER_SIZE, 40));
    for (size_t n = 0; n < sizeof f; n++) {
        assert_int_equal(parse(slice_of(f, n), &size), FRAME_INCOMPLETE);
        assert_true(size > n);
        assert_true(size <= sizeof f);
    }
    assert_int_equal(parse(slice_of(f, sizeof f), &size), FRAME_OK);
}

static void only_the_first_frame_is_taken(void **state)
{
    uint8_t f[2 * FRAME_HEADER_SIZE + 3];
    size_t size = 0;

    (void)state;
    build(f, slice_str("abc"));
    build(f + FRAME_HEADER_SIZE + 3, slice_str(""));
    assert_int_equal(parse(slice_of(f, sizeof f), &size), FRAME_OK);
    assert_int_equal(size, FRAME_HEADER_SIZE + 3);
    assert_int_equal(parse(slice_of(f + size, sizeof f - size), &size),
                     FRAME_OK);
    assert_int_equal(size, FRAME_HEADER_SIZE);
}

/* One flipped bit anywhere, length and id included, must never give a frame:
 * it could write a wrong value under a wrong key. */
static void any_flipped_bit_is_noticed(void **state)
{
    uint8_t f[FRAME_HEADER_SIZE + 8];
    size_t size;

    (void)state;
    build(f, slice_str("flipping"));
    for (unsigned bit = 0; bit < sizeof f * 8; bit++) {
        f[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(parse(slice_of(f, sizeof f), &size), FRAME_OK);
        f[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(parse(slice_of(f, sizeof f), &size), FRAME_OK);
}

/* A length is believed before its bytes are there: memory depends on it. */
static void a_length_above_the_limit_is_refused_at_once(void **state)
{
    struct frame_header h;
    struct slice payload;
    uint8_t f[4];
    size_t size;

    (void)state;
    put_u32(f, FRAME_PAYLOAD_MAX + 1);
    assert_int_equal(parse(slice_of(f, 4), &size), FRAME_TOO_LARGE);
    put_u32(f, UINT32_MAX);
    assert_int_equal(parse(slice_of(f, 4), &size), FRAME_TOO_LARGE);
    put_u32(f, FRAME_PAYLOAD_MAX);
    assert_int_equal(parse(slice_of(f, 4), &size), FRAME_INCOMPLETE);
    put_u32(f, 101);
    assert_int_equal(frame_parse(slice_of(f, 4), 100, &h, &payload, &size),
                     FRAME_TOO_LARGE);
    assert_int_equal(frame_status(FRAME_TOO_LARGE), STATUS_BAD_FRAME);
}

/* Another version is told apart before anything else of it is read: its
 * checksum may cover other things. */
static void another_version_is_seen_from_ten_bytes_on(void **state)
{
    uint8_t f[FRAME_HEADER_SIZE];
    size_t size;

    (void)state;
    build(f, slice_str(""));
    f[8] = PROTOCOL_VERSION + 1;
    assert_int_equal(parse(slice_of(f, 9), &size), FRAME_INCOMPLETE);
    assert_int_equal(parse(slice_of(f, 10), &size), FRAME_OTHER_VERSION);
    assert_int_equal(frame_status(FRAME_OTHER_VERSION), STATUS_WRONG_VERSION);
}

/* Also with a right checksum: a sender's bug is no reason to guess. */
static void an_unknown_kind_is_refused(void **state)
{
    uint8_t f[FRAME_HEADER_SIZE];
    size_t size;

    (void)state;
    for (unsigned kind = 0; kind < 256; kind++) {
        bool known = kind == 1 || kind == 2 || kind == 4 ||
                     kind == 5;
        build(f, slice_str(""));
        f[9] = (uint8_t)kind;
        reseal(f, sizeof f);
        assert_int_equal(parse(slice_of(f, sizeof f), &size),
                         known ? FRAME_OK : FRAME_DAMAGED);
    }
    assert_int_equal(frame_status(FRAME_DAMAGED), STATUS_BAD_FRAME);
}

/* The example in docs/PROTOCOL.md is what others check their code against. */
static void the_documented_example_is_right(void **state)
{
    static const uint8_t expected[] = {
        0x03, 0x00, 0x00, 0x00, 0x5a, 0xde, 0x9f, 0xfd, 0x01,
        0x01, 0x01, 0x00, 0xdc, 0x05, 0x00, 0x00, 0x07, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x61, 0x62, 0x63,
    };
    const struct frame_header h = {
        .id = 7, .remaining = {1500}, .type = MESSAGE_GET, .kind = 1};
    uint8_t f[FRAME_HEADER_SIZE + 3];

    (void)state;
    frame_open(f, &h);
    memcpy(f + FRAME_HEADER_SIZE, "abc", 3);
    frame_seal(f, 3);
    assert_int_equal(sizeof f, sizeof expected);
    assert_memory_equal(f, expected, sizeof f);
}

/* The last word before the end has to be readable by every client. */
static void an_error_frame_holds_the_status_alone(void **state)
{
    uint8_t f[FRAME_ERROR_SIZE];
    struct frame_header h;
    struct slice payload;
    size_t size;

    (void)state;
    frame_error(f, STATUS_BUSY);
    assert_int_equal(frame_parse(slice_of(f, sizeof f), FRAME_PAYLOAD_MAX, &h,
                                 &payload, &size),
                     FRAME_OK);
    assert_int_equal(size, sizeof f);
    assert_int_equal(h.type, MESSAGE_ERROR);
    assert_int_equal(h.kind, FRAME_REPLY);
    assert_true(h.id == 0);
    assert_int_equal(payload.size, 2);
    assert_int_equal(payload.data[0], 0x08);
    assert_int_equal(payload.data[1], STATUS_BUSY);
}

static void a_long_deadline_is_sent_as_the_longest(void **state)
{
    struct frame_header h = sample;
    uint8_t f[FRAME_HEADER_SIZE];

    (void)state;
    h.remaining = MS(UINT64_MAX);
    frame_encode(f, &h, NULL, 0);
    assert_int_equal(get_u32(f + 12), UINT32_MAX);
}

/* Somebody who took the wrong port should be told so, not left waiting. */
static void strangers_are_recognised(void **state)
{
    static const uint8_t hello_long[] = {0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3};
    static const uint8_t hello_short[] = {0x16, 3, 1, 0, 0xf8, 1,
                                          0,    0, 1, 3, 3};
    static const struct {
        const char *bytes;
        enum stranger who;
    } texts[] = {
        {"GET / HTTP/1.1\r\n", STRANGER_HTTP},
        {"PUT /x HTTP/1.1\r\n", STRANGER_HTTP},
        {"PRI * HTTP/2.0\r\n", STRANGER_HTTP},
        {"*1\r\n$4\r\nPING\r\n", STRANGER_REDIS},
        {"*3\r\n$3\r\nSET\r\n", STRANGER_REDIS},
        {"PING\r\n", STRANGER_REDIS},
        {"help\r\n", STRANGER_TEXT},
        {"SSH-2.0-OpenSSH\r\n", STRANGER_TEXT},
    };
    size_t size;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
        struct slice all = slice_str(texts[i].bytes);
        struct slice first = slice_of(all.data, 4);
        assert_int_equal(parse(all, &size), FRAME_STRANGER);
        assert_int_equal(frame_stranger(all), texts[i].who);
        assert_int_equal(parse(first, &size), FRAME_STRANGER);
        assert_int_equal(frame_stranger(first), texts[i].who);
    }
    assert_int_equal(parse(slice_of(hello_long, 11), &size), FRAME_STRANGER);
    assert_int_equal(frame_stranger(slice_of(hello_long, 11)), STRANGER_TLS);
    /* Its length would do for a frame, and its byte 8 for our version. */
    assert_int_equal(parse(slice_of(hello_short, 11), &size), FRAME_STRANGER);
    assert_int_equal(frame_stranger(slice_of(hello_short, 11)), STRANGER_TLS);
}

/* Any length up to the limit is a frame's, whatever its bytes look like as
 * text or TLS: a valid frame must never be taken for a stranger. */
static void no_frame_is_taken_for_a_stranger(void **state)
{
    static const uint32_t lengths[] = {0x00010316, 0x00000316, 0x00040316,
                                       0x00474554, FRAME_PAYLOAD_MAX};
    static const uint8_t kinds[] = {FRAME_REQUEST, FRAME_REPLY, FRAME_ONEWAY,
                                     FRAME_PART};
    uint8_t f[FRAME_HEADER_SIZE] = {0};
    size_t size;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(lengths); i++) {
        for (unsigned k = 0; k < ARRAY_LEN(kinds); k++) {
            put_u32(f, lengths[i]);
            put_u32(f + 4, 0x01010101);
            f[8] = PROTOCOL_VERSION;
            f[9] = kinds[k];
            put_u16(f + 10, 0x0303);
            assert_int_equal(parse(slice_of(f, sizeof f), &size),
                             FRAME_INCOMPLETE);
            assert_int_equal(size, FRAME_HEADER_SIZE + (size_t)lengths[i]);
        }
    }
}

static void strangers_are_answered_in_their_own_terms(void **state)
{
    struct slice text = stranger_answer(STRANGER_TEXT);
    struct slice http = stranger_answer(STRANGER_HTTP);
    struct slice redis = stranger_answer(STRANGER_REDIS);
    struct slice alert = stranger_answer(STRANGER_TLS);

    (void)state;
    assert_true(text.size > 30);
    assert_memory_equal(text.data, "coatcheck: this is the native port", 34);
    assert_memory_equal(text.data + text.size - 2, "\r\n", 2);
    assert_memory_equal(http.data, "HTTP/1.1 400 ", 13);
    assert_memory_equal(http.data + http.size - text.size, text.data,
                        text.size);
    assert_memory_equal(redis.data, "-ERR coatcheck: ", 16); /* one line */
    assert_int_equal(redis.size, 5 + text.size);
    assert_int_equal(alert.size, 7);
    assert_int_equal(alert.data[0], 0x15); /* an alert record */
    assert_int_equal(alert.data[5], 2);    /* fatal */
    assert_string_equal(stranger_name(STRANGER_REDIS), "a Redis client");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_layout_is_the_documented_one),
        cmocka_unit_test(what_is_encoded_is_parsed_again),
        cmocka_unit_test(parts_and_in_place_give_the_same_bytes),
        cmocka_unit_test(every_prefix_is_incomplete_and_asks_for_more),
        cmocka_unit_test(only_the_first_frame_is_taken),
        cmocka_unit_test(any_flipped_bit_is_noticed),
        cmocka_unit_test(a_length_above_the_limit_is_refused_at_once),
        cmocka_unit_test(another_version_is_seen_from_ten_bytes_on),
        cmocka_unit_test(an_unknown_kind_is_refused),
        cmocka_unit_test(the_documented_example_is_right),
        cmocka_unit_test(an_error_frame_holds_the_status_alone),
        cmocka_unit_test(a_long_deadline_is_sent_as_the_longest),
        cmocka_unit_test(strangers_are_recognised),
        cmocka_unit_test(no_frame_is_taken_for_a_stranger),
        cmocka_unit_test(strangers_are_answered_in_their_own_terms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
