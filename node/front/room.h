/* room.h - memory for what clients do not take: the rules of both doors.
 *
 * Pure. Sizes are bytes that wait to be sent: `all` of the loop's connections
 * together, `pending` of one. */
#ifndef NODE_FRONT_ROOM_H
#define NODE_FRONT_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ROOM_MANY = 128 << 20,    /* for all: only who has taken everything */
    ROOM_ALL_MAX = 256 << 20, /* nobody */
    ROOM_LOOK_TICKS = 10,     /* of 100 ms, between two looks at a client */
};

/* Is there no room for more to this client, whatever its own limit says? */
bool room_is_short(size_t all, size_t pending);

/* What a client has taken of its output, and when it did last. */
struct room_taking {
    uint64_t sent;
    unsigned moved; /* the tick of that */
};

/* Look at it: has it taken nothing for 30 s while memory is short? `sent` is
 * all that it was ever sent. */
bool room_is_stuck(struct room_taking *t, unsigned tick, uint64_t sent,
                   size_t pending, size_t all);

#endif
