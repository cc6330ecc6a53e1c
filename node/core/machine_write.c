/* machine_write.c - SET, DELETE, APPEND, SET_RANGE. See operation.h for what
 * they mean. */
#include "node/core/machine_state.h"

#include <assert.h>

#include "proto/base/planted.h"

/* The present value, for an operation that asked for what was before. */
static void give_previous(const struct operation *o, const struct current *c,
                          struct result *r)
{
    if (o->flags & OPERATION_PREVIOUS && c->present)
        r->value = c->value;
}

bool machine_begin(struct doing *d, const struct operation *o,
                   struct current *c, struct result *r)
{
    enum status st;

    machine_current(d, o->key, c);
    st = machine_conditions(o, c);
    if (c->cut && machine_whole(o))
        st = STATUS_BUSY;
    r->status = st;
    if (st == STATUS_BUSY)
        return false;
    if (c->present) {
        r->version = c->v.version;
        r->expire_at = c->v.expire_at_ms;
    }
    give_previous(o, c, r);
    return st == STATUS_OK;
}

uint8_t *machine_store(struct doing *d, const struct operation *o,
                       const struct current *c, size_t size, struct result *r)
{
    uint64_t old = c->present ? c->v.expire_at_ms : 0;
    bool fresh = (o->op == OP_SET || PLANTED(DEADLINE_LOST)) &&
                 !(o->flags & OPERATION_KEEP_TTL);
    uint64_t kept = fresh ? 0 : old;
    struct piece value;
    uint8_t *at;

    if (!machine_room(d->s, size)) {
        *r = (struct result){.status = STATUS_BUSY};
        return NULL;
    }
    if (!machine_due(o, d->s->clock_ms)) {
        enum status st = machine_quota(d, o->key, c->row, size);
        if (st != STATUS_OK) {
            *r = (struct result){.status = st};
            return NULL;
        }
    }
    r->version = d->version;
    if (machine_due(o, d->s->clock_ms)) {
        r->expire_at = 0;
        if (c->present) {
            machine_remove(d, o->key, c->row, old);
            machine_change(d, CHANGE_EXPIRE, o->key, (struct piece){0}, c);
        }
        return NULL;
    }
    r->expire_at = machine_deadline(o, d->s->clock_ms, kept);
    at = machine_put(d, o->key, c->row, old, d->version, r->expire_at, size,
                     &value);
    machine_change(d, CHANGE_PUT, o->key, value, c);
    return at;
}

/* The record that is there is not looked at, but for having expired and to be
 * listed: what else is known of it by chance must not matter (see machine.h).*/
static void set_blind(struct doing *d, const struct operation *o,
                      struct result *r)
{
    struct view_row *row = NULL;
    struct current c = {0};
    struct piece value;
    uint8_t *at;

    if (!view_empty(&d->s->view))
        row = view_find(&d->s->view,
                        machine_data_key(d->s, d->keyspace, o->key));
    assert(row || !d->s->previous);
    if (row) {
        machine_current(d, o->key, &c);
        r->status = machine_quota(d, o->key, row, o->value.size);
        if (r->status != STATUS_OK)
            return;
    }
    r->version = d->version;
    r->expire_at = machine_deadline(o, d->s->clock_ms, 0);
    at = machine_put(d, o->key, row, 0, d->version, r->expire_at,
                     o->value.size, &value);
    if (o->value.size)
        memcpy(at, o->value.data, o->value.size);
    machine_change(d, CHANGE_PUT, o->key, value, &c);
}

void machine_set(struct doing *d, const struct operation *o, struct result *r)
{
    struct current c;
    uint8_t *at;

    if (machine_blind(o, d->s->clock_ms)) {
        set_blind(d, o, r);
        return;
    }
    if (!machine_begin(d, o, &c, r))
        return;
    at = machine_store(d, o, &c, o->value.size, r);
    if (at && o->value.size)
        memcpy(at, o->value.data, o->value.size);
}

void machine_delete(struct doing *d, const struct operation *o,
                    struct result *r)
{
    struct current c;

    if (!machine_begin(d, o, &c, r))
        return;
    r->version = d->version;
    r->expire_at = 0;
    if (!c.present) {
        r->status = STATUS_NOT_FOUND;
        return;
    }
    machine_remove(d, o->key, c.row, c.v.expire_at_ms);
    machine_change(d, CHANGE_DELETE, o->key, (struct piece){0}, &c);
}

/* The new value: `size` bytes of the old one and zeroes, `patch` at `offset`.
 * The old bytes may have moved when the place for the new ones was made. */
static void patch_value(const struct doing *d, uint8_t *at, size_t size,
                        const struct current *c, size_t offset,
                        struct slice patch)
{
    struct slice old = machine_bytes(d->s, c->value);
    size_t n = MIN_OF(old.size, size);

    if (n)
        memcpy(at, old.data, n);
    memset(at + n, 0, size - n);
    if (patch.size)
        memcpy(at + offset, patch.data, patch.size);
}

void machine_append(struct doing *d, const struct operation *o,
                    struct result *r)
{
    struct current c;
    size_t size;
    uint8_t *at;

    if (!machine_begin(d, o, &c, r))
        return;
    size = c.size + o->value.size;
    if (size > VALUE_BYTES_MAX) {
        *r = (struct result){.status = STATUS_VALUE_TOO_LARGE};
        return;
    }
    at = machine_store(d, o, &c, size, r);
    if (at)
        patch_value(d, at, size, &c, c.size, o->value);
    if (r->status == STATUS_OK)
        r->argument = size;
}

void machine_set_range(struct doing *d, const struct operation *o,
                       struct result *r)
{
    struct current c;
    size_t size;
    uint8_t *at;

    if (!machine_begin(d, o, &c, r))
        return;
    if (!o->value.size) { /* nothing to write: nothing is made or changed */
        r->argument = c.size;
        return;
    }
    /* operation_check(): the sum is a legal size. */
    size = MAX_OF((size_t)c.size, (size_t)o->argument + o->value.size);
    at = machine_store(d, o, &c, size, r);
    if (at)
        patch_value(d, at, size, &c, (size_t)o->argument, o->value);
    if (r->status == STATUS_OK)
        r->argument = size;
}
