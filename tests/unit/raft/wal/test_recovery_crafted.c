/* test_recovery_crafted.c - segments that no log of ours leaves, or hardly
 * ever: made by hand, or by several faults at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "raft/wal/batch.h"
#include "raft/wal/replay.h"
#include "tests/unit/raft/wal/story.h"

static uint64_t key_of_log(void)
{
    struct wal_replay r;
    uint64_t key;

    wal_replay_init(&r, &options);
    key = r.key;
    wal_replay_release(&r);
    return key;
}

/* A segment whose first batch is an ordinary one: entry 1 of group 1. */
static uint8_t *without_opening(uint64_t segment, uint64_t number)
{
    struct wal_record r = {.group = 1, .kind = WAL_VOTE, .term = number};
    struct wal_batch *b = wal_batch_new(NULL, segment, 0, number);
    uint8_t *bytes = xcalloc(1, options.segment_bytes);

    wal_batch_name(b, (struct wal_row){1, number - 1});
    wal_batch_add(b, &r, key_of_log());
    wal_batch_close(b, options.log_id);
    memcpy(bytes, b->data, b->length);
    wal_batch_free(b);
    return bytes;
}

/* Broken: a segment that says nothing of what was before it would pass for the
 * beginning of everything, and groups of freed segments for new ones. */
static void segments_that_begin_without_an_opening_are_no_beginning(
    void **state)
{
    uint8_t *first = without_opening(1, 5), *second = without_opening(2, 6);
    struct wal_recovery *r = wal_recovery_new(&options);
    struct wal_recovered *found;
    (void)state;

    assert_int_equal(wal_recovery_segment(
                         r, 2, slice_of(second, options.segment_bytes)),
                     STATUS_OK);
    assert_int_equal(wal_recovery_segment(
                         r, 1, slice_of(first, options.segment_bytes)),
                     STATUS_OK);
    found = wal_recovery_finish(r);
    assert_true(noted(found, WAL_DAMAGE_OPENING));
    assert_true(found->lost_unnamed);
    assert_true(is_bad(found, 1));
    wal_recovered_free(found);
    free(second);
    free(first);
}

/* Broken: a log of one file, none made ahead, could not be read. */
static void the_only_file_may_be_the_one_in_use(void **state)
{
    struct wal_recovered *found;
    (void)state;

    story_create(1);
    story_append_alone(1, 100);
    story_stop();
    while (disk.files > 1)
        disk_remove(&disk, disk.file[disk.files - 1].id > 1
                               ? disk.file[disk.files - 1].id
                               : disk.file[0].id);
    found = disk_recover(&disk, &options);
    assert_int_equal(found->n_damage, 0);
    assert_int_equal(last_of(found, 1), 1);
    wal_recovered_free(found);
}

/* Broken: many segments of a long log would run over the list of files. */
static void many_files_are_read(void **state)
{
    struct wal_recovered *found;
    uint64_t last;
    (void)state;

    story_create(1);
    story_fill_to(1, 70);
    last = wal_last(wal, 1);
    story_stop();
    assert_true(disk.files > 64);
    found = disk_recover(&disk, &options);
    assert_int_equal(found->n_damage, 0);
    assert_int_equal(last_of(found, 1), last);
    assert_int_equal(recovered_group(found, 1)->first, 1);
    wal_recovered_free(found);
}

/* Broken: the opening that is lost would be taken for the only loss, though a
 * whole segment is gone before it. */
static void a_lost_opening_behind_a_lost_segment_excuses_nothing(void **state)
{
    struct wal_recovered *found;
    (void)state;

    story_create(1);
    story_create(2);
    story_fill_to(1, 3);
    story_stop();
    disk_remove(&disk, 2);
    disk_bytes(&disk, 3)[40] ^= 1;
    found = disk_recover(&disk, &options);
    assert_true(noted(found, WAL_DAMAGE_SEGMENT));
    assert_false(noted(found, WAL_DAMAGE_OPENING));
    assert_true(is_bad(found, 1));
    wal_recovered_free(found);
}

/* Broken: the newest segment, whose opening is lost and whose only other batch
 * never was finished, would count as a segment that lost its content. */
static void a_torn_batch_behind_a_lost_opening_is_only_torn(void **state)
{
    struct wal_recovered *found;
    unsigned b;
    (void)state;

    story_create(1);
    story_append_alone(1, 100);
    story_restart(); /* segment 2 */
    b = story_append_alone(1, 100);
    assert_int_equal(batch[b - 1].offset, 0);
    assert_int_equal(batch[b].segment, 2);
    story_stop();
    spoil_header(b - 1);
    spoil_body(b);
    found = disk_recover(&disk, &options);
    assert_true(noted(found, WAL_DAMAGE_TORN));
    assert_false(noted(found, WAL_DAMAGE_SEGMENT));
    assert_int_equal(last_of(found, 1), 1);
    wal_recovered_free(found);
}

/* Broken: a new kind of damage would print what lies behind the texts. */
static void every_kind_of_damage_has_a_text(void **state)
{
    (void)state;
    for (int kind = WAL_DAMAGE_TORN; kind <= WAL_DAMAGE_ORDER; kind++)
        assert_string_not_equal(wal_damage_text((enum wal_damage_kind)kind),
                                "unknown");
    assert_string_equal(wal_damage_text((enum wal_damage_kind)99), "unknown");
}

#define TEST(f)                                                                \
    cmocka_unit_test_setup_teardown(f, story_setup, story_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(segments_that_begin_without_an_opening_are_no_beginning),
        TEST(the_only_file_may_be_the_one_in_use),
        TEST(many_files_are_read),
        TEST(a_lost_opening_behind_a_lost_segment_excuses_nothing),
        TEST(a_torn_batch_behind_a_lost_opening_is_only_torn),
        TEST(every_kind_of_damage_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
