/* test_writer.c - what is written when: pacing, seals, segments, full disks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "raft/wal/format.h"
#include "tests/unit/raft/wal/disk.h"

static const uint8_t no_install[WAL_INSTALL_ID_BYTES];
static struct disk disk;
static struct wal_options options;
static struct wal *wal;

static int setup(void **state)
{
    (void)state;
    options = small_options(64 << 10);
    wal = wal_new(&options, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    wal_free(wal);
    disk_release(&disk);
    return 0;
}

static uint64_t append(uint32_t size, uint64_t us)
{
    uint8_t *data = xcalloc(1, size);
    struct wal_entry e = {1, 1, slice_of(data, size)};
    uint64_t ticket = wal_append(wal, 1, wal_last(wal, 1) + 1, &e, 1, false,
                                 at_us(us));
    free(data);
    return ticket;
}

/* A group, durable, and the seal behind it. */
static void begin(void)
{
    wal_reset(wal, 1, 0, 0, no_install, at_us(0));
    disk_pump(&disk, wal, &options, at_us(0));
    disk_pump(&disk, wal, &options, at_us(900000));
    assert_int_equal(wal_durable(wal), 1);
    disk.writes = 0;
}

static bool writing(uint64_t us)
{
    disk_pump(&disk, wal, &options, at_us(us));
    return disk.has_flying;
}

/* A lonely write must not wait for company. */
static void idle_log_writes_at_once(void **state)
{
    (void)state;
    begin();
    disk.hold_writes = true;
    append(10, 1000000);
    assert_true(wal_wake_at(wal).us <= 1000000);
    assert_true(writing(1000000));
}

/* Two writes in flight would make a torn batch look like damage. */
static void one_write_is_in_flight(void **state)
{
    struct wal_effect e;
    uint64_t first, second;
    (void)state;

    begin();
    disk.hold_writes = true;
    first = append(10, 1000000);
    assert_true(writing(1000000));
    second = append(40000, 1000000);
    assert_false(wal_next(wal, at_us(99000000), &e));
    assert_true(wal_durable(wal) < first);
    disk_finish(&disk, wal, &options, STATUS_OK, at_us(99000000));
    assert_int_equal(wal_durable(wal), first);
    disk_finish(&disk, wal, &options, STATUS_OK, at_us(99000000));
    assert_int_equal(wal_durable(wal), second);
}

/* Under load a sync must serve many: it waits for the age of the first pending
 * record, also when the write before ended long ago. */
static void loaded_log_waits_a_millisecond(void **state)
{
    (void)state;
    begin();
    disk.hold_writes = true;
    append(10, 1000000);
    assert_true(writing(1000000));
    append(10, 1000100);
    append(10, 1000200);
    disk_finish(&disk, wal, &options, STATUS_OK, at_us(1000300));
    assert_false(disk.has_flying);
    assert_int_equal(wal_wake_at(wal).us, 1001100);
    assert_false(writing(1001099));
    assert_true(writing(1001100));
    disk_finish(&disk, wal, &options, STATUS_OK, at_us(1002000));
    assert_int_equal(disk.writes, 2);
    /* Idle again: no waiting. */
    append(10, 1002100);
    assert_true(writing(1002100));
}

static void loaded_log_does_not_wait_with_enough(void **state)
{
    (void)state;
    options.pace_bytes = 8192;
    wal_free(wal);
    wal = wal_new(&options, NULL);
    begin();
    disk.hold_writes = true;
    append(10, 1000000);
    assert_true(writing(1000000));
    append(8000, 1000100);
    disk_finish(&disk, wal, &options, STATUS_OK, at_us(1000200));
    assert_false(disk.has_flying);
    append(200, 1000300);
    assert_true(writing(1000300));
}

/* Without the seal, damage to the last batch could not be told from a torn
 * tail, and would be cut. An idle log writes it once, not for ever. */
static void idle_log_is_sealed_once(void **state)
{
    struct wal_header h;
    (void)state;

    begin();
    append(10, 1000000);
    disk_pump(&disk, wal, &options, at_us(1000000));
    assert_int_equal(disk.writes, 1);
    assert_int_equal(wal_wake_at(wal).us, 1000000 + options.seal_after_us);
    disk_pump(&disk, wal, &options, at_us(1049999));
    assert_int_equal(disk.writes, 1);
    disk_pump(&disk, wal, &options, at_us(1050000));
    assert_int_equal(disk.writes, 2);
    assert_int_equal(
        wal_header_decode(slice_of(disk_bytes(&disk, disk.last_write.segment) +
                                   disk.last_write.offset, WAL_BLOCK), &h),
        WAL_HEADER_OURS);
    assert_int_equal(h.records, 0);
    assert_true(wal_wake_at(wal).us == UINT64_MAX);
    disk_pump(&disk, wal, &options, at_us(90000000));
    assert_int_equal(disk.writes, 2);
}

/* A log that was not sealed when its process died is sealed by the next. */
static void recovered_log_is_sealed(void **state)
{
    (void)state;
    begin();
    append(10, 1000000);
    disk_pump(&disk, wal, &options, at_us(1000000));
    wal_free(wal);
    wal = disk_reopen(&disk, &options);
    disk.writes = 0;
    disk_pump(&disk, wal, &options, at_us(50000));
    assert_int_equal(disk.writes, 2); /* an opening and its seal */
    wal_free(wal);
    wal = disk_reopen(&disk, &options);
    disk_pump(&disk, wal, &options, at_us(50000));
    assert_int_equal(disk.writes, 2); /* sealed: nothing to do */
}

/* After a failed sync the kernel may have thrown the data away: going on
 * would acknowledge what is not there. */
static void failed_write_is_the_end(void **state)
{
    uint64_t ticket;
    (void)state;

    begin();
    disk.hold_writes = true;
    ticket = append(10, 1000000);
    assert_true(writing(1000000));
    disk_finish(&disk, wal, &options, STATUS_IO_ERROR, at_us(1000100));
    assert_true(wal_dead(wal));
    assert_true(wal_durable(wal) < ticket);
    append(10, 1000200);
    assert_false(writing(9000000));
    assert_true(wal_wake_at(wal).us == UINT64_MAX);
}

/* The age of the oldest unwritten record is how a dying disk is noticed. */
static void age_is_of_the_oldest_pending_record(void **state)
{
    (void)state;
    begin();
    disk.hold_writes = true;
    assert_int_equal(wal_oldest_age(wal, at_us(1000000)), 0);
    append(100, 1000000);
    assert_int_equal(wal_pending_bytes(wal), wal_record_size(100));
    assert_true(writing(1000000));
    append(100, 1400000);
    assert_int_equal(wal_oldest_age(wal, at_us(1500000)), 500000);
    disk_finish(&disk, wal, &options, STATUS_OK, at_us(1500000));
    disk_finish(&disk, wal, &options, STATUS_OK, at_us(1500000));
    assert_int_equal(wal_oldest_age(wal, at_us(1500000)), 0);
    assert_int_equal(wal_pending_bytes(wal), 0);
}

/* A file is used only once it is there and synced. */
static void writes_wait_for_their_segment(void **state)
{
    (void)state;
    disk.hold_creates = disk.hold_writes = true;
    wal_reset(wal, 1, 0, 0, no_install, at_us(5));
    assert_false(writing(5));
    assert_int_equal(disk.making.segment, 1);
    assert_int_equal(disk.making.recycle_from, 0);
    disk_finish_create(&disk, wal, &options, STATUS_OK, at_us(5));
    assert_true(disk.has_flying);
    assert_int_equal(disk.flying.segment, 1);
    assert_int_equal(disk.making.segment, 2);
}

/* The reserve and one more are kept ready, in the order of their ids. */
static void reserve_is_made_in_advance(void **state)
{
    (void)state;
    begin();
    assert_int_equal(disk.creates, 1 + options.reserve + 1);
    assert_non_null(disk_find(&disk, 4));
    assert_int_equal(wal_bytes(wal), 4u * options.segment_bytes);
    assert_true(wal_accepts_entries(wal));
}

static void fill_segments(unsigned n, uint64_t us)
{
    for (unsigned i = 0; i < n * 6; i++) {
        append(10000, us);
        disk_pump(&disk, wal, &options, at_us(us));
    }
}

/* Released segments are used again: the log does not grow, and blocks that
 * were written before are cheaper to write. */
static void released_segments_are_recycled(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < 40; i++) {
        fill_segments(1, 1000000 + i);
        wal_release(wal, 1, wal_last(wal, 1));
        disk_pump(&disk, wal, &options, at_us(1000000 + i));
    }
    assert_true(disk.recycles > 30);
    assert_true(disk.creates <= 7);
    assert_int_equal(disk.removes, 0);
    assert_int_equal(wal_bytes(wal),
                     (uint64_t)disk.files * options.segment_bytes);
}

/* After a burst that pinned many segments the surplus is given back. */
static void surplus_segments_are_removed(void **state)
{
    (void)state;
    begin();
    fill_segments(20, 1000000);
    assert_true(disk.files > 20);
    assert_int_equal(wal_bytes(wal),
                     (uint64_t)disk.files * options.segment_bytes);
    wal_release(wal, 1, wal_last(wal, 1));
    disk_pump(&disk, wal, &options, at_us(2000000));
    assert_true(disk.removes > 10);
    /* In use, ready, and one that the next switch recycles. */
    assert_int_equal(disk.files, 1 + options.reserve + 1 + 1);
}

/* An old segment holds the only durable votes until a younger opening restates
 * them: a crash while that is being written must find the old one. */
static void old_segment_stays_until_an_opening_is_durable(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < 4; i++) {
        append(10000, 1000000);
        disk_pump(&disk, wal, &options, at_us(1000000));
    }
    wal_release(wal, 1, wal_last(wal, 1));
    disk.hold_writes = true;
    while (!disk.has_flying || disk.flying.segment == 1) {
        if (disk.has_flying) /* the footer of segment 1 */
            disk_finish(&disk, wal, &options, STATUS_OK, at_us(1000000));
        append(10000, 1000000);
        wal_release(wal, 1, wal_last(wal, 1));
        disk_pump(&disk, wal, &options, at_us(1000000));
    }
    assert_int_equal(disk.flying.segment, 2);
    assert_int_equal(disk.flying.offset, 0);
    assert_non_null(disk_find(&disk, 1));
    assert_int_equal(disk.recycles, 0);
    disk.hold_writes = false;
    disk_finish(&disk, wal, &options, STATUS_OK, at_us(1000000));
    fill_segments(2, 1000000);
    assert_null(disk_find(&disk, 1));
}

/* A truncation frees the old entries' segment only once it is durable: else a
 * crash would leave neither. */
static void obsolete_segment_stays_until_that_is_durable(void **state)
{
    (void)state;
    begin();
    append(100, 1000000);
    disk_pump(&disk, wal, &options, at_us(1000000));
    /* Fill segment 1 with another group, so that a younger one opens. */
    wal_reset(wal, 2, 0, 0, no_install, at_us(1000000));
    for (unsigned i = 0; i < 8; i++) {
        uint8_t data[10000] = {0};
        struct wal_entry e = {1, 1, slice_of(data, sizeof data)};
        wal_append(wal, 2, i + 1, &e, 1, false, at_us(1000000));
    }
    disk_pump(&disk, wal, &options, at_us(1100000));
    wal_release(wal, 2, 8);
    disk_pump(&disk, wal, &options, at_us(1100000));
    assert_non_null(disk_find(&disk, 1)); /* entry 1 of group 1 */
    disk.hold_writes = true;
    wal_truncate(wal, 1, 1, at_us(1100000));
    disk_pump(&disk, wal, &options, at_us(1100000));
    assert_true(disk.has_flying);
    assert_non_null(disk_find(&disk, 1));
    disk_finish(&disk, wal, &options, STATUS_OK, at_us(1100000));
    assert_null(disk_find(&disk, 1));
}

/* A full disk: the reserve keeps the log going for deletes and votes, the
 * owner is told to take no new data, and it heals when space returns. */
static void full_disk_is_survived_on_the_reserve(void **state)
{
    unsigned tries;
    (void)state;

    begin();
    disk.full = true;
    fill_segments(1, 1000000); /* takes a file: the next cannot be made */
    assert_false(wal_accepts_entries(wal));
    fill_segments(1, 1000000);
    assert_int_equal(wal_pending_bytes(wal), 0); /* still durable */
    tries = disk.failed_creates;
    assert_int_equal(wal_wake_at(wal).us, 1000000 + options.seal_after_us);
    disk_pump(&disk, wal, &options, at_us(1900000));
    assert_int_equal(disk.failed_creates, tries);
    assert_int_equal(wal_wake_at(wal).us, 1000000 + options.retry_us);
    disk_pump(&disk, wal, &options, at_us(2000000));
    assert_int_equal(disk.failed_creates, tries + 1);
    assert_false(wal_accepts_entries(wal));
    disk.full = false;
    disk_pump(&disk, wal, &options, at_us(3000000));
    assert_true(wal_accepts_entries(wal));
}

/* Even with the reserve used up and writes waiting for a file, flushing the
 * stores frees one: no disk is full for ever. */
static void full_disk_heals_by_releasing(void **state)
{
    uint64_t ticket = 0;
    (void)state;

    begin();
    disk.full = true;
    fill_segments(6, 1000000);
    ticket = append(10000, 1000000);
    disk_pump(&disk, wal, &options, at_us(1000000));
    assert_true(wal_pending_bytes(wal) > 0); /* no file left */
    assert_false(disk.has_flying);
    wal_release(wal, 1, 10);
    disk_pump(&disk, wal, &options, at_us(1000001));
    assert_true(disk.recycles > 0);
    wal_release(wal, 1, wal_last(wal, 1) - 10);
    disk_pump(&disk, wal, &options, at_us(1000002));
    assert_true(wal_durable(wal) >= ticket);
    assert_int_equal(wal_pending_bytes(wal), 0);
    assert_false(wal_accepts_entries(wal)); /* the reserve is not whole */
    wal_release(wal, 1, wal_last(wal, 1));
    disk_pump(&disk, wal, &options, at_us(1000003));
    assert_true(wal_accepts_entries(wal));
    assert_true(disk.failed_creates > 0);
}

/* Recycling that fails is not tried in a loop. */
static void failed_recycling_waits(void **state)
{
    struct wal_effect e;
    (void)state;

    begin();
    disk.hold_creates = true;
    fill_segments(2, 1000000);
    wal_release(wal, 1, wal_last(wal, 1));
    disk_finish_create(&disk, wal, &options, STATUS_OK, at_us(1000000));
    assert_true(disk.has_making);
    assert_true(disk.making.recycle_from > 0);
    disk_finish_create(&disk, wal, &options, STATUS_IO_ERROR, at_us(1000000));
    assert_false(disk.has_making);
    assert_non_null(disk_find(&disk, 1));
    assert_false(wal_next(wal, at_us(1000001), &e));
    disk_pump(&disk, wal, &options, at_us(2000000));
    assert_true(disk.has_making);
    assert_int_equal(disk.making.recycle_from, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(idle_log_writes_at_once),
        TEST(one_write_is_in_flight),
        TEST(loaded_log_waits_a_millisecond),
        TEST(loaded_log_does_not_wait_with_enough),
        TEST(idle_log_is_sealed_once),
        TEST(recovered_log_is_sealed),
        TEST(failed_write_is_the_end),
        TEST(age_is_of_the_oldest_pending_record),
        TEST(writes_wait_for_their_segment),
        TEST(reserve_is_made_in_advance),
        TEST(released_segments_are_recycled),
        TEST(surplus_segments_are_removed),
        TEST(old_segment_stays_until_an_opening_is_durable),
        TEST(obsolete_segment_stays_until_that_is_durable),
        TEST(full_disk_is_survived_on_the_reserve),
        TEST(full_disk_heals_by_releasing),
        TEST(failed_recycling_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
