/* disk.c - see disk.h. */
#include "tests/sim/disk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "raft/wal/format.h"
#include "tests/sim/cluster.h"

void disk_release(struct disk *d)
{
    for (unsigned i = 0; i < d->files; i++)
        free(d->file[i].bytes);
    free(d->file);
    free(d->jobs);
    *d = (struct disk){0};
}

void disk_wipe(struct disk *d)
{
    bool full = d->full;

    disk_release(d);
    d->full = full;
}

struct disk_file *disk_find(struct disk *d, uint64_t id)
{
    for (unsigned i = 0; i < d->files; i++)
        if (d->file[i].id == id)
            return &d->file[i];
    return NULL;
}

struct wal_options disk_options(uint32_t segment_bytes, uint32_t node)
{
    uint8_t id[WAL_LOG_ID_BYTES] = "simulated log";
    struct wal_options o;

    id[WAL_LOG_ID_BYTES - 1] = (uint8_t)node;
    o = wal_options_default(id);
    o.segment_bytes = segment_bytes;
    o.batch_bytes = segment_bytes / 4;
    return o;
}

/* ---- files ---- */

static void forget_segment(struct disk *d, uint64_t id)
{
    for (unsigned i = 0; i < DISK_BATCHES; i++)
        if (d->batch[i].segment == id)
            d->batch[i].segment = 0;
}

static void make(struct disk *d, const struct wal_effect *e, uint32_t size)
{
    struct disk_file *f;

    assert(!disk_find(d, e->segment));
    if (e->recycle_from) {
        f = disk_find(d, e->recycle_from);
        assert(f && f->size == size);
        d->recycles++;
        f->id = e->segment; /* renamed: the old bytes stay */
        forget_segment(d, e->recycle_from);
        return;
    }
    if (d->files == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 16;
        d->file = xrealloc(d->file, d->cap * sizeof *d->file);
    }
    f = &d->file[d->files++];
    *f = (struct disk_file){e->segment, xcalloc(1, size), size};
}

void disk_unlink(struct disk *d, uint64_t id)
{
    struct disk_file *f = disk_find(d, id);

    assert(f);
    d->removes++;
    forget_segment(d, id);
    free(f->bytes);
    *f = d->file[--d->files];
}

static void pop_job(struct disk *d)
{
    d->n_jobs--;
    memmove(d->jobs, d->jobs + 1, d->n_jobs * sizeof *d->jobs);
}

/* ---- one after the other ---- */

static void land(struct disk *d)
{
    const struct wal_effect *e = &d->flying;
    struct disk_file *f = disk_find(d, e->segment);

    assert(f && e->offset + e->size <= f->size);
    memcpy(f->bytes + e->offset, e->data, e->size);
    d->batch[d->n_batches++ % DISK_BATCHES] =
        (struct disk_batch){e->segment, (uint32_t)e->offset, e->size};
}

static void written(struct cluster *c, struct sim_loop *l, void *arg UNUSED,
                    bool dropped)
{
    struct sim_node *n = l->node;
    struct disk *d = &n->disk;

    if (dropped)
        return;
    if (n->slow_disk_until > c->now) {
        cluster_later(c, l, n->slow_disk_until - c->now, written, NULL);
        return;
    }
    d->writing = false;
    if (d->sync_fails) {
        /* What is on disk is unknown: as node_die() in node/shell/disk.c. */
        d->sync_fails = false;
        cluster_say(c, "node %u: a sync fails", n->id);
        wal_on_written(n->journal.wal, STATUS_IO_ERROR, cluster_us(c, n));
        start_crash(c, n);
        return;
    }
    land(d);
    d->has_flying = false;
    wal_on_written(n->journal.wal, STATUS_OK, cluster_us(c, n));
    disk_pump(c, n);
    effects_persisted(c, n);
    if (n->up)
        disk_pump(c, n);
}

static void worked(struct cluster *c, struct sim_loop *l, void *arg,
                   bool dropped);

/* Begin the first job. */
static void work(struct cluster *c, struct sim_node *n)
{
    if (n->disk.n_jobs)
        cluster_later(c, &n->loops[0],
                      1 + cluster_draw(c, STREAM_DISK, c->disk_max), worked,
                      NULL);
}

static void worked(struct cluster *c, struct sim_loop *l, void *arg UNUSED,
                   bool dropped)
{
    struct sim_node *n = l->node;
    struct disk *d = &n->disk;
    struct wal_effect e;
    enum status st = STATUS_OK;

    if (dropped)
        return;
    e = d->jobs[0];
    pop_job(d);
    if (e.kind == WAL_REMOVE) {
        disk_unlink(d, e.segment);
    } else {
        if (d->full && !e.recycle_from)
            st = STATUS_DISK_FULL;
        else
            make(d, &e, n->wal_options.segment_bytes);
        wal_on_created(n->journal.wal, e.segment, st, cluster_us(c, n));
    }
    work(c, n);
    disk_pump(c, n);
}

static void add_job(struct disk *d, const struct wal_effect *e)
{
    if (d->n_jobs == d->cap_jobs) {
        d->cap_jobs = d->cap_jobs ? d->cap_jobs * 2 : 8;
        d->jobs = xrealloc(d->jobs, d->cap_jobs * sizeof *d->jobs);
    }
    d->jobs[d->n_jobs++] = *e;
}

static void take(struct cluster *c, struct sim_node *n,
                 const struct wal_effect *e)
{
    struct disk *d = &n->disk;

    switch (e->kind) {
    case WAL_WRITE:
        assert(!d->has_flying); /* one in flight at a time */
        assert((uintptr_t)e->data % WAL_BLOCK == 0);
        assert(e->size % WAL_BLOCK == 0 && e->offset % WAL_BLOCK == 0);
        assert(disk_find(d, e->segment));
        d->flying = *e;
        d->has_flying = true;
        break;
    case WAL_CREATE:
    case WAL_REMOVE:
        add_job(d, e);
        if (d->n_jobs == 1)
            work(c, n);
        break;
    }
}

void disk_pump(struct cluster *c, struct sim_node *n)
{
    struct disk *d = &n->disk;
    struct wal_effect e;

    while (wal_next(n->journal.wal, cluster_us(c, n), &e))
        take(c, n, &e);
    if (!d->has_flying || d->writing)
        return;
    d->writing = true;
    cluster_later(c, &n->loops[0], cluster_draw(c, STREAM_DISK, c->disk_max),
                  written, NULL);
}

static void settle_one(struct sim_node *n, const struct wal_effect *e,
                       wal_instant now)
{
    struct disk *d = &n->disk;

    switch (e->kind) {
    case WAL_WRITE:
        d->flying = *e;
        land(d);
        wal_on_written(n->journal.wal, STATUS_OK, now);
        break;
    case WAL_CREATE:
        make(d, e, n->wal_options.segment_bytes);
        wal_on_created(n->journal.wal, e->segment, STATUS_OK, now);
        break;
    case WAL_REMOVE:
        disk_unlink(d, e->segment);
        break;
    }
}

void disk_settle(struct cluster *c, struct sim_node *n)
{
    struct disk *d = &n->disk;
    wal_instant now = cluster_us(c, n);
    struct wal_effect e;

    while (d->n_jobs) {
        e = d->jobs[0];
        pop_job(d);
        settle_one(n, &e, now);
    }
    if (d->has_flying) {
        d->has_flying = d->writing = false;
        land(d);
        wal_on_written(n->journal.wal, STATUS_OK, now);
    }
    for (; wal_pending_bytes(n->journal.wal); now.us += 500)
        while (wal_next(n->journal.wal, now, &e))
            settle_one(n, &e, now);
}

/* ---- what a crash leaves ---- */

void disk_crash(struct disk *d, struct rng *rng, unsigned keep)
{
    const struct wal_effect *e = &d->flying;

    if (d->has_flying) {
        struct disk_file *f = disk_find(d, e->segment);
        for (uint32_t i = 0; i < e->size; i += SECTOR)
            if (rng_below(rng, 256) < keep)
                memcpy(f->bytes + e->offset + i, e->data + i, SECTOR);
    }
    /* A changed directory that is not synced: changed or not. A file that is
     * not complete has another name and is removed at the start. */
    if (d->n_jobs && rng_below(rng, 256) < keep) {
        if (d->jobs[0].kind == WAL_REMOVE)
            disk_unlink(d, d->jobs[0].segment);
        else if (!d->full || d->jobs[0].recycle_from)
            make(d, &d->jobs[0], SEGMENT_BYTES);
    }
    d->n_jobs = 0;
    d->has_flying = d->writing = false;
}

struct wal_recovered *disk_recover(struct cluster *c, struct sim_node *n)
{
    struct wal_recovery *r = wal_recovery_new(&n->wal_options);
    struct disk *d = &n->disk;
    struct wal_recovered *found;

    /* The order of files must not matter. */
    for (unsigned i = d->files; i-- > 0;) {
        enum status st = wal_recovery_segment(
            r, d->file[i].id, slice_of(d->file[i].bytes, d->file[i].size));
        if (st != STATUS_OK)
            cluster_fail(c, "node %u: a segment is refused: %s", n->id,
                         status_name(st));
    }
    found = wal_recovery_finish(r);
    for (unsigned i = 0; i < found->n_damage && !n->damaged; i++)
        if (found->damage[i].kind != WAL_DAMAGE_TORN)
            cluster_fail(c, "node %u: %s, although nothing was damaged",
                         n->id, wal_damage_text(found->damage[i].kind));
    return found;
}

/* ---- damage ---- */

/* A batch that is not the youngest and is still there. */
static const struct disk_batch *some_batch(struct disk *d, struct rng *rng)
{
    uint64_t have = MIN_OF(d->n_batches, (uint64_t)DISK_BATCHES);

    for (unsigned tries = 0; have > 2 && tries < 8; tries++) {
        /* Often a young one: nothing behind it hides what it did. */
        uint64_t most = rng_below(rng, 2) ? MIN_OF(have - 2, (uint64_t)6)
                                          : have - 2;
        uint64_t back = 2 + rng_below(rng, most);
        struct disk_batch *b =
            &d->batch[(d->n_batches - 1 - back) % DISK_BATCHES];
        if (b->segment && disk_find(d, b->segment))
            return b;
    }
    return NULL;
}

/* Most of a small batch is padding, which may flip as it likes. */
static uint32_t some_byte(const uint8_t *batch, uint32_t size,
                          struct rng *rng)
{
    struct wal_header h;

    if (wal_header_decode(slice_of(batch, size), &h) == WAL_HEADER_OURS &&
        rng_below(rng, 4)) {
        size = WAL_HEADER_BYTES + h.body;
        if (h.body && rng_below(rng, 2))
            return WAL_HEADER_BYTES + (uint32_t)rng_below(rng, h.body);
    }
    return (uint32_t)rng_below(rng, size);
}

bool disk_flip(struct disk *d, struct rng *rng)
{
    const struct disk_batch *b = some_batch(d, rng);
    struct disk_file *f;

    if (!b)
        return false;
    f = disk_find(d, b->segment);
    f->bytes[b->offset + some_byte(f->bytes + b->offset, b->size, rng)] ^=
        (uint8_t)(1u << rng_below(rng, 8));
    return true;
}

/* The batch went over another one; in its place is what was there before. */
bool disk_misdirect(struct disk *d, struct rng *rng)
{
    const struct disk_batch *from = some_batch(d, rng);
    const struct disk_batch *over = some_batch(d, rng);
    struct disk_file *f, *to;
    uint32_t size;

    if (!from || !over || from == over)
        return false;
    f = disk_find(d, from->segment);
    to = disk_find(d, over->segment);
    size = MIN_OF(from->size, over->size);
    memcpy(to->bytes + over->offset, f->bytes + from->offset, size);
    memset(f->bytes + from->offset, 0, from->size);
    return true;
}
