/* clock.h - the group clock: time as an input of the state machine.
 *
 * Each entry carries a stamp of its leader; nothing else of the machine looks
 * at a clock. Stamps never go back within a group, whatever the leaders' wall
 * clocks do. Pure. See ARCHITECTURE, "Time". */
#ifndef NODE_CORE_CLOCK_H
#define NODE_CORE_CLOCK_H

#include <stdint.h>

struct group_clock {
    uint64_t last_ms; /* the highest stamp given or seen in this group */
};

/* The stamp for an entry proposed now. */
static inline uint64_t clock_stamp(struct group_clock *c, uint64_t wall_ms)
{
    if (wall_ms > c->last_ms)
        c->last_ms = wall_ms;
    return c->last_ms;
}

/* An entry with this stamp was seen. */
static inline void clock_saw(struct group_clock *c, uint64_t stamp_ms)
{
    if (stamp_ms > c->last_ms)
        c->last_ms = stamp_ms;
}

#endif
