/* merge.c - see merge.h. */
#include "client/merge.h"

#include <assert.h>
#include <stdlib.h>

void merge_init(struct merge *m, unsigned sources, bool reverse)
{
    *m = (struct merge){.cap = sources, .reverse = reverse};
    m->heap = xcalloc(sources, sizeof *m->heap);
}

void merge_release(struct merge *m)
{
    free(m->heap);
    *m = (struct merge){0};
}

static bool before(const struct merge *m, const struct merge_row *a,
                   const struct merge_row *b)
{
    int order = slice_compare(a->key, b->key);

    if (!order)
        return a->source < b->source;
    return m->reverse ? order > 0 : order < 0;
}

static void sink(struct merge *m, struct merge_row row)
{
    unsigned at = 0;

    for (;;) {
        unsigned child = 2 * at + 1;
        if (child >= m->n)
            break;
        if (child + 1 < m->n &&
            before(m, &m->heap[child + 1], &m->heap[child]))
            child++;
        if (!before(m, &m->heap[child], &row))
            break;
        m->heap[at] = m->heap[child];
        at = child;
    }
    m->heap[at] = row;
}

void merge_add(struct merge *m, struct slice key, uint32_t source)
{
    struct merge_row row = {key, source};
    unsigned at = m->n++;

    assert(m->n <= m->cap);
    while (at > 0 && before(m, &row, &m->heap[(at - 1) / 2])) {
        m->heap[at] = m->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    m->heap[at] = row;
}

void merge_pop(struct merge *m)
{
    assert(m->n > 0);
    if (--m->n)
        sink(m, m->heap[m->n]);
}

void merge_move(struct merge *m, struct slice key)
{
    assert(m->n > 0);
    sink(m, (struct merge_row){key, m->heap[0].source});
}
