/* chains.c - see chains.h. */
#include "node/core/chains.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#include "proto/base/bytes.h"

enum { SIZE_MIN = 64 };

void chains_release(struct chains *c)
{
    free(c->v);
    *c = (struct chains){0};
}

/* Connections are numbered by us: nobody chooses what collides. */
static unsigned home(const struct chains *c, uint64_t conn, uint32_t group)
{
    uint64_t h = (conn ^ (uint64_t)group << 40) * 0x9e3779b97f4a7c15u;

    return (unsigned)(h >> 32) & (c->size - 1);
}

/* The pair's place, or the free one where it would be. */
static struct chain *find(const struct chains *c, uint64_t conn,
                          uint32_t group)
{
    unsigned i = home(c, conn, group);

    while (c->v[i].outstanding &&
           (c->v[i].conn != conn || c->v[i].group != group))
        i = (i + 1) & (c->size - 1);
    return &c->v[i];
}

static void resize(struct chains *c, unsigned size)
{
    struct chain *old = c->v;
    unsigned n = c->size;

    c->v = xcalloc(size, sizeof *c->v);
    c->size = size;
    for (unsigned i = 0; i < n; i++)
        if (old[i].outstanding)
            *find(c, old[i].conn, old[i].group) = old[i];
    free(old);
}

uint32_t chains_node(const struct chains *c, uint64_t conn, uint32_t group)
{
    const struct chain *x;

    if (!c->used)
        return 0;
    x = find(c, conn, group);
    return x->outstanding ? x->node : 0;
}

void chains_sent(struct chains *c, uint64_t conn, uint32_t group,
                 uint32_t node)
{
    struct chain *x;

    if (c->used * 2 >= c->size)
        resize(c, c->size ? c->size * 2 : SIZE_MIN);
    x = find(c, conn, group);
    assert(!x->outstanding || x->node == node);
    if (!x->outstanding) {
        *x = (struct chain){conn, group, node, 0};
        c->used++;
    }
    x->outstanding++;
}

/* Is `at` on the way from `from` to `to`, around the table's end too? */
static bool between(unsigned from, unsigned at, unsigned to)
{
    return from <= to ? from <= at && at <= to : at >= from || at <= to;
}

/* Free a place: what stands behind it and would no longer be found moves up. */
static void vacate(struct chains *c, unsigned hole)
{
    unsigned mask = c->size - 1;

    for (unsigned i = (hole + 1) & mask; c->v[i].outstanding;
         i = (i + 1) & mask) {
        unsigned h = home(c, c->v[i].conn, c->v[i].group);
        if (between((hole + 1) & mask, h, i))
            continue;
        c->v[hole] = c->v[i];
        hole = i;
    }
    c->v[hole] = (struct chain){0};
}

void chains_answered(struct chains *c, uint64_t conn, uint32_t group)
{
    struct chain *x;

    assert(c->used);
    x = find(c, conn, group);
    assert(x->outstanding);
    if (--x->outstanding)
        return;
    c->used--;
    vacate(c, (unsigned)(x - c->v));
    if (c->size > SIZE_MIN && c->used * 8 < c->size)
        resize(c, c->size / 2);
}
