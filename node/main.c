/* main.c - the coatcheckd program. */
#include <cyaml/cyaml.h>
#include <google/protobuf-c/protobuf-c.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "node/config.h"
#include "node/shell/failpoint.h"

static void to_stderr(enum log_level level, const char *line)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    struct timeval tv;
    struct tm tm;
    char when[32];

    gettimeofday(&tv, NULL);
    gmtime_r(&tv.tv_sec, &tm);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
    fprintf(stderr, "%s.%03dZ %-5s %s\n", when, (int)(tv.tv_usec / 1000),
            names[level], line);
}

static void log_versions(void)
{
    log_info("node_start",
             "version=%s libraft=%s libuv=%s rocksdb=%s protobuf-c=%s",
             COAT_VERSION, COAT_LIBRAFT, uv_version_string(), COAT_ROCKSDB,
             protobuf_c_version());
}

int main(int argc, char **argv)
{
    struct config c;
    int rv;

    failpoints_init();
    rv = config_read(argc, argv, &c);
    if (rv)
        return rv;
    if (c.check_only) {
        printf("the settings are good\n");
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stderr, NULL, _IOLBF, 0);
    log_set(to_stderr, c.log_level);
    log_versions();
    return node_run(&c.node);
}
