/* test_wal.c - making records: tickets, getters, segment switches. */
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

static struct wal_entry entry(uint64_t term, const char *text)
{
    return (struct wal_entry){term, 2, slice_str(text)};
}

static void pump(void)
{
    disk_pump(&disk, wal, &options, at_us(0));
}

/* Tickets grow over all groups: one number says what is durable. */
static void tickets_grow_over_all_groups(void **state)
{
    struct wal_entry e = entry(1, "x");
    uint64_t t[6];
    (void)state;

    t[0] = wal_reset(wal, 1, 0, 0, no_install, at_us(0));
    t[1] = wal_reset(wal, 2, 0, 0, no_install, at_us(0));
    t[2] = wal_append(wal, 1, 1, &e, 1, false, at_us(0));
    t[3] = wal_vote(wal, 2, 3, 7, at_us(0));
    t[4] = wal_truncate(wal, 1, 1, at_us(0));
    t[5] = wal_forget(wal, 2, at_us(0));
    for (unsigned i = 1; i < 6; i++)
        assert_true(t[i] > t[i - 1]);
    assert_int_equal(wal_durable(wal), 0);
    pump();
    assert_int_equal(wal_durable(wal), t[5]);
}

/* What the log says about a group is what was done to it, at once. */
static void group_is_what_was_done_to_it(void **state)
{
    struct wal_entry e[3] = {entry(2, "a"), entry(2, ""), entry(3, "c")};
    uint8_t install[WAL_INSTALL_ID_BYTES] = "an installation";
    struct wal_group_info i;
    (void)state;

    assert_false(wal_group(wal, 1, &i));
    wal_reset(wal, 1, 10, 2, install, at_us(0));
    assert_int_equal(wal_first(wal, 1), 11);
    assert_int_equal(wal_last(wal, 1), 10);
    assert_int_equal(wal_term_at(wal, 1, 10), 2);
    wal_append(wal, 1, 11, e, 3, false, at_us(0));
    wal_vote(wal, 1, 5, 99, at_us(0));
    assert_true(wal_group(wal, 1, &i));
    assert_int_equal(i.term, 5);
    assert_int_equal(i.vote, 99);
    assert_int_equal(i.first, 11);
    assert_int_equal(i.last, 13);
    assert_int_equal(i.base_term, 2);
    assert_int_equal(i.reset_index, 10);
    assert_int_equal(i.reset_term, 2);
    assert_memory_equal(i.install_id, install, sizeof install);
    assert_false(i.quarantined);
    assert_int_equal(wal_term_at(wal, 1, 9), 0);
    assert_int_equal(wal_term_at(wal, 1, 13), 3);
    assert_int_equal(wal_term_at(wal, 1, 14), 0);
    wal_truncate(wal, 1, 13, at_us(0));
    assert_int_equal(wal_last(wal, 1), 12);
    wal_release(wal, 1, 11);
    assert_int_equal(wal_first(wal, 1), 12);
    assert_int_equal(wal_term_at(wal, 1, 11), 2);
    assert_int_equal(wal_term_at(wal, 1, 10), 0);
    wal_release(wal, 1, 11); /* again: ignored */
    wal_release(wal, 1, 3);
    assert_int_equal(wal_first(wal, 1), 12);
    wal_truncate(wal, 1, 12, at_us(0)); /* all that is not released */
    assert_int_equal(wal_last(wal, 1), 11);
    wal_forget(wal, 1, at_us(0));
    assert_false(wal_group(wal, 1, &i));
}

/* A reset keeps term and vote: voting twice in a term after an installed
 * snapshot would elect two leaders. */
static void reset_keeps_term_and_vote(void **state)
{
    struct wal_entry e = entry(4, "x");
    struct wal_recovered *found;
    const struct wal_recovered_group *g;
    (void)state;

    wal_reset(wal, 1, 0, 0, no_install, at_us(0));
    wal_vote(wal, 1, 4, 2, at_us(0));
    wal_append(wal, 1, 1, &e, 1, false, at_us(0));
    wal_reset(wal, 1, 50, 3, no_install, at_us(0));
    pump();
    found = disk_recover(&disk, &options);
    g = recovered_group(found, 1);
    assert_int_equal(g->term, 4);
    assert_int_equal(g->vote, 2);
    assert_int_equal(g->first, 51);
    assert_int_equal(g->last, 50);
    assert_int_equal(g->base_term, 3);
    wal_recovered_free(found);
}

/* A replica removed and created again must not inherit anything. */
static void recreated_group_is_new(void **state)
{
    struct wal_recovered *found;
    const struct wal_recovered_group *g;
    struct wal_entry e = entry(4, "x");
    (void)state;

    wal_reset(wal, 1, 0, 0, no_install, at_us(0));
    wal_vote(wal, 1, 4, 2, at_us(0));
    wal_append(wal, 1, 1, &e, 1, false, at_us(0));
    wal_forget(wal, 1, at_us(0));
    wal_reset(wal, 1, 0, 0, no_install, at_us(0));
    pump();
    found = disk_recover(&disk, &options);
    assert_int_equal(found->n_damage, 0);
    g = recovered_group(found, 1);
    assert_int_equal(g->term, 0);
    assert_int_equal(g->vote, 0);
    assert_int_equal(g->last, 0);
    assert_false(g->quarantined);
    wal_recovered_free(found);
}

/* The largest entry fits the usual segment with room to spare for hundreds of
 * groups' states. */
static void largest_entry_is_one_batch(void **state)
{
    static const uint8_t id[WAL_LOG_ID_BYTES] = "large";
    struct wal_options big = wal_options_default(id);
    uint8_t *data = xmalloc(WAL_ENTRY_BYTES_MAX);
    struct wal_entry e = {1, 1, slice_of(data, WAL_ENTRY_BYTES_MAX)};
    struct wal_recovered *found;
    struct wal_entry got;
    (void)state;

    memset(data, 0x42, WAL_ENTRY_BYTES_MAX);
    wal_free(wal);
    options = big;
    wal = wal_new(&options, NULL);
    for (uint32_t g = 0; g < 1025; g++)
        wal_reset(wal, g, 0, 0, no_install, at_us(0));
    for (unsigned i = 1; i <= 5; i++) {
        wal_append(wal, 7, i, &e, 1, false, at_us(0));
        pump();
    }
    assert_int_equal(wal_pending_bytes(wal), 0);
    wal_free(wal);
    wal = NULL;
    found = disk_recover(&disk, &options);
    assert_int_equal(found->n_groups, 1025);
    assert_int_equal(found->n_damage, 0);
    assert_int_equal(found->last_segment, 2);
    got = wal_recovered_entry(found, 7, 5);
    assert_true(slice_equal(got.data, e.data));
    wal_recovered_free(found);
    free(data);
}

/* A batch that is full is closed, though nothing was written yet: batches stay
 * bounded while a write takes long. */
static void full_batch_is_closed(void **state)
{
    uint8_t data[5000] = {0};
    struct wal_entry e = {1, 1, slice_of(data, sizeof data)};
    (void)state;

    wal_reset(wal, 1, 0, 0, no_install, at_us(0));
    disk.hold_writes = true;
    for (unsigned i = 1; i <= 9; i++)
        wal_append(wal, 1, i, &e, 1, false, at_us(0));
    pump();
    while (disk.has_flying) {
        assert_true(disk.flying.size <= options.batch_bytes + 8192);
        disk_finish(&disk, wal, &options, STATUS_OK, at_us(0));
    }
    assert_int_equal(wal_pending_bytes(wal), 0);
    assert_true(disk.writes >= 4);
}

/* What pins the oldest segment is named, so that its owner can flush; after a
 * copy forward nothing pins it. */
static void pinning_group_is_named_and_can_be_moved(void **state)
{
    uint8_t data[9000] = {0};
    struct wal_entry big = {1, 1, slice_of(data, sizeof data)};
    struct wal_entry e[2] = {entry(1, "idle"), entry(1, "too")};
    struct wal_recovered *found;
    uint32_t group;
    uint64_t index;
    (void)state;

    wal_reset(wal, 8, 0, 0, no_install, at_us(0));
    wal_reset(wal, 9, 0, 0, no_install, at_us(0));
    wal_append(wal, 9, 1, e, 2, false, at_us(0));
    pump();
    assert_false(wal_pinning(wal, &group, &index)); /* being written */
    for (unsigned i = 1; i <= 12; i++) {
        wal_append(wal, 8, i, &big, 1, false, at_us(0));
        pump();
    }
    wal_release(wal, 8, 12);
    assert_true(wal_pinning(wal, &group, &index));
    assert_int_equal(group, 9);
    wal_append(wal, 9, 1, e, 1, true, at_us(0));
    group = 0;
    assert_true(wal_pinning(wal, &group, &index)); /* entry 2 still does */
    assert_int_equal(group, 9);
    wal_append(wal, 9, 2, e + 1, 1, true, at_us(0));
    pump();
    assert_false(wal_pinning(wal, &group, &index));
    assert_null(disk_find(&disk, 1));
    wal_free(wal);
    wal = NULL;
    /* The copies are all that is left of them. */
    found = disk_recover(&disk, &options);
    assert_int_equal(found->n_damage, 0);
    assert_int_equal(recovered_group(found, 9)->first, 1);
    assert_int_equal(recovered_group(found, 9)->last, 2);
    assert_true(slice_equal(wal_recovered_entry(found, 9, 1).data,
                            slice_str("idle")));
    assert_true(slice_equal(wal_recovered_entry(found, 9, 2).data,
                            slice_str("too")));
    wal_recovered_free(found);
}

/* Votes outlive the segments they were written in: openings restate them. */
static void votes_survive_their_segment(void **state)
{
    uint8_t data[9000] = {0};
    struct wal_entry big = {1, 1, slice_of(data, sizeof data)};
    struct wal_recovered *found;
    const struct wal_recovered_group *g;
    (void)state;

    wal_reset(wal, 8, 0, 0, no_install, at_us(0));
    wal_reset(wal, 9, 33, 5, (const uint8_t *)"the install id..", at_us(0));
    wal_vote(wal, 9, 6, 3, at_us(0));
    for (unsigned i = 1; i <= 60; i++) {
        wal_append(wal, 8, i, &big, 1, false, at_us(0));
        pump();
        wal_release(wal, 8, i);
    }
    assert_null(disk_find(&disk, 1));
    found = disk_recover(&disk, &options);
    g = recovered_group(found, 9);
    assert_int_equal(g->term, 6);
    assert_int_equal(g->vote, 3);
    assert_int_equal(g->last, 33);
    assert_int_equal(g->base_term, 5);
    assert_int_equal(g->reset_index, 33);
    assert_memory_equal(g->install_id, "the install id..", 16);
    wal_recovered_free(found);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tickets_grow_over_all_groups),
        TEST(group_is_what_was_done_to_it),
        TEST(reset_keeps_term_and_vote),
        TEST(recreated_group_is_new),
        TEST(largest_entry_is_one_batch),
        TEST(full_batch_is_closed),
        TEST(pinning_group_is_named_and_can_be_moved),
        TEST(votes_survive_their_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
