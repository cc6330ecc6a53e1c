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

/* Kinds of lines about data records that claim something. */
enum { LINE_TRUE = 'D', LINE_NONE = 'N', LINE_OTHER = 'O' };

static uint8_t line_kind(const struct sweep_line *l)
{
    if (l->held == SWEEP_UNKNOWN)
        return l->of.kind;
    assert(l->of.kind == LAYOUT_DATA);
    if (!l->held)
        return LINE_NONE;
    return l->held == l->of.deadline ? LINE_TRUE : LINE_OTHER;
}

void sweep_add(struct buf *out, const struct sweep_line *l)
{
    const struct layout_deadline *d = &l->of;
    uint8_t kind = line_kind(l);

    put_u32(out->data, get_u32(out->data) + 1);
    buf_u64(out, d->deadline);
    buf_u8(out, kind);
    buf_u32(out, d->keyspace);
    buf_u16(out, (uint16_t)d->user_key.size);
    buf_append(out, d->user_key.data, d->user_key.size);
    if (kind == LINE_OTHER)
        buf_u64(out, l->held);
}

struct sweep_reader sweep_reader_of(struct slice value)
{
    struct sweep_reader r = {.bytes = reader_of(value)};

    r.left = reader_u32(&r.bytes);
    r.status = r.bytes.failed ? STATUS_CORRUPT : STATUS_OK;
    return r;
}

/* What the line's kind says, `out->of.kind`, which becomes the record's. */
static enum status read_claim(struct reader *in, struct sweep_line *out)
{
    uint8_t kind = out->of.kind;

    out->held = SWEEP_UNKNOWN;
    if (kind == LAYOUT_DATA || kind == LAYOUT_FENCE)
        return STATUS_OK;
    out->of.kind = LAYOUT_DATA;
    switch (kind) {
    case LINE_TRUE:
        out->held = out->of.deadline;
        break;
    case LINE_NONE:
        out->held = 0;
        return STATUS_OK;
    case LINE_OTHER:
        out->held = reader_u64(in);
        if (out->held == out->of.deadline)
            return STATUS_CORRUPT;
        break;
    default:
        return STATUS_WRONG_VERSION;
    }
    return out->held && out->held != SWEEP_UNKNOWN ? STATUS_OK
                                                   : STATUS_CORRUPT;
}

static enum status read_line(struct reader *in, struct sweep_line *out)
{
    enum status st;

    out->of.deadline = reader_u64(in);
    out->of.kind = reader_u8(in);
    out->of.keyspace = reader_u32(in);
    out->of.user_key = reader_bytes(in, reader_u16(in));
    if (in->failed || !out->of.user_key.size)
        return STATUS_CORRUPT;
    st = read_claim(in, out);
    return in->failed ? STATUS_CORRUPT : st;
}

bool sweep_next(struct sweep_reader *r, struct sweep_line *out)
{
    if (r->status == STATUS_OK)
        r->status = r->left                 ? read_line(&r->bytes, out)
                    : reader_left(&r->bytes) ? STATUS_CORRUPT
                                             : STATUS_OK;
    if (r->status != STATUS_OK || !r->left)
        return false;
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
