/* test_files.c - small files are replaced as a whole or not at all. */
#include "tests/unit/node/shell/scratch.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/shell/datadir.h"

static void must_hold(const char *dir, const char *name, const char *text)
{
    struct buf b = {0};

    assert_int_equal(file_read(dir, name, &b), STATUS_OK);
    assert_true(slice_equal(buf_slice(&b), slice_str(text)));
    buf_release(&b);
}

/* Would break: a node that cannot read back who it is. */
static void replaced_files_hold_the_last_content(void **state)
{
    const char *dir = *state;

    assert_int_equal(file_replace(dir, "f", slice_str("one")), STATUS_OK);
    must_hold(dir, "f", "one");
    assert_int_equal(file_replace(dir, "f", slice_str("")), STATUS_OK);
    must_hold(dir, "f", "");
    assert_int_equal(file_replace(dir, "f", slice_str("three")), STATUS_OK);
    must_hold(dir, "f", "three");
    assert_int_equal(dir_count(dir, ""), 1); /* nothing of the way is left */
}

/* Would break: a map larger than one read() would come back cut. */
static void long_files_are_read_to_their_end(void **state)
{
    struct buf in = {0}, out = {0};

    for (unsigned i = 0; i < 100000; i++)
        buf_u32(&in, i * 2654435761u);
    assert_int_equal(file_replace(*state, "map", buf_slice(&in)), STATUS_OK);
    buf_append(&out, "old", 3); /* what was in the buffer goes */
    assert_int_equal(file_read(*state, "map", &out), STATUS_OK);
    assert_true(slice_equal(buf_slice(&in), buf_slice(&out)));
    buf_release(&in);
    buf_release(&out);
}

/* Would break: a stop between writing and renaming would take the identity
 * with it. What a stopped replacement left must neither be read nor be in the
 * way of the next one. */
static void interrupted_replacement_leaves_the_old_content(void **state)
{
    const char *dir = *state;

    assert_int_equal(file_replace(dir, "identity", slice_str("old")),
                     STATUS_OK);
    file_put(path_of(dir, "identity.new"), slice_str("half of the n"));
    must_hold(dir, "identity", "old");
    assert_int_equal(file_replace(dir, "identity", slice_str("new")),
                     STATUS_OK);
    must_hold(dir, "identity", "new");
    assert_false(file_exists(path_of(dir, "identity.new")));
}

/* A child whose files may not grow above 100 bytes: the write really fails
 * half-way. */
static int replace_with_a_limit(const char *dir)
{
    struct rlimit l = {100, 100};
    uint8_t bytes[4096];
    pid_t pid = fork();
    int how;

    assert_true(pid >= 0);
    if (!pid) {
        memset(bytes, 'n', sizeof bytes);
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &l);
        _exit(file_replace(dir, "f", slice_of(bytes, sizeof bytes)));
    }
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_true(WIFEXITED(how));
    return WEXITSTATUS(how);
}

/* Would break: a full disk would destroy what it cannot replace. */
static void failed_write_is_reported_and_changes_nothing(void **state)
{
    assert_int_equal(file_replace(*state, "f", slice_str("old")), STATUS_OK);
    assert_int_equal(replace_with_a_limit(*state), STATUS_IO_ERROR);
    must_hold(*state, "f", "old");
}

/* Would break: "there is none yet" and "it cannot be read" would be one, and a
 * node with an unreadable identity would take a new one. */
static void missing_and_unreadable_are_told_apart(void **state)
{
    const char *dir = *state;
    struct buf b = {0};

    assert_int_equal(file_read(dir, "none", &b), STATUS_NOT_FOUND);
    assert_int_equal(mkdir(path_of(dir, "folder"), 0700), 0);
    assert_int_equal(file_read(dir, "folder", &b), STATUS_IO_ERROR);
    assert_int_equal(file_replace(path_of(dir, "no"), "f", slice_str("x")),
                     STATUS_NOT_FOUND);
    assert_int_not_equal(file_replace(dir, "folder", slice_str("x")),
                         STATUS_OK);
    buf_release(&b);
}

/* Would break: a first start, or a start after it, in a folder that is there
 * already. */
static void folders_are_made_once_and_one_level_deep(void **state)
{
    const char *dir = *state;
    struct stat st;

    assert_int_equal(dir_make(path_of(dir, "a")), STATUS_OK);
    assert_int_equal(dir_make(path_of(dir, "a")), STATUS_OK);
    assert_int_equal(stat(path_of(dir, "a"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700); /* nobody else's business */
    assert_int_equal(dir_make(path_of(dir, "b/c")), STATUS_NOT_FOUND);
    file_put(path_of(dir, "file"), slice_str(""));
    assert_int_equal(dir_make(path_of(dir, "file")), STATUS_IO_ERROR);
    assert_int_equal(dir_sync(path_of(dir, "a")), STATUS_OK);
    assert_int_equal(dir_sync(path_of(dir, "none")), STATUS_NOT_FOUND);
}

/* Would break: --data with a relative name. */
static void folders_may_be_relative(void **state)
{
    int home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_int_equal(chdir(*state), 0);
    assert_int_equal(dir_make("here"), STATUS_OK);
    assert_true(file_exists("here"));
    assert_int_equal(fchdir(home), 0);
    close(home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name)                                                                \
    cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
        T(replaced_files_hold_the_last_content),
        T(long_files_are_read_to_their_end),
        T(interrupted_replacement_leaves_the_old_content),
        T(failed_write_is_reported_and_changes_nothing),
        T(missing_and_unreadable_are_told_apart),
        T(folders_are_made_once_and_one_level_deep),
        T(folders_may_be_relative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
