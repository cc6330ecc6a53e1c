/* tail.c - see tail.h. */
#include "raft/tail.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/base/bytes.h"

enum { SLOTS_MIN = 64 };

struct tail_slot {
    struct group_entry entry;
    uint32_t size;
    uint64_t end; /* payload bytes of all entries up to here, modulo 2^64 */
};

static struct tail_slot *slot(const struct tail *t, uint64_t index)
{
    return &t->slots[index & (t->cap - 1)];
}

static bool known(const struct tail *t, uint64_t index)
{
    return index >= t->first && index <= t->last;
}

static void drop_payload(struct tail *t, struct tail_slot *s)
{
    if (!s->entry.payload)
        return;
    if (t->budget) {
        assert(t->budget->bytes >= s->size);
        t->budget->bytes -= s->size;
    }
    blob_unref(s->entry.payload);
    s->entry.payload = NULL;
}

void tail_init(struct tail *t, uint64_t first, struct tail_budget *budget)
{
    assert(first > 0);
    *t = (struct tail){.first = first,
                       .last = first - 1,
                       .payload_from = first,
                       .budget = budget};
}

void tail_release(struct tail *t)
{
    tail_reset(t, 1);
    free(t->slots);
    t->slots = NULL;
    t->cap = 0;
}

void tail_reset(struct tail *t, uint64_t first)
{
    assert(first > 0);
    for (uint64_t i = t->payload_from; i <= t->last; i++)
        drop_payload(t, slot(t, i));
    t->first = t->payload_from = first;
    t->last = first - 1;
}

/* Twice the room; each index keeps its place modulo the capacity. */
static void grow(struct tail *t)
{
    uint64_t cap = t->cap ? t->cap * 2 : SLOTS_MIN;
    struct tail_slot *slots = xcalloc(cap, sizeof *slots);

    for (uint64_t i = t->first; i <= t->last; i++)
        slots[i & (cap - 1)] = *slot(t, i);
    free(t->slots);
    t->slots = slots;
    t->cap = cap;
}

void tail_append(struct tail *t, const struct group_entry *e, size_t size)
{
    uint64_t index = t->last + 1;
    uint64_t before = known(t, t->last) ? slot(t, t->last)->end : 0;
    struct tail_slot *s;

    assert(!e->payload || e->payload->size == size);
    assert(size <= UINT32_MAX);
    if (index - t->first >= t->cap)
        grow(t);
    s = slot(t, index);
    s->entry = *e;
    blob_ref(e->payload);
    s->size = (uint32_t)size;
    s->end = before + size;
    if (t->budget && e->payload)
        t->budget->bytes += size;
    t->last = index;
}

void tail_truncate(struct tail *t, uint64_t from)
{
    assert(from >= t->first);
    for (; t->last >= from; t->last--)
        drop_payload(t, slot(t, t->last));
    if (t->payload_from > t->last + 1)
        t->payload_from = t->last + 1;
}

void tail_forget(struct tail *t, uint64_t upto)
{
    assert(upto <= t->last);
    for (; t->first <= upto; t->first++)
        drop_payload(t, slot(t, t->first));
    if (t->payload_from < t->first)
        t->payload_from = t->first;
}

void tail_trim(struct tail *t, uint64_t upto)
{
    if (!t->budget)
        return;
    if (upto > t->last)
        upto = t->last;
    while (t->payload_from <= upto && t->budget->bytes > t->budget->bytes_max) {
        drop_payload(t, slot(t, t->payload_from));
        t->payload_from++;
    }
}

const struct group_entry *tail_at(const struct tail *t, uint64_t index)
{
    return known(t, index) ? &slot(t, index)->entry : NULL;
}

uint64_t tail_term(const struct tail *t, uint64_t index)
{
    return known(t, index) ? slot(t, index)->entry.term : 0;
}

bool tail_has_payload(const struct tail *t, uint64_t index)
{
    const struct tail_slot *s;

    if (!known(t, index))
        return false;
    s = slot(t, index);
    return s->entry.payload || s->size == 0;
}

uint64_t tail_bytes(const struct tail *t, uint64_t from, uint64_t to)
{
    const struct tail_slot *s;

    if (from > to)
        return 0;
    assert(known(t, from));
    assert(known(t, to));
    s = slot(t, from);
    return slot(t, to)->end - (s->end - s->size);
}
