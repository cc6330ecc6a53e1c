/* calls.h - requests that wait for their reply, found by id, each ended once.
 *
 * Pure. Adding and taking cost O(log n) for the order of deadlines, finding is
 * O(1). An id is place and generation in one number, so an answer that comes
 * too late finds nothing, also when its place is taken again. Ids are never 0.
 * One table per connection: when it breaks, calls_fail_all ends them in the
 * order they were added. */
#ifndef RPC_CALLS_H
#define RPC_CALLS_H

#include <stdint.h>

#include "proto/base/macros.h"
#include "proto/base/status.h"
#include "proto/base/time.h"

struct call_slot; /* calls.c */

struct calls {
    struct call_slot *slots;
    uint32_t *heap; /* slot numbers, earliest deadline first */
    uint32_t cap;   /* of both; grows by doubling up to count_max */
    uint32_t count; /* outstanding */
    uint32_t count_max;
    uint32_t free;  /* first free slot */
    uint32_t first; /* oldest and newest by time of adding */
    uint32_t last;
    uint64_t added; /* since init */
    instant floor;  /* while expiring: no call may be due before this */
};

/* Ends one call. May add calls and take others; may not release the table. */
typedef void calls_on_end(void *context, uint64_t id, void *user);

/* At most `count_max` calls, above 0, below 2^31. */
void calls_init(struct calls *c, uint32_t count_max);
/* Memory only: nobody is told. End them before. */
void calls_release(struct calls *c);

/* Remember `user` (not NULL, borrowed until it is ended) until `deadline`;
 * INSTANT_NEVER is legal. `*id` is its id.
 * STATUS_BUSY  count_max are outstanding; nothing was kept. */
MUST_CHECK enum status calls_add(struct calls *c, instant deadline, void *user,
                                 uint64_t *id);

/* End the call `id`: gives its user pointer, or NULL if there is none such (any
 * more). `id` may come from a peer. */
void *calls_take(struct calls *c, uint64_t id);

/* The same without ending it. */
void *calls_find(const struct calls *c, uint64_t id);

/* The earliest deadline, INSTANT_NEVER when nothing waits. */
instant calls_next(const struct calls *c);

/* End all whose deadline `now` has reached, earliest first. Calls added
 * meanwhile are left for a later `now`, also if they are due already. Gives how
 * many were ended. */
unsigned calls_expire(struct calls *c, instant now, calls_on_end *on_end,
                      void *context);

/* End all, oldest first; not those added meanwhile. Gives how many. */
unsigned calls_fail_all(struct calls *c, calls_on_end *on_end, void *context);

#endif
