/* unit_row.c - see unit_row.h. */
#include "tests/sim/unit_row.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS = 60 };

static _Noreturn void child(const char *path, const char *test,
                            const char *plant)
{
    int null = open("/dev/null", O_WRONLY);

    if (null < 0 || dup2(null, STDOUT_FILENO) < 0 ||
        dup2(null, STDERR_FILENO) < 0 ||
        setenv("COAT_PLANTED", plant, 1) ||
        setenv("COAT_PLANTED_TEST", test, 1))
        _exit(2);
    alarm(SECONDS);
    execl(path, path, (char *)NULL);
    _exit(2);
}

static bool passes(const char *path, const char *test, const char *plant)
{
    int status = 0;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0)
        child(path, test, plant);
    return pid > 0 && waitpid(pid, &status, 0) == pid &&
           WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

enum unit_row unit_row_run(const char *beside, const char *program,
                           const char *test, const char *plant)
{
    const char *slash = strrchr(beside, '/');
    char path[4096];

    snprintf(path, sizeof path, "%.*s%s", slash ? (int)(slash - beside) + 1 : 0,
             beside, program);
    if (!passes(path, test, ""))
        return UNIT_ROW_WRONG;
    return passes(path, test, plant) ? UNIT_ROW_NOT_FOUND : UNIT_ROW_FOUND;
}
