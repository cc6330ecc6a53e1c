/* attempt.c - see attempt.h. */
#include "tests/sim/attempt.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/log.h"
#include "tests/sim/fail.h"

enum { SECONDS = 120 };

/* Of the child. */
static struct attempt result;
static struct trial trial;
static int result_fd = -1;

static void report(void)
{
    const char *at = (const char *)&result;
    size_t left = sizeof result;

    result.ms = trial.c.now;
    result.answered = trial.clients.ok;
    result.refused = trial.clients.refused;
    result.unknown = trial.clients.unknown;
    result.steps = trial.c.count.steps;
    result.hash = trial.c.hash;
    result.faults_planned = trial.faults.n;
    memcpy(result.faults, trial.faults.count, sizeof result.faults);
    result.crashes = trial.c.count.crashes;
    result.installs = trial.c.count.installs;
    result.log_reads = trial.c.count.log_reads;
    result.quarantines = trial.c.count.quarantines;
    result.changes = trial.c.count.changes;
    result.restarts = trial.c.count.restarts;
    result.promises = trial.promises.checked;
    while (left) {
        ssize_t n = write(result_fd, at, left);
        if (n <= 0)
            _exit(3);
        at += n;
        left -= (size_t)n;
    }
}

static void on_fail(const char *text)
{
    result.failed = true;
    snprintf(result.text, sizeof result.text, "%s", text);
    fflush(NULL);
    report();
    _exit(1);
}

static void print_line(enum log_level level, const char *line)
{
    printf("         %c %s\n", "DIWE"[level], line);
}

static void no_line(enum log_level level, const char *line)
{
    (void)level;
    (void)line;
}

static void child(const struct course *x, const struct attempt_options *o)
{
    struct course mine = *x;

    mine.o.verbose = o->verbose;
    log_set(o->verbose ? print_line : no_line, LOG_LEVEL_INFO);
    if (o->quiet) {
        int null = open("/dev/null", O_WRONLY);
        if (null >= 0)
            dup2(null, STDERR_FILENO);
    }
    alarm(o->seconds ? o->seconds : SECONDS);
    sim_on_fail(on_fail);
    course_run(&trial, &mine);
    fflush(NULL);
    report();
    trial_release(&trial);
    _exit(0); /* with a leak checker: it has looked at exit() only */
}

static bool receive(int fd, struct attempt *a)
{
    char *at = (char *)a;
    size_t left = sizeof *a;

    while (left) {
        ssize_t n = read(fd, at, left);
        if (n <= 0)
            return false;
        at += n;
        left -= (size_t)n;
    }
    return true;
}

struct attempt attempt_run(const struct course *x,
                           const struct attempt_options *o)
{
    struct attempt a = {0};
    int fd[2], status = 0;
    pid_t pid;

    fflush(NULL);
    if (pipe(fd)) {
        perror("pipe");
        exit(2);
    }
    pid = fork();
    if (pid < 0) {
        perror("fork");
        exit(2);
    }
    if (pid == 0) {
        close(fd[0]);
        result_fd = fd[1];
        child(x, o);
    }
    close(fd[1]);
    if (!receive(fd[0], &a))
        a = (struct attempt){.failed = true};
    close(fd[0]);
    waitpid(pid, &status, 0);
    if (a.text[0])
        return a;
    if (WIFSIGNALED(status)) {
        a.failed = true;
        snprintf(a.text, sizeof a.text, "seed %llu: %s",
                 (unsigned long long)x->o.seed,
                 WTERMSIG(status) == SIGALRM ? "does not end"
                                             : strsignal(WTERMSIG(status)));
    } else if (WEXITSTATUS(status)) {
        a.failed = true;
        snprintf(a.text, sizeof a.text, "seed %llu: ended with %d",
                 (unsigned long long)x->o.seed, WEXITSTATUS(status));
    }
    return a;
}
