/* groups.c - see groups.h. */
#include "raft/wal/groups.h"
#include "proto/base/planted.h"

#include <assert.h>
#include <stdlib.h>

uint64_t wal_group_term(const struct wal_group *g, uint64_t index)
{
    if (index == wal_group_base(g))
        return g->base_term;
    assert(wal_index_has(&g->log, index));
    return wal_index_at(&g->log, index)->term;
}

void wal_group_state(const struct wal_group *g, struct wal_state *out)
{
    *out = (struct wal_state){
        .batch = g->batch,
        .term = g->term,
        .vote = PLANTED(VOTE_LOST_WITH_SEGMENT) ? 0 : g->vote,
        .base = wal_group_base(g),
        .base_term = g->base_term,
        .last = wal_group_last(g),
        .last_term = wal_group_term(g, wal_group_last(g)),
        .reset_index = g->reset_index,
        .reset_term = g->reset_term,
        .quarantined = g->quarantined,
    };
    memcpy(out->install_id, g->install_id, WAL_INSTALL_ID_BYTES);
}

static uint32_t home(const struct wal_groups *t, uint32_t id)
{
    return (uint32_t)((id * 0x9e3779b97f4a7c15u) >> 32) & (t->cap - 1);
}

static void group_free(struct wal_group *g)
{
    wal_index_release(&g->log);
    free(g);
}

void wal_groups_release(struct wal_groups *t)
{
    for (uint32_t i = 0; i < t->cap; i++)
        if (t->slots[i])
            group_free(t->slots[i]);
    free(t->slots);
    *t = (struct wal_groups){0};
}

struct wal_group *wal_groups_find(const struct wal_groups *t, uint32_t id)
{
    if (!t->cap)
        return NULL;
    for (uint32_t i = home(t, id);; i = (i + 1) & (t->cap - 1)) {
        if (!t->slots[i] || t->slots[i]->id == id)
            return t->slots[i];
    }
}

static void groups_put(struct wal_groups *t, struct wal_group *g)
{
    uint32_t i = home(t, g->id);
    while (t->slots[i])
        i = (i + 1) & (t->cap - 1);
    t->slots[i] = g;
}

struct wal_group *wal_groups_add(struct wal_groups *t, uint32_t id)
{
    struct wal_group *g = xcalloc(1, sizeof *g);

    assert(!wal_groups_find(t, id));
    if (t->count * 2 >= t->cap) {
        struct wal_groups old = *t;
        t->cap = old.cap ? old.cap * 2 : 16;
        t->slots = xcalloc(t->cap, sizeof *t->slots);
        for (uint32_t i = 0; i < old.cap; i++)
            if (old.slots[i])
                groups_put(t, old.slots[i]);
        free(old.slots);
    }
    g->id = id;
    g->sorted = true;
    g->log.first = 1;
    groups_put(t, g);
    t->count++;
    return g;
}

void wal_groups_remove(struct wal_groups *t, uint32_t id)
{
    uint32_t at = home(t, id), i;

    while (t->slots[at]->id != id)
        at = (at + 1) & (t->cap - 1);
    group_free(t->slots[at]);
    t->slots[at] = NULL;
    t->count--;
    /* What probed past the hole must still be found: put it in again. */
    for (i = (at + 1) & (t->cap - 1); t->slots[i];
         i = (i + 1) & (t->cap - 1)) {
        struct wal_group *g = t->slots[i];
        t->slots[i] = NULL;
        groups_put(t, g);
    }
}

struct wal_group *wal_groups_next(const struct wal_groups *t, uint32_t *i)
{
    while (*i < t->cap) {
        struct wal_group *g = t->slots[(*i)++];
        if (g)
            return g;
    }
    return NULL;
}
