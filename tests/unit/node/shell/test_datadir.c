/* test_datadir.c - a data directory knows who it is, and says what is wrong. */
#include "tests/unit/node/shell/scratch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/shell/datadir.h"
#include "proto/crc.h"

/* In the files: u16 level at 6, u32 crc of all else at 8, the rest from 12. */
enum { AT_LEVEL = 6, AT_CRC = 8, AT_REST = 12, AT_INIT = AT_REST + 24 };

static enum status open_dir(struct datadir *d, const char *path, char *error)
{
    error[0] = 0;
    return datadir_open(d, path, true, error);
}

static void must_open(struct datadir *d, const char *path)
{
    char error[DATADIR_ERROR_SIZE];
    enum status st = open_dir(d, path, error);

    if (st != STATUS_OK)
        fail_msg("%s: %s", status_name(st), error);
}

/* It must be refused with this status and a line that names both. */
static void must_refuse(const char *path, enum status want, const char *what)
{
    char error[DATADIR_ERROR_SIZE];
    struct datadir d;

    assert_int_equal(open_dir(&d, path, error), want);
    must_say(error, path);
    must_say(error, what);
    assert_null(strchr(error, '\n'));
}

/* The file's checksum after it was changed on purpose. */
static void reseal(const char *path)
{
    struct buf b;

    file_get(path, &b);
    put_u32(b.data + AT_CRC, crc32c(crc32c(0, b.data, AT_CRC), b.data + AT_REST,
                                   b.size - AT_REST));
    file_put(path, buf_slice(&b));
    buf_release(&b);
}

static void set_level(const char *path, uint16_t level)
{
    struct buf b;

    file_get(path, &b);
    put_u16(b.data + AT_LEVEL, level);
    file_put(path, buf_slice(&b));
    buf_release(&b);
    reseal(path);
}

static struct cluster_map *map_for(const struct datadir *d, uint8_t cluster)
{
    struct map_node node = {.id = 1, .client_address = "127.0.0.1:1",
                            .peer_address = "127.0.0.1:2"};
    struct map_plan plan = {.nodes = &node, .n_nodes = 1, .data_groups = 2};
    struct cluster_map *map;
    const char *why;

    memset(plan.cluster, cluster, ID_BYTES);
    memcpy(node.directory, d->directory, ID_BYTES);
    assert_int_equal(map_initial(&plan, &map, &why), STATUS_OK);
    return map;
}

/* As cluster init's first step does it. */
static void accept_cluster(struct datadir *d, uint8_t cluster)
{
    struct cluster_map *map = map_for(d, cluster);

    memcpy(d->cluster, map->cluster, ID_BYTES);
    assert_int_equal(datadir_save_map(d, map), STATUS_OK);
    assert_int_equal(datadir_save_init(d, INIT_STATE_ACCEPTED), STATUS_OK);
    map_free(map);
}

/* A closed directory that belongs to a cluster. */
static void make_accepted(const char *path)
{
    struct datadir d;

    must_open(&d, path);
    accept_cluster(&d, 7);
    datadir_close(&d);
}

/* Would break: the first start of a node; two nodes with one identity. */
static void fresh_directories_are_blank_and_differ(void **state)
{
    struct datadir a, b;

    must_open(&a, path_of(*state, "a"));
    must_open(&b, path_of(*state, "b"));
    assert_int_equal(a.init, INIT_STATE_BLANK);
    assert_int_equal(a.boot_count, 1);
    assert_null(a.map);
    assert_true(a.fsync_us > 0);
    assert_memory_not_equal(a.directory, b.directory, ID_BYTES);
    assert_false(file_exists(path_of(*state, "a/fsync.probe")));
    datadir_close(&a);
    datadir_close(&b);
}

/* Would break: peers refuse a boot counter that does not grow, or take an old
 * process of this node for the new one. */
static void every_open_counts_a_boot_of_the_same_directory(void **state)
{
    uint8_t id[ID_BYTES];
    struct datadir d;

    must_open(&d, *state);
    memcpy(id, d.directory, ID_BYTES);
    datadir_close(&d);
    for (unsigned boot = 2; boot < 5; boot++) {
        must_open(&d, *state);
        assert_int_equal(d.boot_count, boot);
        assert_memory_equal(d.directory, id, ID_BYTES);
        datadir_close(&d);
    }
}

/* Would break: after a restart the node would not know its cluster, and a
 * second cluster init could take it. */
static void accepted_cluster_and_map_come_back(void **state)
{
    struct cluster_map *map;
    struct datadir d;

    make_accepted(*state);
    must_open(&d, *state);
    assert_int_equal(d.init, INIT_STATE_ACCEPTED);
    assert_int_equal(d.cluster[0], 7);
    assert_non_null(d.map);
    assert_int_equal(d.map->n_groups, 3);
    assert_non_null(map_node_of_directory(d.map, d.directory));

    map = map_copy(d.map);
    map_activate(map);
    assert_int_equal(datadir_save_map(&d, map), STATUS_OK);
    assert_int_equal(datadir_save_init(&d, INIT_STATE_ACTIVE), STATUS_OK);
    map_free(map);
    datadir_close(&d);
    must_open(&d, *state);
    assert_int_equal(d.init, INIT_STATE_ACTIVE);
    assert_int_equal(d.map->epoch, 2);
    assert_int_equal(d.boot_count, 3);
    datadir_close(&d);
}

/* Would break: saving the map that is in use would free it. */
static void saving_the_own_map_again_keeps_it(void **state)
{
    struct datadir d;

    must_open(&d, *state);
    accept_cluster(&d, 7);
    assert_int_equal(datadir_save_map(&d, d.map), STATUS_OK);
    assert_int_equal(d.map->n_nodes, 1);
    datadir_close(&d);
}

/* Would break: two daemons writing one log. The lock is between processes, so
 * a child has to try. */
static void second_process_is_refused_and_told_the_first(void **state)
{
    char pid_text[32], error[DATADIR_ERROR_SIZE];
    struct datadir d, second;
    pid_t pid;
    int how;

    must_open(&d, *state);
    snprintf(pid_text, sizeof pid_text, "(pid %d)", (int)getpid());
    pid = fork();
    assert_true(pid >= 0);
    if (!pid)
        _exit(open_dir(&second, *state, error) == STATUS_BUSY &&
                      strstr(error, pid_text) && strstr(error, *state)
                  ? 0
                  : 1);
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_int_equal(how, 0);
    datadir_close(&d);
    must_open(&d, *state); /* the refused one left it usable, and uncounted */
    assert_int_equal(d.boot_count, 2);
    datadir_close(&d);
}

/* Would break: a flipped bit anywhere in the identity would be believed: a
 * wrong boot counter, another directory's id. */
static void damaged_identity_is_refused_at_every_byte(void **state)
{
    const char *file = path_of(*state, "identity");
    struct datadir d;
    size_t size;

    must_open(&d, *state);
    datadir_close(&d);
    size = (size_t)file_size(file);
    for (size_t at = 0; at < size; at++) {
        char error[DATADIR_ERROR_SIZE];
        enum status st;
        file_flip(file, at);
        st = open_dir(&d, *state, error);
        if (st != STATUS_CORRUPT)
            fail_msg("byte %zu: %s", at, status_name(st));
        must_say(error, "identity is damaged or missing");
        file_flip(file, at);
    }
    must_open(&d, *state);
    assert_int_equal(d.boot_count, 2); /* no failed open was counted */
    datadir_close(&d);
}

/* Would break: a file cut by a crash of the file system would be read beyond
 * its end, or believed in part. */
static void cut_or_longer_identity_is_refused(void **state)
{
    const char *file = path_of(*state, "identity");
    struct datadir d;
    struct buf b;

    must_open(&d, *state);
    datadir_close(&d);
    file_get(file, &b);
    for (size_t size = 0; size < b.size; size += 5) {
        file_put(file, slice_of(b.data, size));
        if (size > AT_REST)
            reseal(file);
        must_refuse(*state, STATUS_CORRUPT, "identity");
    }
    buf_u8(&b, 0);
    file_put(file, buf_slice(&b));
    reseal(file);
    must_refuse(*state, STATUS_CORRUPT, "identity");
    buf_release(&b);
}

/* Would break: an older program would guess at what a newer one wrote. */
static void files_of_a_newer_version_are_named(void **state)
{
    make_accepted(*state);
    set_level(path_of(*state, "map"), 2);
    must_refuse(*state, STATUS_WRONG_VERSION, "newer version (map)");
    set_level(path_of(*state, "map"), 1);
    set_level(path_of(*state, "identity"), 2);
    must_refuse(*state, STATUS_WRONG_VERSION, "newer version (identity)");
}

/* Would break: a state that no program of ours writes would index beyond the
 * list of their names. */
static void unknown_init_state_is_damage(void **state)
{
    const char *file = path_of(*state, "identity");
    struct datadir d;
    struct buf b;

    must_open(&d, *state);
    datadir_close(&d);
    for (unsigned i = 0; i < 3; i++) {
        static const uint64_t states[] = {INIT_STATE_ACTIVE + 1, 1u << 31,
                                          (uint64_t)1 << 32};
        file_get(file, &b);
        put_u64(b.data + AT_INIT, states[i]);
        file_put(file, buf_slice(&b));
        buf_release(&b);
        reseal(file);
        must_refuse(*state, STATUS_CORRUPT, "identity");
    }
}

/* Would break: without its identity a directory would come up as a new node,
 * and forget what its replicas have voted and acknowledged. */
static void missing_identity_beside_data_is_refused(void **state)
{
    static const char *const left[] = {"wal", "groups", "map"};
    struct datadir d;

    for (unsigned i = 0; i < ARRAY_LEN(left); i++) {
        const char *dir = path_of(*state, left[i]);
        const char *kept = path_of(dir, left[i]);
        must_open(&d, dir);
        datadir_close(&d);
        assert_int_equal(mkdir(kept, 0700), 0);
        must_open(&d, dir); /* with its identity all is well */
        datadir_close(&d);
        assert_int_equal(unlink(path_of(dir, "identity")), 0);
        must_refuse(dir, STATUS_CORRUPT, "identity");
        assert_false(file_exists(path_of(dir, "identity")));
    }
}

/* Would break: the cold start would follow a damaged map. */
static void damaged_or_missing_map_is_refused(void **state)
{
    const char *file = path_of(*state, "map");
    struct datadir d;
    struct buf b;

    make_accepted(*state);
    file_get(file, &b);
    for (size_t at = AT_REST; at < b.size; at += 211) {
        file_flip(file, at);
        must_refuse(*state, STATUS_CORRUPT, "map is damaged or missing");
        file_flip(file, at);
    }
    file_put(file, slice_of(b.data, b.size / 2));
    reseal(file); /* whole by its checksum, and still not a map */
    must_refuse(*state, STATUS_CORRUPT, "map");
    file_put(file, slice_of(b.data, 3));
    must_refuse(*state, STATUS_CORRUPT, "map");
    assert_int_equal(unlink(file), 0);
    must_refuse(*state, STATUS_CORRUPT, "map");
    file_put(file, buf_slice(&b));
    must_open(&d, *state);
    datadir_close(&d);
    buf_release(&b);
}

/* Would break: a map copied from another cluster's node would lead this one's
 * replicas to strangers. */
static void map_of_another_cluster_is_refused(void **state)
{
    const char *one = path_of(*state, "one"), *two = path_of(*state, "two");
    struct datadir d;

    make_accepted(one);
    must_open(&d, two);
    accept_cluster(&d, 8);
    datadir_close(&d);
    file_copy(path_of(two, "map"), path_of(one, "map"));
    must_refuse(one, STATUS_CORRUPT, "map");
}

/* Would break: a stop between map and identity in the first step of init: the
 * node is still blank, and takes another cluster's map. */
static void map_without_accepted_identity_counts_for_nothing(void **state)
{
    struct cluster_map *map;
    struct datadir d;

    must_open(&d, *state);
    map = map_for(&d, 9);
    assert_int_equal(datadir_save_map(&d, map), STATUS_OK);
    map_free(map);
    datadir_close(&d);
    must_open(&d, *state);
    assert_int_equal(d.init, INIT_STATE_BLANK);
    assert_null(d.map);
    accept_cluster(&d, 10);
    datadir_close(&d);
    must_open(&d, *state);
    assert_int_equal(d.map->cluster[0], 10);
    datadir_close(&d);
}

/* Would break: acknowledged writes on a disk that forgets them. */
static void memory_file_systems_are_refused_unless_wanted(void **state)
{
    char dir[] = "/dev/shm/coat-shell.XXXXXX", error[DATADIR_ERROR_SIZE];
    struct datadir d;

    (void)state;
    if (!dir_in_memory("/dev/shm"))
        skip();
    assert_non_null(mkdtemp(dir));
    assert_int_equal(datadir_open(&d, dir, false, error), STATUS_DENIED);
    must_say(error, "tmpfs");
    must_say(error, dir);
    must_say(error, "--unsafe-disk");
    assert_false(file_exists(path_of(dir, "identity")));
    must_open(&d, dir);
    datadir_close(&d);
    scratch_remove(dir);
}

/* Would break: errors that do not say which directory, or a buffer overrun. */
static void impossible_places_are_named(void **state)
{
    char error[DATADIR_ERROR_SIZE], name[4200];
    struct datadir d;

    must_refuse(path_of(*state, "no/such"), STATUS_NOT_FOUND, "no/such");
    file_put(path_of(*state, "file"), slice_str(""));
    must_refuse(path_of(*state, "file"), STATUS_IO_ERROR, "file");
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    assert_int_equal(open_dir(&d, name, error), STATUS_INVALID);
    must_say(error, "too long");
}

/* Would break: closing what could not be opened. */
static void closing_twice_is_harmless(void **state)
{
    struct datadir d;

    must_open(&d, *state);
    datadir_close(&d);
    datadir_close(&d);
    assert_string_equal(init_state_name(INIT_STATE_BLANK), "blank");
    assert_string_equal(init_state_name(INIT_STATE_ACTIVE), "serving");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name)                                                                \
    cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
        T(fresh_directories_are_blank_and_differ),
        T(every_open_counts_a_boot_of_the_same_directory),
        T(accepted_cluster_and_map_come_back),
        T(saving_the_own_map_again_keeps_it),
        T(second_process_is_refused_and_told_the_first),
        T(damaged_identity_is_refused_at_every_byte),
        T(cut_or_longer_identity_is_refused),
        T(files_of_a_newer_version_are_named),
        T(unknown_init_state_is_damage),
        T(missing_identity_beside_data_is_refused),
        T(damaged_or_missing_map_is_refused),
        T(map_of_another_cluster_is_refused),
        T(map_without_accepted_identity_counts_for_nothing),
        T(memory_file_systems_are_refused_unless_wanted),
        T(impossible_places_are_named),
        T(closing_twice_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
