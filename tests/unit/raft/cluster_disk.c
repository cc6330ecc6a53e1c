/* cluster_disk.c - see cluster_disk.h. */
#include "cluster_disk.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/base/bytes.h"

struct logged *cluster_logged_at(struct node *x, uint64_t index)
{
    if (index < x->first || index >= x->first + x->n_log)
        return NULL;
    return &x->log[index - x->first];
}

void cluster_log_cut(struct node *x, uint64_t from)
{
    while (x->n_log && x->first + x->n_log - 1 >= from)
        blob_unref(x->log[--x->n_log].payload);
}

/* The wal has let go of what is below `first`. */
void cluster_log_drop(struct node *x, uint64_t first)
{
    uint64_t n = first > x->first ? first - x->first : 0;

    if (n > x->n_log)
        n = x->n_log;
    for (uint64_t i = 0; i < n; i++)
        blob_unref(x->log[i].payload);
    if (n)
        memmove(x->log, x->log + n, (x->n_log - n) * sizeof x->log[0]);
    x->n_log -= n;
    x->first += n;
}

void cluster_log_add(struct cluster *c, struct node *x, uint64_t index,
                     const struct logged *e)
{
    CHECK(c, index == x->first + x->n_log);
    if (x->n_log == x->log_cap) {
        x->log_cap = x->log_cap ? x->log_cap * 2 : 64;
        x->log = xrealloc(x->log, x->log_cap * sizeof x->log[0]);
    }
    x->log[x->n_log] = *e;
    blob_ref(e->payload);
    x->n_log++;
}

void cluster_persist_free(struct pending_persist *p)
{
    for (unsigned i = 0; i < p->n; i++)
        blob_unref(p->entries[i].payload);
    free(p->entries);
}

struct pending_persist *cluster_persist_add(struct cluster *c, struct node *x,
                                            enum persist_kind kind,
                                            uint64_t seq)
{
    struct pending_persist *p;
    uint64_t took = rng_below(&c->rng, c->disk_max + 1);

    if (x->lagging)
        took *= 10;
    if (x->n_persists == x->persists_cap) {
        x->persists_cap = x->persists_cap ? x->persists_cap * 2 : 16;
        x->persists =
            xrealloc(x->persists, x->persists_cap * sizeof x->persists[0]);
    }
    if (x->disk_free_at < c->now)
        x->disk_free_at = c->now;
    /* A disk is late, but not for ever. */
    if (x->disk_free_at + took < c->now + 1500)
        x->disk_free_at += took;
    p = &x->persists[x->n_persists++];
    *p = (struct pending_persist){
        .kind = kind, .seq = seq, .due = x->disk_free_at};
    return p;
}

void cluster_persist_write(struct cluster *c, struct node *x,
                           struct pending_persist *p)
{
    x->fresh = false;
    switch (p->kind) {
    case PERSIST_VOTE:
        CHECK(c, p->term > x->term ||
                     (p->term == x->term && (!x->vote || x->vote == p->vote)));
        x->term = p->term;
        x->vote = p->vote;
        break;
    case PERSIST_TRUNCATE:
        CHECK(c, p->from > x->flushed.index);
        cluster_log_cut(x, p->from);
        break;
    case PERSIST_ENTRIES:
        for (unsigned i = 0; i < p->n; i++)
            cluster_log_add(c, x, p->from + i, &p->entries[i]);
        break;
    }
}
