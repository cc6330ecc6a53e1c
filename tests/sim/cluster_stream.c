/* cluster_stream.c - pages of scans, parts of watches. See cluster.h. */
#include "node/core/scan_run.h"
#include "tests/sim/cluster.h"

struct scanning {
    uint64_t token;
    enum status status;
    struct buf page;
};

static void scan_done(struct cluster *c, struct sim_loop *l, void *arg,
                      bool dropped)
{
    struct scanning *s = arg;
    struct event e = {.type = EVENT_SCANNED};

    e.scanned.token = s->token;
    e.scanned.status = s->status;
    e.scanned.page = buf_slice(&s->page);
    if (!dropped)
        loop_step(c, l, &e);
    buf_release(&s->page);
    free(s);
}

/* Walk the table; now and then "it took too long". */
static void walk(struct cluster *c, struct scan_run *run,
                 const struct mem_table *t)
{
    bool reverse = run->scan.flags & SCAN_REVERSE;

    for (unsigned i = 0; i < t->n; i++) {
        const struct mem_row *row = &t->v[reverse ? t->n - 1 - i : i];
        struct slice key = mem_row_key(row);
        if (slice_compare(key, buf_slice(&run->lower)) < 0 ||
            slice_compare(key, buf_slice(&run->upper)) >= 0)
            continue;
        if (!scan_run_take(run, key, mem_row_value(row)))
            return;
        if (cluster_odds(c, STREAM_STORE, 20)) {
            scan_run_stop(run, key);
            return;
        }
    }
}

void stream_scan(struct cluster *c, struct sim_loop *l, const struct effect *e)
{
    struct sim_replica *r = cluster_replica(l->node, e->group);
    struct scanning *s = xcalloc(1, sizeof *s);
    struct group_record record;
    struct scan_run run;

    if (!r)
        cluster_fail(c, "node %u has no group %u", l->node->id, e->group);
    s->token = e->scan.token;
    s->status = scan_run_begin(&run, e->group, e->scan.keyspace,
                               e->scan.request, &s->page);
    if (s->status == STATUS_OK) {
        record = mem_table_record(&r->open->live);
        if (scan_run_state(&run, &record,
                           mem_table_single(&r->open->live, LAYOUT_SLOTS)) ==
            STATUS_OK)
            walk(c, &run, &r->open->live);
        s->status = scan_run_end(&run);
    }
    cluster_later(c, l, cluster_draw(c, STREAM_STORE, c->store_max),
                  scan_done, s);
}

static void part_taken(struct cluster *c, struct sim_loop *l, void *arg,
                       bool dropped)
{
    const struct effect *part = arg;
    struct event e = {.type = EVENT_WATCH_TAKEN};

    e.watch_taken.token = part->watch.token;
    if (!dropped)
        loop_step(c, l, &e);
    free(arg);
}

void stream_part(struct cluster *c, struct sim_loop *l, const struct effect *e)
{
    struct effect *copy = xmalloc(sizeof *copy);
    uint64_t delay = 0;

    *copy = *e;
    if (c->judge.part)
        delay = c->judge.part(c->judge.arg, l->node, e);
    cluster_later(c, l, delay, part_taken, copy);
}
