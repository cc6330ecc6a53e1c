/* test_codec.c - checks of requests; a node's status to bytes and back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "proto/codec.h"
#include "proto/limits.h"

/* Broken: a name could break logs, paths or the command line. */
static void keyspace_names_are_letters_digits_and_three_signs(void **state)
{
    (void)state;
    assert_int_equal(keyspace_check(slice_str("")), STATUS_OK);
    assert_int_equal(keyspace_check(slice_str("aZ09._-")), STATUS_OK);
    assert_int_equal(keyspace_check(slice_str("a b")), STATUS_INVALID);
    assert_int_equal(keyspace_check(slice_str("a/b")), STATUS_INVALID);
    assert_int_equal(keyspace_check(slice_of("a\0b", 3)), STATUS_INVALID);
    assert_int_equal(keyspace_check(slice_str("\xc3\xa4")), STATUS_INVALID);
}

static const struct replica_status replicas[] = {
    {0, 1, {(const uint8_t *)"leader", 6}, 3, 1, 10, 9, 8, 10, 7, 1, 4096, 5,
     true, 2},
    {7, 12, {(const uint8_t *)"follower", 8}, UINT64_MAX, 2, UINT64_MAX, 1, 1,
     1, 1, 1, 0, 0, false, 0},
};
static const uint32_t peers[] = {2, 3};

static struct status_reply sample(const struct slice *notes)
{
    return (struct status_reply){
        .status = STATUS_OK,
        .has_node = true,
        .detail = slice_str("d"),
        .node = {
            .node = 1, .directory = slice_str("0123456789abcdef"),
            .cluster = slice_str("fedcba9876543210"),
            .version = slice_str("0.1.0"), .uptime_ms = 1234,
            .boot_count = 2, .client_address = slice_str("h:1"),
            .peer_address = slice_str("h:2"), .map_epoch = 3,
            .replicas = replicas, .n_replicas = 2, .wal_bytes = 4,
            .wal_syncs = 5, .resident_bytes = 6, .requests = 7,
            .peers_up = peers, .n_peers_up = 2,
            .state = slice_str("serving"), .notes = notes, .n_notes = 2,
        },
    };
}

static void assert_replica(const struct replica_status *a,
                           const struct replica_status *b)
{
    assert_true(slice_equal(a->role, b->role));
    assert_int_equal(a->group, b->group);
    assert_true(a->replica == b->replica && a->term == b->term);
    assert_true(a->leader == b->leader && a->last_index == b->last_index);
    assert_true(a->commit_index == b->commit_index);
    assert_true(a->applied_index == b->applied_index);
    assert_true(a->durable_index == b->durable_index);
    assert_true(a->flushed_index == b->flushed_index);
    assert_true(a->first_index == b->first_index);
    assert_true(a->store_bytes == b->store_bytes);
    assert_true(a->keys_estimate == b->keys_estimate);
    assert_true(a->lag_known == b->lag_known);
    assert_true(a->lag_max == b->lag_max);
}

/* Broken: operators would see numbers that are not there. */
static void a_status_reads_back_whole(void **state)
{
    const struct slice notes[] = {slice_str("n1"), slice_str("")};
    struct status_reply m = sample(notes), out;
    struct buf b = {0};
    struct arena arena;

    (void)state;
    arena_init(&arena, NULL, 0, ARENA_STATUS_MAX);
    status_reply_encode(&m, &b);
    assert_int_equal(status_reply_decode(buf_slice(&b), &arena, &out),
                     STATUS_OK);
    assert_true(out.has_node && out.status == STATUS_OK);
    assert_true(slice_equal(out.detail, m.detail));
    assert_int_equal(out.node.node, 1);
    assert_true(slice_equal(out.node.directory, m.node.directory));
    assert_true(slice_equal(out.node.cluster, m.node.cluster));
    assert_true(slice_equal(out.node.version, m.node.version));
    assert_int_equal(out.node.uptime_ms, 1234);
    assert_int_equal(out.node.boot_count, 2);
    assert_true(slice_equal(out.node.client_address, slice_str("h:1")));
    assert_true(slice_equal(out.node.peer_address, slice_str("h:2")));
    assert_int_equal(out.node.map_epoch, 3);
    assert_int_equal(out.node.n_replicas, 2);
    assert_replica(&out.node.replicas[0], &replicas[0]);
    assert_replica(&out.node.replicas[1], &replicas[1]);
    assert_int_equal(out.node.wal_bytes, 4);
    assert_int_equal(out.node.wal_syncs, 5);
    assert_int_equal(out.node.resident_bytes, 6);
    assert_int_equal(out.node.requests, 7);
    assert_int_equal(out.node.n_peers_up, 2);
    assert_int_equal(out.node.peers_up[1], 3);
    assert_true(slice_equal(out.node.state, slice_str("serving")));
    assert_int_equal(out.node.n_notes, 2);
    assert_true(slice_equal(out.node.notes[0], slice_str("n1")));
    assert_int_equal(out.node.notes[1].size, 0);
    arena_release(&arena);
    buf_release(&b);
}

/* Broken: a node without a cluster could not answer. */
static void a_status_without_node_or_lists_reads_back(void **state)
{
    struct status_reply m = {.status = STATUS_BUSY}, out;
    struct buf b = {0};
    struct arena arena;

    (void)state;
    arena_init(&arena, NULL, 0, ARENA_STATUS_MAX);
    status_reply_encode(&m, &b);
    assert_int_equal(status_reply_decode(buf_slice(&b), &arena, &out),
                     STATUS_OK);
    assert_false(out.has_node);
    assert_int_equal(out.status, STATUS_BUSY);
    buf_clear(&b);
    m = sample(NULL);
    m.node.cluster.size = 0;
    m.node.n_replicas = m.node.n_peers_up = m.node.n_notes = 0;
    status_reply_encode(&m, &b);
    assert_int_equal(status_reply_decode(buf_slice(&b), &arena, &out),
                     STATUS_OK);
    assert_true(out.has_node);
    assert_int_equal(out.node.cluster.size, 0);
    assert_int_equal(out.node.n_replicas, 0);
    arena_release(&arena);
    buf_release(&b);
}

/* Broken: a peer could crash us, or make us allocate without end. */
static void cut_or_oversized_status_is_refused(void **state)
{
    const struct slice notes[] = {slice_str("n1"), slice_str("")};
    struct status_reply m = sample(notes), out;
    struct buf b = {0};
    struct arena arena;

    (void)state;
    status_reply_encode(&m, &b);
    for (size_t n = 0; n < b.size; n++) {
        arena_init(&arena, NULL, 0, ARENA_STATUS_MAX);
        /* A cut between two fields (behind status, before detail) leaves a
         * whole message. */
        bool whole = n == 2 || n == b.size - 3;
        assert_int_equal(
            status_reply_decode(slice_of(b.data, n), &arena, &out),
            whole ? STATUS_OK : STATUS_BAD_MESSAGE);
        arena_release(&arena);
    }
    arena_init(&arena, NULL, 0, 600);
    assert_int_equal(status_reply_decode(buf_slice(&b), &arena, &out),
                     STATUS_BAD_MESSAGE);
    arena_release(&arena);
    buf_clear(&b);
    m.node.directory.size = 15;
    status_reply_encode(&m, &b);
    arena_init(&arena, NULL, 0, ARENA_STATUS_MAX);
    assert_int_equal(status_reply_decode(buf_slice(&b), &arena, &out),
                     STATUS_BAD_MESSAGE);
    arena_release(&arena);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keyspace_names_are_letters_digits_and_three_signs),
        cmocka_unit_test(a_status_reads_back_whole),
        cmocka_unit_test(a_status_without_node_or_lists_reads_back),
        cmocka_unit_test(cut_or_oversized_status_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
