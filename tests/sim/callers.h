/* callers.h - clients that route, retry and order as the client library does.
 *
 * They drive its pure parts: routes.h (which node), retry.h (what to do with a
 * refusal), order.h (writes to one key stay in order). One call may be sent
 * several times, to several nodes; in the history it is one operation from its
 * beginning to its end. */
#ifndef TESTS_SIM_CALLERS_H
#define TESTS_SIM_CALLERS_H

#include "client/order.h"
#include "client/routes.h"
#include "tests/sim/cluster.h"

struct clients;
struct caller;

enum { CALLERS_MAX = 6, CALLS_MAX = 8 };

struct call {
    struct caller *owner;
    bool busy, sent;
    size_t number;         /* in the history */
    enum op op;
    enum read_mode mode;
    unsigned key;
    uint64_t deadline;     /* world time */
    unsigned attempts;
    unsigned place;        /* of the node it was sent to */
    enum status last;      /* the last refusal */
    uint64_t wake;         /* number of the wake that counts */
    struct order_write order;
};

struct caller {
    struct clients *of;
    unsigned index;        /* of connections at every node */
    unsigned generation[CLUSTER_NODES_MAX];
    struct routes routes;
    struct order order;
    struct rng rng;
    struct call call[CALLS_MAX];
};

void caller_init(struct caller *x, struct clients *of, unsigned index);
void caller_release(struct caller *x);
/* Begin one more call, if there is room. */
void caller_begin(struct caller *x);
/* True when it was for this caller. */
bool caller_replied(struct caller *x, const struct effect *e);
void caller_died(struct caller *x, const struct sim_node *n);
unsigned caller_waiting(const struct caller *x);

#endif
