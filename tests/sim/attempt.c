/* attempt.c - see attempt.h. */
#include "tests/sim/attempt.h"

#include <assert.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/log.h"
#include "raft/heap.h"
#include "tests/sim/fail.h"

enum { SECONDS = 120, LEAKED = 4 };

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
    memcpy(result.rows, trial.rows.count.row, sizeof result.rows);
    result.retries = trial.rows.count.retries;
    result.repeated = trial.rows.count.repeated;
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

/* By the processor's clock: how long others use it says nothing about us. */
static void limit(unsigned seconds)
{
    struct itimerval t = {.it_value.tv_sec = (time_t)seconds};

    setitimer(ITIMER_PROF, &t, NULL);
}

static void child(const struct course *x, const struct attempt_options *o,
                  FILE *said)
{
    struct course mine = *x;

    mine.o.verbose = o->verbose;
    log_set(o->verbose ? print_line : no_line, LOG_LEVEL_INFO);
    if (said)
        dup2(fileno(said), STDERR_FILENO);
    limit(o->seconds ? o->seconds : SECONDS);
    sim_on_fail(on_fail);
    course_run(&trial, &mine);
    fflush(NULL);
    report();
    trial_release(&trial);
    /* What was kept for no reason may grow for ever (I12). */
    if (heap_live())
        _exit(LEAKED);
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

struct attempt_running attempt_start(const struct course *x,
                                     const struct attempt_options *o)
{
    struct attempt_running r = {.seed = x->o.seed};
    int fd[2];

    fflush(NULL);
    if (o->quiet)
        r.said = tmpfile();
    if (pipe(fd) || (o->quiet && !r.said)) {
        perror("sim: pipe and file");
        exit(2);
    }
    r.pid = fork();
    if (r.pid < 0) {
        perror("fork");
        exit(2);
    }
    if (r.pid == 0) {
        close(fd[0]);
        result_fd = fd[1];
        child(x, o, r.said);
    }
    close(fd[1]);
    r.fd = fd[0];
    return r;
}

/* The last line of what a child has said: of an assertion, of the C library
 * about damaged memory. Closes it. */
static void last_words(FILE *said, char *line, int size)
{
    *line = 0;
    if (!said)
        return;
    rewind(said);
    while (fgets(line, size, said))
        ;
    line[strcspn(line, "\n")] = 0;
    fclose(said);
}

struct attempt attempt_end(const struct attempt_running *r)
{
    struct attempt a = {0};
    char words[400];
    int status = 0;

    if (!receive(r->fd, &a))
        a = (struct attempt){.failed = true};
    close(r->fd);
    waitpid(r->pid, &status, 0);
    last_words(r->said, words, sizeof words);
    if (a.text[0])
        return a;
    if (WIFSIGNALED(status)) {
        a.failed = true;
        snprintf(a.text, sizeof a.text, "seed %llu: %s%s%s",
                 (unsigned long long)r->seed,
                 WTERMSIG(status) == SIGPROF ? "does not end"
                                             : strsignal(WTERMSIG(status)),
                 *words ? ": " : "", words);
    } else if (WEXITSTATUS(status)) {
        a.failed = true;
        snprintf(a.text, sizeof a.text, "seed %llu: %s%d",
                 (unsigned long long)r->seed,
                 WEXITSTATUS(status) == LEAKED
                     ? "libraft did not give back all memory: "
                     : "ended with ",
                 WEXITSTATUS(status));
    }
    return a;
}

void attempt_drop(const struct attempt_running *r)
{
    kill(r->pid, SIGKILL);
    close(r->fd);
    waitpid(r->pid, NULL, 0);
    if (r->said)
        fclose(r->said);
}

unsigned attempt_first(const struct attempt_running *const *v, unsigned n)
{
    struct pollfd p[ATTEMPTS_MAX];

    assert(n && n <= ATTEMPTS_MAX);
    for (unsigned i = 0; i < n; i++)
        p[i] = (struct pollfd){.fd = v[i]->fd, .events = POLLIN};
    while (poll(p, n, -1) < 0)
        ;
    for (unsigned i = 0; i < n; i++)
        if (p[i].revents)
            return i;
    return 0;
}

struct attempt attempt_run(const struct course *x,
                           const struct attempt_options *o)
{
    struct attempt_running r = attempt_start(x, o);

    return attempt_end(&r);
}
