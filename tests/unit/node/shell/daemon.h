/* daemon.h - a coatcheckd of a test's own, as a child process on loopback.
 *
 * It dies with the test. Nothing sleeps: what must happen is waited for, with a
 * limit that only a hang reaches. With $COAT_TEST_LOG set its log is shown. */
#ifndef TESTS_UNIT_NODE_SHELL_DAEMON_H
#define TESTS_UNIT_NODE_SHELL_DAEMON_H

#include <pthread.h>
#include <sys/types.h>

#include "tests/unit/node/shell/scratch.h"

enum { DAEMON_LOG = 256 * 1024, DAEMON_ARGS_MAX = 8 };

struct daemon {
    char root[SCRATCH_PATH]; /* removed at the end */
    char data[SCRATCH_PATH + 8];
    uint16_t port, peer_port, redis_port;
    const char *args[DAEMON_ARGS_MAX + 1]; /* more of them; NULL at the end */
    pid_t pid;               /* 0: does not run */

    /* What it said on stderr since its start; a thread reads along. */
    pthread_t reader;
    pthread_mutex_t lock;
    pthread_cond_t more;
    int err;
    bool ended;
    size_t log_size;
    char log[DAEMON_LOG];
};

/* A new root and free ports; nothing is started. */
struct daemon *daemon_new(void);
/* Kill it if it runs, remove its data. NULL is legal. */
void daemon_free(struct daemon *d);

/* Start it and wait until it serves. */
void daemon_start(struct daemon *d);
/* Start it; it must end by itself, which gives its exit code. */
int daemon_start_refused(struct daemon *d);
/* It has to end by itself; gives its exit code. */
int daemon_ended(struct daemon *d);
/* Send it this signal, or SIGTERM; it must end with exit code 0. */
void daemon_stop_by(struct daemon *d, int signal);
void daemon_stop(struct daemon *d);
/* SIGKILL, and wait until it is gone. */
void daemon_kill(struct daemon *d);

/* Wait until its log says `text`; the test fails if it ends before that. */
void daemon_wait_said(struct daemon *d, const char *text);
bool daemon_said(struct daemon *d, const char *text);

/* Run the command line against it: coatcheck -e ENDPOINT words..., NULL at the
 * end. Gives the exit code; stdout and stderr go into out[size], cut. */
int daemon_cli(struct daemon *d, char *out, size_t size, ...)
    __attribute__((sentinel));

/* Make it a cluster of one with this many data groups, by the command line. */
void daemon_init(struct daemon *d, const char *groups);

#endif
