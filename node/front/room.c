/* room.c - see room.h. */
#include "node/front/room.h"

enum { STUCK_TICKS = 300 };

bool room_is_short(size_t all, size_t pending)
{
    return all > ROOM_ALL_MAX || (all > ROOM_MANY && pending);
}

bool room_is_stuck(struct room_taking *t, unsigned tick, uint64_t sent,
                   size_t pending, size_t all)
{
    if (!pending || sent != t->sent) {
        t->sent = sent;
        t->moved = tick;
        return false;
    }
    return tick - t->moved > STUCK_TICKS && all > ROOM_MANY;
}
