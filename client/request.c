/* request.c - see request.h. */
#include "client/request.h"

#include <assert.h>
#include <stdlib.h>

enum { FREE_COUNT_MAX = 8192, PAYLOAD_KEPT_MAX = 4096 };

/* Where a request may go from each place. */
static const unsigned legal[] = {
#define TO(place) (1u << REQUEST_##place)
    [REQUEST_FREE] = TO(READY),
    [REQUEST_READY] = TO(FREE) | TO(UNROUTED) | TO(PARKED) | TO(DELAYED) |
                      TO(QUEUED) | TO(SENT),
    [REQUEST_UNROUTED] = TO(FREE) | TO(READY),
    [REQUEST_PARKED] = TO(FREE) | TO(READY),
    [REQUEST_DELAYED] = TO(FREE) | TO(READY),
    [REQUEST_QUEUED] = TO(FREE) | TO(READY) | TO(PARKED) | TO(DELAYED) |
                       TO(SENT),
    [REQUEST_SENT] = TO(FREE) | TO(READY) | TO(DELAYED),
#undef TO
};

static void unlink_from_list(struct request *r)
{
    struct request_list *l = r->list;

    if (!l)
        return;
    if (r->prev)
        r->prev->next = r->next;
    else
        l->first = r->next;
    if (r->next)
        r->next->prev = r->prev;
    else
        l->last = r->prev;
    l->count--;
    r->list = NULL;
}

static void append(struct request_list *l, struct request *r)
{
    r->list = l;
    r->next = NULL;
    r->prev = l->last;
    if (l->last)
        l->last->next = r;
    else
        l->first = r;
    l->last = r;
    l->count++;
}

void request_move(struct request *r, enum request_place place,
                  struct request_list *list)
{
    assert(legal[r->place] & 1u << place);
    unlink_from_list(r);
    append(list, r);
    r->place = place;
}

struct request *request_take(struct request_pool *pool)
{
    struct request *r = pool->free.first;
    struct buf payload = {0};

    if (r) {
        unlink_from_list(r);
        payload = r->payload;
    } else {
        r = xmalloc(sizeof *r);
    }
    *r = (struct request){.payload = payload};
    buf_clear(&r->payload);
    return r;
}

void request_give(struct request_pool *pool, struct request *r)
{
    assert(!r->order.listed);
    unlink_from_list(r);
    if (r->payload.cap > PAYLOAD_KEPT_MAX)
        buf_release(&r->payload);
    if (pool->free.count < FREE_COUNT_MAX) {
        r->place = REQUEST_FREE;
        append(&pool->free, r);
        return;
    }
    buf_release(&r->payload);
    free(r);
}

void request_pool_release(struct request_pool *pool)
{
    while (pool->free.first) {
        struct request *r = pool->free.first;
        unlink_from_list(r);
        buf_release(&r->payload);
        free(r);
    }
}
