/* time.h - time is a type, not an integer.
 *
 * `instant` is a point on one clock in milliseconds; which clock (monotonic,
 * wall, group) is said where it is declared. Nothing here reads a clock. */
#ifndef PROTO_BASE_TIME_H
#define PROTO_BASE_TIME_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint64_t ms;
} instant;

typedef struct {
    uint64_t ms;
} duration;

#define MS(n) ((duration){(n)})
#define INSTANT_NEVER ((instant){UINT64_MAX})

static inline instant instant_add(instant t, duration d)
{
    return (instant){t.ms > UINT64_MAX - d.ms ? UINT64_MAX : t.ms + d.ms};
}

/* `a - b`, zero when b is later. */
static inline duration instant_since(instant a, instant b)
{
    return (duration){a.ms > b.ms ? a.ms - b.ms : 0};
}

static inline bool instant_reached(instant now, instant deadline)
{
    return now.ms >= deadline.ms;
}

static inline instant instant_min(instant a, instant b)
{
    return a.ms < b.ms ? a : b;
}

#endif
