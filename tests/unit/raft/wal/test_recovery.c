/* test_recovery.c - what is found after crashes and damage, story by story. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/crc.h"
#include "raft/wal/format.h"
#include "tests/unit/raft/wal/story.h"

/* ---- what is not ours ---- */

static void nothing_is_an_empty_log(void **state)
{
    struct wal_recovered *found = disk_recover(&disk, &options);
    (void)state;

    assert_int_equal(found->n_groups, 0);
    assert_int_equal(found->n_damage, 0);
    assert_int_equal(found->n_remove, 0);
    assert_int_equal(found->last_segment, 0);
    assert_false(found->lost_unnamed);
    wal_recovered_free(found);
    wal_recovered_free(NULL);
}

/* A foreign file must stop the start, not be taken for an empty segment. */
static void foreign_and_newer_segments_are_refused(void **state)
{
    struct wal_recovery *r;
    struct wal_options other = options;
    uint8_t *bytes;
    struct slice s;
    (void)state;

    story_create(1);
    story_flush();
    bytes = disk_bytes(&disk, 1);
    s = slice_of(bytes, options.segment_bytes);
    other.log_id[0] ^= 1;
    r = wal_recovery_new(&other);
    assert_int_equal(wal_recovery_segment(r, 1, s), STATUS_WRONG_NODE);
    wal_recovery_free(r);
    r = wal_recovery_new(&options);
    assert_int_equal(wal_recovery_segment(r, 0, s), STATUS_INVALID);
    assert_int_equal(wal_recovery_segment(r, UINT32_MAX, s), STATUS_INVALID);
    assert_int_equal(wal_recovery_segment(r, 1, s), STATUS_OK);
    assert_int_equal(wal_recovery_segment(r, 1, s), STATUS_EXISTS);
    put_u32(bytes + 4, WAL_FORMAT_LEVEL + 1);
    put_u32(bytes, crc32c(0, bytes + 4, WAL_HEADER_BYTES - 4));
    assert_int_equal(wal_recovery_segment(r, 2, s), STATUS_WRONG_VERSION);
    wal_recovery_free(r);
    wal_recovery_free(NULL);
}

/* ---- torn tails ---- */

/* A write that a crash cut anywhere, or that lost any one sector, is as if it
 * never was: nothing of it was acknowledged. Padding may be lost. */
static void torn_batch_is_cut_at_every_sector(void **state)
{
    struct wal_effect e;
    uint8_t *at, *before;
    uint32_t used;
    (void)state;

    story_create(1);
    story_create(2);
    story_append(1, 100);
    story_flush();
    story_append(1, 3000);
    story_append(2, 3000);
    disk_pump(&disk, wal, &options, at_us(0));
    assert_true(disk.has_flying);
    e = disk.flying;
    used = WAL_HEADER_BYTES + 2 * wal_record_size(3000);
    at = disk_bytes(&disk, e.segment) + e.offset;
    before = xmalloc(e.size);
    memset(at, 0xee, e.size); /* an earlier life of the file */
    memcpy(before, at, e.size);
    for (uint32_t i = 0; i <= e.size / SECTOR; i++) {
        for (int one = 0; one < 2; one++) {
            struct wal_recovered *found;
            bool whole = i * SECTOR >= used;
            memcpy(at, before, e.size);
            if (one && i < e.size / SECTOR) {
                memcpy(at, e.data, e.size);
                memcpy(at + i * SECTOR, before + i * SECTOR, SECTOR);
            } else {
                memcpy(at, e.data, i * SECTOR);
            }
            found = disk_recover(&disk, &options);
            assert_int_equal(last_of(found, 1), whole ? 2 : 1);
            assert_int_equal(last_of(found, 2), whole ? 1 : 0);
            assert_true(whole || i == 0 || noted(found, WAL_DAMAGE_TORN));
            assert_false(found->lost_unnamed);
            wal_recovered_free(found);
        }
    }
    free(before);
}

/* The cut is a record of its own: bytes of the torn batch that come back (a
 * late write of the controller) must not bring its entries back. */
static void cut_batch_never_comes_back(void **state)
{
    struct wal_effect e;
    struct wal_recovered *found;
    uint8_t *saved;
    (void)state;

    story_create(1);
    story_append(1, 100);
    story_flush();
    story_append(1, 3000);
    disk_pump(&disk, wal, &options, at_us(0));
    e = disk.flying;
    saved = xmalloc(e.size);
    memcpy(saved, e.data, e.size);
    story_restart();
    assert_int_equal(wal_last(wal, 1), 1);
    wal_vote(wal, 1, 8, 1, at_us(0));
    story_flush();
    memcpy(disk_bytes(&disk, e.segment) + e.offset, saved, e.size);
    free(saved);
    found = disk_recover(&disk, &options);
    assert_int_equal(last_of(found, 1), 1);
    assert_int_equal(recovered_group(found, 1)->term, 8);
    assert_int_equal(found->n_damage, 0);
    wal_recovered_free(found);
}

/* ---- damage ---- */

/* A flip in a body costs only the groups that its header names. */
static void damaged_body_costs_the_named_groups_only(void **state)
{
    struct wal_recovered *found;
    unsigned b;
    (void)state;

    story_create(1);
    story_create(2);
    story_create(3);
    story_flush();
    story_append(2, 10);
    b = story_append_alone(3, 10);
    story_append_alone(1, 10);
    spoil_body(b);
    found = disk_recover(&disk, &options);
    assert_true(noted(found, WAL_DAMAGE_BODY));
    assert_int_equal(found->damage[0].segment, batch[b].segment);
    assert_int_equal(found->damage[0].offset, batch[b].offset);
    assert_int_equal(last_of(found, 1), 1);
    assert_true(is_bad(found, 2));
    assert_true(is_bad(found, 3));
    assert_false(found->lost_unnamed);
    wal_recovered_free(found);
}

/* The later header proves that the batch before was durable, even if the later
 * body is torn itself. */
static void torn_batch_proves_the_one_before_it(void **state)
{
    struct wal_recovered *found;
    unsigned b;
    (void)state;

    story_create(1);
    story_create(2);
    story_flush();
    b = story_append_alone(1, 10);
    story_append(2, 3000);
    disk_pump(&disk, wal, &options, at_us(0));
    memcpy(disk_bytes(&disk, disk.flying.segment) + disk.flying.offset,
           disk.flying.data, SECTOR);
    spoil_body(b);
    found = disk_recover(&disk, &options);
    assert_true(is_bad(found, 1));
    assert_int_equal(last_of(found, 2), 0);
    assert_true(noted(found, WAL_DAMAGE_TORN));
    assert_true(noted(found, WAL_DAMAGE_BODY));
    wal_recovered_free(found);
}

/* Without the header nobody knows whose records are lost: whole is who proves
 * it by naming, later, the batch that was last seen of it. */
static void lost_header_costs_who_is_not_proven_whole(void **state)
{
    struct wal_recovered *found;
    unsigned b;
    (void)state;

    story_create(1);
    story_create(2);
    story_create(3);
    story_flush();
    b = story_append_alone(1, 10);
    story_append_alone(2, 10);
    story_append_alone(1, 10);
    spoil_header(b);
    found = disk_recover(&disk, &options);
    assert_true(noted(found, WAL_DAMAGE_HEADER));
    assert_true(is_bad(found, 1)); /* its sequence is broken */
    assert_int_equal(last_of(found, 2), 1);
    assert_true(is_bad(found, 3)); /* never named again */
    assert_true(found->lost_unnamed);
    wal_recovered_free(found);
}

/* An opening names every group, so it clears those that lost nothing. */
static void later_opening_proves_the_others_whole(void **state)
{
    struct wal_recovered *found;
    unsigned b;
    (void)state;

    story_create(1);
    story_create(2);
    story_create(3);
    story_append(3, 10);
    story_flush();
    b = story_append_alone(1, 10);
    story_append_alone(2, 10);
    story_restart();
    wal_vote(wal, 2, 1, 1, at_us(0));
    story_flush();
    spoil_header(b);
    found = disk_recover(&disk, &options);
    assert_int_equal(last_of(found, 2), 1);
    assert_int_equal(last_of(found, 3), 1);
    assert_false(found->lost_unnamed);
    /* The opening heals group 1, too: without the entry, which is for the
     * owner to miss. */
    assert_false(is_bad(found, 1));
    assert_int_equal(recovered_group(found, 1)->first, 2);
    assert_int_equal(recovered_group(found, 1)->last, 1);
    wal_recovered_free(found);
}

/* More groups than a header names: losing the rows behind the body is losing
 * the names. */
static void lost_rows_are_a_lost_header(void **state)
{
    struct wal_recovered *found;
    uint32_t groups = WAL_HEADER_GROUPS + 10;
    struct wal_header h;
    unsigned b;
    (void)state;

    for (uint32_t g = 1; g <= groups; g++)
        story_create(g);
    story_create(100);
    story_create(101);
    story_flush();
    for (uint32_t g = 1; g <= groups; g++)
        story_append(g, 10);
    story_flush();
    b = batches - 1;
    story_append_alone(101, 10);
    assert_int_equal(wal_header_decode(slice_of(story_bytes(b), 4096), &h),
                     WAL_HEADER_OURS);
    assert_int_equal(h.groups, groups);
    story_bytes(b)[wal_row_at(groups - 1, h.body)] ^= 4;
    found = disk_recover(&disk, &options);
    assert_true(is_bad(found, 1));
    assert_true(is_bad(found, groups));
    assert_true(is_bad(found, 100)); /* could have been named there */
    assert_int_equal(last_of(found, 101), 1);
    wal_recovered_free(found);
    /* With the rows good, a spoiled body costs the named ones only. */
    story_bytes(b)[wal_row_at(groups - 1, h.body)] ^= 4;
    spoil_body(b);
    found = disk_recover(&disk, &options);
    assert_true(is_bad(found, 1));
    assert_true(is_bad(found, groups));
    assert_int_equal(last_of(found, 100), 0);
    wal_recovered_free(found);
}

/* A group whose creation is lost is not silently absent. */
static void lost_creation_is_said(void **state)
{
    struct wal_recovered *found;
    unsigned b;
    (void)state;

    story_create(1);
    story_flush();
    story_create(2);
    story_flush();
    b = batches - 1;
    story_create(3);
    story_flush();
    story_append_alone(1, 10);
    spoil_header(b);
    found = disk_recover(&disk, &options);
    assert_null(recovered_group(found, 2));
    assert_true(found->lost_unnamed);
    assert_int_equal(last_of(found, 3), 0);
    wal_recovered_free(found);
    spoil_header(b); /* back */
    spoil_body(b);
    found = disk_recover(&disk, &options);
    assert_true(is_bad(found, 2));
    assert_false(found->lost_unnamed);
    wal_recovered_free(found);
}

/* A removal that is lost shows at the next opening, which lists all groups;
 * a re-creation that follows it begins anew. */
static void lost_removal_is_made_up_for(void **state)
{
    struct wal_recovered *found;
    unsigned b;
    (void)state;

    story_create(1);
    story_create(2);
    story_append(2, 10);
    story_flush();
    wal_forget(wal, 1, at_us(0));
    story_flush();
    b = batches - 1;
    wal_forget(wal, 2, at_us(0));
    story_flush();
    story_create(2);
    story_append_alone(2, 10);
    spoil_header(b);
    spoil_header(b + 1);
    found = disk_recover(&disk, &options);
    assert_true(is_bad(found, 1));
    assert_int_equal(last_of(found, 2), 1);
    wal_recovered_free(found);
    spoil_header(b);
    spoil_header(b + 1);
    story_restart();
    wal_vote(wal, 2, 1, 1, at_us(0));
    story_flush();
    spoil_header(b);
    spoil_header(b + 1);
    found = disk_recover(&disk, &options);
    assert_null(recovered_group(found, 1));
    assert_int_equal(last_of(found, 2), 1);
    wal_recovered_free(found);
}

/* The damaged segment goes one day; the quarantine must not go with it, until
 * the replica is removed and made anew. */
static void quarantine_outlives_the_damaged_segment(void **state)
{
    struct wal_recovered *found;
    struct wal_group_info info;
    unsigned b;
    (void)state;

    story_create(1);
    story_create(2);
    story_flush();
    b = story_append_alone(1, 10);
    story_append_alone(2, 10);
    spoil_body(b);
    story_restart();
    assert_true(wal_group(wal, 1, &info));
    assert_true(info.quarantined);
    for (unsigned i = 0; i < 20; i++) {
        story_append(2, 9000);
        story_flush();
        wal_release(wal, 2, wal_last(wal, 2));
        story_flush();
    }
    assert_null(disk_find(&disk, 1));
    story_stop();
    found = disk_recover(&disk, &options);
    assert_true(is_bad(found, 1));
    assert_int_equal(last_of(found, 2), 21);
    wal_recovered_free(found);
    story_restart();
    wal_forget(wal, 1, at_us(0));
    story_create(1);
    story_append(1, 10);
    story_flush();
    story_stop();
    found = disk_recover(&disk, &options);
    assert_int_equal(last_of(found, 1), 1);
    wal_recovered_free(found);
}

/* The order of entries and truncations is the order of records. */
static void truncated_entries_stay_truncated(void **state)
{
    struct wal_recovered *found;
    struct wal_entry e = {2, 0, slice_str("\3\3\3")};
    (void)state;

    story_create(1);
    for (unsigned i = 0; i < 5; i++)
        story_append(1, 10);
    story_flush();
    wal_truncate(wal, 1, 3, at_us(0));
    wal_append(wal, 1, 3, &e, 1, false, at_us(0));
    story_flush();
    story_stop();
    found = disk_recover(&disk, &options);
    assert_int_equal(last_of(found, 1), 3);
    assert_int_equal(wal_recovered_entry(found, 1, 3).term, 2);
    assert_int_equal(wal_recovered_entry(found, 1, 2).term, 1);
    wal_recovered_free(found);
}

/* Each kind of damage has words for the operator. */
static void damage_has_words(void **state)
{
    (void)state;
    for (int k = WAL_DAMAGE_TORN; k <= WAL_DAMAGE_ORDER; k++)
        for (int j = WAL_DAMAGE_TORN; j < k; j++)
            assert_string_not_equal(wal_damage_text(k), wal_damage_text(j));
}

/* An unsealed log's last batch and a sealed one's: only the latter is known
 * to have been there. */
static void seal_tells_damage_from_a_torn_tail(void **state)
{
    struct wal_recovered *found;
    unsigned b;
    (void)state;

    story_create(1);
    story_flush();
    b = story_append_alone(1, 10);
    spoil_body(b);
    found = disk_recover(&disk, &options);
    assert_int_equal(last_of(found, 1), 0);
    wal_recovered_free(found);
    spoil_body(b);
    story_seal();
    spoil_body(b);
    found = disk_recover(&disk, &options);
    assert_true(is_bad(found, 1));
    wal_recovered_free(found);
}

#define TEST(f)                                                        \
    cmocka_unit_test_setup_teardown(f, story_setup, story_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_an_empty_log),
        TEST(foreign_and_newer_segments_are_refused),
        TEST(torn_batch_is_cut_at_every_sector),
        TEST(cut_batch_never_comes_back),
        TEST(damaged_body_costs_the_named_groups_only),
        TEST(torn_batch_proves_the_one_before_it),
        TEST(lost_header_costs_who_is_not_proven_whole),
        TEST(later_opening_proves_the_others_whole),
        TEST(lost_rows_are_a_lost_header),
        TEST(lost_creation_is_said),
        TEST(lost_removal_is_made_up_for),
        TEST(quarantine_outlives_the_damaged_segment),
        TEST(truncated_entries_stay_truncated),
        TEST(damage_has_words),
        TEST(seal_tells_damage_from_a_torn_tail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
