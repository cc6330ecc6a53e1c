/* macros.h - the few helpers that every file may use. */
#ifndef PROTO_BASE_MACROS_H
#define PROTO_BASE_MACROS_H

#include <stddef.h>

/* The caller has to look at the result. */
#define MUST_CHECK __attribute__((warn_unused_result))
#define UNUSED __attribute__((unused))
#define PRINTF(fmt_at, args_at)                                                \
    __attribute__((format(printf, fmt_at, args_at)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The struct of type `type` whose field `member` is at `ptr`. */
#define CONTAINER_OF(ptr, type, member)                                        \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))

#endif
