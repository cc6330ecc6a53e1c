/* test_codec_map.c - the envelopes of map and init. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "proto/client.pb-c.h"
#include "proto/codec.h"
#include "proto/limits.h"
#include "proto/map.h"

static struct buf map_bytes(void)
{
    struct map_node node = {.id = 1, .directory = {1},
                            .client_address = "h:1", .peer_address = "h:2"};
    struct map_plan plan = {.cluster = {9}, .nodes = &node, .n_nodes = 1,
                            .data_groups = 2, .replicas = 1};
    struct cluster_map *map;
    struct buf b = {0};

    assert_int_equal(map_initial(&plan, &map, NULL), STATUS_OK);
    map_encode(map, &b);
    map_free(map);
    return b;
}

/* Broken: protobuf-c on the other side would not see the map inside. */
static void a_map_reply_is_what_protobuf_c_reads(void **state)
{
    struct buf map = map_bytes(), b = {0};
    const struct group_leader leaders[] = {{0, 1}, {300, 0}};
    struct map_reply m = {STATUS_OK, buf_slice(&map), leaders, 2,
                          slice_str("x"), 1700000000123};
    Coat__Wire__MapReply *theirs;

    (void)state;
    map_reply_encode(&m, &b);
    theirs = coat__wire__map_reply__unpack(NULL, b.size, b.data);
    assert_non_null(theirs);
    assert_int_equal(theirs->map->n_groups, 3);
    assert_int_equal(theirs->n_leaders, 2);
    assert_int_equal(theirs->leaders[1]->group, 300);
    assert_int_equal(theirs->leaders[1]->node, 0);
    assert_string_equal(theirs->detail, "x");
    assert_true(theirs->clock_ms == 1700000000123);
    assert_int_equal(coat__wire__map_reply__get_packed_size(theirs), b.size);
    coat__wire__map_reply__free_unpacked(theirs, NULL);
    buf_release(&map);
    buf_release(&b);
}

/* Broken: clients would not find the leaders. */
static void a_map_reply_reads_back(void **state)
{
    const struct group_leader leaders[] = {{0, 1}, {300, 7}};
    struct map_reply m = {STATUS_OK, slice_str("map"), leaders, 2,
                          slice_str(""), 77};
    struct map_reply out;
    struct buf b = {0};
    struct arena arena;

    (void)state;
    arena_init(&arena, NULL, 0, 4096);
    map_reply_encode(&m, &b);
    assert_int_equal(map_reply_decode(buf_slice(&b), &arena, &out), STATUS_OK);
    assert_true(slice_equal(out.map, slice_str("map")));
    assert_int_equal(out.n_leaders, 2);
    assert_memory_equal(out.leaders, leaders, sizeof leaders);
    assert_int_equal(out.clock_ms, 77);
    arena_release(&arena);
    arena_init(&arena, NULL, 0, 4);
    assert_int_equal(map_reply_decode(buf_slice(&b), &arena, &out),
                     STATUS_BAD_MESSAGE);
    arena_release(&arena);
    buf_release(&b);
}

static enum status reply_status(const char *bytes, size_t size)
{
    struct map_reply out;
    struct arena arena;
    enum status rv;

    arena_init(&arena, NULL, 0, 1 << 20);
    rv = map_reply_decode(slice_of(bytes, size), &arena, &out);
    arena_release(&arena);
    return rv;
}

/* Broken: a damaged answer would become a leader that does not exist. */
static void malformed_map_replies_are_refused(void **state)
{
    struct buf b = {0};

    (void)state;
    assert_int_equal(reply_status("\x08\x00", 2), STATUS_OK);
    assert_int_equal(reply_status("", 0), STATUS_BAD_MESSAGE);
    assert_int_equal(reply_status("\x08\x00\x1a\x02\x08\x01", 6),
                     STATUS_BAD_MESSAGE); /* a leader without node */
    assert_int_equal(reply_status("\x08\x00\x18\x01", 4), STATUS_BAD_MESSAGE);
    buf_append(&b, "\x08\x00", 2);
    for (unsigned i = 0; i <= GROUP_COUNT_MAX; i++)
        buf_append(&b, "\x1a\x04\x08\x01\x10\x01", 6);
    assert_int_equal(reply_status((char *)b.data, b.size), STATUS_OK);
    buf_append(&b, "\x1a\x04\x08\x01\x10\x01", 6);
    assert_int_equal(reply_status((char *)b.data, b.size),
                     STATUS_BAD_MESSAGE); /* more than there can be */
    buf_release(&b);
}

/* Broken: cluster init would do another step, or with another map. */
static void init_messages_read_back(void **state)
{
    struct init_request request = {INIT_ACTIVATE, slice_str("map")}, in;
    struct init_reply reply = {STATUS_WRONG_CLUSTER, slice_str("why"),
                               slice_str("other")}, out;
    struct buf b = {0};

    (void)state;
    init_request_encode(&request, &b);
    assert_int_equal(init_request_decode(buf_slice(&b), &in), STATUS_OK);
    assert_int_equal(in.step, INIT_ACTIVATE);
    assert_true(slice_equal(in.map, slice_str("map")));
    buf_clear(&b);
    init_reply_encode(&reply, &b);
    assert_int_equal(init_reply_decode(buf_slice(&b), &out), STATUS_OK);
    assert_int_equal(out.status, STATUS_WRONG_CLUSTER);
    assert_true(slice_equal(out.detail, slice_str("why")));
    assert_true(slice_equal(out.map, slice_str("other")));
    buf_release(&b);
}

/* Broken: an unknown step of a newer client would be taken for another. */
static void init_requests_are_checked(void **state)
{
    struct init_request in;

    (void)state;
    assert_int_equal(init_request_decode(slice_of("\x08\x03\x12\x00", 4), &in),
                     STATUS_INVALID);
    assert_int_equal(init_request_decode(slice_of("\x08\x01", 2), &in),
                     STATUS_BAD_MESSAGE);
    assert_int_equal(init_request_decode(slice_of("\x12\x00", 2), &in),
                     STATUS_BAD_MESSAGE);
}

/* Broken: nodes would send the whole map with every question. */
static void a_map_request_carries_the_known_epoch(void **state)
{
    struct map_request m = {UINT64_MAX}, out;
    struct buf b = {0};

    (void)state;
    map_request_encode(&m, &b);
    assert_int_equal(map_request_decode(buf_slice(&b), &out), STATUS_OK);
    assert_true(out.epoch_known == UINT64_MAX);
    assert_int_equal(map_request_decode(slice_str(""), &out), STATUS_OK);
    assert_int_equal(out.epoch_known, 0);
    assert_int_equal(map_request_decode(slice_str("\x08"), &out),
                     STATUS_BAD_MESSAGE);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_reply_is_what_protobuf_c_reads),
        cmocka_unit_test(a_map_reply_reads_back),
        cmocka_unit_test(malformed_map_replies_are_refused),
        cmocka_unit_test(init_messages_read_back),
        cmocka_unit_test(init_requests_are_checked),
        cmocka_unit_test(a_map_request_carries_the_known_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
