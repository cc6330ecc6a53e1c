/* proposals.c - see proposals.h. */
#include "node/core/proposals.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/base/planted.h"
#include "proto/limits.h"

void proposals_init(struct proposals *p, size_t bytes_max)
{
    assert(bytes_max <= ENTRY_BYTES_MAX);
    *p = (struct proposals){.open.seq = 1, .bytes_max = bytes_max};
}

void proposals_release(struct proposals *p)
{
    entry_writer_release(&p->entry);
    free(p->open.waiters);
    for (unsigned i = 0; i < BATCHES_IN_FLIGHT_MAX; i++)
        free(p->flight[i].waiters);
    *p = (struct proposals){0};
}

bool proposals_fits(const struct proposals *p, size_t bytes)
{
    return p->open.n == 0 ||
           (p->open.n < ENTRY_COMMANDS_MAX &&
            proposals_open_bytes(p) + bytes <= p->bytes_max);
}

uint64_t proposals_add(struct proposals *p, const struct command *c,
                       const struct waiter *w)
{
    struct batch *b = &p->open;

    assert(proposals_fits(p, command_bytes(c)));
    entry_writer_add(&p->entry, c);
    if (b->n == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 16;
        b->waiters = xrealloc(b->waiters, b->cap * sizeof *b->waiters);
    }
    b->waiters[b->n++] = *w;
    p->waiting++;
    return b->seq;
}

struct blob *proposals_payload(struct proposals *p, uint64_t clock_ms)
{
    struct blob *b = blob_new(proposals_open_bytes(p));

    assert(p->open.n > 0 && p->open.n == p->entry.count);
    entry_writer_write(&p->entry, clock_ms, b->data);
    return b;
}

/* Drop the open batch's content, keep its memory, give it the next number. */
static void open_next(struct proposals *p)
{
    entry_writer_clear(&p->entry);
    p->open.n = 0;
    p->open.index = p->open.term = 0;
    p->open.seq++;
}

static struct batch *flight_at(struct proposals *p, unsigned i)
{
    return &p->flight[(p->head + i) % BATCHES_IN_FLIGHT_MAX];
}

void proposals_submitted(struct proposals *p, uint64_t index, uint64_t term)
{
    struct batch *slot = flight_at(p, p->count);
    struct batch spare = *slot; /* its array serves the next open batch */

    assert(p->count < BATCHES_IN_FLIGHT_MAX && p->open.n > 0);
    assert(!p->count || flight_at(p, p->count - 1)->index < index);
    *slot = p->open;
    slot->index = index;
    slot->term = term;
    p->count++;
    p->open.waiters = spare.waiters;
    p->open.cap = spare.cap;
    open_next(p);
}

static void answer_all(struct proposals *p, struct batch *b, enum status why,
                       proposals_answer *answer, void *arg)
{
    for (unsigned i = 0; i < b->n; i++)
        if (!b->waiters[i].gone)
            answer(arg, &b->waiters[i], (struct result){.status = why});
    p->waiting -= b->n;
    b->n = 0;
}

void proposals_refuse_open(struct proposals *p, enum status why,
                           proposals_answer *answer, void *arg)
{
    if (!p->open.n)
        return;
    answer_all(p, &p->open, why, answer, arg);
    if (!p->count)
        p->done = p->open.seq;
    /* With batches in flight before it, `done` passes it with the last. */
    open_next(p);
}

static void pop(struct proposals *p)
{
    struct batch *b = flight_at(p, 0);

    p->waiting -= b->n;
    b->n = 0;
    p->done = b->seq;
    p->head = (p->head + 1) % BATCHES_IN_FLIGHT_MAX;
    p->count--;
    if (!p->count)
        p->done = p->open.seq - 1; /* refused ones between are decided too */
}

struct batch *proposals_match(struct proposals *p, uint64_t index,
                              uint64_t term, proposals_answer *answer,
                              void *arg)
{
    while (p->count) {
        struct batch *b = flight_at(p, 0);
        if (b->index == index && (b->term == term || PLANTED(MATCH_BY_INDEX)))
            return b;
        /* Behind a committed entry of a later term nothing of an earlier one
         * can ever be committed. */
        if (b->index > index && b->term >= term)
            return NULL;
        answer_all(p, b, STATUS_NOT_LEADER, answer, arg);
        pop(p);
    }
    return NULL;
}

void proposals_decided(struct proposals *p, struct batch *b)
{
    assert(p->count && b == flight_at(p, 0));
    pop(p);
}

void proposals_jumped(struct proposals *p, uint64_t index,
                      proposals_answer *answer, void *arg)
{
    while (p->count && flight_at(p, 0)->index <= index) {
        answer_all(p, flight_at(p, 0),
                   PLANTED(INSTALL_IS_REFUSED) || PLANTED(REFUSED_IN_FLIGHT)
                       ? STATUS_NOT_LEADER
                       : STATUS_UNKNOWN,
                   answer, arg);
        pop(p);
    }
}

static instant expire_batch(struct batch *b, instant now, instant earliest,
                            proposals_answer *answer, void *arg)
{
    for (unsigned i = 0; i < b->n; i++) {
        struct waiter *w = &b->waiters[i];
        if (w->gone)
            continue;
        if (!instant_reached(now, w->deadline)) {
            earliest = instant_min(earliest, w->deadline);
            continue;
        }
        answer(arg, w,
               (struct result){.status = PLANTED(EXPIRED_IS_REFUSED)
                                             ? STATUS_NOT_LEADER
                                             : STATUS_UNKNOWN});
        w->gone = !PLANTED(ANSWERED_TWICE);
    }
    return earliest;
}

instant proposals_expire(struct proposals *p, instant now,
                         proposals_answer *answer, void *arg)
{
    instant earliest = INSTANT_NEVER;

    for (unsigned i = 0; i < p->count; i++)
        earliest =
            expire_batch(flight_at(p, i), now, earliest, answer, arg);
    return expire_batch(&p->open, now, earliest, answer, arg);
}
