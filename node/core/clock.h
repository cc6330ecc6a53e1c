/* clock.h - the group clock: time as an input of the state machine.
 *
 * Each entry carries a stamp of its leader; nothing else of the machine looks
 * at a clock. Stamps never go back within a group, whatever the leaders' wall
 * clocks do. Pure. See ARCHITECTURE, "Time", and docs/decisions/0004.
 *
 * A wall clock is kept as an OFFSET: wall clock less this node's monotonic one,
 * in ms. So what a node told a while ago is aged by itself, and a median of
 * clocks is a median of offsets. */
#ifndef NODE_CORE_CLOCK_H
#define NODE_CORE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/time.h"

/* ---- another node's wall clock, as it tells it every now and then ---- */

enum { CLOCK_TOLD_MAX = 4 };

struct told_clock {
    int64_t offsets[CLOCK_TOLD_MAX]; /* the last ones, a ring */
    unsigned n, next;
};

/* A message of that node, received `now`, said that its wall clock is there. */
void told_clock_add(struct told_clock *c, instant now, uint64_t wall_ms);

/* The greatest of its last few offsets: a message that was long on its way
 * makes a clock look late, never early. False while it never told. */
bool told_clock_offset(const struct told_clock *c, int64_t *offset);

/* ---- this node's own ---- */

/* Beyond this a forward jump is followed at double speed only, where nobody
 * else can be asked. */
enum { CLOCK_JUMP_MS = 10000 };

struct own_clock {
    int64_t offset;   /* of the wall clock as it is */
    int64_t steady;   /* the same without jumps forward */
    instant at;
    bool known;
    bool following;   /* `steady` runs after `offset`: tell the operator */
};

void own_clock_is(struct own_clock *c, instant now, uint64_t wall_ms);

/* ---- the group's ---- */

struct group_clock {
    uint64_t last_ms; /* the highest stamp given or seen in this group */
    instant at;       /* as leader: when `last_ms` was new */
};

/* The offset that is neither far ahead nor far behind as long as a majority of
 * the clocks is right: the middle one, of an even number the lower. Sorts. */
int64_t clock_median(int64_t *offsets, unsigned n);

/* This replica leads from now on. */
static inline void clock_lead(struct group_clock *c, instant now)
{
    c->at = now;
}

/* The stamp for an entry proposed now: what a clock with `offset` shows, but
 * never below the last one. If that is ahead it goes on at half speed. */
uint64_t clock_stamp(struct group_clock *c, instant now, int64_t offset);

/* What clock_stamp() would give, without giving it. */
uint64_t clock_peek(const struct group_clock *c, instant now, int64_t offset);

/* An entry with this stamp was seen. */
static inline void clock_saw(struct group_clock *c, uint64_t stamp_ms)
{
    if (stamp_ms > c->last_ms)
        c->last_ms = stamp_ms;
}

#endif
