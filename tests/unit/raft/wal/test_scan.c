/* test_scan.c - finding batches, also behind damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "raft/wal/batch.h"
#include "raft/wal/scan.h"

static const uint8_t log_id[WAL_LOG_ID_BYTES] = "scanning of logs";
static uint8_t segment[16 * WAL_BLOCK];

static void put_batch(const uint8_t *id, uint64_t in_segment, uint32_t offset,
                      uint64_t number, uint32_t at)
{
    struct wal_batch *b = wal_batch_new(NULL, in_segment, offset, number);
    wal_batch_close(b, id);
    memcpy(segment + at, b->data, b->length);
    wal_batch_free(b);
}

static struct wal_scan begin(void)
{
    return (struct wal_scan){
        .bytes = slice_of(segment, sizeof segment),
        .log_id = log_id,
        .segment = 2,
    };
}

static void fill(void)
{
    memset(segment, 0, sizeof segment);
    for (uint32_t i = 0; i < 5; i++)
        put_batch(log_id, 2, i * WAL_BLOCK, 10 + i, i * WAL_BLOCK);
}

static void batches_come_in_order_and_end(void **state)
{
    struct wal_scan s = begin();
    struct wal_header h;
    uint32_t from;
    (void)state;

    fill();
    for (uint32_t i = 0; i < 5; i++) {
        assert_true(wal_scan_next(&s, &h, &from));
        assert_int_equal(h.number, 10 + i);
        assert_int_equal(from, h.offset);
    }
    assert_false(wal_scan_next(&s, &h, &from));
    assert_int_equal(s.at, 5 * WAL_BLOCK);
}

/* Damage must not hide what lies behind it: that would be cutting what was
 * acknowledged. */
static void scanning_goes_on_behind_damage(void **state)
{
    struct wal_scan s = begin();
    struct wal_header h;
    uint32_t from;
    (void)state;

    fill();
    memset(segment, 0xff, 2 * WAL_BLOCK);
    assert_true(wal_scan_next(&s, &h, &from));
    assert_int_equal(from, 0);
    assert_int_equal(h.offset, 2 * WAL_BLOCK);
    assert_int_equal(h.number, 12);
}

/* None of these belongs here, though each checksum is right. */
static void headers_of_elsewhere_are_not_believed(void **state)
{
    static const uint8_t other[WAL_LOG_ID_BYTES] = "scanning of logS";
    struct wal_scan s = begin();
    struct wal_header h;
    uint32_t from;
    (void)state;

    fill();
    put_batch(other, 2, 5 * WAL_BLOCK, 15, 5 * WAL_BLOCK);
    put_batch(log_id, 1, 6 * WAL_BLOCK, 16, 6 * WAL_BLOCK);
    put_batch(log_id, 2, 3 * WAL_BLOCK, 17, 7 * WAL_BLOCK);
    put_batch(log_id, 2, 8 * WAL_BLOCK, 14, 8 * WAL_BLOCK);
    for (unsigned i = 0; i < 5; i++)
        assert_true(wal_scan_next(&s, &h, &from));
    assert_false(wal_scan_next(&s, &h, &from));
}

/* A batch that leaves the bytes is none: its body could not be read. */
static void batch_must_lie_inside(void **state)
{
    struct wal_batch *b = wal_batch_new(NULL, 2, 15 * WAL_BLOCK, 20);
    struct wal_record r = {.kind = WAL_VOTE};
    struct wal_scan s = begin();
    struct wal_header h;
    uint32_t from;
    (void)state;

    fill();
    for (unsigned i = 0; i < 200; i++)
        wal_batch_add(b, &r, 1);
    wal_batch_close(b, log_id);
    assert_true(b->length > WAL_BLOCK);
    memcpy(segment + 15 * WAL_BLOCK, b->data, WAL_BLOCK);
    wal_batch_free(b);
    s.at = 5 * WAL_BLOCK;
    assert_false(wal_scan_next(&s, &h, &from));
    s.bytes.size = 0;
    assert_false(wal_scan_at(&s, 0, &h));
    assert_false(wal_scan_at(&s, WAL_BLOCK, &h));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_come_in_order_and_end),
        cmocka_unit_test(scanning_goes_on_behind_damage),
        cmocka_unit_test(headers_of_elsewhere_are_not_believed),
        cmocka_unit_test(batch_must_lie_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
