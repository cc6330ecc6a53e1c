/* request.h - one request of the caller, from submission to its one reply.
 *
 * Pure memory: requests come from a pool and keep their payload's buffer, so
 * that a busy client allocates nothing per request. A request is always in
 * exactly one place:
 *
 *            +--------------------------------------------+
 *            v                                            |
 *   FREE -> READY -> UNROUTED  waits for the cluster map -+
 *                 -> PARKED    behind a write to its key -+
 *                 -> DELAYED   until wake_at -------------+
 *                 -> QUEUED    for its connection --> SENT -> FREE
 */
#ifndef CLIENT_REQUEST_H
#define CLIENT_REQUEST_H

#include "client/coatcheck.h"
#include "proto/identity.h"
#include "client/order.h"
#include "proto/base/bytes.h"
#include "proto/base/status.h"
#include "proto/base/time.h"
#include "proto/message.h"
#include "proto/operation.h"

enum request_op {
    REQUEST_GET,
    REQUEST_SET,
    REQUEST_DELETE,
    REQUEST_OPERATE,
    REQUEST_MAP,
    REQUEST_SCAN,
    REQUEST_WATCH,
};

enum request_place {
    REQUEST_FREE,
    REQUEST_READY,
    REQUEST_UNROUTED,
    REQUEST_PARKED,
    REQUEST_DELAYED,
    REQUEST_QUEUED,
    REQUEST_SENT,
};

struct request {
    struct request *next, *prev;
    struct request_list *list; /* the one it is in */
    enum request_op op;
    enum request_place place;
    enum consistency consistency;
    enum op operation; /* of OPERATE */
    uint16_t slot;
    unsigned lane;
    unsigned attempts; /* times sent */
    unsigned pauses;   /* times delayed */
    unsigned quick;    /* times sent elsewhere at once */
    instant deadline;
    instant since;   /* in this place; of QUEUED and SENT */
    instant wake_at; /* of DELAYED */
    uint64_t id;     /* in the table of calls */
    struct link *link; /* of QUEUED and SENT */
    struct order_write order; /* of writes */
    enum status refusal;      /* the last one, OK if none */
    char refusal_detail[96];
    bool maybe_executed;      /* an earlier try may have been */
    struct request_id session; /* of writes that carry an id */
    struct buf payload; /* the encoded request */
    coat_on_reply *on_reply;
    void *user;
};

struct request_list {
    struct request *first, *last;
    unsigned count;
};

/* From one place to another (to->... FREE and back only by the pool). `list` is
 * appended to. */
void request_move(struct request *r, enum request_place place,
                  struct request_list *list);

/* Whether it changes something. */
static inline bool request_is_write(const struct request *r)
{
    return r->op == REQUEST_SET || r->op == REQUEST_DELETE ||
           (r->op == REQUEST_OPERATE && operation_is_write(r->operation));
}

/* May it be sent again although an earlier try may have been executed? */
static inline bool request_is_repeatable(const struct request *r)
{
    return !request_is_write(r) || r->session.sequence;
}

struct request_pool {
    struct request_list free;
};

/* A request that is nowhere (place FREE, no list). */
struct request *request_take(struct request_pool *pool);
/* Out of its list and back; keeps small buffers. */
void request_give(struct request_pool *pool, struct request *r);
void request_pool_release(struct request_pool *pool);

#endif
