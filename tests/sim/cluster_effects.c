/* cluster_effects.c - a shard's effects carried out, at once or later.
 *
 * The shell does some of this at once and some on other threads; here chance
 * decides each time. Fails where event.h's contract is broken. */
#include <inttypes.h>
#include <stdlib.h>

#include "tests/sim/cluster.h"

/* ---- the log, on loop 0 ---- */

void effects_persisted(struct cluster *c, struct sim_node *n)
{
    struct event e = {.type = EVENT_PERSISTED};

    while (n->up && journal_durable(&n->journal, &e.persisted.group,
                                    &e.persisted.seq))
        loop_post_event(c, &n->loops[0], loop_of(n, e.persisted.group), &e);
    if (n->up)
        snapshot_durable(c, n);
}

void effects_pump(struct cluster *c, struct sim_node *n)
{
    disk_pump(c, n);
}

struct persist {
    struct effect effect;
    unsigned n;
    struct group_entry entries[];
};

static void persist_run(struct cluster *c, struct sim_loop *to, void *arg,
                        bool dropped)
{
    struct persist *p = arg;

    if (!dropped) {
        if (c->judge.logged)
            c->judge.logged(c->judge.arg, to->node, &p->effect, p->entries,
                            p->n);
        journal_persist(&to->node->journal, &p->effect, p->entries, p->n,
                        cluster_us(c, to->node));
        if (c->judge.asked)
            c->judge.asked(c->judge.arg, to->node, &p->effect, p->entries,
                           p->n, journal_ticket(&to->node->journal));
    }
    if (!dropped && !to->draining)
        effects_pump(c, to->node);
    for (unsigned i = 0; i < p->n; i++)
        blob_unref(p->entries[i].payload);
    free(p);
}

static void persist(struct cluster *c, struct sim_loop *l,
                    const struct effect *e)
{
    unsigned room =
        e->type == EFFECT_PERSIST_ENTRIES ? e->persist_entries.n : 0;
    struct persist *p = xcalloc(1, sizeof *p + room * sizeof p->entries[0]);

    p->effect = *e;
    if (room)
        p->n = journal_entries(e, p->entries);
    for (unsigned i = 0; i < p->n; i++)
        blob_ref(p->entries[i].payload);
    loop_letter(c, l, &l->node->loops[0], persist_run, p);
}

bool effects_read_span(struct sim_node *n, const struct wal_span *span,
                       struct buf *bytes)
{
    for (unsigned i = 0; i < span->ranges; i++) {
        const struct wal_range *r = &span->range[i];
        struct disk_file *f = disk_find(&n->disk, r->segment);
        if (!f)
            return false; /* recycled meanwhile */
        buf_append(bytes, f->bytes + r->offset, r->size);
    }
    return true;
}

/* A log read: found on loop 0, read a little later, answered where asked. */
struct log_reading {
    struct effect effect;
    bool found;
    struct wal_span span;
    struct group_entry entries[WAL_SPAN_ENTRIES];
    unsigned n;
};

static void log_read_answer(struct cluster *c, struct sim_loop *l, void *arg,
                            bool dropped)
{
    struct log_reading *r = arg;
    struct event e = {.type = EVENT_LOG_READ};

    e.log_read.group = r->effect.group;
    e.log_read.token = r->effect.log_read.token;
    e.log_read.entries = r->entries;
    e.log_read.n = r->n;
    if (!dropped)
        loop_step(c, l, &e);
    for (unsigned i = 0; i < r->n; i++)
        blob_unref(r->entries[i].payload);
    free(r);
}

static void log_read_bytes(struct cluster *c, struct sim_loop *l, void *arg,
                           bool dropped)
{
    struct log_reading *r = arg;
    struct wal_entry out[WAL_SPAN_ENTRIES];
    struct buf bytes = {0};

    if (dropped) {
        free(r);
        return;
    }
    if (r->found && !c->log_reads_fail &&
        effects_read_span(l->node, &r->span, &bytes) &&
        wal_span_decode(&r->span, buf_slice(&bytes), out) == STATUS_OK)
        r->n = r->span.count;
    for (unsigned i = 0; i < r->n; i++)
        r->entries[i] = (struct group_entry){
            out[i].term, (uint8_t)out[i].type,
            out[i].data.size ? blob_copy(out[i].data) : NULL};
    buf_release(&bytes);
    loop_letter(c, l, loop_of(l->node, r->effect.group), log_read_answer, r);
}

static void log_read_find(struct cluster *c, struct sim_loop *l, void *arg,
                          bool dropped)
{
    struct log_reading *r = arg;

    if (dropped) {
        free(r);
        return;
    }
    r->found = wal_find(l->node->journal.wal, r->effect.group,
                        r->effect.log_read.from, 1 << 20,
                        &r->span) == STATUS_OK;
    cluster_later(c, l, cluster_draw(c, STREAM_STORE, c->store_max),
                  log_read_bytes, r);
}

static void log_read(struct cluster *c, struct sim_loop *l,
                     const struct effect *e)
{
    struct log_reading *r = xcalloc(1, sizeof *r);

    c->count.log_reads++;
    r->effect = *e;
    loop_letter(c, l, &l->node->loops[0], log_read_find, r);
}

static void rewrite_run(struct cluster *c, struct sim_loop *l, void *arg,
                        bool dropped)
{
    struct sim_node *n = l->node;
    const struct effect *e = arg;
    struct wal_entry out[WAL_SPAN_ENTRIES];
    struct wal_span span;
    struct buf bytes = {0};
    uint32_t group;
    uint64_t index;

    if (!dropped && wal_pinning(n->journal.wal, &group, &index) &&
        group == e->group &&
        wal_find(n->journal.wal, group, index, 1 << 20, &span) ==
            STATUS_OK &&
        effects_read_span(n, &span, &bytes) &&
        wal_span_decode(&span, buf_slice(&bytes), out) == STATUS_OK) {
        c->count.rewrites++;
        wal_append(n->journal.wal, e->group, span.first, out, span.count,
                   true, cluster_us(c, n));
    }
    buf_release(&bytes);
    free(arg);
}

void effects_relief(struct cluster *c, struct sim_node *n)
{
    struct event e = {.type = EVENT_FLUSH_WANTED};
    uint64_t index;

    e.flush_wanted.pinned = true;
    if (wal_bytes(n->journal.wal) >= 6 * SEGMENT_BYTES &&
        wal_pinning(n->journal.wal, &e.flush_wanted.group, &index))
        loop_post_event(c, &n->loops[0], loop_of(n, e.flush_wanted.group),
                        &e);
}

/* ---- the store ---- */

static struct sim_replica *must_find(struct cluster *c, struct sim_loop *l,
                                     const struct effect *e)
{
    struct sim_replica *r = cluster_replica(l->node, e->group);

    if (!r)
        cluster_fail(c, "node %u has no group %u", l->node->id, e->group);
    return r;
}

/* Now, or after a while? */
static uint64_t store_delay(struct cluster *c)
{
    return cluster_odds(c, STREAM_STORE, 500)
               ? 0
               : cluster_draw(c, STREAM_STORE, c->store_max);
}

static void apply_done(struct cluster *c, struct sim_loop *l, void *arg,
                       bool dropped)
{
    struct effect *e = arg;
    struct event done = {.type = EVENT_APPLIED};
    struct sim_replica *r;

    if (!dropped) {
        r = must_find(c, l, e);
        r->applying = false;
        done.applied.group = e->group;
        if (cluster_odds(c, STREAM_STORE, c->stall)) {
            done.applied.status = STATUS_STALLED;
        } else {
            mem_store_apply(r->open, e->apply.set);
            if (c->judge.applied)
                c->judge.applied(c->judge.arg, l->node, r);
        }
        loop_step(c, l, &done);
    }
    free(e);
}

static struct effect *effect_copy(const struct effect *e)
{
    struct effect *copy = xmalloc(sizeof *copy);

    *copy = *e;
    return copy;
}

/* `done` takes a copy of the effect. */
static void now_or_later(struct cluster *c, struct sim_loop *l,
                         const struct effect *e, task_fn *done)
{
    uint64_t delay = store_delay(c);

    if (delay)
        cluster_later(c, l, delay, done, effect_copy(e));
    else
        done(c, l, effect_copy(e), false);
}

static void apply(struct cluster *c, struct sim_loop *l,
                  const struct effect *e)
{
    struct sim_replica *r = must_find(c, l, e);

    if (r->applying || r->fetching)
        cluster_fail(c, "node %u group %u: two applies at once", l->node->id,
                     e->group);
    r->applying = true;
    if (c->judge.applying)
        c->judge.applying(c->judge.arg, l->node, r);
    now_or_later(c, l, e, apply_done);
}

/* Blocks of a damaged file: now and then one of them is asked for. */
static bool damaged(struct cluster *c, const struct sim_replica *r)
{
    return r->unreadable && cluster_odds(c, STREAM_STORE, 300);
}

static void fetch_done(struct cluster *c, struct sim_loop *l, void *arg,
                       bool dropped)
{
    struct effect *e = arg;
    struct event done = {.type = EVENT_FETCHED};
    struct sim_replica *r;
    struct fetched *records;
    size_t sum = 0;

    if (dropped) {
        free(e);
        return;
    }
    r = must_find(c, l, e);
    r->fetching = false;
    records = xcalloc(e->fetch.n, sizeof *records);
    for (unsigned i = 0; i < e->fetch.n; i++) {
        const struct mem_row *row =
            mem_table_get(&r->open->live, e->fetch.keys[i]);
        size_t n = sum >= e->fetch.bytes_max ? FETCH_CUT_BYTES
                                             : e->fetch.want[i];
        if (!row)
            continue;
        records[i].present = true;
        records[i].record = mem_row_value(row);
        records[i].size = records[i].record.size;
        /* Not one byte more than was asked for. */
        records[i].record.size = MIN_OF(records[i].size, n);
        sum += MIN_OF(records[i].size, (size_t)e->fetch.want[i]);
    }
    done.fetched.group = e->group;
    done.fetched.records = records;
    if (damaged(c, r))
        done.fetched.status = STATUS_IO_ERROR;
    loop_step(c, l, &done);
    free(records);
    free(e);
}

static void fetch(struct cluster *c, struct sim_loop *l,
                  const struct effect *e)
{
    struct sim_replica *r = must_find(c, l, e);

    if (r->applying || r->fetching)
        cluster_fail(c, "node %u group %u: a fetch while applying", l->node->id,
                     e->group);
    r->fetching = true;
    now_or_later(c, l, e, fetch_done);
}

struct reading {
    uint64_t token;
    enum status status;
    struct blob *bytes; /* of the row; NULL: not found */
    uint32_t key_size;
};

static void step_read(struct cluster *c, struct sim_loop *l,
                      const struct reading *r)
{
    struct event done = {.type = EVENT_READ};

    done.read.token = r->token;
    done.read.status = r->status;
    if (r->bytes)
        done.read.record = slice_of(r->bytes->data + r->key_size,
                                    r->bytes->size - r->key_size);
    loop_step(c, l, &done);
}

static void read_done(struct cluster *c, struct sim_loop *l, void *arg,
                      bool dropped)
{
    struct reading *r = arg;

    if (!dropped)
        step_read(c, l, r);
    blob_unref(r->bytes);
    free(r);
}

/* What is read is the state of now, whenever the answer comes. */
static void read_key(struct cluster *c, struct sim_loop *l,
                     const struct effect *e)
{
    struct sim_replica *replica = must_find(c, l, e);
    const struct mem_row *row =
        mem_table_get(&replica->open->live, e->read.key);
    struct reading r = {.token = e->read.token, .status = STATUS_NOT_FOUND};
    uint64_t delay = store_delay(c);

    if (damaged(c, replica)) {
        r.status = STATUS_IO_ERROR;
    } else if (row) {
        r.status = STATUS_OK;
        r.bytes = blob_ref(row->bytes);
        r.key_size = row->key_size;
    }
    if (delay) {
        struct reading *copy = xmalloc(sizeof *copy);
        *copy = r;
        cluster_later(c, l, delay, read_done, copy);
        return;
    }
    if (l->n_pins == l->cap_pins) {
        l->cap_pins = l->cap_pins ? l->cap_pins * 2 : 16;
        l->pins = xrealloc(l->pins, l->cap_pins * sizeof *l->pins);
    }
    l->pins[l->n_pins++] = r.bytes; /* the reply borrows it */
    step_read(c, l, &r);
}

struct flushing {
    uint32_t group;
    const struct mem_store *store;
    uint64_t number;
};

static void flush_done(struct cluster *c, struct sim_loop *l, void *arg,
                       bool dropped)
{
    struct flushing *f = arg;
    struct event e = {.type = EVENT_FLUSHED};
    struct sim_replica *r = dropped ? NULL : cluster_replica(l->node, f->group);

    if (r) {
        e.flushed.group = f->group;
        e.flushed.status = STATUS_CANCELLED; /* another store by now */
        if (r->open == f->store) {
            mem_store_flush(r->open, f->number);
            e.flushed.status = STATUS_OK;
            e.flushed.index =
                mem_table_record(&r->open->flushed).applied_index;
        }
        r->flushing = false;
        loop_step(c, l, &e);
    }
    free(f);
}

static void flush(struct cluster *c, struct sim_loop *l,
                  const struct effect *e)
{
    struct sim_replica *r = must_find(c, l, e);
    struct flushing *f = xcalloc(1, sizeof *f);

    c->count.flushes++;
    r->flushing = true;
    f->group = e->group;
    f->store = r->open;
    f->number = mem_store_number(r->open);
    cluster_later(c, l, 1 + cluster_draw(c, STREAM_STORE, 4 * c->store_max),
                  flush_done, f);
}

/* ---- the map ---- */

static void map_event(struct cluster *c, struct sim_loop *l, void *arg,
                      bool dropped)
{
    struct event e = {.type = EVENT_MAP};

    e.map.map = arg;
    if (!dropped)
        loop_step(c, l, &e);
    map_free(arg);
}

static void map_run(struct cluster *c, struct sim_loop *l, void *arg,
                    bool dropped)
{
    struct sim_node *n = l->node;
    struct cluster_map *map = arg;

    if (dropped || map->epoch <= n->map->epoch) {
        map_free(map);
        return;
    }
    map_free(n->map);
    n->map = map;
    for (unsigned i = 0; i < n->n_loops; i++)
        loop_letter(c, l, &n->loops[i], map_event, map_copy(map));
}

static void save_map(struct cluster *c, struct sim_loop *l,
                     const struct effect *e)
{
    struct cluster_map *map =
        e->map_save.give ? e->map_save.map : map_copy(e->map_save.map);

    loop_letter(c, l, &l->node->loops[0], map_run, map);
}

/* ---- items ---- */

struct sending {
    struct effect effect;
    unsigned from;
    struct buf items;
};

static void sending_free(struct sending *s)
{
    buf_release(&s->items);
    free(s);
}

static void send_run(struct cluster *c, struct sim_loop *l, void *arg,
                     bool dropped)
{
    struct sending *s = arg;

    if (!dropped)
        network_send(c, l->node, s->from, s->effect.send.node,
                     s->effect.send.shard, s->effect.send.channel,
                     s->effect.send.number, buf_slice(&s->items));
    sending_free(s);
}

static void to_sibling(struct cluster *c, struct sim_loop *l, void *arg,
                       bool dropped)
{
    struct sending *s = arg;
    struct event e = {.type = EVENT_PEER_FRAME};

    e.frame.node = l->node->id;
    e.frame.shard = s->from;
    e.frame.items = buf_slice(&s->items);
    if (!dropped)
        loop_step(c, l, &e);
    sending_free(s);
}

static void cut_run(struct cluster *c, struct sim_loop *l, void *arg,
                    bool dropped)
{
    struct effect *e = arg;

    if (!dropped)
        network_cut(c, l->node, e->cut.node, e->cut.number);
    free(e);
}

static void send_items(struct cluster *c, struct sim_loop *l,
                       const struct effect *e)
{
    struct sim_node *n = l->node;
    struct sending *s = xcalloc(1, sizeof *s);

    s->effect = *e;
    s->from = l->index;
    buf_append(&s->items, e->send.items.data, e->send.items.size);
    if (e->send.node != n->id) {
        loop_letter(c, l, &n->loops[0], send_run, s);
        return;
    }
    if (e->send.shard >= n->n_loops || e->send.shard == l->index)
        cluster_fail(c, "node %u: shard %u sends to sibling %u", n->id,
                     l->index, e->send.shard);
    loop_letter(c, l, &n->loops[e->send.shard], to_sibling, s);
}

/* ---- all ---- */

static void restart(struct cluster *c, struct sim_replica *r)
{
    if (r->install && r->install->committing)
        cluster_fail(c, "group %u begins again while its store is switched",
                     r->group);
    r->restart_wanted = true;
}

static void reply(struct cluster *c, struct sim_loop *l,
                  const struct effect *e)
{
    c->count.replies++;
    if (c->judge.replied)
        c->judge.replied(c->judge.arg, l->node, e);
}

void effects_carry_out(struct cluster *c, struct sim_loop *l,
                       const struct effect *e)
{
    switch (e->type) {
    case EFFECT_PERSIST_VOTE:
    case EFFECT_PERSIST_TRUNCATE:
    case EFFECT_PERSIST_ENTRIES:
    case EFFECT_RELEASE:
        persist(c, l, e);
        break;
    case EFFECT_SEND:
        send_items(c, l, e);
        break;
    case EFFECT_BREAK:
        if (e->cut.node == l->node->id)
            cluster_fail(c, "node %u: shard %u sends nonsense to a sibling",
                         l->node->id, l->index);
        loop_letter(c, l, &l->node->loops[0], cut_run, effect_copy(e));
        break;
    case EFFECT_FETCH:
        fetch(c, l, e);
        break;
    case EFFECT_APPLY:
        apply(c, l, e);
        break;
    case EFFECT_READ:
        read_key(c, l, e);
        break;
    case EFFECT_WATCH:
        stream_part(c, l, e);
        break;
    case EFFECT_SCAN:
        stream_scan(c, l, e);
        break;
    case EFFECT_DUE:
        due_look(c, l, e);
        break;
    case EFFECT_REPLY:
        reply(c, l, e);
        break;
    case EFFECT_FLUSH:
        flush(c, l, e);
        break;
    case EFFECT_LOG_READ:
        log_read(c, l, e);
        break;
    case EFFECT_MAP_SAVE:
        save_map(c, l, e);
        break;
    case EFFECT_RESTART:
        restart(c, must_find(c, l, e));
        break;
    case EFFECT_REWRITE:
        loop_letter(c, l, &l->node->loops[0], rewrite_run, effect_copy(e));
        break;
    case EFFECT_STOPPED:
        break; /* loop_step() looks at it when all is carried out */
    default:
        snapshot_carry_out(c, l, e);
        break;
    }
}
