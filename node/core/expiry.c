/* expiry.c - see expiry.h. */
#include "node/core/expiry.h"

#include <assert.h>

#include "proto/limits.h"

/* ---- the command ---- */

void sweep_begin(struct buf *out)
{
    buf_clear(out);
    buf_u32(out, 0);
}

void sweep_add(struct buf *out, const struct layout_deadline *d)
{
    put_u32(out->data, get_u32(out->data) + 1);
    buf_u64(out, d->deadline);
    buf_u8(out, d->kind);
    buf_u32(out, d->keyspace);
    buf_u16(out, (uint16_t)d->user_key.size);
    buf_append(out, d->user_key.data, d->user_key.size);
}

struct sweep_reader sweep_reader_of(struct slice value)
{
    struct sweep_reader r = {.bytes = reader_of(value)};

    r.left = reader_u32(&r.bytes);
    r.failed = r.bytes.failed;
    return r;
}

bool sweep_next(struct sweep_reader *r, struct layout_deadline *out)
{
    if (r->failed || !r->left) {
        r->failed |= reader_left(&r->bytes) > 0;
        return false;
    }
    out->deadline = reader_u64(&r->bytes);
    out->kind = reader_u8(&r->bytes);
    out->keyspace = reader_u32(&r->bytes);
    out->user_key = reader_bytes(&r->bytes, reader_u16(&r->bytes));
    if (r->bytes.failed || !out->user_key.size) {
        r->failed = true;
        return false;
    }
    r->left--;
    return true;
}

/* ---- the bound ---- */

static void copy(struct buf *to, struct slice key)
{
    buf_clear(to);
    buf_append(to, key.data, key.size);
}

/* The place before all lines of this deadline. */
static void place(struct buf *to, uint64_t deadline)
{
    buf_clear(to);
    buf_u8(to, LAYOUT_DEADLINE);
    put_be64(buf_grow(to, 8), deadline);
}

static uint64_t deadline_at(struct slice key)
{
    return key.size >= 9 ? get_be64(key.data + 1) : 0;
}

void expiry_init(struct expiry *x)
{
    *x = (struct expiry){0};
    expiry_forget(x);
}

void expiry_release(struct expiry *x)
{
    buf_release(&x->floor);
    buf_release(&x->position);
}

void expiry_forget(struct expiry *x)
{
    x->next_due = 0;
    x->at_floor = false; /* what a look that is out says is not believed */
    x->back = true;
    place(&x->floor, 0);
    place(&x->position, 0);
}

void expiry_empty(struct expiry *x)
{
    expiry_forget(x);
    x->next_due = UINT64_MAX;
}

void expiry_add(struct expiry *x, uint64_t deadline)
{
    x->next_due = MIN_OF(x->next_due, deadline);
    x->added = MIN_OF(x->added, deadline);
    if (deadline <= deadline_at(buf_slice(&x->floor)))
        place(&x->floor, deadline);
    if (deadline <= deadline_at(buf_slice(&x->position)))
        place(&x->position, deadline);
}

struct slice expiry_from(const struct expiry *x, bool sweeping)
{
    return buf_slice(sweeping ? &x->position : &x->floor);
}

void expiry_look(struct expiry *x, bool sweeping, uint64_t pending,
                 uint64_t applied)
{
    assert(!x->looking);
    x->looking = true;
    x->at_floor = !sweeping || slice_equal(buf_slice(&x->position),
                                           buf_slice(&x->floor));
    x->added = pending;
    x->back = false;
    x->looked_at = applied;
}

void expiry_looked(struct expiry *x, unsigned n, struct slice next)
{
    assert(x->looking);
    x->looking = false;
    if (n || !x->at_floor)
        return; /* it is not over, or lines before it may still be there */
    /* Up to `next` there is nothing but what was written meanwhile. */
    if (next.size) {
        copy(&x->floor, next);
        x->next_due = deadline_at(next);
    } else {
        place(&x->floor, UINT64_MAX);
        x->next_due = UINT64_MAX;
    }
    if (slice_compare(buf_slice(&x->position), buf_slice(&x->floor)) < 0)
        copy(&x->position, buf_slice(&x->floor));
    if (x->added < UINT64_MAX)
        expiry_add(x, x->added);
}

/* ---- sweeps ---- */

void expiry_proposed(struct expiry *x, struct slice last)
{
    x->in_flight++;
    /* A line that was written meanwhile may have put the position back. */
    if (x->back || x->added <= deadline_at(last))
        return;
    copy(&x->position, last);
    buf_u8(&x->position, 0); /* the next key that is possible */
}

void expiry_swept(struct expiry *x, bool ok)
{
    assert(x->in_flight > 0);
    x->in_flight--;
    if (!ok)
        expiry_deposed(x);
    else if (!x->in_flight)
        copy(&x->floor, buf_slice(&x->position));
}

void expiry_deposed(struct expiry *x)
{
    copy(&x->position, buf_slice(&x->floor));
    x->back = true;
}
