/* failpoint.c - see failpoint.h. Nothing in builds without COAT_FAILPOINTS. */
#include "node/shell/failpoint.h"

#ifdef COAT_FAILPOINTS

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/log.h"

enum action { ACTION_NONE, ACTION_CRASH, ACTION_ERROR, ACTION_DELAY };

static const struct {
    const char *name;
    bool error;
} names[FAILPOINTS] = {
#define X(name, error) {#name, error},
    FAILPOINT_LIST(X)
#undef X
};

static struct {
    enum action action;
    unsigned delay_ms;
    unsigned long from, to; /* which times it acts */
    atomic_ulong reached;
} points[FAILPOINTS];

__attribute__((noreturn)) static void refuse(const char *what,
                                             const char *text)
{
    fprintf(stderr,
            "coatcheckd: COAT_FAILPOINT: %s in '%s'; use NAME=crash|error|"
            "delay:MS[@N[+]],... (COAT_FAILPOINT=list names them)\n",
            what, text);
    exit(2);
}

static unsigned point_named(const char *text)
{
    for (unsigned i = 0; i < FAILPOINTS; i++)
        if (strcasecmp(names[i].name, text) == 0)
            return i;
    refuse("no such failpoint", text);
}

/* "crash@3", "delay:20@5+". */
static void arm(unsigned point, char *text)
{
    char *times = strchr(text, '@'), *end;
    unsigned long from = 1;
    bool on = false;

    if (times) {
        *times++ = '\0';
        from = strtoul(times, &end, 10);
        on = *end == '+';
        if (!from || end == times || (*end && !on) || (on && end[1]))
            refuse("not a number of times", times);
    }
    points[point].from = from;
    points[point].to = on ? ULONG_MAX : from;
    if (strcmp(text, "crash") == 0) {
        points[point].action = ACTION_CRASH;
    } else if (strcmp(text, "error") == 0) {
        if (!names[point].error)
            refuse("nothing there can fail", names[point].name);
        points[point].action = ACTION_ERROR;
    } else if (strncmp(text, "delay:", 6) == 0) {
        points[point].action = ACTION_DELAY;
        points[point].delay_ms = (unsigned)strtoul(text + 6, &end, 10);
        if (*end || end == text + 6)
            refuse("not a number of milliseconds", text);
    } else {
        refuse("no such action", text);
    }
}

static void list(void)
{
    for (unsigned i = 0; i < FAILPOINTS; i++) {
        for (const char *c = names[i].name; *c; c++)
            putchar(*c >= 'A' && *c <= 'Z' ? *c + 'a' - 'A' : *c);
        puts(names[i].error ? " error" : "");
    }
    exit(0);
}

void failpoints_init(void)
{
    const char *value = getenv("COAT_FAILPOINT");
    char *copy, *rest = NULL;

    if (!value || !*value)
        return;
    if (strcmp(value, "list") == 0)
        list();
    copy = strdup(value);
    if (!copy)
        abort();
    for (char *one = strtok_r(copy, ",", &rest); one;
         one = strtok_r(NULL, ",", &rest)) {
        char *action = strchr(one, '=');
        if (!action)
            refuse("no action", one);
        *action++ = '\0';
        arm(point_named(one), action);
    }
    free(copy);
}

bool failpoint_armed(enum failpoint point)
{
    return points[point].action != ACTION_NONE;
}

bool failpoint_reached(enum failpoint point)
{
    unsigned long n;

    if (points[point].action == ACTION_NONE)
        return false;
    n = atomic_fetch_add(&points[point].reached, 1) + 1;
    if (n < points[point].from || n > points[point].to)
        return false;
    log_warn("failpoint_acts", "name=%s time=%lu", names[point].name, n);
    switch (points[point].action) {
    case ACTION_CRASH:
        kill(getpid(), SIGKILL);
        pause();
        break;
    case ACTION_DELAY:
        usleep(points[point].delay_ms * 1000u);
        break;
    case ACTION_ERROR:
        errno = EIO;
        return true;
    case ACTION_NONE:
        break;
    }
    return false;
}

#endif
