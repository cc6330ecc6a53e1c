/* daemon.c - see daemon.h. */
#include "tests/unit/node/shell/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/rpc/own_port.h"

enum { WAIT_S = 60 };

struct daemon *daemon_new(void)
{
    struct daemon *d = xcalloc(1, sizeof *d);

    scratch_make(d->root);
    snprintf(d->data, sizeof d->data, "%s/data", d->root);
    d->port = own_port();
    d->peer_port = own_port();
    d->redis_port = own_port();
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->more, NULL);
    return d;
}

void daemon_free(struct daemon *d)
{
    if (!d)
        return;
    if (d->pid)
        daemon_kill(d);
    scratch_remove(d->root);
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->more);
    free(d);
}

/* ---- its log ---- */

static void *read_along(void *arg)
{
    struct daemon *d = arg;
    bool show = getenv("COAT_TEST_LOG") != NULL;
    char part[4096];
    ssize_t n;

    while ((n = read(d->err, part, sizeof part)) > 0) {
        if (show)
            (void)!write(STDERR_FILENO, part, (size_t)n);
        pthread_mutex_lock(&d->lock);
        if (d->log_size + (size_t)n < sizeof d->log) {
            memcpy(d->log + d->log_size, part, (size_t)n);
            d->log_size += (size_t)n;
        }
        pthread_cond_broadcast(&d->more);
        pthread_mutex_unlock(&d->lock);
    }
    pthread_mutex_lock(&d->lock);
    d->ended = true;
    pthread_cond_broadcast(&d->more);
    pthread_mutex_unlock(&d->lock);
    return NULL;
}

bool daemon_said(struct daemon *d, const char *text)
{
    bool said;

    pthread_mutex_lock(&d->lock);
    said = strstr(d->log, text) != NULL;
    pthread_mutex_unlock(&d->lock);
    return said;
}

/* Messages are cut at their end: show what was said last. */
static const char *end_of(const char *log)
{
    enum { SHOWN = 800 };
    size_t size = strlen(log);

    return size > SHOWN ? log + size - SHOWN : log;
}

void daemon_wait_said(struct daemon *d, const char *text)
{
    struct timespec end;
    int late = 0;
    bool said;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += WAIT_S;
    pthread_mutex_lock(&d->lock);
    while (!(said = strstr(d->log, text) != NULL) && !d->ended && !late)
        late = pthread_cond_timedwait(&d->more, &d->lock, &end);
    pthread_mutex_unlock(&d->lock);
    if (!said)
        fail_msg("the daemon %s without saying %s:\n%s",
                 late ? "waits" : "ended", text, end_of(d->log));
}

/* ---- start and end ---- */

/* In the child. */
static void become(struct daemon *d, int err, pid_t parent)
{
    char listen_at[32], peer[32], redis[32];
    const char *argv[16 + DAEMON_ARGS_MAX] = {
        COATCHECKD, "--data", d->data, "--listen", listen_at,
        "--peer-listen", peer, "--redis-listen", redis,
        "--segment-mib", "32", "--unsafe-disk",
    };
    unsigned n = 12;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(126);
    snprintf(listen_at, sizeof listen_at, "127.0.0.1:%u", d->port);
    snprintf(peer, sizeof peer, "127.0.0.1:%u", d->peer_port);
    snprintf(redis, sizeof redis, "127.0.0.1:%u", d->redis_port);
    for (unsigned i = 0; d->args[i]; i++)
        argv[n++] = d->args[i];
    dup2(err, STDERR_FILENO);
    signal(SIGXFSZ, SIG_IGN); /* beyond a limit writes fail, as on a bad disk */
    execv(COATCHECKD, (char *const *)(uintptr_t)argv);
    _exit(127);
}

static void launch(struct daemon *d)
{
    pid_t parent = getpid();
    int ends[2];

    assert_int_equal(d->pid, 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    d->pid = fork();
    assert_true(d->pid >= 0);
    if (!d->pid)
        become(d, ends[1], parent);
    close(ends[1]);
    d->err = ends[0];
    d->ended = false;
    d->log_size = 0;
    memset(d->log, 0, sizeof d->log);
    assert_int_equal(pthread_create(&d->reader, NULL, read_along, d), 0);
}

/* Wait for the process, and for all of its log. Gives the wait status. */
static int reap(struct daemon *d)
{
    int how;

    assert_int_equal(waitpid(d->pid, &how, 0), d->pid);
    d->pid = 0;
    pthread_join(d->reader, NULL);
    close(d->err);
    return how;
}

void daemon_start(struct daemon *d)
{
    launch(d);
    daemon_wait_said(d, "node_ready");
}

int daemon_start_refused(struct daemon *d)
{
    launch(d);
    return daemon_ended(d);
}

int daemon_ended(struct daemon *d)
{
    int how = reap(d);

    if (!WIFEXITED(how))
        fail_msg("killed by signal %d:\n%s", WTERMSIG(how), end_of(d->log));
    return WEXITSTATUS(how);
}

void daemon_stop(struct daemon *d)
{
    daemon_stop_by(d, SIGTERM);
}

void daemon_stop_by(struct daemon *d, int signal)
{
    int how;

    assert_int_equal(kill(d->pid, signal), 0);
    how = reap(d);
    if (how)
        fail_msg("stopped with wait status %d:\n%s", how, end_of(d->log));
}

void daemon_kill(struct daemon *d)
{
    kill(d->pid, SIGKILL);
    reap(d);
}

/* ---- the command line ---- */

static void take_output(int fd, char *out, size_t size)
{
    size_t done = 0;
    char rest[4096];
    ssize_t n;

    for (;;) {
        bool room = done + 1 < size;
        n = read(fd, room ? out + done : rest,
                 room ? size - done - 1 : sizeof rest);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += room ? (size_t)n : 0;
    }
    out[done] = 0;
}

int daemon_cli(struct daemon *d, char *out, size_t size, ...)
{
    /* Patient: a busy disk may take long for the logs of many groups. */
    const char *argv[32] = {COATCHECK, "--timeout", "60000", "-e"}, *word;
    char endpoint[32];
    unsigned n = 5;
    int ends[2], how;
    va_list ap;
    pid_t pid;

    snprintf(endpoint, sizeof endpoint, "127.0.0.1:%u", d->port);
    argv[4] = endpoint;
    va_start(ap, size);
    while ((word = va_arg(ap, const char *)) && n < ARRAY_LEN(argv) - 1)
        argv[n++] = word;
    va_end(ap);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        execv(COATCHECK, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(ends[1]);
    take_output(ends[0], out, size);
    close(ends[0]);
    assert_int_equal(waitpid(pid, &how, 0), pid);
    if (!WIFEXITED(how))
        fail_msg("the command line died of signal %d", WTERMSIG(how));
    return WEXITSTATUS(how);
}

void daemon_init(struct daemon *d, const char *groups)
{
    char out[1024];
    int code = daemon_cli(d, out, sizeof out, "cluster", "init", "-g", groups,
                          "-r", "1", NULL);

    if (code)
        fail_msg("cluster init: exit code %d: %s", code, out);
}
