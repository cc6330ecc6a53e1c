/* test_recovery_segments.c - lost, blank, recycled, torn segments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "raft/wal/format.h"
#include "tests/unit/raft/wal/story.h"

/* An opening says nothing new while the older segments are there. */
static void lost_opening_loses_nothing(void **state)
{
    struct wal_recovered *found;
    uint64_t last;
    (void)state;

    story_create(1);
    story_create(2);
    story_fill_to(1, 3);
    last = wal_last(wal, 1);
    disk_bytes(&disk, 2)[40] ^= 1;
    found = disk_recover(&disk, &options);
    assert_true(noted(found, WAL_DAMAGE_OPENING));
    assert_int_equal(last_of(found, 1), last);
    assert_int_equal(recovered_group(found, 1)->first, 1);
    assert_int_equal(last_of(found, 2), 0);
    wal_recovered_free(found);
    disk_bytes(&disk, 2)[40] ^= 1;
    disk_bytes(&disk, 2)[WAL_HEADER_BYTES] ^= 1;
    found = disk_recover(&disk, &options);
    assert_true(noted(found, WAL_DAMAGE_BODY));
    assert_int_equal(last_of(found, 1), last);
    assert_int_equal(last_of(found, 2), 0);
    wal_recovered_free(found);
}

/* With the opening, the batch behind it is lost as well: that one did say
 * something new. */
static void more_than_the_opening_lost_is_a_loss(void **state)
{
    struct wal_recovered *found;
    unsigned b;
    (void)state;

    story_create(1);
    story_create(2);
    story_create(3);
    story_flush();
    story_restart(); /* segment 2 */
    b = story_append_alone(2, 10);
    story_append_alone(1, 10);
    assert_int_equal(batch[b - 1].segment, 2);
    assert_int_equal(batch[b - 1].offset, 0);
    spoil_header(b - 1);
    spoil_header(b);
    found = disk_recover(&disk, &options);
    assert_int_equal(last_of(found, 1), 1);
    assert_true(is_bad(found, 2));
    assert_true(is_bad(found, 3));
    wal_recovered_free(found);
}

/* The oldest opening is all there is of freed segments: without it nothing
 * before the next opening is certain, with that everything behind it is. */
static void lost_oldest_opening_is_made_up_by_the_next(void **state)
{
    struct wal_recovered *found;
    (void)state;

    story_create(1);
    story_create(2);
    wal_vote(wal, 2, 5, 1, at_us(0));
    story_append_alone(1, 100);
    spoil_header(0);
    story_stop();
    found = disk_recover(&disk, &options);
    assert_true(noted(found, WAL_DAMAGE_OPENING));
    assert_true(found->lost_unnamed);
    wal_recovered_free(found);
    spoil_header(0);
    story_restart();
    story_fill_to(1, 3);
    spoil_header(0);
    found = disk_recover(&disk, &options);
    assert_int_equal(recovered_group(found, 2)->term, 5);
    assert_false(is_bad(found, 1));
    assert_false(found->lost_unnamed);
    wal_recovered_free(found);
    /* The body of the oldest opening is as good as gone, too. */
    spoil_header(0);
    story_restart();
    story_fill_to(1, 5);
    wal_release(wal, 1, wal_last(wal, 1) - 1);
    story_flush();
    story_stop();
    for (uint64_t id = 1; id < 5; id++)
        if (disk_find(&disk, id))
            disk_remove(&disk, id);
    disk_bytes(&disk, 5)[WAL_HEADER_BYTES + 50] ^= 1;
    found = disk_recover(&disk, &options);
    assert_true(is_bad(found, 1)); /* appears, but from where? */
    assert_null(recovered_group(found, 2));
    assert_true(found->lost_unnamed);
    wal_recovered_free(found);
}

/* A segment lost in the middle: who proves itself whole stays. */
static void lost_segment_is_noticed(void **state)
{
    struct wal_recovered *found;
    uint64_t last;
    (void)state;

    story_create(1);
    story_create(2);
    story_append(2, 10);
    story_fill_to(1, 4);
    last = wal_last(wal, 1);
    story_stop();
    disk_remove(&disk, 2);
    found = disk_recover(&disk, &options);
    assert_true(noted(found, WAL_DAMAGE_SEGMENT));
    assert_int_equal(last_of(found, 2), 1);
    /* The opening of segment 3 heals it; the front is missing. */
    assert_int_equal(last_of(found, 1), last);
    assert_true(recovered_group(found, 1)->first > 6);
    wal_recovered_free(found);
    /* The log goes on over the hole and forgets it in time. */
    story_restart();
    wal_release(wal, 1, wal_last(wal, 1));
    wal_release(wal, 2, wal_last(wal, 2));
    story_fill_to(1, 6);
    wal_release(wal, 1, wal_last(wal, 1));
    story_fill_to(1, 8);
    assert_null(disk_find(&disk, 1));
    story_stop();
    found = disk_recover(&disk, &options);
    assert_int_equal(found->n_damage, 0);
    wal_recovered_free(found);
}

/* The newest segment with content is gone: the files made behind it tell. */
static void lost_newest_segment_is_noticed(void **state)
{
    struct wal_recovered *found;
    (void)state;

    story_create(1);
    story_fill_to(1, 2);
    story_stop();
    disk_remove(&disk, 2);
    found = disk_recover(&disk, &options);
    assert_true(noted(found, WAL_DAMAGE_SEGMENT));
    assert_true(is_bad(found, 1));
    assert_true(found->lost_unnamed);
    wal_recovered_free(found);
    story_restart();
    story_create(7);
    story_flush();
    story_restart();
    story_stop();
    found = disk_recover(&disk, &options);
    assert_true(is_bad(found, 1));
    assert_int_equal(last_of(found, 7), 0);
    wal_recovered_free(found);
}

/* All content is gone, and only blank files remain. */
static void lost_log_is_noticed(void **state)
{
    struct wal_recovered *found;
    (void)state;

    story_create(1);
    story_flush();
    story_stop();
    disk_remove(&disk, 1);
    found = disk_recover(&disk, &options);
    assert_true(noted(found, WAL_DAMAGE_SEGMENT));
    assert_true(found->lost_unnamed);
    wal_recovered_free(found);
    story_restart();
    story_create(1);
    story_flush();
    assert_int_equal(batch[batches - 1].segment, 2);
}

/* Zeros where a segment was: the numbers of the next one tell. */
static void wiped_segment_is_noticed(void **state)
{
    struct wal_recovered *found;
    (void)state;

    story_create(1);
    story_create(2);
    story_fill_to(1, 3);
    story_stop();
    memset(disk_bytes(&disk, 2), 0, options.segment_bytes);
    found = disk_recover(&disk, &options);
    assert_true(noted(found, WAL_DAMAGE_SEGMENT));
    assert_int_equal(last_of(found, 2), 0);
    assert_false(is_bad(found, 1));
    assert_true(recovered_group(found, 1)->first > 1);
    wal_recovered_free(found);
}

/* A file made ahead, recycled with all its old batches in it, is blank: its
 * old life must not be read as the log's end. */
static void recycled_file_is_blank(void **state)
{
    struct wal_recovered *found;
    struct disk_file *f;
    uint64_t last;
    (void)state;

    story_create(1);
    story_fill_to(1, 2);
    last = wal_last(wal, 1);
    story_stop();
    f = disk_find(&disk, 3);
    memcpy(f->bytes, disk_bytes(&disk, 1), f->size);
    found = disk_recover(&disk, &options);
    assert_int_equal(found->n_damage, 0);
    assert_int_equal(found->last_segment, 2);
    assert_int_equal(last_of(found, 1), last);
    wal_recovered_free(found);
    /* And is written over from its start. */
    story_restart();
    story_append_alone(1, 10);
    assert_int_equal(batch[batches - 1].segment, 3);
    story_stop();
    found = disk_recover(&disk, &options);
    assert_int_equal(found->n_damage, 0);
    assert_int_equal(last_of(found, 1), last + 1);
    wal_recovered_free(found);
}

/* An opening that a crash cut: its segment is used again from its start, and
 * what its header says still protects the segment before. */
static void torn_opening_is_written_again(void **state)
{
    struct wal_recovered *found;
    struct wal_effect e;
    unsigned b;
    (void)state;

    for (uint32_t g = 1; g <= 40; g++)
        story_create(g);
    story_flush();
    b = story_append_alone(1, 10);
    story_restart();
    story_append(2, 10);
    disk_pump(&disk, wal, &options, at_us(0));
    e = disk.flying;
    assert_int_equal(e.offset, 0);
    assert_true(e.size > WAL_BLOCK);
    memcpy(disk_bytes(&disk, e.segment), e.data, WAL_BLOCK);
    story_stop();
    found = disk_recover(&disk, &options);
    assert_int_equal(found->last_segment, 1);
    assert_int_equal(last_of(found, 1), 1);
    assert_int_equal(last_of(found, 2), 0);
    wal_recovered_free(found);
    /* That opening was begun, so batch b was durable: damage, not a torn
     * tail, whether its header is good or not. */
    spoil_body(b);
    found = disk_recover(&disk, &options);
    assert_true(is_bad(found, 1));
    assert_false(is_bad(found, 2));
    wal_recovered_free(found);
    spoil_header(b);
    found = disk_recover(&disk, &options);
    assert_true(is_bad(found, 1));
    assert_true(is_bad(found, 2));
    wal_recovered_free(found);
    spoil_header(b);
    spoil_body(b);
    story_restart();
    story_append_alone(2, 10);
    assert_int_equal(batch[batches - 1].segment, e.segment);
    story_stop();
    found = disk_recover(&disk, &options);
    assert_int_equal(found->n_damage, 0);
    assert_int_equal(last_of(found, 2), 1);
    wal_recovered_free(found);
}

/* Files of another size (the option changed) cannot be used: they and those
 * behind them go, so that ids stay consecutive. */
static void unusable_blank_files_are_removed(void **state)
{
    struct wal_recovered *found;
    struct disk_file *f;
    (void)state;

    story_create(1);
    story_flush();
    assert_non_null(disk_find(&disk, 4));
    story_stop();
    f = disk_find(&disk, 3);
    f->size /= 2;
    found = disk_recover(&disk, &options);
    assert_int_equal(found->n_remove, 2);
    assert_int_equal(found->remove[0], 4); /* highest first */
    assert_int_equal(found->remove[1], 3);
    wal_recovered_free(found);
    story_restart();
    disk.creates = 0;
    story_append_alone(1, 10);
    assert_int_equal(batch[batches - 1].segment, 2);
    assert_true(disk.creates >= 2);
}

/* Segments of another size are read, and removed instead of recycled. */
static void changed_segment_size_is_survived(void **state)
{
    struct wal_recovered *found;
    uint64_t last;
    (void)state;

    story_create(1);
    story_fill_to(1, 3);
    last = wal_last(wal, 1);
    story_stop();
    options = small_options(128 << 10);
    story_restart();
    assert_int_equal(wal_last(wal, 1), last);
    story_append_alone(1, 10);
    wal_release(wal, 1, last);
    story_flush();
    assert_true(disk.removes >= 3);
    story_stop();
    found = disk_recover(&disk, &options);
    assert_int_equal(found->n_damage, 0);
    assert_int_equal(last_of(found, 1), last + 1);
    wal_recovered_free(found);
}

#define TEST(f)                                                        \
    cmocka_unit_test_setup_teardown(f, story_setup, story_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lost_opening_loses_nothing),
        TEST(more_than_the_opening_lost_is_a_loss),
        TEST(lost_oldest_opening_is_made_up_by_the_next),
        TEST(lost_segment_is_noticed),
        TEST(lost_newest_segment_is_noticed),
        TEST(lost_log_is_noticed),
        TEST(wiped_segment_is_noticed),
        TEST(recycled_file_is_blank),
        TEST(torn_opening_is_written_again),
        TEST(unusable_blank_files_are_removed),
        TEST(changed_segment_size_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
