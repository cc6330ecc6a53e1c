/* test_span.c - reading old entries back. */
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
static uint8_t buffer[1 << 20];

static int setup(void **state)
{
    (void)state;
    options = small_options(64 << 10);
    wal = wal_new(&options, NULL);
    wal_reset(wal, 1, 0, 0, no_install, at_us(0));
    wal_reset(wal, 2, 0, 0, no_install, at_us(0));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    wal_free(wal);
    disk_release(&disk);
    return 0;
}

static void append(uint32_t group, uint32_t size)
{
    uint64_t index = wal_last(wal, group) + 1;
    uint8_t *data = xmalloc(size);
    struct wal_entry e = {index, 5, slice_of(data, size)};
    memset(data, (int)index, size);
    wal_append(wal, group, index, &e, 1, false, at_us(0));
    free(data);
}

static void flush(void)
{
    disk_pump(&disk, wal, &options, at_us(0));
}

/* What the owner does with the ranges. */
static struct slice load(const struct wal_span *s)
{
    uint32_t at = 0;
    for (unsigned i = 0; i < s->ranges; i++) {
        memcpy(buffer + at,
               disk_bytes(&disk, s->range[i].segment) + s->range[i].offset,
               s->range[i].size);
        at += s->range[i].size;
    }
    assert_int_equal(at, s->bytes);
    return slice_of(buffer, at);
}

static void check(const struct wal_span *s, uint32_t size)
{
    struct wal_entry out[WAL_SPAN_ENTRIES];

    assert_int_equal(wal_span_decode(s, load(s), out), STATUS_OK);
    for (unsigned i = 0; i < s->count; i++) {
        assert_int_equal(out[i].term, s->first + i);
        assert_int_equal(out[i].type, 5);
        assert_int_equal(out[i].data.size, size);
        for (uint32_t j = 0; j < size; j++)
            assert_int_equal(out[i].data.data[j], (uint8_t)(s->first + i));
    }
}

/* Small entries of one group in one batch are one read. */
static void neighbours_are_one_range(void **state)
{
    struct wal_span s;
    (void)state;

    for (unsigned i = 0; i < 100; i++)
        append(1, 20);
    flush();
    assert_int_equal(wal_find(wal, 1, 3, 1 << 20, &s), STATUS_OK);
    assert_int_equal(s.count, WAL_SPAN_ENTRIES);
    assert_int_equal(s.ranges, 1);
    check(&s, 20);
    assert_int_equal(wal_find(wal, 1, 90, 1 << 20, &s), STATUS_OK);
    assert_int_equal(s.count, 11);
    check(&s, 20);
}

/* Entries far apart are read by ranges, as many as a span has; the next span
 * goes on behind. */
static void scattered_entries_are_several_ranges(void **state)
{
    struct wal_span s;
    uint64_t index = 1;
    (void)state;

    for (unsigned i = 0; i < 20; i++) {
        append(1, 100);
        for (unsigned j = 0; j < 3; j++)
            append(2, 9000);
        flush();
    }
    while (index <= 20) {
        assert_int_equal(wal_find(wal, 1, index, 1 << 20, &s), STATUS_OK);
        assert_true(s.ranges > 1 || index + s.count > 20);
        assert_true(s.ranges <= WAL_SPAN_RANGES);
        check(&s, 100);
        index += s.count;
    }
    assert_int_equal(index, 21);
}

/* The limit bounds memory, but one entry always comes, however large. */
static void limit_bounds_the_bytes_but_not_the_first(void **state)
{
    struct wal_span s;
    (void)state;

    for (unsigned i = 0; i < 10; i++)
        append(1, 5000);
    flush();
    assert_int_equal(wal_find(wal, 1, 2, 1, &s), STATUS_OK);
    assert_int_equal(s.count, 1);
    check(&s, 5000);
    assert_int_equal(wal_find(wal, 1, 2, 11000, &s), STATUS_OK);
    assert_int_equal(s.count, 2);
    check(&s, 5000);
}

/* What is not on disk must not be read from there. */
static void only_durable_entries_are_found(void **state)
{
    struct wal_span s;
    (void)state;

    assert_int_equal(wal_find(wal, 3, 1, 100, &s), STATUS_NOT_FOUND);
    append(1, 20);
    flush();
    disk.hold_writes = true;
    append(1, 20);
    flush();
    append(1, 20);
    assert_int_equal(wal_find(wal, 1, 1, 1000, &s), STATUS_OK);
    assert_int_equal(s.count, 1);
    assert_int_equal(wal_find(wal, 1, 2, 1000, &s), STATUS_INCOMPLETE);
    assert_int_equal(wal_find(wal, 1, 3, 1000, &s), STATUS_INCOMPLETE);
    assert_int_equal(wal_find(wal, 1, 4, 1000, &s), STATUS_NOT_FOUND);
    assert_int_equal(wal_find(wal, 1, 0, 1000, &s), STATUS_NOT_FOUND);
    disk_finish(&disk, wal, &options, STATUS_OK, at_us(0));
    assert_int_equal(wal_find(wal, 1, 2, 1000, &s), STATUS_OK);
    wal_release(wal, 1, 2);
    assert_int_equal(wal_find(wal, 1, 2, 1000, &s), STATUS_NOT_FOUND);
}

/* Wrong bytes are said to be wrong: damage, and a segment that was recycled
 * between finding and reading. */
static void damaged_or_recycled_bytes_are_refused(void **state)
{
    struct wal_entry out[WAL_SPAN_ENTRIES];
    struct wal_span s, other;
    struct slice bytes;
    (void)state;

    for (unsigned i = 0; i < 4; i++)
        append(1, 33);
    for (unsigned i = 0; i < 4; i++)
        append(2, 33);
    flush();
    assert_int_equal(wal_find(wal, 1, 1, 1000, &s), STATUS_OK);
    bytes = load(&s);
    for (uint32_t i = 0; i < bytes.size; i++) {
        if (i % wal_record_size(33) >= WAL_RECORD_BYTES + 33)
            continue; /* padding */
        buffer[i] ^= 0x10;
        assert_int_equal(wal_span_decode(&s, bytes, out), STATUS_CORRUPT);
        buffer[i] ^= 0x10;
    }
    assert_int_equal(wal_span_decode(&s, bytes, out), STATUS_OK);
    assert_int_equal(
        wal_span_decode(&s, slice_of(buffer, bytes.size - 1), out),
        STATUS_CORRUPT);
    /* Good records, but not those that were asked for. */
    assert_int_equal(wal_find(wal, 2, 1, 1000, &other), STATUS_OK);
    other.group = 1;
    assert_int_equal(wal_span_decode(&other, load(&other), out),
                     STATUS_CORRUPT);
    bytes = load(&s);
    s.first++;
    assert_int_equal(wal_span_decode(&s, bytes, out), STATUS_CORRUPT);
    s.first--;
    s.piece[2].term++;
    assert_int_equal(wal_span_decode(&s, bytes, out), STATUS_CORRUPT);
    s.piece[2].term--;
    s.piece[2].type++;
    assert_int_equal(wal_span_decode(&s, bytes, out), STATUS_CORRUPT);
    s.piece[2].type--;
    s.range[0].segment++;
    assert_int_equal(wal_span_decode(&s, bytes, out), STATUS_CORRUPT);
}

/* A copy forward is read from its new place, once that is durable. */
static void copies_are_read_where_they_are_now(void **state)
{
    uint8_t data[20] = {0};
    struct wal_entry e = {1, 5, slice_of(data, sizeof data)};
    struct wal_span s;
    (void)state;

    memset(data, 1, sizeof data);
    append(1, 20);
    append(1, 20);
    append(1, 20);
    flush();
    append(2, 20000);
    wal_append(wal, 1, 1, &e, 1, true, at_us(0));
    assert_int_equal(wal_find(wal, 1, 1, 99999, &s), STATUS_INCOMPLETE);
    flush();
    assert_int_equal(wal_find(wal, 1, 1, 99999, &s), STATUS_OK);
    assert_int_equal(s.count, 3);
    assert_int_equal(s.ranges, 2);
    check(&s, 20);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(neighbours_are_one_range),
        TEST(scattered_entries_are_several_ranges),
        TEST(limit_bounds_the_bytes_but_not_the_first),
        TEST(only_durable_entries_are_found),
        TEST(damaged_or_recycled_bytes_are_refused),
        TEST(copies_are_read_where_they_are_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
