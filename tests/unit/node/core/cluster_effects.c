/* cluster_effects.c - a shard's effects carried out, at once or later.
 *
 * The shell does some of this at once and some on other threads; here chance
 * decides each time. Fails where event.h's contract is broken. */
#include "tests/unit/node/core/core_test.h"

#include <inttypes.h>

#include "tests/unit/node/core/cluster.h"

/* ---- the log ---- */

static void persisted(struct cluster *c, struct sim_node *n)
{
    struct event e = {.type = EVENT_PERSISTED};

    while (n->up && journal_durable(&n->journal, &e.persisted.group,
                                    &e.persisted.seq))
        cluster_step(c, n, &e);
    if (n->up)
        snapshot_durable(c, n);
}

static void written(struct cluster *c, struct sim_node *n, void *arg UNUSED,
                    bool dropped)
{
    if (dropped)
        return;
    if (n->slow_disk_until > c->now) {
        cluster_later(c, n, n->slow_disk_until - c->now, written, NULL);
        return;
    }
    n->write_pending = false;
    disk_finish(&n->disk, n->journal.wal, &n->wal_options, STATUS_OK,
                cluster_us(c));
    persisted(c, n);
    if (n->up)
        effects_pump(c, n);
}

void effects_pump(struct cluster *c, struct sim_node *n)
{
    disk_pump(&n->disk, n->journal.wal, &n->wal_options, cluster_us(c));
    if (!n->disk.has_flying || n->write_pending)
        return;
    n->write_pending = true;
    cluster_later(c, n, cluster_random(c, c->disk_max), written, NULL);
}

static bool read_span(struct sim_node *n, const struct wal_span *span,
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

struct log_reading {
    uint32_t group;
    uint64_t token;
    bool found;
    struct wal_span span;
};

static void log_read_done(struct cluster *c, struct sim_node *n, void *arg,
                          bool dropped)
{
    struct log_reading *l = arg;
    struct event e = {.type = EVENT_LOG_READ};
    struct wal_entry out[WAL_SPAN_ENTRIES];
    struct group_entry entries[WAL_SPAN_ENTRIES];
    struct buf bytes = {0};

    if (dropped) {
        free(l);
        return;
    }
    e.log_read.group = l->group;
    e.log_read.token = l->token;
    e.log_read.entries = entries;
    if (l->found && read_span(n, &l->span, &bytes) &&
        wal_span_decode(&l->span, buf_slice(&bytes), out) == STATUS_OK)
        e.log_read.n = l->span.count;
    for (unsigned i = 0; i < e.log_read.n; i++)
        entries[i] = (struct group_entry){
            out[i].term, (uint8_t)out[i].type,
            out[i].data.size ? blob_copy(out[i].data) : NULL};
    cluster_step(c, n, &e);
    for (unsigned i = 0; i < e.log_read.n; i++)
        blob_unref(entries[i].payload);
    buf_release(&bytes);
    free(l);
}

static void log_read(struct cluster *c, struct sim_node *n,
                     const struct effect *e)
{
    struct log_reading *l = xcalloc(1, sizeof *l);

    c->count.log_reads++;
    l->group = e->group;
    l->token = e->log_read.token;
    l->found = wal_find(n->journal.wal, e->group, e->log_read.from, 1 << 20,
                        &l->span) == STATUS_OK;
    cluster_later(c, n, cluster_random(c, c->store_max), log_read_done, l);
}

static void rewrite(struct cluster *c, struct sim_node *n, uint32_t group)
{
    struct wal_entry out[WAL_SPAN_ENTRIES];
    struct wal_span span;
    struct buf bytes = {0};

    if (wal_find(n->journal.wal, group, wal_first(n->journal.wal, group),
                 1 << 20, &span) == STATUS_OK &&
        read_span(n, &span, &bytes) &&
        wal_span_decode(&span, buf_slice(&bytes), out) == STATUS_OK) {
        c->count.rewrites++;
        wal_append(n->journal.wal, group, span.first, out, span.count, true,
                   cluster_us(c));
    }
    buf_release(&bytes);
}

void effects_relief(struct cluster *c, struct sim_node *n)
{
    struct event e = {.type = EVENT_FLUSH_WANTED};

    e.flush_wanted.pinned = true;
    if (wal_bytes(n->journal.wal) < 8 * SEGMENT_BYTES ||
        !wal_pinning(n->journal.wal, &e.flush_wanted.group))
        return;
    cluster_step(c, n, &e);
    if (n->up)
        effects_pump(c, n);
}

/* ---- the store ---- */

static struct sim_replica *must_find(struct cluster *c, struct sim_node *n,
                                     const struct effect *e)
{
    struct sim_replica *r = cluster_replica(n, e->group);

    if (!r)
        cluster_fail(c, "node %u has no group %u", n->id, e->group);
    return r;
}

/* Now, or after a while? */
static uint64_t store_delay(struct cluster *c)
{
    return cluster_chance(c, 500) ? 0 : cluster_random(c, c->store_max);
}

static void apply_done(struct cluster *c, struct sim_node *n, void *arg,
                       bool dropped)
{
    struct effect *e = arg;
    struct event done = {.type = EVENT_APPLIED};
    struct sim_replica *r;

    if (!dropped) {
        r = must_find(c, n, e);
        r->applying = false;
        done.applied.group = e->group;
        if (cluster_chance(c, c->stall)) {
            done.applied.status = STATUS_STALLED;
        } else {
            mem_table_apply(&r->open->live, e->apply.set);
            if (c->judge.applied)
                c->judge.applied(c->judge.arg, n, r);
        }
        cluster_step(c, n, &done);
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
static void now_or_later(struct cluster *c, struct sim_node *n,
                         const struct effect *e, task_fn *done)
{
    uint64_t delay = store_delay(c);

    if (delay)
        cluster_later(c, n, delay, done, effect_copy(e));
    else
        done(c, n, effect_copy(e), false);
}

static void apply(struct cluster *c, struct sim_node *n,
                  const struct effect *e)
{
    struct sim_replica *r = must_find(c, n, e);

    if (r->applying || r->fetching)
        cluster_fail(c, "node %u group %u: two applies at once", n->id,
                     e->group);
    r->applying = true;
    now_or_later(c, n, e, apply_done);
}

static void fetch_done(struct cluster *c, struct sim_node *n, void *arg,
                       bool dropped)
{
    struct effect *e = arg;
    struct event done = {.type = EVENT_FETCHED};
    struct sim_replica *r;
    bool *present;

    if (dropped) {
        free(e);
        return;
    }
    r = must_find(c, n, e);
    r->fetching = false;
    present = xcalloc(e->fetch.n, sizeof *present);
    for (unsigned i = 0; i < e->fetch.n; i++)
        present[i] = mem_table_get(&r->open->live, e->fetch.keys[i]);
    done.fetched.group = e->group;
    done.fetched.present = present;
    cluster_step(c, n, &done);
    free(present);
    free(e);
}

static void fetch(struct cluster *c, struct sim_node *n,
                  const struct effect *e)
{
    struct sim_replica *r = must_find(c, n, e);

    if (r->applying || r->fetching)
        cluster_fail(c, "node %u group %u: a fetch while applying", n->id,
                     e->group);
    r->fetching = true;
    now_or_later(c, n, e, fetch_done);
}

struct reading {
    uint64_t token;
    struct blob *bytes; /* of the row; NULL: not found */
    uint32_t key_size;
};

static void step_read(struct cluster *c, struct sim_node *n,
                      const struct reading *r)
{
    struct event done = {.type = EVENT_READ};

    done.read.token = r->token;
    done.read.status = r->bytes ? STATUS_OK : STATUS_NOT_FOUND;
    if (r->bytes)
        done.read.record = slice_of(r->bytes->data + r->key_size,
                                    r->bytes->size - r->key_size);
    cluster_step(c, n, &done);
}

static void read_done(struct cluster *c, struct sim_node *n, void *arg,
                      bool dropped)
{
    struct reading *r = arg;

    if (!dropped)
        step_read(c, n, r);
    blob_unref(r->bytes);
    free(r);
}

/* What is read is the state of now, whenever the answer comes. */
static void read_key(struct cluster *c, struct sim_node *n,
                     const struct effect *e)
{
    const struct mem_row *row =
        mem_table_get(&must_find(c, n, e)->open->live, e->read.key);
    struct reading r = {.token = e->read.token};
    uint64_t delay = store_delay(c);

    if (row) {
        r.bytes = blob_ref(row->bytes);
        r.key_size = row->key_size;
    }
    if (delay) {
        struct reading *copy = xmalloc(sizeof *copy);
        *copy = r;
        cluster_later(c, n, delay, read_done, copy);
        return;
    }
    if (n->n_pins == n->cap_pins) {
        n->cap_pins = n->cap_pins ? n->cap_pins * 2 : 16;
        n->pins = xrealloc(n->pins, n->cap_pins * sizeof *n->pins);
    }
    n->pins[n->n_pins++] = r.bytes; /* the reply borrows it */
    step_read(c, n, &r);
}

struct flushing {
    uint32_t group;
    const struct mem_store *store;
    struct mem_table table;
};

static void flush_done(struct cluster *c, struct sim_node *n, void *arg,
                       bool dropped)
{
    struct flushing *f = arg;
    struct event e = {.type = EVENT_FLUSHED};
    struct sim_replica *r = dropped ? NULL : cluster_replica(n, f->group);

    if (r) {
        e.flushed.group = f->group;
        e.flushed.status = STATUS_CANCELLED; /* another store by now */
        if (r->open == f->store) {
            mem_table_copy(&r->open->flushed, &f->table);
            e.flushed.status = STATUS_OK;
            e.flushed.index =
                mem_table_record(&r->open->flushed).applied_index;
        }
        r->flushing = false;
        cluster_step(c, n, &e);
    }
    mem_table_release(&f->table);
    free(f);
}

static void flush(struct cluster *c, struct sim_node *n,
                  const struct effect *e)
{
    struct sim_replica *r = must_find(c, n, e);
    struct flushing *f = xcalloc(1, sizeof *f);

    c->count.flushes++;
    r->flushing = true;
    f->group = e->group;
    f->store = r->open;
    mem_table_copy(&f->table, &r->open->live);
    cluster_later(c, n, 1 + cluster_random(c, 4 * c->store_max), flush_done,
                  f);
}

/* ---- all ---- */

static void save_map(struct cluster *c, struct sim_node *n,
                     const struct effect *e)
{
    struct event done = {.type = EVENT_MAP};

    if (e->map_save.map->epoch > n->map->epoch) {
        map_free(n->map);
        n->map = map_copy(e->map_save.map);
    }
    if (e->map_save.give)
        map_free(e->map_save.map);
    done.map.map = n->map;
    cluster_step(c, n, &done);
}

static void reply(struct cluster *c, struct sim_node *n,
                  const struct effect *e)
{
    c->count.replies++;
    if (c->judge.replied)
        c->judge.replied(c->judge.arg, n, e);
}

static void persist(struct cluster *c, struct sim_node *n,
                    const struct effect *e)
{
    unsigned count =
        e->type == EFFECT_PERSIST_ENTRIES ? e->persist_entries.n : 0;
    struct group_entry *entries = xcalloc(count + 1, sizeof *entries);

    if (count)
        count = journal_entries(e, entries);
    journal_persist(&n->journal, e, entries, count, cluster_us(c));
    free(entries);
}

void effects_carry_out(struct cluster *c, struct sim_node *n,
                       const struct effect *e)
{
    switch (e->type) {
    case EFFECT_PERSIST_VOTE:
    case EFFECT_PERSIST_TRUNCATE:
    case EFFECT_PERSIST_ENTRIES:
    case EFFECT_RELEASE:
        persist(c, n, e);
        break;
    case EFFECT_SEND:
        network_send(c, n, e->send.node, e->send.channel, e->send.items);
        break;
    case EFFECT_FETCH:
        fetch(c, n, e);
        break;
    case EFFECT_APPLY:
        apply(c, n, e);
        break;
    case EFFECT_READ:
        read_key(c, n, e);
        break;
    case EFFECT_REPLY:
        reply(c, n, e);
        break;
    case EFFECT_FLUSH:
        flush(c, n, e);
        break;
    case EFFECT_LOG_READ:
        log_read(c, n, e);
        break;
    case EFFECT_MAP_SAVE:
        save_map(c, n, e);
        break;
    case EFFECT_RESTART:
        must_find(c, n, e)->restart_wanted = true;
        break;
    case EFFECT_REWRITE:
        rewrite(c, n, e->group);
        break;
    case EFFECT_STOPPED:
        break; /* cluster_step() looks at it when all is carried out */
    default:
        snapshot_carry_out(c, n, e);
        break;
    }
}
