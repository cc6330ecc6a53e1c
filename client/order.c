/* order.c - see order.h. */
#include "client/order.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/base/bytes.h"

enum { BUCKETS_MIN = 256 };

void order_init(struct order *o)
{
    *o = (struct order){.n_buckets = BUCKETS_MIN};
    o->buckets = xcalloc(BUCKETS_MIN, sizeof *o->buckets);
}

void order_release(struct order *o)
{
    assert(o->count == 0);
    free(o->buckets);
    *o = (struct order){0};
}

static struct order_bucket *bucket_of(const struct order *o, uint32_t hash)
{
    return &o->buckets[hash & (o->n_buckets - 1)];
}

static void append_unsent(struct order_bucket *b, struct order_write *w)
{
    w->older_unsent = b->youngest_unsent;
    w->younger_unsent = NULL;
    if (b->youngest_unsent)
        b->youngest_unsent->younger_unsent = w;
    else
        b->oldest_unsent = w;
    b->youngest_unsent = w;
}

static void append(struct order *o, struct order_write *w)
{
    struct order_bucket *b = bucket_of(o, w->hash);

    w->older = b->youngest;
    w->younger = NULL;
    if (b->youngest)
        b->youngest->younger = w;
    else
        b->oldest = w;
    b->youngest = w;
    if (!w->sent_on)
        append_unsent(b, w);
}

static void unlink_unsent(struct order_bucket *b, struct order_write *w)
{
    if (w->older_unsent)
        w->older_unsent->younger_unsent = w->younger_unsent;
    else
        b->oldest_unsent = w->younger_unsent;
    if (w->younger_unsent)
        w->younger_unsent->older_unsent = w->older_unsent;
    else
        b->youngest_unsent = w->older_unsent;
}

/* Entries of one hash keep their order, as they move bucket by bucket. */
static void grow(struct order *o)
{
    struct order_bucket *old = o->buckets;
    uint32_t n = o->n_buckets;

    o->n_buckets = n * 2;
    o->buckets = xcalloc(o->n_buckets, sizeof *o->buckets);
    for (uint32_t i = 0; i < n; i++) {
        struct order_write *w = old[i].oldest;
        while (w) {
            struct order_write *next = w->younger;
            append(o, w);
            w = next;
        }
    }
    free(old);
}

void order_add(struct order *o, struct order_write *w, uint32_t hash)
{
    assert(!w->listed);
    if (o->count >= o->n_buckets && o->n_buckets < UINT32_C(1) << 24)
        grow(o);
    *w = (struct order_write){.hash = hash, .listed = true};
    append(o, w);
    o->count++;
}

void order_remove(struct order *o, struct order_write *w)
{
    struct order_bucket *b = bucket_of(o, w->hash);

    assert(w->listed && o->count > 0);
    if (!w->sent_on)
        unlink_unsent(b, w);
    if (w->older)
        w->older->younger = w->younger;
    else
        b->oldest = w->younger;
    if (w->younger)
        w->younger->older = w->older;
    else
        b->youngest = w->older;
    w->listed = false;
    o->count--;
}

/* The nearest older one that is on its way tells for all of them: a write only
 * goes out where the older ones went. Younger ones can be on their way only if
 * this one was, too. */
bool order_may_send(const struct order *o, const struct order_write *w,
                    const void *connection)
{
    const struct order_write *x;

    assert(w->listed && !w->sent_on);
    if (order_first_unsent(o, w->hash) != w)
        return false;
    for (x = w->older; x; x = x->older) {
        if (x->hash != w->hash)
            continue;
        if (x->sent_on != connection)
            return false;
        break;
    }
    for (x = w->refused ? w->younger : NULL; x; x = x->younger)
        if (x->hash == w->hash && x->sent_on)
            return false;
    return true;
}

void order_sent(struct order *o, struct order_write *w, const void *connection)
{
    assert(connection && !w->sent_on);
    unlink_unsent(bucket_of(o, w->hash), w);
    w->sent_on = connection;
}

/* Back to its place among those not sent: before the next younger of them. */
void order_refused(struct order *o, struct order_write *w)
{
    struct order_bucket *b = bucket_of(o, w->hash);
    struct order_write *y = w->younger;

    assert(w->sent_on);
    w->sent_on = NULL;
    w->refused = true;
    while (y && y->sent_on)
        y = y->younger;
    if (!y) {
        append_unsent(b, w);
        return;
    }
    w->younger_unsent = y;
    w->older_unsent = y->older_unsent;
    if (y->older_unsent)
        y->older_unsent->younger_unsent = w;
    else
        b->oldest_unsent = w;
    y->older_unsent = w;
}

void order_executed(struct order_write *w)
{
    for (struct order_write *o = w->older; o; o = o->older)
        if (o->hash == w->hash)
            o->overtaken = true;
}

struct order_write *order_first_unsent(const struct order *o, uint32_t hash)
{
    struct order_write *w = bucket_of(o, hash)->oldest_unsent;

    while (w && w->hash != hash)
        w = w->younger_unsent;
    return w;
}
