/* log.h - one line per state change: event name, then key=value.
 *
 * Never one per request, never the values of keys. The line goes to a sink set
 * once at start (the daemon's writes to stderr with a time stamp; the
 * simulator's records it); without one it is dropped. Usage:
 *
 *     log_info("group_leader", "group=%u term=%" PRIu64, id, term);
 */
#ifndef PROTO_BASE_LOG_H
#define PROTO_BASE_LOG_H

#include "proto/base/macros.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN,
                 LOG_LEVEL_ERROR };

/* Takes one finished line, without end of line; borrows it until return. May
 * be called from any thread. */
typedef void log_sink(enum log_level level, const char *line);

/* Set the sink and the lowest level that reaches it. Before threads start. */
void log_set(log_sink *sink, enum log_level min);

void log_write(enum log_level level, const char *event, const char *fmt, ...)
    PRINTF(3, 4);

#define log_debug(event, ...) log_write(LOG_LEVEL_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...) log_write(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_warn(event, ...) log_write(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_error(event, ...) log_write(LOG_LEVEL_ERROR, event, __VA_ARGS__)

#endif
