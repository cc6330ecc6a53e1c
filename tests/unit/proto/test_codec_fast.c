/* test_codec_fast.c - the hand-written codec against protobuf-c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto/base/rng.h"
#include "proto/limits.h"
#include "tests/unit/proto/codec_differential.h"

static struct rng rng;
static uint8_t bytes[4096]; /* random letters */

static struct slice some(size_t max)
{
    return slice_of(bytes + rng_below(&rng, 100),
                    (size_t)rng_below(&rng, max + 1));
}

/* A NUL-terminated copy for protobuf-c; freed by the caller. */
static char *text(struct slice s)
{
    char *p = xmalloc(s.size + 1);

    if (s.size)
        memcpy(p, s.data, s.size);
    p[s.size] = 0;
    return p;
}

static struct hint some_hint(void)
{
    struct hint h = {0};

    if (rng_below(&rng, 2))
        h.group = (uint32_t)(rng_next(&rng) >> rng_below(&rng, 64));
    if (rng_below(&rng, 2))
        h.node = (uint32_t)rng_below(&rng, 300);
    if (rng_below(&rng, 2))
        h.address = some(300);
    if (rng_below(&rng, 2))
        h.epoch = rng_next(&rng) >> rng_below(&rng, 64);
    return h;
}

static int setup(void **state)
{
    (void)state;
    rng_init(&rng, 42);
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)('a' + rng_below(&rng, 26));
    return 0;
}

static void assert_packed(const struct buf *ours,
                          const ProtobufCMessage *theirs)
{
    size_t size = protobuf_c_message_get_packed_size(theirs);
    uint8_t *packed = xmalloc(size);

    protobuf_c_message_pack(theirs, packed);
    assert_int_equal(ours->size, size);
    assert_memory_equal(ours->data, packed, size);
    free(packed);
}

/* Every decoder sees the bytes, as they are and cut and damaged. */
static void assert_robust(struct buf *b)
{
    uint8_t *copy = xmalloc(b->size + 1);

    codec_differential(b->data, b->size);
    for (unsigned i = 0; i < 20 && b->size; i++) {
        size_t n = (size_t)rng_below(&rng, b->size + 1);
        memcpy(copy, b->data, b->size);
        codec_differential(copy, n);
        copy[rng_below(&rng, b->size)] = (uint8_t)rng_next(&rng);
        codec_differential(copy, b->size);
    }
    free(copy);
}

/* Broken: another implementation of the protocol would not understand ours. */
static void requests_are_the_bytes_of_protobuf_c(void **state)
{
    struct buf b = {0};

    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        struct set_request set = {some(64), some(300), some(2000)};
        struct get_request get = {set.keyspace, set.key,
                                  (enum consistency)rng_below(&rng, 2)};
        struct delete_request del = {set.keyspace, set.key};
        Coat__Wire__SetRequest s = COAT__WIRE__SET_REQUEST__INIT;
        Coat__Wire__GetRequest g = COAT__WIRE__GET_REQUEST__INIT;
        Coat__Wire__DeleteRequest d = COAT__WIRE__DELETE_REQUEST__INIT;
        char *keyspace = text(set.keyspace);

        s.keyspace = d.keyspace = g.keyspace =
            set.keyspace.size ? keyspace : NULL;
        s.key.data = d.key.data = g.key.data = (uint8_t *)set.key.data;
        s.key.len = d.key.len = g.key.len = set.key.size;
        s.value.data = (uint8_t *)set.value.data;
        s.value.len = set.value.size;
        g.has_consistency = get.consistency != CONSISTENCY_LINEARIZABLE;
        g.consistency = (Coat__Wire__Consistency)get.consistency;
        buf_clear(&b);
        set_request_encode(&set, &b);
        assert_packed(&b, &s.base);
        assert_robust(&b);
        buf_clear(&b);
        get_request_encode(&get, &b);
        assert_packed(&b, &g.base);
        assert_robust(&b);
        buf_clear(&b);
        delete_request_encode(&del, &b);
        assert_packed(&b, &d.base);
        assert_robust(&b);
        free(keyspace);
    }
    buf_release(&b);
}

/* Broken: as above, for the answers. */
static void replies_are_the_bytes_of_protobuf_c(void **state)
{
    struct buf b = {0};

    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        enum status status = (enum status)rng_below(&rng, 3);
        uint64_t version = rng_next(&rng) >> rng_below(&rng, 64);
        struct get_reply get = {status, some(2000), version, some_hint(),
                                some(50), rng_below(&rng, 3),
                                rng_next(&rng)};
        struct write_reply write = {status, version, get.hint, get.detail};
        Coat__Wire__GetReply g = COAT__WIRE__GET_REPLY__INIT;
        Coat__Wire__WriteReply w = COAT__WIRE__WRITE_REPLY__INIT;
        Coat__Wire__Hint h = COAT__WIRE__HINT__INIT;
        char *detail = text(get.detail), *address = text(get.hint.address);

        h.has_group = get.hint.group != 0;
        h.group = get.hint.group;
        h.has_node = get.hint.node != 0;
        h.node = get.hint.node;
        h.address = get.hint.address.size ? address : NULL;
        h.has_epoch = get.hint.epoch != 0;
        h.epoch = get.hint.epoch;
        if (h.has_group || h.has_node || h.address || h.has_epoch)
            g.hint = w.hint = &h;
        g.status = w.status = status;
        g.has_value = status == STATUS_OK;
        g.value.data = (uint8_t *)get.value.data;
        g.value.len = get.value.size;
        g.has_version = w.has_version = version != 0;
        g.version = w.version = version;
        g.detail = w.detail = get.detail.size ? detail : NULL;
        g.has_expire_at = g.has_clock = get.expire_at != 0;
        g.expire_at = get.expire_at;
        g.clock = get.clock;
        buf_clear(&b);
        get_reply_encode(&get, &b);
        assert_packed(&b, &g.base);
        assert_robust(&b);
        buf_clear(&b);
        write_reply_encode(&write, &b);
        assert_packed(&b, &w.base);
        assert_robust(&b);
        free(detail);
        free(address);
    }
    buf_release(&b);
}

/* Broken: what one side wrote the other would read differently. */
static void an_error_reply_reads_back(void **state)
{
    struct error_reply m = {STATUS_BAD_MESSAGE,
                            {7, 2, slice_str("h:1"), 9},
                            slice_str("no such type")};
    struct error_reply out;
    struct buf b = {0};

    (void)state;
    error_reply_encode(&m, &b);
    assert_int_equal(error_reply_decode(buf_slice(&b), &out), STATUS_OK);
    assert_int_equal(out.status, STATUS_BAD_MESSAGE);
    assert_int_equal(out.hint.group, 7);
    assert_int_equal(out.hint.node, 2);
    assert_true(slice_equal(out.hint.address, slice_str("h:1")));
    assert_int_equal(out.hint.epoch, 9);
    assert_true(slice_equal(out.detail, slice_str("no such type")));
    assert_robust(&b);
    buf_release(&b);
}

static enum status set_status(size_t keyspace, size_t key, size_t value)
{
    static uint8_t large[VALUE_BYTES_MAX + 1];
    struct set_request m = {slice_of(bytes, keyspace), slice_of(large, key),
                            slice_of(large, value)};
    struct buf b = {0};
    enum status rv;

    set_request_encode(&m, &b);
    rv = set_request_decode(buf_slice(&b), &m);
    buf_release(&b);
    return rv;
}

/* Broken: the user is told the wrong thing, or a limit does not hold. */
static void limits_give_their_own_status(void **state)
{
    (void)state;
    assert_int_equal(set_status(0, 1, 0), STATUS_OK);
    assert_int_equal(set_status(0, 0, 0), STATUS_KEY_EMPTY);
    assert_int_equal(set_status(0, KEY_BYTES_MAX, 0), STATUS_OK);
    assert_int_equal(set_status(0, KEY_BYTES_MAX + 1, 0),
                     STATUS_KEY_TOO_LARGE);
    assert_int_equal(set_status(0, 1, VALUE_BYTES_MAX), STATUS_OK);
    assert_int_equal(set_status(0, 1, VALUE_BYTES_MAX + 1),
                     STATUS_VALUE_TOO_LARGE);
    assert_int_equal(set_status(KEYSPACE_NAME_MAX, 1, 1), STATUS_OK);
    assert_int_equal(set_status(KEYSPACE_NAME_MAX + 1, 1, 1), STATUS_INVALID);
}

static void assert_get(const char *what, size_t size, enum status want)
{
    struct get_request m;

    assert_int_equal(get_request_decode(slice_of(what, size), &m), want);
}

/* Broken: a newer client's field would make us refuse it. */
static void unknown_fields_are_skipped(void **state)
{
    (void)state;
    assert_get("\x12\x01k", 3, STATUS_OK);
    assert_get("\x12\x01k\x78\x05", 5, STATUS_OK);             /* varint */
    assert_get("\x12\x01k\x7a\x02xx", 7, STATUS_OK);           /* bytes */
    assert_get("\x7d\1\2\3\4\x12\x01k", 8, STATUS_OK);         /* 32 bits */
    assert_get("\x79\1\2\3\4\5\6\7\x08\x12\x01k", 12, STATUS_OK);
}

/* Broken: malformed bytes would be taken for a request. */
static void malformed_requests_are_refused(void **state)
{
    (void)state;
    assert_get("", 0, STATUS_BAD_MESSAGE);             /* no key */
    assert_get("\x12\x05k", 3, STATUS_BAD_MESSAGE);    /* key cut off */
    assert_get("\x10\x01", 2, STATUS_BAD_MESSAGE);     /* key is a number */
    assert_get("\x12\x01k\x1a\x01x", 6, STATUS_BAD_MESSAGE);
    assert_get("\x12\x01k\x7b", 4, STATUS_BAD_MESSAGE); /* a group */
    assert_get("\x12\x01k\x02\x00", 5, STATUS_BAD_MESSAGE); /* field 0 */
    assert_get("\x12\x01k\x18\x02", 5, STATUS_INVALID); /* consistency 2 */
    assert_get("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01k", 12,
               STATUS_BAD_MESSAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_the_bytes_of_protobuf_c),
        cmocka_unit_test(replies_are_the_bytes_of_protobuf_c),
        cmocka_unit_test(an_error_reply_reads_back),
        cmocka_unit_test(limits_give_their_own_status),
        cmocka_unit_test(unknown_fields_are_skipped),
        cmocka_unit_test(malformed_requests_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
