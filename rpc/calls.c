/* calls.c - see calls.h.
 *
 * A slab of slots, three structures over it by slot number: the free list, the
 * list by age, and a binary heap by deadline in which each slot knows its
 * place. Equal deadlines leave in the order they were added. */
#include "rpc/calls.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/bytes.h"

#define NONE UINT32_MAX

struct call_slot {
    instant deadline;
    uint64_t order; /* `added` when it was added */
    void *user;     /* NULL: free */
    uint32_t generation;
    uint32_t place; /* in the heap */
    uint32_t older; /* free slots: unused */
    uint32_t newer; /* free slots: the next free one */
};

void calls_init(struct calls *c, uint32_t count_max)
{
    assert(count_max > 0);
    assert(count_max < UINT32_C(1) << 31);
    *c = (struct calls){
        .count_max = count_max, .free = NONE, .first = NONE, .last = NONE};
}

void calls_release(struct calls *c)
{
    free(c->slots);
    free(c->heap);
    calls_init(c, c->count_max);
}

static uint64_t id_of(const struct calls *c, uint32_t at)
{
    return (uint64_t)c->slots[at].generation << 32 | at;
}

/* ---- heap ---- */

static bool is_earlier(const struct calls *c, uint32_t a, uint32_t b)
{
    const struct call_slot *x = &c->slots[a];
    const struct call_slot *y = &c->slots[b];

    if (x->deadline.ms != y->deadline.ms)
        return x->deadline.ms < y->deadline.ms;
    return x->order < y->order;
}

static void heap_put(struct calls *c, uint32_t place, uint32_t at)
{
    c->heap[place] = at;
    c->slots[at].place = place;
}

static void heap_up(struct calls *c, uint32_t place, uint32_t at)
{
    while (place > 0) {
        uint32_t parent = (place - 1) / 2;
        if (!is_earlier(c, at, c->heap[parent]))
            break;
        heap_put(c, place, c->heap[parent]);
        place = parent;
    }
    heap_put(c, place, at);
}

/* `n` is the heap's size. */
static void heap_down(struct calls *c, uint32_t place, uint32_t at, uint32_t n)
{
    for (;;) {
        uint32_t child = 2 * place + 1;
        if (child >= n)
            break;
        if (child + 1 < n && is_earlier(c, c->heap[child + 1], c->heap[child]))
            child++;
        if (!is_earlier(c, c->heap[child], at))
            break;
        heap_put(c, place, c->heap[child]);
        place = child;
    }
    heap_put(c, place, at);
}

/* Take what is at `place` out of the heap of c->count. */
static void heap_remove(struct calls *c, uint32_t place)
{
    uint32_t n = c->count - 1;
    uint32_t moved = c->heap[n];

    if (place == n)
        return;
    if (place > 0 && is_earlier(c, moved, c->heap[(place - 1) / 2]))
        heap_up(c, place, moved);
    else
        heap_down(c, place, moved, n);
}

/* ---- slots ---- */

static void grow(struct calls *c)
{
    uint32_t cap = c->cap ? MIN_OF(c->cap * 2, c->count_max)
                          : MIN_OF(UINT32_C(16), c->count_max);

    c->slots = xrealloc(c->slots, cap * sizeof *c->slots);
    c->heap = xrealloc(c->heap, cap * sizeof *c->heap);
    for (uint32_t i = cap; i-- > c->cap;) {
        c->slots[i] = (struct call_slot){.generation = 1, .newer = c->free};
        c->free = i;
    }
    c->cap = cap;
}

enum status calls_add(struct calls *c, instant deadline, void *user,
                      uint64_t *id)
{
    struct call_slot *s;
    uint32_t at;

    assert(user);
    if (c->count == c->count_max)
        return STATUS_BUSY;
    if (c->free == NONE)
        grow(c);
    at = c->free;
    s = &c->slots[at];
    c->free = s->newer;
    s->deadline = instant_reached(deadline, c->floor) ? deadline : c->floor;
    s->order = c->added++;
    s->user = user;
    s->older = c->last;
    s->newer = NONE;
    if (c->last == NONE)
        c->first = at;
    else
        c->slots[c->last].newer = at;
    c->last = at;
    heap_up(c, c->count++, at);
    *id = id_of(c, at);
    return STATUS_OK;
}

/* The slot of a call that waits, or NONE. */
static uint32_t lookup(const struct calls *c, uint64_t id)
{
    uint32_t at = (uint32_t)id;

    if (at >= c->cap || !c->slots[at].user)
        return NONE;
    return c->slots[at].generation == (uint32_t)(id >> 32) ? at : NONE;
}

static void *end(struct calls *c, uint32_t at)
{
    struct call_slot *s = &c->slots[at];
    void *user = s->user;

    assert(user);
    heap_remove(c, s->place);
    c->count--;
    if (s->older == NONE)
        c->first = s->newer;
    else
        c->slots[s->older].newer = s->newer;
    if (s->newer == NONE)
        c->last = s->older;
    else
        c->slots[s->newer].older = s->older;
    s->user = NULL;
    /* Generation 0 would allow the id 0. */
    s->generation = s->generation == UINT32_MAX ? 1 : s->generation + 1;
    s->newer = c->free;
    c->free = at;
    return user;
}

void *calls_take(struct calls *c, uint64_t id)
{
    uint32_t at = lookup(c, id);

    return at == NONE ? NULL : end(c, at);
}

void *calls_find(const struct calls *c, uint64_t id)
{
    uint32_t at = lookup(c, id);

    return at == NONE ? NULL : c->slots[at].user;
}

instant calls_next(const struct calls *c)
{
    return c->count ? c->slots[c->heap[0]].deadline : INSTANT_NEVER;
}

/* A call without deadline is never due, whatever `now` is. */
static bool is_due(const struct call_slot *s, instant now)
{
    return s->deadline.ms != INSTANT_NEVER.ms &&
           instant_reached(now, s->deadline);
}

unsigned calls_expire(struct calls *c, instant now, calls_on_end *on_end,
                      void *context)
{
    unsigned n = 0;

    /* Without the floor a callback that adds a call which is due at once would
     * keep us here, or hide older calls behind it. */
    c->floor = instant_add(now, MS(1));
    while (c->count) {
        uint32_t at = c->heap[0];
        uint64_t id = id_of(c, at);
        if (!is_due(&c->slots[at], now))
            break;
        on_end(context, id, end(c, at));
        n++;
    }
    c->floor = (instant){0};
    return n;
}

unsigned calls_fail_all(struct calls *c, calls_on_end *on_end, void *context)
{
    uint64_t before = c->added;
    unsigned n = 0;

    while (c->first != NONE && c->slots[c->first].order < before) {
        uint32_t at = c->first;
        uint64_t id = id_of(c, at);
        on_end(context, id, end(c, at));
        n++;
    }
    return n;
}
