/* test_recovery.c - what is found after crashes and damage, story by story. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/crc.h"
#include "raft/wal/format.h"
#include "tests/unit/raft/wal/disk.h"

static const uint8_t no_install[WAL_INSTALL_ID_BYTES];
static struct disk disk;
static struct wal_options options;
static struct wal *wal;

/* Where batches lie, as they were written. */
static struct wal_effect batch[64];
static unsigned batches;

static int setup(void **state)
{
    (void)state;
    options = small_options(64 << 10);
    wal = wal_new(&options, NULL);
    batches = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    wal_free(wal);
    wal = NULL;
    disk_release(&disk);
    return 0;
}

/* Write out everything pending, batch by batch. */
static void flush(void)
{
    disk.hold_writes = true;
    disk_pump(&disk, wal, &options, at_us(0));
    while (disk.has_flying) {
        batch[batches++ % 64] = disk.flying;
        disk_finish(&disk, wal, &options, STATUS_OK, at_us(0));
    }
}

static void create(uint32_t group)
{
    wal_reset(wal, group, 0, 0, no_install, at_us(0));
}

/* One entry whose payload is `size` bytes of its index. */
static void append(uint32_t group, uint32_t size)
{
    uint64_t index = wal_last(wal, group) + 1;
    uint8_t *data = xmalloc(size);
    struct wal_entry e = {1, 0, slice_of(data, size)};
    memset(data, (int)index, size);
    wal_append(wal, group, index, &e, 1, false, at_us(0));
    free(data);
}

/* The same in a batch of its own; gives the batch's number here. */
static unsigned append_alone(uint32_t group, uint32_t size)
{
    append(group, size);
    flush();
    return batches - 1;
}

static void seal(void)
{
    disk.hold_writes = false;
    disk_pump(&disk, wal, &options, at_us(10000000));
}

/* The process ends; the disk stays. */
static void stop(void)
{
    wal_free(wal);
    wal = NULL;
    disk.has_flying = disk.has_making = false;
}

static void restart(void)
{
    if (wal)
        stop();
    wal = disk_reopen(&disk, &options);
}

static uint8_t *bytes_of(unsigned b)
{
    return disk_bytes(&disk, batch[b].segment) + batch[b].offset;
}

static void spoil_header(unsigned b)
{
    bytes_of(b)[40] ^= 1;
}

static void spoil_body(unsigned b)
{
    bytes_of(b)[WAL_HEADER_BYTES + 20] ^= 1;
}

static uint64_t last_of(const struct wal_recovered *found, uint32_t group)
{
    const struct wal_recovered_group *g = recovered_group(found, group);
    assert_non_null(g);
    if (g->quarantined)
        fail_msg("group %u: %s", group, g->reason);
    for (uint64_t i = g->first; i <= g->last; i++) {
        struct wal_entry e = wal_recovered_entry(found, group, i);
        for (size_t j = 0; j < e.data.size; j++)
            assert_int_equal(e.data.data[j], (uint8_t)i);
    }
    return g->last;
}

static bool is_bad(const struct wal_recovered *found, uint32_t group)
{
    const struct wal_recovered_group *g = recovered_group(found, group);
    assert_non_null(g);
    assert_int_equal(g->quarantined, g->reason != NULL);
    return g->quarantined;
}

static bool noted(const struct wal_recovered *found, enum wal_damage_kind kind)
{
    for (unsigned i = 0; i < found->n_damage; i++)
        if (found->damage[i].kind == kind)
            return true;
    return false;
}

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

    create(1);
    flush();
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

    create(1);
    create(2);
    append(1, 100);
    flush();
    append(1, 3000);
    append(2, 3000);
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

    create(1);
    append(1, 100);
    flush();
    append(1, 3000);
    disk_pump(&disk, wal, &options, at_us(0));
    e = disk.flying;
    saved = xmalloc(e.size);
    memcpy(saved, e.data, e.size);
    restart();
    assert_int_equal(wal_last(wal, 1), 1);
    wal_vote(wal, 1, 8, 1, at_us(0));
    flush();
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

    create(1);
    create(2);
    create(3);
    flush();
    append(2, 10);
    b = append_alone(3, 10);
    append_alone(1, 10);
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

    create(1);
    create(2);
    flush();
    b = append_alone(1, 10);
    append(2, 3000);
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

    create(1);
    create(2);
    create(3);
    flush();
    b = append_alone(1, 10);
    append_alone(2, 10);
    append_alone(1, 10);
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

    create(1);
    create(2);
    create(3);
    append(3, 10);
    flush();
    b = append_alone(1, 10);
    append_alone(2, 10);
    restart();
    wal_vote(wal, 2, 1, 1, at_us(0));
    flush();
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
        create(g);
    create(100);
    create(101);
    flush();
    for (uint32_t g = 1; g <= groups; g++)
        append(g, 10);
    flush();
    b = batches - 1;
    append_alone(101, 10);
    assert_int_equal(wal_header_decode(slice_of(bytes_of(b), 4096), &h),
                     WAL_HEADER_OURS);
    assert_int_equal(h.groups, groups);
    bytes_of(b)[wal_row_at(groups - 1, h.body)] ^= 4;
    found = disk_recover(&disk, &options);
    assert_true(is_bad(found, 1));
    assert_true(is_bad(found, groups));
    assert_true(is_bad(found, 100)); /* could have been named there */
    assert_int_equal(last_of(found, 101), 1);
    wal_recovered_free(found);
    /* With the rows good, a spoiled body costs the named ones only. */
    bytes_of(b)[wal_row_at(groups - 1, h.body)] ^= 4;
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

    create(1);
    flush();
    create(2);
    flush();
    b = batches - 1;
    create(3);
    flush();
    append_alone(1, 10);
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

    create(1);
    create(2);
    append(2, 10);
    flush();
    wal_forget(wal, 1, at_us(0));
    flush();
    b = batches - 1;
    wal_forget(wal, 2, at_us(0));
    flush();
    create(2);
    append_alone(2, 10);
    spoil_header(b);
    spoil_header(b + 1);
    found = disk_recover(&disk, &options);
    assert_true(is_bad(found, 1));
    assert_int_equal(last_of(found, 2), 1);
    wal_recovered_free(found);
    spoil_header(b);
    spoil_header(b + 1);
    restart();
    wal_vote(wal, 2, 1, 1, at_us(0));
    flush();
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

    create(1);
    create(2);
    flush();
    b = append_alone(1, 10);
    append_alone(2, 10);
    spoil_body(b);
    restart();
    assert_true(wal_group(wal, 1, &info));
    assert_true(info.quarantined);
    for (unsigned i = 0; i < 20; i++) {
        append(2, 9000);
        flush();
        wal_release(wal, 2, wal_last(wal, 2));
        flush();
    }
    assert_null(disk_find(&disk, 1));
    stop();
    found = disk_recover(&disk, &options);
    assert_true(is_bad(found, 1));
    assert_int_equal(last_of(found, 2), 21);
    wal_recovered_free(found);
    restart();
    wal_forget(wal, 1, at_us(0));
    create(1);
    append(1, 10);
    flush();
    stop();
    found = disk_recover(&disk, &options);
    assert_int_equal(last_of(found, 1), 1);
    wal_recovered_free(found);
}

/* ---- segments ---- */

/* Fill until segment `id` is being written; a release keeps older ones out of
 * the way only if asked. */
static void fill_to(uint32_t group, uint64_t id)
{
    while (batches == 0 || batch[(batches - 1) % 64].segment < id)
        append_alone(group, 9000);
}

/* An opening says nothing new while the older segments are there. */
static void lost_opening_loses_nothing(void **state)
{
    struct wal_recovered *found;
    uint64_t last;
    (void)state;

    create(1);
    create(2);
    fill_to(1, 3);
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

/* The oldest opening is all there is of freed segments: without it nothing
 * before the next opening is certain, with that everything behind it is. */
static void lost_oldest_opening_is_made_up_by_the_next(void **state)
{
    struct wal_recovered *found;
    (void)state;

    create(1);
    create(2);
    wal_vote(wal, 2, 5, 1, at_us(0));
    append_alone(1, 100);
    spoil_header(0);
    stop();
    found = disk_recover(&disk, &options);
    assert_true(noted(found, WAL_DAMAGE_OPENING));
    assert_true(found->lost_unnamed);
    wal_recovered_free(found);
    spoil_header(0);
    restart();
    fill_to(1, 3);
    spoil_header(0);
    found = disk_recover(&disk, &options);
    assert_int_equal(recovered_group(found, 2)->term, 5);
    assert_false(is_bad(found, 1));
    assert_false(found->lost_unnamed);
    wal_recovered_free(found);
    /* The body of the oldest opening is as good as gone, too. */
    spoil_header(0);
    restart();
    fill_to(1, 5);
    wal_release(wal, 1, wal_last(wal, 1) - 1);
    flush();
    stop();
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

    create(1);
    create(2);
    append(2, 10);
    fill_to(1, 4);
    last = wal_last(wal, 1);
    stop();
    disk_remove(&disk, 2);
    found = disk_recover(&disk, &options);
    assert_true(noted(found, WAL_DAMAGE_SEGMENT));
    assert_int_equal(last_of(found, 2), 1);
    /* The opening of segment 3 heals it; the front is missing. */
    assert_int_equal(last_of(found, 1), last);
    assert_true(recovered_group(found, 1)->first > 6);
    wal_recovered_free(found);
    /* The log goes on over the hole and forgets it in time. */
    restart();
    wal_release(wal, 1, wal_last(wal, 1));
    wal_release(wal, 2, wal_last(wal, 2));
    fill_to(1, 6);
    wal_release(wal, 1, wal_last(wal, 1));
    fill_to(1, 8);
    assert_null(disk_find(&disk, 1));
    stop();
    found = disk_recover(&disk, &options);
    assert_int_equal(found->n_damage, 0);
    wal_recovered_free(found);
}

/* The newest segment with content is gone: the files made behind it tell. */
static void lost_newest_segment_is_noticed(void **state)
{
    struct wal_recovered *found;
    (void)state;

    create(1);
    fill_to(1, 2);
    stop();
    disk_remove(&disk, 2);
    found = disk_recover(&disk, &options);
    assert_true(noted(found, WAL_DAMAGE_SEGMENT));
    assert_true(is_bad(found, 1));
    assert_true(found->lost_unnamed);
    wal_recovered_free(found);
    restart();
    create(7);
    flush();
    restart();
    stop();
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

    create(1);
    flush();
    stop();
    disk_remove(&disk, 1);
    found = disk_recover(&disk, &options);
    assert_true(noted(found, WAL_DAMAGE_SEGMENT));
    assert_true(found->lost_unnamed);
    wal_recovered_free(found);
    restart();
    create(1);
    flush();
    assert_int_equal(batch[batches - 1].segment, 2);
}

/* Zeros where a segment was: the numbers of the next one tell. */
static void wiped_segment_is_noticed(void **state)
{
    struct wal_recovered *found;
    (void)state;

    create(1);
    create(2);
    fill_to(1, 3);
    stop();
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

    create(1);
    fill_to(1, 2);
    last = wal_last(wal, 1);
    stop();
    f = disk_find(&disk, 3);
    memcpy(f->bytes, disk_bytes(&disk, 1), f->size);
    found = disk_recover(&disk, &options);
    assert_int_equal(found->n_damage, 0);
    assert_int_equal(found->last_segment, 2);
    assert_int_equal(last_of(found, 1), last);
    wal_recovered_free(found);
    /* And is written over from its start. */
    restart();
    append_alone(1, 10);
    assert_int_equal(batch[batches - 1].segment, 3);
    stop();
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
        create(g);
    flush();
    b = append_alone(1, 10);
    restart();
    append(2, 10);
    disk_pump(&disk, wal, &options, at_us(0));
    e = disk.flying;
    assert_int_equal(e.offset, 0);
    assert_true(e.size > WAL_BLOCK);
    memcpy(disk_bytes(&disk, e.segment), e.data, WAL_BLOCK);
    stop();
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
    restart();
    append_alone(2, 10);
    assert_int_equal(batch[batches - 1].segment, e.segment);
    stop();
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

    create(1);
    flush();
    assert_non_null(disk_find(&disk, 4));
    stop();
    f = disk_find(&disk, 3);
    f->size /= 2;
    found = disk_recover(&disk, &options);
    assert_int_equal(found->n_remove, 2);
    assert_int_equal(found->remove[0], 4); /* highest first */
    assert_int_equal(found->remove[1], 3);
    wal_recovered_free(found);
    restart();
    disk.creates = 0;
    append_alone(1, 10);
    assert_int_equal(batch[batches - 1].segment, 2);
    assert_true(disk.creates >= 2);
}

/* Segments of another size are read, and removed instead of recycled. */
static void changed_segment_size_is_survived(void **state)
{
    struct wal_recovered *found;
    uint64_t last;
    (void)state;

    create(1);
    fill_to(1, 3);
    last = wal_last(wal, 1);
    stop();
    options = small_options(128 << 10);
    restart();
    assert_int_equal(wal_last(wal, 1), last);
    append_alone(1, 10);
    wal_release(wal, 1, last);
    flush();
    assert_true(disk.removes >= 3);
    stop();
    found = disk_recover(&disk, &options);
    assert_int_equal(found->n_damage, 0);
    assert_int_equal(last_of(found, 1), last + 1);
    wal_recovered_free(found);
}

/* The order of entries and truncations is the order of records. */
static void truncated_entries_stay_truncated(void **state)
{
    struct wal_recovered *found;
    struct wal_entry e = {2, 0, slice_str("\3\3\3")};
    (void)state;

    create(1);
    for (unsigned i = 0; i < 5; i++)
        append(1, 10);
    flush();
    wal_truncate(wal, 1, 3, at_us(0));
    wal_append(wal, 1, 3, &e, 1, false, at_us(0));
    flush();
    stop();
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

    create(1);
    flush();
    b = append_alone(1, 10);
    spoil_body(b);
    found = disk_recover(&disk, &options);
    assert_int_equal(last_of(found, 1), 0);
    wal_recovered_free(found);
    spoil_body(b);
    seal();
    spoil_body(b);
    found = disk_recover(&disk, &options);
    assert_true(is_bad(found, 1));
    wal_recovered_free(found);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

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
        TEST(lost_opening_loses_nothing),
        TEST(lost_oldest_opening_is_made_up_by_the_next),
        TEST(lost_segment_is_noticed),
        TEST(lost_newest_segment_is_noticed),
        TEST(lost_log_is_noticed),
        TEST(wiped_segment_is_noticed),
        TEST(recycled_file_is_blank),
        TEST(torn_opening_is_written_again),
        TEST(unusable_blank_files_are_removed),
        TEST(changed_segment_size_is_survived),
        TEST(truncated_entries_stay_truncated),
        TEST(damage_has_words),
        TEST(seal_tells_damage_from_a_torn_tail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
