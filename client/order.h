/* order.h - keeps writes to one key in the order they were submitted.
 *
 * Pure. Outstanding writes stand in a hash table by key (and lane), in order of
 * submission. A write may go out
 *   - when every older one to its key is on the same connection already: the
 *     server keeps the order of a connection; and
 *   - when no younger one is on its way: this one was refused while that one
 *     may be executed.
 * An executed write marks the older ones as overtaken: should one of them be
 * refused, repeating it would undo the younger.
 * Two keys of one hash are treated as one; that only makes them wait. */
#ifndef CLIENT_ORDER_H
#define CLIENT_ORDER_H

#include <stdbool.h>
#include <stdint.h>

struct order_write {
    struct order_write *older, *younger;               /* in the bucket */
    struct order_write *older_unsent, *younger_unsent; /* of those not sent */
    uint32_t hash;
    bool listed;
    bool refused;        /* was sent once */
    bool overtaken;
    const void *sent_on; /* the connection, NULL while not on its way */
};

struct order_bucket {
    struct order_write *oldest, *youngest;
    struct order_write *oldest_unsent, *youngest_unsent;
};

struct order {
    struct order_bucket *buckets;
    uint32_t n_buckets; /* a power of two */
    uint32_t count;
};

void order_init(struct order *o);
/* Everything was removed before. */
void order_release(struct order *o);

/* `w` is borrowed until order_remove; the youngest of its key. O(1). */
void order_add(struct order *o, struct order_write *w, uint32_t hash);
void order_remove(struct order *o, struct order_write *w);

/* May `w`, which is not on its way, go out on this connection now? O(1), but
 * for one that was refused. */
bool order_may_send(const struct order *o, const struct order_write *w,
                    const void *connection);

/* It went out (order_may_send said yes); it was refused or never arrived. */
void order_sent(struct order *o, struct order_write *w,
                const void *connection);
void order_refused(struct order *o, struct order_write *w);

/* `w` was executed, or may have been. */
void order_executed(struct order_write *w);

/* The oldest write of this hash that is not on its way, NULL if none: who may
 * go when something has changed. */
struct order_write *order_first_unsent(const struct order *o, uint32_t hash);

#endif
