/* test_scrub.c - checking complete segments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "raft/wal/batch.h"
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
    for (uint32_t g = 0; g < 5; g++)
        wal_reset(wal, g, 0, 0, no_install, at_us(0));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    wal_free(wal);
    disk_release(&disk);
    return 0;
}

static void fill(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint8_t data[3000] = {0};
        struct wal_entry e = {1, 1, slice_of(data, sizeof data)};
        uint32_t g = i % 4;
        wal_append(wal, g, wal_last(wal, g) + 1, &e, 1, false, at_us(0));
        if (i % 7 == 3) {
            wal_truncate(wal, g, wal_last(wal, g), at_us(0));
            wal_append(wal, g, wal_last(wal, g) + 1, &e, 1, false, at_us(0));
        }
        if (i == 9) {
            wal_forget(wal, 3, at_us(0));
            wal_reset(wal, 3, 0, 0, no_install, at_us(0));
        }
        disk_pump(&disk, wal, &options, at_us(0));
    }
}

static enum status scrub(const struct wal_segment_info *s, uint32_t *bad)
{
    struct disk_file *f = disk_find(&disk, s->segment);
    return wal_scrub_segment(&options, s, slice_of(f->bytes, f->size), bad);
}

/* All complete segments are listed, in order, and are good; the one being
 * written is not listed. */
static void complete_segments_are_listed_and_good(void **state)
{
    struct wal_segment_info s = {0};
    unsigned n = 0;
    uint32_t bad;
    (void)state;

    assert_false(wal_segment_next(wal, 0, &s));
    fill(60);
    while (wal_segment_next(wal, s.segment, &s)) {
        assert_int_equal(s.segment, ++n);
        assert_true(s.sealed);
        assert_int_equal(scrub(&s, &bad), STATUS_OK);
        assert_int_equal(bad, s.end);
    }
    assert_true(n >= 3);
    assert_non_null(disk_find(&disk, n + 1));
}

/* Any damage is found, and its place is the batch that holds it. */
static void damage_is_found_with_its_place(void **state)
{
    struct wal_segment_info s;
    uint8_t *bytes;
    uint32_t bad;
    (void)state;

    fill(60);
    assert_true(wal_segment_next(wal, 1, &s));
    bytes = disk_bytes(&disk, s.segment);
    for (uint32_t block = 0; block < s.end; block += WAL_BLOCK) {
        struct wal_header h;
        uint32_t start = block;
        while (wal_header_decode(slice_of(bytes + start, WAL_BLOCK), &h) !=
               WAL_HEADER_OURS)
            start -= WAL_BLOCK;
        if (block + 100 >= start + WAL_HEADER_BYTES + h.body)
            continue; /* padding */
        bytes[block + 100] ^= 1;
        assert_int_equal(scrub(&s, &bad), STATUS_CORRUPT);
        assert_int_equal(bad, start);
        bytes[block + 100] ^= 1;
    }
    assert_int_equal(scrub(&s, &bad), STATUS_OK);
    /* A file that is too short. */
    assert_int_equal(wal_scrub_segment(&options, &s,
                                       slice_of(bytes, s.end - WAL_BLOCK),
                                       &bad), STATUS_CORRUPT);
}

/* A segment that a crash ended has no footer; it is good up to its end. */
static void segment_without_footer_is_checked_to_its_end(void **state)
{
    struct wal_segment_info s;
    uint32_t bad;
    (void)state;

    fill(5);
    wal_free(wal);
    wal = disk_reopen(&disk, &options);
    assert_false(wal_segment_next(wal, 0, &s));
    wal_vote(wal, 1, 1, 1, at_us(0));
    disk_pump(&disk, wal, &options, at_us(0));
    assert_true(wal_segment_next(wal, 0, &s));
    assert_int_equal(s.segment, 1);
    assert_false(s.sealed);
    assert_int_equal(scrub(&s, &bad), STATUS_OK);
    s.sealed = true; /* it should have one: it was lost */
    assert_int_equal(scrub(&s, &bad), STATUS_CORRUPT);
}

/* A batch written in place of another, with good checksums, is found by its
 * number, and a footer that does not fit the entries by its counts. */
static void wrong_but_intact_batches_are_found(void **state)
{
    uint64_t key = wal_key(options.log_id);
    uint8_t foot[WAL_FOOT_BYTES];
    uint8_t bytes[3 * WAL_BLOCK];
    struct wal_record entry = {.group = 1, .kind = WAL_ENTRY, .index = 1,
                               .term = 1};
    struct wal_record line = {.group = 1, .kind = WAL_FOOT,
                              .data = slice_of(foot, sizeof foot)};
    struct wal_segment_info s = {.segment = 9, .end = 2 * WAL_BLOCK,
                                 .sealed = true};
    uint32_t bad;
    (void)state;

    for (unsigned i = 0; i < 5; i++) {
        struct wal_foot f = {1, 1, 1};
        struct wal_batch *a = wal_batch_new(NULL, 9, 0, 20);
        struct wal_batch *b = wal_batch_new(NULL, 9, WAL_BLOCK,
                                            i == 1 ? 22 : 21);
        f.count += i == 2;
        line.group = 1 + (i == 3);
        wal_foot_encode(foot, &f);
        wal_batch_add(a, &entry, key);
        if (i != 4)
            wal_batch_add(b, &line, key);
        b->flags = WAL_BATCH_FOOTER;
        wal_batch_close(a, options.log_id);
        wal_batch_close(b, options.log_id);
        memcpy(bytes, a->data, WAL_BLOCK);
        memcpy(bytes + WAL_BLOCK, b->data, WAL_BLOCK);
        assert_int_equal(
            wal_scrub_segment(&options, &s, slice_of(bytes, sizeof bytes),
                              &bad),
            i ? STATUS_CORRUPT : STATUS_OK);
        wal_batch_free(a);
        wal_batch_free(b);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(complete_segments_are_listed_and_good),
        TEST(damage_is_found_with_its_place),
        TEST(segment_without_footer_is_checked_to_its_end),
        TEST(wrong_but_intact_batches_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
