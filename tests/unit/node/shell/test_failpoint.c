/* test_failpoint.c - failpoints, as a build for tests has them. Each case runs
 * in a process of its own, for what they do ends it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/shell/failpoint.h"

enum { WENT_ON = 0, FAILED = 3, WRONG = 4 };

/* Reach WAL_SYNC_AFTER `times` times with COAT_FAILPOINT set to this; how the
 * process ended, as waitpid() tells it. */
static int ended_with(const char *value, unsigned times)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        fclose(stderr);
        setenv("COAT_FAILPOINT", value, 1);
        failpoints_init();
        for (unsigned i = 1; i <= times; i++) {
            if (FAILPOINT(APPLY_BEFORE))
                _exit(WRONG);
            errno = 0;
            if (FAILPOINT(WAL_SYNC_AFTER))
                _exit(errno == EIO ? FAILED + (int)(i * 8) : WRONG);
        }
        _exit(WENT_ON);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void assert_exit(int status, int code)
{
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), code);
}

/* Broken: a test of a crash would pass without one. */
static void a_crash_is_a_kill_at_the_named_time(void **state)
{
    int status = ended_with("wal_sync_after=crash@3", 3);

    (void)state;
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_exit(ended_with("wal_sync_after=crash@3", 2), WENT_ON);
}

/* Broken: errors would hit the first of many calls only, or all of them. */
static void an_error_comes_at_its_time_or_from_then_on(void **state)
{
    (void)state;
    assert_exit(ended_with("WAL_SYNC_AFTER=error", 5), FAILED + 8);
    assert_exit(ended_with("wal_sync_after=error@4", 5), FAILED + 32);
    assert_exit(ended_with("wal_sync_after=error@4+", 5), FAILED + 32);
    assert_exit(ended_with("wal_sync_after=error@6", 5), WENT_ON);
}

/* Broken: unset or waiting failpoints would change what the daemon does. */
static void others_go_on_as_ever(void **state)
{
    (void)state;
    assert_exit(ended_with("", 5), WENT_ON);
    assert_exit(ended_with("wal_sync_after=delay:1@2+", 5), WENT_ON);
    assert_exit(ended_with("map_before=crash,file_synced=error@2", 5),
                WENT_ON);
}

/* Broken: a misspelt failpoint would test nothing, and nobody would know. */
static void what_cannot_be_understood_is_refused(void **state)
{
    static const char *const bad[] = {
        "nowhere=crash", "wal_sync_after", "wal_sync_after=explode",
        "wal_sync_after=crash@", "wal_sync_after=crash@0",
        "wal_sync_after=crash@2-", "wal_sync_after=crash@2++",
        "wal_sync_after=delay:", "wal_sync_after=delay:x",
        "apply_after=error"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_exit(ended_with(bad[i], 1), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_is_a_kill_at_the_named_time),
        cmocka_unit_test(an_error_comes_at_its_time_or_from_then_on),
        cmocka_unit_test(others_go_on_as_ever),
        cmocka_unit_test(what_cannot_be_understood_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
