/* forwards.h - requests passed on to another node and not answered yet.
 *
 * A slab with generations: an id is found in O(1), a late or repeated answer
 * finds nothing. Pure; bounded by `max` and
 * `bytes_max`. */
#ifndef NODE_CORE_FORWARDS_H
#define NODE_CORE_FORWARDS_H

#include "node/core/event.h"

struct forwarded {
    struct origin from;
    enum op op;
    uint32_t node;       /* to whom */
    uint32_t group;
    instant deadline;
    uint32_t bytes;      /* of the request */
    bool used;
    uint32_t generation;
    uint32_t next_free;
};

struct forwards {
    struct forwarded *v;
    uint32_t n, cap, max, begin;
    uint32_t free_head; /* index + 1, 0 none */
    uint32_t count;
    size_t bytes, bytes_max;
};

/* `begin`: where generations begin, at random: an answer that an earlier
 * process waited for shall not be taken for ours. */
void forwards_init(struct forwards *f, uint32_t max, size_t bytes_max,
                   uint32_t begin);
void forwards_release(struct forwards *f);

/* Remember a request; its id, or 0 when `max` or `bytes_max` are waiting
 * already. One of any size is taken when none waits. */
uint64_t forwards_add(struct forwards *f, const struct forwarded *w);
/* Take it out; false when the id is not (or no longer) known. */
bool forwards_take(struct forwards *f, uint64_t id, struct forwarded *out);

/* Take out every one for which it is time, or that went to `node` (0: only by
 * time), and hand it to `answer` with the status that is true for it: a read
 * can be repeated, a write that was passed on has an unknown outcome. Gives the
 * earliest deadline left. */
typedef void forwards_answer(void *arg, const struct forwarded *w,
                             enum status why);
instant forwards_expire(struct forwards *f, instant now, uint32_t node,
                        forwards_answer *answer, void *arg);

#endif
