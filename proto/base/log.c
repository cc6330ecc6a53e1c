/* log.c - see log.h. */
#include "proto/base/log.h"

#include <stdarg.h>
#include <stdio.h>

static log_sink *sink_now;
static enum log_level level_min = LOG_LEVEL_INFO;

void log_set(log_sink *sink, enum log_level min)
{
    sink_now = sink;
    level_min = min;
}

void log_write(enum log_level level, const char *event, const char *fmt, ...)
{
    char line[1024];
    int n;
    va_list ap;

    if (!sink_now || level < level_min)
        return;
    n = snprintf(line, sizeof line, "%s ", event);
    if (n < 0 || (size_t)n >= sizeof line)
        return;
    va_start(ap, fmt);
    vsnprintf(line + n, sizeof line - (size_t)n, fmt, ap);
    va_end(ap);
    sink_now(level, line);
}
