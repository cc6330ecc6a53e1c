/* test_batch.c - building one batch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "raft/wal/batch.h"

static const uint8_t log_id[WAL_LOG_ID_BYTES] = "batches of a log";

static struct wal_record vote(uint32_t group)
{
    return (struct wal_record){.group = group, .kind = WAL_VOTE,
                               .index = group, .term = 1};
}

static struct wal_header closed(const struct wal_batch *b)
{
    struct wal_header h;
    assert_int_equal(
        wal_header_decode(slice_of(b->data, b->length), &h),
        WAL_HEADER_OURS);
    assert_int_equal(h.length, b->length);
    return h;
}

/* A closed batch is what recovery accepts; rows beyond the header's are
 * covered by their own checksum. */
static void closed_batch_is_whole(void **state)
{
    uint64_t key = wal_key(log_id);
    (void)state;

    for (uint32_t groups = 0; groups < 600; groups += groups < 60 ? 1 : 97) {
        struct wal_batch *b = wal_batch_new(NULL, 3, 8192, 12);
        struct wal_header h;
        for (uint32_t g = 0; g < groups; g++) {
            struct wal_record r = vote(g);
            uint64_t length = wal_batch_length(b, wal_record_size(0), 1);
            wal_batch_name(b, (struct wal_row){g, g + 100});
            assert_int_equal(wal_batch_add(b, &r, key),
                             8192 + WAL_HEADER_BYTES + g * WAL_RECORD_BYTES);
            assert_int_equal(wal_batch_length(b, 0, 0), length);
        }
        wal_batch_close(b, log_id);
        assert_int_equal((uintptr_t)b->data % WAL_BLOCK, 0);
        h = closed(b);
        assert_int_equal(h.segment, 3);
        assert_int_equal(h.offset, 8192);
        assert_int_equal(h.number, 12);
        assert_int_equal(h.groups, groups);
        assert_true(wal_body_good(&h, b->data, key));
        for (uint32_t g = 0; g < groups; g++) {
            struct wal_row row =
                wal_row_decode(b->data + wal_row_at(g, h.body));
            assert_int_equal(row.group, g);
            assert_int_equal(row.prev, g + 100);
        }
        if (groups > WAL_HEADER_GROUPS) {
            b->data[wal_row_at(groups - 1, h.body)] ^= 1;
            assert_false(wal_rows_good(&h, b->data));
            assert_false(wal_body_good(&h, b->data, key));
        }
        wal_batch_free(b);
    }
}

/* A header of one attempt with records of another must not fit, though each
 * record is good by itself. */
static void header_and_records_belong_together(void **state)
{
    uint64_t key = wal_key(log_id);
    struct wal_batch *a = wal_batch_new(NULL, 3, 0, 12);
    struct wal_batch *b = wal_batch_new(NULL, 3, 0, 12);
    struct wal_record x = vote(1), y = vote(2);
    struct wal_header h;
    (void)state;

    wal_batch_add(a, &x, key);
    wal_batch_add(b, &y, key);
    wal_batch_close(a, log_id);
    wal_batch_close(b, log_id);
    h = closed(a);
    assert_true(wal_body_good(&h, a->data, key));
    assert_false(wal_body_good(&h, b->data, key));
    wal_batch_free(a);
    wal_batch_free(b);
}

/* Memory is reused; nothing of its last use may reach the disk. */
static void reused_memory_leaves_no_trace(void **state)
{
    uint64_t key = wal_key(log_id);
    uint8_t secret[20000];
    struct wal_record big = {.group = 1, .kind = WAL_ENTRY, .index = 1,
                             .term = 1,
                             .data = {secret, sizeof secret}};
    struct wal_record small = vote(1);
    struct wal_batch *b = wal_batch_new(NULL, 3, 0, 12);
    (void)state;

    memset(secret, 0x5e, sizeof secret);
    wal_batch_add(b, &big, key);
    wal_batch_name(b, (struct wal_row){1, 0});
    wal_batch_close(b, log_id);
    b = wal_batch_new(b, 4, 4096, 13);
    assert_int_equal(wal_batch_body(b), 0);
    wal_batch_add(b, &small, key);
    wal_batch_close(b, log_id);
    assert_int_equal(b->length, WAL_BLOCK);
    assert_int_equal(closed(b).groups, 0);
    for (uint32_t i = WAL_HEADER_BYTES + WAL_RECORD_BYTES; i < WAL_BLOCK; i++)
        assert_int_equal(b->data[i], 0);
    wal_batch_free(b);
    wal_batch_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_batch_is_whole),
        cmocka_unit_test(header_and_records_belong_together),
        cmocka_unit_test(reused_memory_leaves_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
