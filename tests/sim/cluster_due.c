/* cluster_due.c - looks into the index of deadlines. See cluster.h. */
#include <stdlib.h>

#include "tests/sim/cluster.h"

struct looking {
    uint32_t group;
    struct buf keys, next;
    unsigned n;
};

static void look_done(struct cluster *c, struct sim_loop *l, void *arg,
                      bool dropped)
{
    struct looking *k = arg;
    struct event e = {.type = EVENT_DUE};

    e.due.group = k->group;
    e.due.keys = buf_slice(&k->keys);
    e.due.n = k->n;
    e.due.next = buf_slice(&k->next);
    if (!dropped)
        loop_step(c, l, &e);
    buf_release(&k->keys);
    buf_release(&k->next);
    free(k);
}

/* The view is taken when the effect is carried out, as the daemon does. */
void due_look(struct cluster *c, struct sim_loop *l, const struct effect *e)
{
    struct sim_replica *r = cluster_replica(l->node, e->group);
    struct looking *k = xcalloc(1, sizeof *k);
    const struct mem_table *t;

    if (!r)
        cluster_fail(c, "node %u has no group %u", l->node->id, e->group);
    t = &r->open->live;

    k->group = e->group;
    for (unsigned i = mem_table_lower(t, e->due.from); i < t->n; i++) {
        struct slice key = mem_row_key(&t->v[i]);
        struct layout_deadline d;
        if (layout_deadline_key_parse(key, &d) != STATUS_OK)
            break;
        if (d.deadline > e->due.until || k->n == e->due.max ||
            k->keys.size >= e->due.bytes_max) {
            buf_append(&k->next, key.data, key.size);
            break;
        }
        buf_u32(&k->keys, (uint32_t)key.size);
        buf_append(&k->keys, key.data, key.size);
        k->n++;
    }
    cluster_later(c, l, cluster_draw(c, STREAM_STORE, c->store_max), look_done,
                  k);
}
