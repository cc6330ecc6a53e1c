/* cluster_due.c - looks into the index of deadlines. See cluster.h. */
#include <stdlib.h>

#include "tests/sim/cluster.h"

struct looking {
    uint32_t group;
    struct buf keys, next;
    uint64_t *held;
    unsigned n;
};

static void look_done(struct cluster *c, struct sim_loop *l, void *arg,
                      bool dropped)
{
    struct looking *k = arg;
    struct event e = {.type = EVENT_DUE};

    e.due.group = k->group;
    e.due.keys = buf_slice(&k->keys);
    e.due.held = k->held;
    e.due.n = k->n;
    e.due.next = buf_slice(&k->next);
    if (!dropped)
        loop_step(c, l, &e);
    buf_release(&k->keys);
    buf_release(&k->next);
    free(k->held);
    free(k);
}

/* Until when the record is kept that a line is about. */
static uint64_t held_until(const struct mem_table *t,
                           const struct layout_deadline *line)
{
    struct buf key = {0};
    const struct mem_row *row;
    struct layout_value v;

    if (line->kind != LAYOUT_DATA)
        return SWEEP_UNKNOWN;
    layout_data_key_append(&key, line->keyspace, line->user_key);
    row = mem_table_get(t, buf_slice(&key));
    buf_release(&key);
    if (!row)
        return 0;
    return layout_value_parse(mem_row_value(row), &v) == STATUS_OK
               ? v.expire_at_ms
               : SWEEP_UNKNOWN;
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
    k->held = xcalloc(e->due.max + 1, sizeof *k->held);
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
        k->held[k->n++] = held_until(t, &d);
    }
    cluster_later(c, l, cluster_draw(c, STREAM_STORE, c->store_max), look_done,
                  k);
}
