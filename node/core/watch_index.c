/* watch_index.c - see watch_index.h. */
#include "node/core/watch_index.h"

#include <assert.h>
#include <stdlib.h>

void watch_index_release(struct watch_index *x)
{
    free(x->v);
    free(x->largest);
    *x = (struct watch_index){0};
}

void watch_index_add(struct watch_index *x, struct watch_range *r)
{
    if (x->n == x->cap) {
        x->cap = x->cap ? x->cap * 2 : 16;
        x->v = xrealloc(x->v, x->cap * sizeof *x->v);
    }
    r->place = x->n;
    x->v[x->n++] = r;
    x->dirty = true;
}

void watch_index_remove(struct watch_index *x, struct watch_range *r)
{
    assert(r->place < x->n && x->v[r->place] == r);
    x->v[r->place] = x->v[--x->n];
    x->v[r->place]->place = r->place;
    x->dirty = true;
}

static int by_begin(const void *a, const void *b)
{
    const struct watch_range *l = *(struct watch_range *const *)a;
    const struct watch_range *r = *(struct watch_range *const *)b;

    if (l->keyspace != r->keyspace)
        return l->keyspace < r->keyspace ? -1 : 1;
    return slice_compare(l->begin, r->begin);
}

/* Does range `a` end before range `b`? */
static bool ends_before(const struct watch_range *a,
                        const struct watch_range *b)
{
    if (a->keyspace != b->keyspace)
        return a->keyspace < b->keyspace;
    if (a->no_end || b->no_end)
        return !a->no_end && b->no_end;
    return slice_compare(a->end, b->end) < 0;
}

/* Node `node` is about v[lo .. hi-1]; its children are 2 node + 1 and + 2. */
static unsigned build_node(struct watch_index *x, unsigned node, unsigned lo,
                           unsigned hi)
{
    unsigned mid = lo + (hi - lo) / 2, left, right;

    if (hi - lo == 1) {
        x->largest[node] = lo;
        return lo;
    }
    left = build_node(x, 2 * node + 1, lo, mid);
    right = build_node(x, 2 * node + 2, mid, hi);
    x->largest[node] = ends_before(x->v[left], x->v[right]) ? right : left;
    return x->largest[node];
}

static void build(struct watch_index *x)
{
    unsigned nodes = 4;

    x->dirty = false;
    if (!x->n)
        return;
    qsort(x->v, x->n, sizeof *x->v, by_begin);
    for (unsigned i = 0; i < x->n; i++)
        x->v[i]->place = i;
    while (nodes < 4 * x->n)
        nodes *= 2;
    if (x->cap_largest < nodes) {
        x->cap_largest = nodes;
        x->largest = xrealloc(x->largest, nodes * sizeof *x->largest);
    }
    build_node(x, 0, 0, x->n);
}

struct question {
    const struct watch_index *x;
    uint32_t keyspace;
    struct slice key;
    unsigned upto; /* ranges from here on begin behind the key */
    watch_found *found;
    void *arg;
};

/* Does it end behind the key? (It begins before it.) */
static bool reaches(const struct question *q, const struct watch_range *r)
{
    if (r->keyspace != q->keyspace)
        return r->keyspace > q->keyspace;
    return r->no_end || slice_compare(q->key, r->end) < 0;
}

static void search(const struct question *q, unsigned node, unsigned lo,
                   unsigned hi)
{
    const struct watch_index *x = q->x;
    unsigned mid = lo + (hi - lo) / 2;

    if (lo >= q->upto || !reaches(q, x->v[x->largest[node]]))
        return;
    if (hi - lo == 1) {
        if (x->v[lo]->keyspace == q->keyspace)
            q->found(q->arg, x->v[lo]);
        return;
    }
    search(q, 2 * node + 1, lo, mid);
    search(q, 2 * node + 2, mid, hi);
}

void watch_index_find(struct watch_index *x, uint32_t keyspace,
                      struct slice key, watch_found *found, void *arg)
{
    struct question q = {x, keyspace, key, 0, found, arg};
    unsigned lo = 0, hi = x->n;

    if (!x->n)
        return;
    if (x->dirty)
        build(x);
    while (lo < hi) {
        unsigned mid = lo + (hi - lo) / 2;
        const struct watch_range *r = x->v[mid];
        bool before = r->keyspace != keyspace
                          ? r->keyspace < keyspace
                          : slice_compare(r->begin, key) <= 0;
        if (before)
            lo = mid + 1;
        else
            hi = mid;
    }
    q.upto = lo;
    search(&q, 0, 0, x->n);
}
