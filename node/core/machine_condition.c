/* machine_condition.c - IF_* of an operation, and fences.
 *
 * A fence's record (layout.h) remembers the highest token presented for a
 * key, for a day after its last use; then it is swept like an expired key. */
#include "node/core/machine_state.h"
#include "proto/base/planted.h"

#include <assert.h>

static const uint64_t fence_keep_ms = 25 * 3600 * 1000;
static const uint64_t fence_renew_ms = 24 * 3600 * 1000;

enum status machine_conditions(const struct operation *o,
                               const struct current *c)
{
    uint32_t f = o->flags;

    if (f & OPERATION_IF_ABSENT && c->present)
        return STATUS_NOT_MET;
    if (f & OPERATION_IF_PRESENT && !c->present)
        return STATUS_NOT_MET;
    if (f & OPERATION_IF_VERSION &&
        o->if_version != (c->present ? c->v.version : 0))
        return STATUS_NOT_MET;
    if (!(f & OPERATION_IF_VALUE))
        return STATUS_OK;
    if (!c->present || c->size != o->if_value.size)
        return STATUS_NOT_MET;
    if (c->v.bytes.size < o->if_value.size)
        return STATUS_BUSY; /* cut off */
    return memcmp(c->v.bytes.data, o->if_value.data, c->size)
               ? STATUS_NOT_MET
               : STATUS_OK;
}

static struct slice fence_key(struct machine_step *s, uint32_t keyspace,
                              struct slice key)
{
    buf_clear(&s->key);
    layout_fence_key_append(&s->key, keyspace, key);
    return buf_slice(&s->key);
}

void machine_fence_need(struct machine_step *s, uint32_t keyspace,
                        const struct operation *o)
{
    if (o->flags & OPERATION_IF_FENCE)
        view_need(&s->view, fence_key(s, keyspace, o->key),
                  LAYOUT_FENCE_BYTES);
}

static void fence_store(struct doing *d, struct view_row *row,
                        struct slice key, const struct layout_fence *f)
{
    struct machine_step *s = d->s;

    machine_due_add(d, LAYOUT_FENCE, key, f->drop_after_ms);
    layout_fence_write(write_set_put_reserve(&s->set,
                                             fence_key(s, d->keyspace, key),
                                             LAYOUT_FENCE_BYTES),
                       f);
    machine_touch(s, row);
    row->now = (struct view_state){
        .present = true,
        .size = LAYOUT_FENCE_BYTES,
        .record = {.where = PIECE_SET,
                   .size = LAYOUT_FENCE_BYTES,
                   .offset = s->set.records.size - LAYOUT_FENCE_BYTES},
    };
}

enum status machine_fence(struct doing *d, const struct operation *o)
{
    uint64_t clock = d->s->clock_ms;
    struct layout_fence f = {0};
    struct view_row *row;

    if (!(o->flags & OPERATION_IF_FENCE))
        return STATUS_OK;
    row = view_find(&d->s->view, fence_key(d->s, d->keyspace, o->key));
    assert(row);
    /* machine_fetched() has looked at those of the store. */
    if (row->now.present &&
        layout_fence_parse(machine_bytes(d->s, row->now.record), &f))
        assert(!"a fence that was not checked");
    if (machine_live(f.drop_after_ms, clock) && o->fence < f.fence)
        return STATUS_FENCED;
    if (PLANTED(FENCE_FORGOTTEN))
        return STATUS_OK;
    if (o->fence == f.fence && f.drop_after_ms > clock + fence_renew_ms)
        return STATUS_OK; /* not each use is written down */
    if (f.drop_after_ms)
        machine_due_drop(d, LAYOUT_FENCE, o->key, f.drop_after_ms);
    f = (struct layout_fence){o->fence, clock + fence_keep_ms};
    fence_store(d, row, o->key, &f);
    return STATUS_OK;
}
