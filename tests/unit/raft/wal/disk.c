/* disk.c - see disk.h. */
#include "tests/unit/raft/wal/disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

void disk_release(struct disk *d)
{
    for (unsigned i = 0; i < d->files; i++)
        free(d->file[i].bytes);
    *d = (struct disk){0};
}

struct disk_file *disk_find(struct disk *d, uint64_t id)
{
    for (unsigned i = 0; i < d->files; i++)
        if (d->file[i].id == id)
            return &d->file[i];
    return NULL;
}

uint8_t *disk_bytes(struct disk *d, uint64_t id)
{
    struct disk_file *f = disk_find(d, id);
    assert_non_null(f);
    return f->bytes;
}

void disk_remove(struct disk *d, uint64_t id)
{
    struct disk_file *f = disk_find(d, id);
    assert_non_null(f);
    free(f->bytes);
    *f = d->file[--d->files];
}

void disk_copy(struct disk *to, const struct disk *from)
{
    *to = *from;
    to->has_flying = to->has_making = false;
    for (unsigned i = 0; i < to->files; i++) {
        to->file[i].bytes = xmalloc(to->file[i].size);
        memcpy(to->file[i].bytes, from->file[i].bytes, to->file[i].size);
    }
}

static enum status create(struct disk *d, const struct wal_options *o,
                          const struct wal_effect *e)
{
    struct disk_file *f;

    assert_null(disk_find(d, e->segment));
    if (e->recycle_from) {
        f = disk_find(d, e->recycle_from);
        assert_non_null(f);
        assert_int_equal(f->size, o->segment_bytes);
        f->id = e->segment;
        d->recycles++;
        return STATUS_OK;
    }
    if (d->full) {
        d->failed_creates++;
        return STATUS_DISK_FULL;
    }
    assert_true(d->files < DISK_FILES_MAX);
    f = &d->file[d->files++];
    *f = (struct disk_file){e->segment, xcalloc(1, o->segment_bytes),
                            o->segment_bytes};
    if (d->stale)
        memset(f->bytes, 0xa5, f->size);
    d->creates++;
    return STATUS_OK;
}

static void take(struct disk *d, struct wal *w, const struct wal_options *o,
                 const struct wal_effect *e, wal_instant now)
{
    enum status status;

    switch (e->kind) {
    case WAL_WRITE:
        assert_false(d->has_flying); /* one in flight at a time */
        assert_int_equal((uintptr_t)e->data % WAL_BLOCK, 0);
        assert_int_equal(e->size % WAL_BLOCK, 0);
        assert_int_equal(e->offset % WAL_BLOCK, 0);
        assert_true(e->offset + e->size <= o->segment_bytes);
        assert_non_null(disk_find(d, e->segment));
        d->flying = *e;
        d->has_flying = true;
        if (!d->hold_writes) {
            disk_finish(d, w, o, STATUS_OK, now);
        }
        break;
    case WAL_CREATE:
        assert_false(d->has_making);
        if (d->hold_creates) {
            d->making = *e;
            d->has_making = true;
            break;
        }
        status = create(d, o, e);
        wal_on_created(w, e->segment, status, now);
        break;
    case WAL_REMOVE:
        disk_remove(d, e->segment);
        d->removes++;
        break;
    }
}

void disk_pump(struct disk *d, struct wal *w, const struct wal_options *o,
               wal_instant now)
{
    struct wal_effect e;
    while (wal_next(w, now, &e))
        take(d, w, o, &e, now);
}

void disk_finish(struct disk *d, struct wal *w, const struct wal_options *o,
                 enum status status, wal_instant now)
{
    const struct wal_effect *e = &d->flying;

    assert_true(d->has_flying);
    if (status == STATUS_OK)
        memcpy(disk_bytes(d, e->segment) + e->offset, e->data, e->size);
    d->writes++;
    d->bytes_written += e->size;
    d->last_write = *e;
    d->last_write.data = NULL;
    d->has_flying = false;
    wal_on_written(w, status, now);
    disk_pump(d, w, o, now);
}

void disk_finish_create(struct disk *d, struct wal *w,
                        const struct wal_options *o, enum status status,
                        wal_instant now)
{
    assert_true(d->has_making);
    d->has_making = false;
    if (status == STATUS_OK)
        status = create(d, o, &d->making);
    wal_on_created(w, d->making.segment, status, now);
    disk_pump(d, w, o, now);
}

void disk_crash(struct disk *d, struct rng *rng, unsigned keep)
{
    const struct wal_effect *e = &d->flying;

    if (d->has_flying) {
        uint8_t *at = disk_bytes(d, e->segment) + e->offset;
        for (uint32_t i = 0; i < e->size; i += SECTOR)
            if (rng_below(rng, 256) < keep)
                memcpy(at + i, e->data + i, SECTOR);
    }
    d->has_flying = d->has_making = false;
}

struct wal_recovered *disk_recover(struct disk *d,
                                   const struct wal_options *o)
{
    struct wal_recovery *r = wal_recovery_new(o);

    /* Newest first: the order must not matter. */
    for (unsigned i = d->files; i-- > 0;) {
        struct disk_file *f = &d->file[i];
        assert_int_equal(
            wal_recovery_segment(r, f->id, slice_of(f->bytes, f->size)),
            STATUS_OK);
    }
    return wal_recovery_finish(r);
}

struct wal *disk_reopen(struct disk *d, const struct wal_options *o)
{
    struct wal_recovered *found = disk_recover(d, o);
    struct wal *w;

    for (unsigned i = 0; i < found->n_remove; i++)
        disk_remove(d, found->remove[i]);
    w = wal_new(o, found);
    wal_recovered_free(found);
    return w;
}

struct wal_options small_options(uint32_t segment_bytes)
{
    static const uint8_t id[WAL_LOG_ID_BYTES] = "a log of a test";
    struct wal_options o = wal_options_default(id);
    o.segment_bytes = segment_bytes;
    o.batch_bytes = segment_bytes / 4;
    return o;
}

const struct wal_recovered_group *
recovered_group(const struct wal_recovered *found, uint32_t group)
{
    for (unsigned i = 0; i < found->n_groups; i++)
        if (found->groups[i].group == group)
            return &found->groups[i];
    return NULL;
}
