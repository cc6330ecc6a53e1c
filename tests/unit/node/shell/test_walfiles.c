/* test_walfiles.c - segment files are made whole, and recovery reads only its
 * own. */
#include "tests/unit/node/shell/bare.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/crc.h"
#include "raft/wal/format.h"

enum { BYTES = 3 * 1024 * 1024 + 4096 };

static const char *segment_of(const char *dir, uint64_t segment)
{
    char name[64];

    snprintf(name, sizeof name, "%016lx.seg", (unsigned long)segment);
    return path_of(dir, name);
}

static void must_be_zeros(const char *path, long size)
{
    struct buf b;

    assert_int_equal(file_size(path), size);
    file_get(path, &b);
    for (size_t i = 0; i < b.size; i++)
        assert_int_equal(b.data[i], 0);
    buf_release(&b);
}

static ino_t inode_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_ino;
}

/* ---- making and removing ---- */

static enum status create(const char *dir, uint64_t segment,
                          uint64_t recycle_from, uint32_t bytes)
{
    return walfiles_create(dir, segment, recycle_from, bytes, NULL, NULL);
}

/* Would break: a segment that is not zeros to its end could hold old batches
 * of another file; a sparse one could meet a full disk in the middle. */
static void new_segments_are_zeros_to_their_end(void **state)
{
    const char *path = segment_of(*state, 0x1f);
    struct stat st;

    /* what an interrupted try left, larger than what is wanted */
    file_put(path_of(*state, "000000000000001f.seg.new"), slice_str("old"));
    assert_int_equal(create(*state, 0x1f, 0, BYTES), STATUS_OK);
    must_be_zeros(path, BYTES);
    assert_int_equal(stat(path, &st), 0);
    assert_true((long)st.st_blocks * 512 >= BYTES);
    assert_int_equal(dir_count(*state, ""), 1);
}

struct pacing {
    uint32_t piece, left;
    unsigned asked;
};

static uint32_t pace(void *arg, uint32_t left)
{
    struct pacing *p = arg;

    assert_int_equal(left, p->left);
    p->left -= MIN_OF(left, p->piece);
    p->asked++;
    return p->piece;
}

/* Would break: whoever has time fills 4 MiB at once all the same, and whoever
 * has none stops for each of many pieces. */
static void a_segment_is_made_in_pieces_as_large_as_asked_for(void **state)
{
    struct pacing small = {.piece = 512 * 1024, .left = BYTES};
    struct pacing large = {.piece = UINT32_MAX, .left = BYTES};

    assert_int_equal(walfiles_create(*state, 1, 0, BYTES, pace, &small),
                     STATUS_OK);
    must_be_zeros(segment_of(*state, 1), BYTES);
    assert_int_equal(small.asked, 7);
    assert_int_equal(walfiles_create(*state, 2, 0, BYTES, pace, &large),
                     STATUS_OK);
    must_be_zeros(segment_of(*state, 2), BYTES);
    assert_int_equal(large.asked, 1);
}

/* Would break: on a full disk nothing could be made of what is there. */
static void recycled_segments_are_renamed_not_copied(void **state)
{
    const char *old = segment_of(*state, 1), *path = segment_of(*state, 9);
    ino_t inode;

    assert_int_equal(create(*state, 1, 0, BYTES), STATUS_OK);
    file_flip(old, 5000);
    inode = inode_of(old);
    assert_int_equal(create(*state, 9, 1, BYTES), STATUS_OK);
    assert_false(file_exists(old));
    assert_int_equal(inode_of(path), inode);
    assert_int_equal(file_size(path), BYTES);
}

/* Would break: a changed --segment-mib would leave segments that end before
 * the log thinks they do. */
static void segments_of_another_size_are_made_anew(void **state)
{
    const char *old = segment_of(*state, 1);

    assert_int_equal(create(*state, 1, 0, BYTES - 4096), STATUS_OK);
    file_flip(old, 5000);
    assert_int_equal(create(*state, 2, 1, BYTES), STATUS_OK);
    assert_false(file_exists(old));
    must_be_zeros(segment_of(*state, 2), BYTES);
    /* and what should be recycled may be gone altogether */
    assert_int_equal(create(*state, 3, 1, BYTES), STATUS_OK);
    must_be_zeros(segment_of(*state, 3), BYTES);
    assert_int_equal(dir_count(*state, ""), 2);
}

/* Would break: a segment that could only be made in part would count as one,
 * or its rest would fill the disk for ever. */
static void failed_creation_leaves_nothing(void **state)
{
    struct rlimit l = {100000, 100000};
    pid_t pid;
    int how;

    assert_int_equal(create(path_of(*state, "no"), 1, 0, BYTES),
                     STATUS_IO_ERROR);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &l);
        _exit(create(*state, 1, 0, BYTES));
    }
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), STATUS_IO_ERROR);
    assert_int_equal(dir_count(*state, ""), 0);
}

/* Would break: removing again, after a stop that came in between. */
static void removing_is_repeatable(void **state)
{
    assert_int_equal(create(*state, 7, 0, 65536), STATUS_OK);
    assert_int_equal(create(*state, 8, 0, 65536), STATUS_OK);
    assert_int_equal(walfiles_remove(*state, 7), STATUS_OK);
    assert_int_equal(walfiles_remove(*state, 7), STATUS_OK);
    assert_false(file_exists(segment_of(*state, 7)));
    assert_true(file_exists(segment_of(*state, 8)));
    assert_int_equal(mkdir(segment_of(*state, 9), 0700), 0);
    assert_int_equal(walfiles_remove(*state, 9), STATUS_IO_ERROR);
}

/* Would break: a reader that could write, a writer that could not. */
static void descriptors_are_for_what_was_asked(void **state)
{
    int fd;

    assert_int_equal(walfiles_descriptor(*state, 1, true), -1);
    assert_int_equal(create(*state, 1, 0, 65536), STATUS_OK);
    fd = walfiles_descriptor(*state, 1, false);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
    fd = walfiles_descriptor(*state, 1, true);
    assert_int_equal(pwrite(fd, "x", 1, 0), 1);
    close(fd);
}

/* ---- recovery ---- */

/* Would break: the first start of all. */
static void first_open_makes_an_empty_log_with_an_id(void **state)
{
    struct bare b;

    bare_init(&b, *state);
    bare_must_open_log(&b);
    assert_int_equal(b.n_groups, 0);
    assert_false(b.lost_unnamed);
    assert_int_equal(file_size(path_of(b.wal, "ID")), 20);
    assert_int_equal(dir_count(b.wal, ".seg"), 0);
    assert_int_equal(b.n.wal_options.segment_bytes, BARE_SEGMENT_BYTES);
    bare_release(&b);
}

/* A log of two groups with entries, closed. */
static void write_some(struct bare *b)
{
    bare_must_open_log(b);
    bare_reset(b, 1, 1);
    bare_reset(b, 4, 10);
    bare_append(b, 1, "one ");
    bare_append(b, 4, "four");
    bare_settle(b);
    bare_append(b, 1, "two ");
    bare_append(b, 1, "three");
    bare_settle(b);
    bare_close_log(b);
}

static void must_have_some(const struct bare *b)
{
    const struct bare_group *one = bare_group(b, 1), *four = bare_group(b, 4);

    assert_int_equal(b->n_groups, 2);
    assert_non_null(one);
    assert_non_null(four);
    assert_false(one->g.quarantined);
    assert_int_equal(one->g.first, 2);
    assert_int_equal(one->g.last, 4);
    assert_int_equal(one->g.term, 1);
    assert_true(slice_equal(buf_slice(&one->text),
                            slice_str("one two three")));
    assert_int_equal(four->g.first, 11);
    assert_int_equal(four->g.last, 11);
    assert_true(slice_equal(buf_slice(&four->text), slice_str("four")));
}

/* Would break: everything acknowledged, at every restart. */
static void synced_records_come_back_after_each_open(void **state)
{
    struct bare b;

    bare_init(&b, *state);
    write_some(&b);
    for (unsigned i = 0; i < 3; i++) {
        bare_must_open_log(&b);
        must_have_some(&b);
        bare_close_log(&b);
    }
    bare_release(&b);
}

/* Would break: each restart opens a segment, and the disk fills with them
 * although what they hold has been released. */
static void restarts_do_not_pile_up_segments(void **state)
{
    unsigned count = 0;
    struct bare b;

    bare_init(&b, *state);
    write_some(&b);
    for (unsigned i = 0; i < 12; i++) {
        uint64_t last;
        bare_must_open_log(&b);
        last = wal_last(b.n.journal.wal, 1);
        wal_release(b.n.journal.wal, 1, last);
        wal_release(b.n.journal.wal, 4, wal_last(b.n.journal.wal, 4));
        bare_append(&b, 1, "more");
        bare_append(&b, 4, "more");
        bare_settle(&b);
        bare_close_log(&b);
        if (i == 5)
            count = dir_count(b.wal, ".seg");
    }
    assert_true(dir_count(b.wal, ".seg") <= count);
    bare_release(&b);
}

/* Would break: half-made files would be taken for segments, or stay for
 * ever; files of others would be deleted. */
static void leftovers_go_and_strange_names_stay(void **state)
{
    struct bare b;

    bare_init(&b, *state);
    write_some(&b);
    file_put(path_of(b.wal, "00000000000000ff.seg.new"), slice_str("half"));
    file_put(path_of(b.wal, "ID.new"), slice_str("half"));
    file_put(path_of(b.wal, "notes.txt"), slice_str("mine"));
    file_put(path_of(b.wal, "12.seg"), slice_str("not a name of ours"));
    file_put(path_of(b.wal, "00000000000000ff.segment"), slice_str(""));
    bare_must_open_log(&b);
    must_have_some(&b);
    assert_int_equal(dir_count(b.wal, ".new"), 0);
    assert_true(file_exists(path_of(b.wal, "notes.txt")));
    assert_true(file_exists(path_of(b.wal, "12.seg")));
    assert_true(file_exists(path_of(b.wal, "00000000000000ff.segment")));
    bare_release(&b);
}

/* Would break: a segment restored from another node's backup would be read as
 * this node's votes and entries. */
static void foreign_segment_is_refused_by_name(void **state)
{
    struct bare b, other;

    bare_init(&b, path_of(*state, "b"));
    bare_init(&other, path_of(*state, "other"));
    write_some(&b);
    write_some(&other);
    file_copy(bare_segment(&other, 1), bare_segment(&b, 77));
    assert_int_equal(bare_open_log(&b), STATUS_WRONG_NODE);
    must_say(b.error, bare_segment(&b, 77));
    must_say(b.error, "belongs to another data directory");
    assert_true(file_exists(bare_segment(&b, 77)));
    assert_int_equal(unlink(bare_segment(&b, 77)), 0);
    bare_must_open_log(&b); /* nothing was changed by the refusal */
    must_have_some(&b);
    bare_release(&b);
    bare_release(&other);
}

/* Would break: an older program would cut what a newer one wrote as damage. */
static void segment_of_a_newer_version_is_refused_by_name(void **state)
{
    struct bare b;
    struct buf s;

    bare_init(&b, *state);
    write_some(&b);
    file_get(bare_segment(&b, 1), &s);
    put_u32(s.data + 4, WAL_FORMAT_LEVEL + 1);
    put_u32(s.data, crc32c(0, s.data + 4, WAL_HEADER_BYTES - 4));
    file_put(bare_segment(&b, 2), buf_slice(&s));
    assert_int_equal(bare_open_log(&b), STATUS_WRONG_VERSION);
    must_say(b.error, bare_segment(&b, 2));
    must_say(b.error, "newer version");
    buf_release(&s);
    bare_release(&b);
}

/* Would break: a number that no segment of ours has would be an assertion. */
static void impossible_segment_number_is_refused_by_name(void **state)
{
    struct bare b;

    bare_init(&b, *state);
    write_some(&b);
    file_copy(bare_segment(&b, 1), bare_segment(&b, UINT64_MAX));
    assert_int_equal(bare_open_log(&b), STATUS_INVALID);
    must_say(b.error, "ffffffffffffffff.seg");
    bare_release(&b);
}

/* Would break: without its id the log's checksums mean nothing; a new id
 * beside replicas that exist would declare all of their log foreign. */
static void log_id_is_made_once_and_never_again(void **state)
{
    const char *id;
    struct bare b;
    struct buf kept;

    bare_init(&b, *state);
    write_some(&b);
    id = path_of(b.wal, "ID");
    file_get(id, &kept);
    file_flip(id, 3);
    assert_int_equal(bare_open_log(&b), STATUS_CORRUPT);
    must_say(b.error, id);
    must_say(b.error, "damaged or missing");
    file_put(id, slice_of(kept.data, 19));
    assert_int_equal(bare_open_log(&b), STATUS_CORRUPT);
    assert_int_equal(unlink(id), 0);
    for (int s = INIT_STATE_CREATED; s <= INIT_STATE_ACTIVE; s++) {
        b.n.dir.init = (enum init_state)s;
        assert_int_equal(bare_open_log(&b), STATUS_CORRUPT);
        must_say(b.error, id);
        assert_false(file_exists(id));
    }
    file_put(id, buf_slice(&kept));
    bare_must_open_log(&b);
    must_have_some(&b);
    buf_release(&kept);
    bare_release(&b);
}

/* Would break: a replica whose vote or entry is damaged on disk would go on
 * as if it never was. The other group is untouched. */
static void damaged_entry_quarantines_its_group_alone(void **state)
{
    struct bare b;
    struct buf s;
    size_t at = 0;

    bare_init(&b, *state);
    bare_must_open_log(&b);
    bare_reset(&b, 1, 1);
    bare_reset(&b, 4, 10);
    bare_append(&b, 4, "four");
    bare_settle(&b);
    bare_append(&b, 1, "needle in the log");
    bare_settle(&b);
    bare_append(&b, 4, "behind"); /* so that it is not a torn tail */
    bare_settle(&b);
    bare_close_log(&b);
    file_get(bare_segment(&b, 1), &s);
    while (memcmp(s.data + at, "needle", 6))
        assert_true(++at < s.size - 6);
    buf_release(&s);
    file_flip(bare_segment(&b, 1), at);
    bare_must_open_log(&b);
    assert_true(bare_group(&b, 1)->g.quarantined);
    assert_non_null(bare_group(&b, 1)->g.reason);
    assert_false(bare_group(&b, 4)->g.quarantined);
    assert_true(slice_equal(buf_slice(&bare_group(&b, 4)->text),
                            slice_str("fourbehind")));
    bare_release(&b);
}

/* Would break: a log that lost its only file would look like a new one. */
static void emptied_segment_never_looks_like_a_whole_log(void **state)
{
    struct bare b;

    bare_init(&b, *state);
    write_some(&b);
    file_put(bare_segment(&b, 1), slice_of("", 0));
    bare_must_open_log(&b);
    assert_true(!bare_group(&b, 1) || bare_group(&b, 1)->g.quarantined);
    assert_true(!bare_group(&b, 4) || bare_group(&b, 4)->g.quarantined);
    bare_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name)                                                                \
    cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
        T(new_segments_are_zeros_to_their_end),
        T(a_segment_is_made_in_pieces_as_large_as_asked_for),
        T(recycled_segments_are_renamed_not_copied),
        T(segments_of_another_size_are_made_anew),
        T(failed_creation_leaves_nothing),
        T(removing_is_repeatable),
        T(descriptors_are_for_what_was_asked),
        T(first_open_makes_an_empty_log_with_an_id),
        T(synced_records_come_back_after_each_open),
        T(restarts_do_not_pile_up_segments),
        T(leftovers_go_and_strange_names_stay),
        T(foreign_segment_is_refused_by_name),
        T(segment_of_a_newer_version_is_refused_by_name),
        T(impossible_segment_number_is_refused_by_name),
        T(log_id_is_made_once_and_never_again),
        T(damaged_entry_quarantines_its_group_alone),
        T(emptied_segment_never_looks_like_a_whole_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
