/* machine_expire.c - deadlines: what an operation makes of them, EXPIRE, keys
 * whose deadline has come, the index of deadlines.
 *
 * The index has an entry for each record with a deadline. A blind set leaves
 * the entry of what it overwrites behind: whoever comes by it finds that the
 * record has another deadline, and that it is nothing. */
#include "node/core/machine_state.h"
#include "proto/base/planted.h"

#include <assert.h>

enum { EXPIRE_IF = OPERATION_EXPIRE_NX | OPERATION_EXPIRE_XX |
                   OPERATION_EXPIRE_GT | OPERATION_EXPIRE_LT };

uint64_t machine_deadline(const struct operation *o, uint64_t clock_ms,
                          uint64_t kept)
{
    if (o->flags & OPERATION_TTL)
        return clock_ms + o->expire;
    if (o->flags & OPERATION_DEADLINE)
        return o->expire;
    return o->flags & OPERATION_PERSIST ? 0 : kept;
}

bool machine_due(const struct operation *o, uint64_t clock_ms)
{
    return (o->flags & OPERATION_TTL && !o->expire) ||
           (o->flags & OPERATION_DEADLINE && o->expire <= clock_ms);
}

/* ---- the index ---- */

static struct slice due_key(struct machine_step *s, uint32_t keyspace,
                            uint8_t kind, struct slice key, uint64_t deadline)
{
    struct layout_deadline line = {deadline, kind, keyspace, key};

    buf_clear(&s->key);
    layout_deadline_key_append(&s->key, &line);
    return buf_slice(&s->key);
}

void machine_due_add(struct doing *d, uint8_t kind, struct slice key,
                     uint64_t deadline)
{
    write_set_put(&d->s->set,
                  due_key(d->s, d->keyspace, kind, key, deadline),
                  slice_of("", 0));
    expiry_add(&d->m->expiry, deadline);
    d->s->due_min = MIN_OF(d->s->due_min, deadline);
}

void machine_due_drop(struct doing *d, uint8_t kind, struct slice key,
                      uint64_t deadline)
{
    write_set_delete(&d->s->set,
                     due_key(d->s, d->keyspace, kind, key, deadline));
}

void machine_expired(struct doing *d, struct slice key,
                     const struct current *c)
{
    machine_remove(d, key, c->row, c->v.expire_at_ms);
    if (!PLANTED(EXPIRY_UNTOLD))
        machine_change(d, CHANGE_EXPIRE, key, (struct piece){0}, c);
}

/* ---- EXPIRE ---- */

/* Nothing is later than having no deadline. */
static bool later(uint64_t a, uint64_t b)
{
    return b && (!a || a > b);
}

static bool allowed(uint32_t flags, uint64_t now, uint64_t then)
{
    if (flags & OPERATION_EXPIRE_NX && now)
        return false;
    if (flags & OPERATION_EXPIRE_XX && !now)
        return false;
    if (flags & OPERATION_EXPIRE_GT && !later(then, now))
        return false;
    return !(flags & OPERATION_EXPIRE_LT) || later(now, then);
}

static void move_deadline(struct doing *d, const struct operation *o,
                          const struct current *c, uint64_t deadline,
                          struct result *r)
{
    struct piece value;
    struct slice old;
    uint8_t *at;

    if (!machine_room(d->s, c->size)) {
        *r = (struct result){.status = STATUS_BUSY};
        return;
    }
    at = machine_put(d, o->key, c->row, c->v.expire_at_ms, c->v.version,
                     deadline, c->size, &value);
    old = machine_bytes(d->s, c->value);
    if (old.size)
        memcpy(at, old.data, old.size);
    r->expire_at = deadline;
}

void machine_expire(struct doing *d, const struct operation *o,
                    struct result *r)
{
    struct current c;
    uint64_t deadline;

    if (!machine_begin(d, o, &c, r))
        return;
    if (!c.present) {
        r->status = STATUS_NOT_FOUND;
        return;
    }
    deadline = machine_deadline(o, d->s->clock_ms, 0);
    if (o->flags & EXPIRE_IF &&
        !allowed(o->flags, c.v.expire_at_ms, deadline)) {
        r->status = STATUS_NOT_MET;
        return;
    }
    if (machine_due(o, d->s->clock_ms)) {
        r->version = d->version;
        r->expire_at = 0;
        machine_remove(d, o->key, c.row, c.v.expire_at_ms);
        machine_change(d, CHANGE_EXPIRE, o->key, (struct piece){0}, &c);
        return;
    }
    if (deadline != c.v.expire_at_ms)
        move_deadline(d, o, &c, deadline, r);
}
