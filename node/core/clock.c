/* clock.c - see clock.h. */
#include "node/core/clock.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/base/macros.h"

/* A clock beyond this is no clock; keeps sums away from the type's ends. */
#define WALL_MAX (UINT64_C(1) << 60)

static int64_t offset_of(instant now, uint64_t wall_ms)
{
    return (int64_t)MIN_OF(wall_ms, WALL_MAX) -
           (int64_t)MIN_OF(now.ms, WALL_MAX);
}

/* What a clock with this offset shows; never before 1970. */
static uint64_t shows(instant now, int64_t offset)
{
    int64_t ms = (int64_t)MIN_OF(now.ms, WALL_MAX) + offset;

    return ms > 0 ? (uint64_t)ms : 0;
}

void told_clock_add(struct told_clock *c, instant now, uint64_t wall_ms)
{
    c->offsets[c->next] = offset_of(now, wall_ms);
    c->next = (c->next + 1) % CLOCK_TOLD_MAX;
    if (c->n < CLOCK_TOLD_MAX)
        c->n++;
}

bool told_clock_offset(const struct told_clock *c, int64_t *offset)
{
    *offset = c->offsets[0];
    for (unsigned i = 1; i < c->n; i++)
        *offset = MAX_OF(*offset, c->offsets[i]);
    return c->n > 0;
}

void own_clock_is(struct own_clock *c, instant now, uint64_t wall_ms)
{
    int64_t offset = offset_of(now, wall_ms);
    int64_t passed = (int64_t)instant_since(now, c->at).ms;

    if (!c->known)
        c->steady = offset;
    if (offset - c->steady > CLOCK_JUMP_MS)
        c->following = true;
    if (c->following && c->steady + passed < offset) {
        c->steady += passed; /* beside the monotonic clock's own speed */
    } else {
        c->steady = offset;
        c->following = false;
    }
    c->offset = offset;
    c->at = now;
    c->known = true;
}

static int compare(const void *x, const void *y)
{
    const int64_t *a = x, *b = y;

    return *a < *b ? -1 : *a > *b;
}

int64_t clock_median(int64_t *offsets, unsigned n)
{
    assert(n > 0);
    qsort(offsets, n, sizeof *offsets, compare);
    return offsets[(n - 1) / 2];
}

uint64_t clock_peek(const struct group_clock *c, instant now, int64_t offset)
{
    return MAX_OF(shows(now, offset),
                  c->last_ms + instant_since(now, c->at).ms / 2);
}

uint64_t clock_stamp(struct group_clock *c, instant now, int64_t offset)
{
    uint64_t stamp = clock_peek(c, now, offset);
    uint64_t odd = instant_since(now, c->at).ms & 1;

    if (stamp == c->last_ms)
        return stamp;
    c->at = now;
    if (stamp > shows(now, offset))
        c->at.ms -= odd; /* at half speed it counts next time */
    c->last_ms = stamp;
    return stamp;
}
