/* test_codec_stream.c - envelopes of scans and watches against protobuf-c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/proto/codec_differential.h"

static void a_request_is_what_protobuf_writes(void **state)
{
    Coat__Wire__ScanRequest m = COAT__WIRE__SCAN_REQUEST__INIT;
    struct stream_request r = {slice_str("users"), slice_str("body")}, out;
    struct buf b = {0};
    uint8_t packed[100];

    (void)state;
    m.keyspace = (char *)"users";
    m.scan.data = (uint8_t *)"body";
    m.scan.len = 4;
    stream_request_encode(&r, &b);
    assert_int_equal(b.size, coat__wire__scan_request__pack(&m, packed));
    assert_memory_equal(b.data, packed, b.size);
    assert_int_equal(stream_request_decode(buf_slice(&b), &out), STATUS_OK);
    assert_true(slice_equal(out.keyspace, r.keyspace));
    assert_true(slice_equal(out.body, r.body));
    for (size_t n = 0; n <= b.size; n++)
        codec_differential(b.data, n);
    buf_release(&b);
}

static void a_reply_is_what_protobuf_writes(void **state)
{
    Coat__Wire__ScanReply m = COAT__WIRE__SCAN_REPLY__INIT;
    struct scan_reply r = {.page = slice_str("page"),
                           .hint = {.group = 4},
                           .detail = slice_str("why")};
    struct scan_reply out;
    Coat__Wire__Hint hint = COAT__WIRE__HINT__INIT;
    struct buf b = {0};
    uint8_t packed[100];

    (void)state;
    m.has_page = true;
    m.page.data = (uint8_t *)"page";
    m.page.len = 4;
    hint.has_group = true;
    hint.group = 4;
    m.hint = &hint;
    m.detail = (char *)"why";
    scan_reply_encode(&r, &b);
    assert_int_equal(b.size, coat__wire__scan_reply__pack(&m, packed));
    assert_memory_equal(b.data, packed, b.size);
    assert_int_equal(scan_reply_decode(buf_slice(&b), &out), STATUS_OK);
    assert_true(slice_equal(out.page, r.page));
    assert_int_equal(out.hint.group, 4);
    for (size_t n = 0; n <= b.size; n++)
        codec_differential(b.data, n);
    buf_release(&b);
}

static void what_is_missing_or_wrong_is_refused(void **state)
{
    struct stream_request r = {slice_str("no such name!"), slice_str("x")};
    struct scan_reply reply;
    struct stream_request out;
    struct buf b = {0};

    (void)state;
    assert_int_equal(stream_request_decode(slice_str(""), &out),
                     STATUS_BAD_MESSAGE);
    assert_int_equal(scan_reply_decode(slice_str(""), &reply),
                     STATUS_BAD_MESSAGE);
    stream_request_encode(&r, &b);
    assert_int_equal(stream_request_decode(buf_slice(&b), &out),
                     STATUS_INVALID);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_what_protobuf_writes),
        cmocka_unit_test(a_reply_is_what_protobuf_writes),
        cmocka_unit_test(what_is_missing_or_wrong_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
