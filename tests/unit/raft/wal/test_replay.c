/* test_replay.c - following sequences: gaps, healing, contradictions.
 *
 * Batches are made by hand here, also such as no log of ours writes: their
 * checksums are right, so only the rules of replaying stand against them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "raft/wal/batch.h"
#include "raft/wal/replay.h"

static struct wal_replay replay;
static struct wal_batch *batch;
static uint64_t number;

static int setup(void **state)
{
    struct wal_options o = {.segment_bytes = WAL_SEGMENT_MIN};
    (void)state;
    wal_replay_init(&replay, &o);
    wal_segments_push(&replay.segments, WAL_SEGMENT_MIN); /* segment 1 */
    number = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    wal_replay_release(&replay);
    return 0;
}

static void begin(void)
{
    number++;
    batch = wal_batch_new(NULL, 1, (uint32_t)number * WAL_BLOCK, number);
}

static void name(uint32_t group, uint64_t prev)
{
    wal_batch_name(batch, (struct wal_row){group, prev});
}

static void add(struct wal_record r)
{
    wal_batch_add(batch, &r, replay.key);
}

static void end(bool damaged)
{
    struct wal_header h;

    wal_batch_close(batch, replay.options.log_id);
    assert_int_equal(
        wal_header_decode(slice_of(batch->data, batch->length), &h),
        WAL_HEADER_OURS);
    assert_true(wal_body_good(&h, batch->data, replay.key));
    if (damaged)
        wal_replay_damaged(&replay, &h, batch->data);
    else
        wal_replay_batch(&replay, &h, batch->data);
    wal_batch_free(batch);
}

/* A batch with one record of group 1. */
static void one(uint64_t prev, struct wal_record r)
{
    begin();
    name(1, prev);
    r.group = 1;
    add(r);
    end(false);
}

static struct wal_record entry(uint64_t index, uint64_t term, uint64_t prev)
{
    return (struct wal_record){.kind = WAL_ENTRY, .index = index,
                               .term = term, .prev_term = prev};
}

static struct wal_record copy(uint64_t index, uint64_t term, uint64_t prev)
{
    struct wal_record r = entry(index, term, prev);
    r.flags = WAL_RECORD_REWRITTEN;
    return r;
}

static struct wal_record with(struct wal_record r, uint16_t type, size_t size)
{
    r.type = type;
    r.data = slice_of("x", size);
    return r;
}

static struct wal_record cut(uint64_t index, uint64_t prev)
{
    return (struct wal_record){.kind = WAL_TRUNCATE, .index = index,
                               .prev_term = prev};
}

static struct wal_record vote(uint64_t term)
{
    return (struct wal_record){.kind = WAL_VOTE, .term = term, .index = 7};
}

static struct wal_record reset(uint64_t index, uint64_t term)
{
    return (struct wal_record){.kind = WAL_RESET, .index = index,
                               .term = term,
                               .data = {(const uint8_t *)"0123456789abcdef",
                                        WAL_INSTALL_ID_BYTES}};
}

/* An opening that states group 1. */
static void opening(struct wal_state s)
{
    uint8_t data[WAL_STATE_BYTES] = {0};
    struct wal_record r = {.group = 1, .kind = WAL_STATE,
                           .data = slice_of(data, sizeof data)};
    begin();
    wal_state_encode(data, &s);
    add(r);
    batch->flags = WAL_BATCH_OPENING;
    end(false);
}

/* The usual start: segments before are gone, the log ends at 400 (term 3). */
static struct wal_state usual(void)
{
    return (struct wal_state){.batch = 900, .term = 3, .vote = 2, .base = 380,
                              .base_term = 3, .last = 400, .last_term = 3};
}

static const struct wal_group *group(void)
{
    const struct wal_group *g = wal_groups_find(&replay.groups, 1);
    assert_non_null(g);
    return g;
}

static void start(void)
{
    number = 1000;
    opening(usual());
    assert_false(group()->quarantined);
    assert_false(group()->gap);
    assert_int_equal(wal_group_last(group()), 400);
}

static void whole(uint64_t first, uint64_t last, uint64_t base_term)
{
    wal_replay_end(&replay);
    if (group()->quarantined)
        fail_msg("%s", group()->reason);
    assert_int_equal(group()->log.first, first);
    assert_int_equal(wal_group_last(group()), last);
    assert_int_equal(group()->base_term, base_term);
    for (uint64_t i = first; i <= last; i++)
        assert_int_equal(wal_index_at(&group()->log, i)->segment, 1);
    assert_int_equal(wal_segments_at(&replay.segments, 1)->live,
                     last + 1 - first);
}

static void bad(void)
{
    wal_replay_end(&replay);
    assert_true(group()->quarantined);
    assert_non_null(group()->reason);
    assert_int_equal(group()->log.count, 0);
}

static void entries_follow_what_the_opening_says(void **state)
{
    (void)state;
    start();
    one(900, entry(401, 4, 3));
    one(1002, entry(402, 4, 4));
    whole(401, 402, 3);
}

/* Truncating into what is in freed segments: they were never released, so new
 * entries or copies take their place. */
static void truncation_reaches_below_the_opening(void **state)
{
    (void)state;
    start();
    one(900, cut(390, 2));
    one(1002, entry(390, 4, 2));
    whole(390, 390, 2);
}

/* Copies bring the originals of freed segments back, in any order, and what
 * lies before a hole is dropped: the store has it, or the owner sees. */
static void copies_fill_what_is_gone(void **state)
{
    (void)state;
    start();
    one(900, copy(399, 3, 2));
    one(1002, copy(398, 2, 2));
    one(1003, copy(400, 3, 3));
    one(1004, copy(390, 2, 1));
    one(1005, entry(401, 5, 3));
    whole(398, 401, 2);
}

/* A truncation that ends in a hole still names the term before the next. */
static void truncation_into_a_hole_names_the_term(void **state)
{
    (void)state;
    start();
    one(900, copy(385, 2, 2));
    one(1002, cut(392, 2));
    one(1003, entry(392, 4, 2));
    whole(392, 392, 2);
}

static void copy_moves_a_known_entry(void **state)
{
    (void)state;
    start();
    one(900, entry(401, 4, 3));
    one(1002, copy(401, 4, 3));
    whole(401, 401, 3);
    assert_int_equal(wal_index_at(&group()->log, 401)->offset,
                     1003 * WAL_BLOCK + WAL_HEADER_BYTES);
}

/* Everything that no log of ours says quarantines: better none than wrong. */
static void contradictions_quarantine(void **state)
{
    const struct {
        struct wal_record first, second;
    } lies[] = {
        {entry(403, 4, 3), vote(3)},           /* leaves a hole */
        {entry(400, 4, 3), vote(3)},           /* overwrites */
        {entry(401, 4, 2), vote(3)},           /* another past */
        {cut(402, 3), vote(3)},                /* behind the end */
        {entry(401, 4, 3), cut(401, 2)},       /* another past */
        {vote(2), vote(3)},                    /* an older term */
        {copy(401, 4, 3), vote(3)},            /* of what never was */
        {entry(401, 4, 3), copy(401, 5, 3)},   /* not a copy */
        {entry(401, 4, 3), copy(401, 4, 2)},   /* another past */
        {entry(401, 4, 3), with(copy(401, 4, 3), 0, 1)}, /* another size */
        {entry(401, 4, 3), with(copy(401, 4, 3), 7, 0)}, /* another type */
        {copy(399, 3, 3), copy(400, 4, 3)},    /* not what the opening says */
        {reset(500, 5), copy(499, 5, 5)},      /* before the reset */
        {reset(500, 5), cut(490, 5)},
    };
    (void)state;

    for (unsigned i = 0; i < ARRAY_LEN(lies); i++) {
        teardown(NULL);
        setup(NULL);
        start();
        one(900, lies[i].first);
        one(1002, lies[i].second);
        wal_replay_end(&replay);
        if (!group()->quarantined)
            fail_msg("lie %u was believed", i);
        assert_true(replay.n_damage > 0);
        assert_int_equal(replay.damage[0].kind, WAL_DAMAGE_ORDER);
    }
}

/* The size of a hole is bounded: a forged index must not take all memory. */
static void copies_far_back_are_refused(void **state)
{
    struct wal_state s = usual();
    (void)state;

    number = 1000;
    s.last = WAL_NUMBER_MAX - 10;
    opening(s);
    one(900, copy(s.last - WAL_REWRITE_MAX, 3, 3));
    bad();
}

/* A record of a group that the header does not name, known or not. */
static void unnamed_records_quarantine(void **state)
{
    struct wal_record r = vote(9);
    (void)state;

    start();
    begin();
    r.group = 1;
    add(r);
    r.group = 5;
    add(r);
    end(false);
    assert_true(wal_groups_find(&replay.groups, 5)->quarantined);
    bad();
}

/* An opening that disagrees with the records before it, or with itself. */
static void disagreeing_openings_quarantine(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        struct wal_state s = usual();
        teardown(NULL);
        setup(NULL);
        start();
        switch (i) {
        case 0: s.term++; break;
        case 1: s.vote++; break;
        case 2: s.last++; break;
        case 3: s.last_term--; break;
        case 4: s.reset_index++; break;
        case 5: s.base = 401; break;
        case 6: s.last = s.base = s.reset_index = 0; break;
        case 7: s.term = WAL_NUMBER_MAX; break;
        case 8: s.last_term = WAL_NUMBER_MAX; break;
        case 9: s.batch = WAL_NUMBER_MAX; break;
        case 10: s.last = WAL_NUMBER_MAX; break;
        case 11: s.reset_index = 401; break;
        }
        opening(s);
        assert_true(replay.n_damage > 0);
        bad();
    }
}

/* A row that names another batch than the last one seen: records are missing,
 * and what was seen before may be out of date. */
static void broken_sequence_is_a_gap(void **state)
{
    (void)state;
    start();
    one(900, entry(401, 4, 3));
    one(999, entry(402, 4, 4));
    assert_true(group()->gap);
    assert_false(wal_index_has(&group()->log, 401));
    bad();
}

/* Behind a gap anything may come next; the following opening decides. */
static void opening_heals_what_follows_a_gap(void **state)
{
    struct wal_state s = usual();
    (void)state;

    start();
    one(999, entry(450, 5, 5));      /* far ahead: begins anew */
    one(1002, entry(451, 5, 5));
    one(1003, copy(440, 5, 5));      /* proves nothing */
    one(1004, entry(455, 6, 6));     /* again */
    one(1005, entry(456, 6, 6));
    one(1006, cut(456, 6));
    one(1007, vote(2));              /* what is older is unknown */
    s = (struct wal_state){.batch = 1008, .term = 9, .vote = 1, .base = 450,
                           .base_term = 5, .last = 455, .last_term = 6};
    opening(s);
    assert_false(group()->gap);
    assert_int_equal(group()->term, 9);
    whole(455, 455, 6);
}

/* Entries that were seen behind a gap stay only if the opening ends the log
 * where they end, and has not reset it there. */
static void opening_that_ends_elsewhere_drops_what_follows_a_gap(void **state)
{
    struct wal_state s = usual();
    (void)state;

    start();
    one(999, entry(450, 5, 5));
    s = (struct wal_state){.batch = 1002, .term = 9, .vote = 1, .base = 440,
                           .base_term = 5, .last = 455, .last_term = 6};
    opening(s);
    assert_false(group()->gap);
    assert_int_equal(group()->log.count, 0);
    whole(456, 455, 6);
}

static void opening_with_a_reset_drops_what_follows_a_gap(void **state)
{
    struct wal_state s = usual();
    (void)state;

    start();
    one(999, entry(450, 5, 5));
    s = (struct wal_state){.batch = 1002, .term = 9, .vote = 1, .base = 450,
                           .base_term = 5, .last = 450, .last_term = 5,
                           .reset_index = 450, .reset_term = 5};
    opening(s);
    assert_int_equal(group()->log.count, 0);
    whole(451, 450, 5);
}

/* What an opening says of a quarantined group is checked like the rest. */
static void quarantine_with_impossible_numbers_is_a_contradiction(void **state)
{
    struct wal_state s = usual();
    (void)state;

    number = 1000;
    s.quarantined = true;
    s.last = WAL_NUMBER_MAX;
    opening(s);
    assert_int_equal(replay.damage[0].kind, WAL_DAMAGE_ORDER);
    bad();
}

/* The first reason stays: a second one would hide what really happened. */
static void quarantine_keeps_its_first_reason(void **state)
{
    const char *reason;
    (void)state;

    start();
    one(900, entry(403, 4, 3)); /* leaves a hole */
    reason = group()->reason;
    one(999, vote(9)); /* and its sequence breaks */
    assert_true(group()->gap);
    bad();
    assert_ptr_equal(group()->reason, reason);
}

static void truncation_behind_a_gap_begins_anew(void **state)
{
    (void)state;
    start();
    one(999, cut(500, 7));
    assert_int_equal(wal_group_last(group()), 499);
    one(1002, entry(500, 8, 7));
    one(1003, entry(501, 8, 8));
    one(1004, cut(501, 9)); /* not what was seen: begins anew, too */
    assert_int_equal(wal_group_last(group()), 500);
    assert_int_equal(group()->log.count, 0);
    bad();
}

/* The opening names a batch that was not seen: what was seen since the first
 * gap may be out of date as well. */
static void second_gap_drops_what_the_first_left(void **state)
{
    struct wal_state s = usual();
    (void)state;

    start();
    one(999, entry(401, 4, 3));
    s.batch = 1003; /* lost */
    s.last = 401;
    s.last_term = 4;
    number++;
    opening(s);
    assert_false(group()->gap);
    whole(402, 401, 4);
}

/* A damaged batch names its groups, known or not. */
static void damaged_batch_breaks_the_named_groups(void **state)
{
    (void)state;
    start();
    begin();
    name(1, 900);
    name(8, 0);
    add((struct wal_record){.group = 1, .kind = WAL_VOTE, .term = 4});
    add((struct wal_record){.group = 8, .kind = WAL_VOTE, .term = 4});
    end(true);
    assert_true(wal_groups_find(&replay.groups, 8)->gap);
    assert_int_equal(replay.damage[0].kind, WAL_DAMAGE_BODY);
    bad();
    assert_true(wal_groups_find(&replay.groups, 8)->quarantined);
}

/* A group that an opening does not list is gone; without any damage that
 * would explain it, this is said. */
static void unlisted_group_is_gone(void **state)
{
    (void)state;
    start();
    begin();
    batch->flags = WAL_BATCH_OPENING;
    end(false);
    assert_null(wal_groups_find(&replay.groups, 1));
    assert_int_equal(replay.damage[0].kind, WAL_DAMAGE_ORDER);
}

/* Damage that is known already explains it: it is told once. */
static void unlisted_group_behind_damage_is_not_told_twice(void **state)
{
    (void)state;
    start();
    wal_replay_note(&replay, WAL_DAMAGE_BODY, 1, 0, 0);
    begin();
    batch->flags = WAL_BATCH_OPENING;
    end(false);
    assert_null(wal_groups_find(&replay.groups, 1));
    assert_int_equal(replay.n_damage, 1);
}

/* Quarantine ends with the replica, not before. */
static void quarantine_ends_with_forget(void **state)
{
    struct wal_state s = usual();
    (void)state;

    number = 1000;
    s.quarantined = true;
    opening(s);
    assert_true(group()->quarantined);
    one(900, entry(401, 4, 3)); /* ignored */
    assert_int_equal(group()->log.count, 0);
    s.batch = 1002;
    s.quarantined = false;
    opening(s);
    assert_true(group()->quarantined);
    one(1002, (struct wal_record){.kind = WAL_FORGET});
    assert_null(wal_groups_find(&replay.groups, 1));
    one(0, reset(0, 0));
    one(1005, entry(1, 1, 0));
    whole(1, 1, 0);
}

/* Not proven whole after a loss. */
static void unproven_group_is_quarantined(void **state)
{
    (void)state;
    start();
    wal_replay_lost(&replay, 1002);
    number++;
    bad();
}

static void proven_group_is_not(void **state)
{
    (void)state;
    start();
    wal_replay_lost(&replay, 1002);
    number++;
    one(900, vote(4));
    whole(401, 400, 3);
}

/* The list of damage is bounded. */
static void damage_list_is_bounded(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WAL_DAMAGE_MAX + 10; i++)
        wal_replay_note(&replay, WAL_DAMAGE_BODY, i, 0, 0);
    assert_int_equal(replay.n_damage, WAL_DAMAGE_MAX);
    assert_int_equal(replay.damage[WAL_DAMAGE_MAX - 1].segment,
                     WAL_DAMAGE_MAX - 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(entries_follow_what_the_opening_says),
        TEST(truncation_reaches_below_the_opening),
        TEST(copies_fill_what_is_gone),
        TEST(truncation_into_a_hole_names_the_term),
        TEST(copy_moves_a_known_entry),
        TEST(contradictions_quarantine),
        TEST(copies_far_back_are_refused),
        TEST(unnamed_records_quarantine),
        TEST(disagreeing_openings_quarantine),
        TEST(broken_sequence_is_a_gap),
        TEST(opening_heals_what_follows_a_gap),
        TEST(opening_that_ends_elsewhere_drops_what_follows_a_gap),
        TEST(opening_with_a_reset_drops_what_follows_a_gap),
        TEST(quarantine_with_impossible_numbers_is_a_contradiction),
        TEST(quarantine_keeps_its_first_reason),
        TEST(truncation_behind_a_gap_begins_anew),
        TEST(second_gap_drops_what_the_first_left),
        TEST(damaged_batch_breaks_the_named_groups),
        TEST(unlisted_group_is_gone),
        TEST(unlisted_group_behind_damage_is_not_told_twice),
        TEST(quarantine_ends_with_forget),
        TEST(unproven_group_is_quarantined),
        TEST(proven_group_is_not),
        TEST(damage_list_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
