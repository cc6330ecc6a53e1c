/* index.c - see index.h. */
#include "raft/wal/index.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/base/bytes.h"

enum { INDEX_CAP_MIN = 16 };

static void index_resize(struct wal_index *x, uint32_t cap)
{
    struct wal_slot *slots = xmalloc((size_t)cap * sizeof *slots);
    uint32_t run = x->cap - x->head; /* slots up to the wrap */

    assert(cap >= x->count);
    if (run > x->count)
        run = x->count;
    if (x->count) {
        memcpy(slots, x->slots + x->head, run * sizeof *slots);
        memcpy(slots + run, x->slots, (x->count - run) * sizeof *slots);
    }
    free(x->slots);
    x->slots = slots;
    x->cap = cap;
    x->head = 0;
}

void wal_index_release(struct wal_index *x)
{
    free(x->slots);
    *x = (struct wal_index){.first = x->first};
}

void wal_index_clear(struct wal_index *x, uint64_t first)
{
    wal_index_release(x);
    x->first = first;
}

void wal_index_push(struct wal_index *x, struct wal_slot s)
{
    if (x->count == x->cap) {
        assert(x->cap <= UINT32_MAX / 4);
        index_resize(x, x->cap ? x->cap * 2 : INDEX_CAP_MIN);
    }
    x->slots[(x->head + x->count) & (x->cap - 1)] = s;
    x->count++;
}

/* Give memory back once seven eighths are empty: then it takes as many pushes
 * to grow again, so the cost stays constant per operation. */
static void index_shrink(struct wal_index *x)
{
    if (x->cap > INDEX_CAP_MIN && x->count < x->cap / 8)
        index_resize(x, x->cap / 2);
}

void wal_index_pop_back(struct wal_index *x)
{
    assert(x->count > 0);
    x->count--;
    index_shrink(x);
}

void wal_index_pop_front(struct wal_index *x)
{
    assert(x->count > 0);
    x->count--;
    x->head = (x->head + 1) & (x->cap - 1);
    x->first++;
    index_shrink(x);
}

void wal_index_extend_front(struct wal_index *x, uint64_t first)
{
    uint64_t more = x->first - first;

    assert(first <= x->first && more < UINT32_MAX / 4 - x->count);
    while (x->cap < x->count + more)
        index_resize(x, x->cap ? x->cap * 2 : INDEX_CAP_MIN);
    for (uint64_t i = 0; i < more; i++) {
        x->head = (x->head - 1) & (x->cap - 1);
        x->slots[x->head] = (struct wal_slot){0};
    }
    x->count += (uint32_t)more;
    x->first = first;
}
