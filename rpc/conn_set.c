/* conn_set.c - the connections of one loop: flushing, deferred work, buffers;
 * see conn.h. */
#include <assert.h>
#include <stdlib.h>

#include "rpc/conn_private.h"

struct conn_options conn_options_default(void)
{
    return (struct conn_options){.pending_max = 4 << 20,
                                 .reserve = 1 << 20,
                                 .payload_max = FRAME_PAYLOAD_MAX,
                                 .partial_max = 256 << 20,
                                 .gate_reads = true};
}

struct conn_set *conn_set_new(uv_loop_t *loop, struct conn_options options)
{
    struct conn_set *set = xcalloc(1, sizeof *set);

    assert(options.pending_max >= 4);
    assert(options.payload_max <= FRAME_PAYLOAD_MAX);
    set->loop = loop;
    set->options = options;
    TAILQ_INIT(&set->all);
    TAILQ_INIT(&set->dirty);
    TAILQ_INIT(&set->ready);
    set->space = xmalloc(READ_SIZE);
    uv_idle_init(loop, &set->idle);
    set->idle.data = set;
    set->handles = 1;
    /* Connections keep the loop alive; the set by itself does not. */
    uv_unref((uv_handle_t *)&set->idle);
    return set;
}

static void release_if_done(struct conn_set *set)
{
    if (!set->freeing || set->count || set->handles)
        return;
    for (unsigned i = 0; i < set->spare_count; i++)
        buf_release(&set->spares[i]);
    free(set->space);
    free(set);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct conn_set *set = handle->data;

    set->handles--;
    release_if_done(set);
}

void conn_set_free(struct conn_set *set)
{
    struct conn *c;

    if (!set)
        return;
    assert(!set->freeing);
    set->freeing = true;
    TAILQ_FOREACH(c, &set->all, in_all)
    conn_close(c, STATUS_CANCELLED, NULL);
    uv_close((uv_handle_t *)&set->idle, on_handle_closed);
    if (set->driven) {
        uv_close((uv_handle_t *)&set->prepare, on_handle_closed);
        uv_close((uv_handle_t *)&set->check, on_handle_closed);
    }
}

/* ---- flushing ---- */

void conn_set_mark_dirty(struct conn *c)
{
    if (c->is_dirty || c->closing)
        return;
    c->is_dirty = true;
    TAILQ_INSERT_TAIL(&c->set->dirty, c, in_dirty);
}

void conn_set_flush(struct conn_set *set)
{
    struct conn *c;

    /* Writing runs no callback, so nothing is added meanwhile. */
    while ((c = TAILQ_FIRST(&set->dirty))) {
        TAILQ_REMOVE(&set->dirty, c, in_dirty);
        c->is_dirty = false;
        conn_write_out(c);
    }
}

static void on_prepare(uv_prepare_t *handle)
{
    conn_set_flush(handle->data);
}

static void on_check(uv_check_t *handle)
{
    conn_set_flush(handle->data);
}

void conn_set_drive(struct conn_set *set)
{
    assert(!set->freeing);
    if (set->driven)
        return;
    set->driven = true;
    set->handles += 2;
    /* After the poll phase for what arrived in it, before the next one for
     * what timers and calls from outside the loop produced. */
    uv_prepare_init(set->loop, &set->prepare);
    uv_check_init(set->loop, &set->check);
    set->prepare.data = set;
    set->check.data = set;
    uv_prepare_start(&set->prepare, on_prepare);
    uv_check_start(&set->check, on_check);
    uv_unref((uv_handle_t *)&set->prepare);
    uv_unref((uv_handle_t *)&set->check);
}

/* ---- deferred work ---- */

static void on_idle(uv_idle_t *handle)
{
    struct conn_set *set = handle->data;

    /* Only those that are there now: a connection may be put back. */
    for (unsigned n = set->ready_count; n > 0 && set->ready_count > 0; n--) {
        struct conn *c = TAILQ_FIRST(&set->ready);
        TAILQ_REMOVE(&set->ready, c, in_ready);
        c->is_ready = false;
        set->ready_count--;
        conn_run_ready(c);
    }
    if (!set->ready_count && !set->freeing)
        uv_idle_stop(&set->idle);
}

void conn_set_mark_ready(struct conn *c)
{
    struct conn_set *set = c->set;

    if (c->is_ready || c->closing)
        return;
    c->is_ready = true;
    TAILQ_INSERT_TAIL(&set->ready, c, in_ready);
    if (set->ready_count++ == 0)
        uv_idle_start(&set->idle, on_idle);
}

void conn_set_forget(struct conn *c)
{
    if (c->is_dirty)
        TAILQ_REMOVE(&c->set->dirty, c, in_dirty);
    if (c->is_ready) {
        TAILQ_REMOVE(&c->set->ready, c, in_ready);
        c->set->ready_count--;
    }
    c->is_dirty = false;
    c->is_ready = false;
}

/* ---- buffers ---- */

void conn_set_borrow(struct conn_set *set, struct buf *b)
{
    assert(!b->data);
    if (set->spare_count)
        *b = set->spares[--set->spare_count];
    else
        buf_reserve(b, SPARE_SIZE_MIN);
}

void conn_set_return(struct conn_set *set, struct buf *b)
{
    if (!b->data)
        return;
    if (b->cap > SPARE_SIZE_MAX || set->spare_count == SPARES_MAX) {
        buf_release(b);
        return;
    }
    buf_clear(b);
    set->spares[set->spare_count++] = *b;
    *b = (struct buf){0};
}

/* ---- members ---- */

void conn_set_add(struct conn_set *set, struct conn *c)
{
    assert(!set->freeing);
    c->set = set;
    TAILQ_INSERT_TAIL(&set->all, c, in_all);
    set->count++;
}

void conn_set_remove(struct conn_set *set, struct conn *c)
{
    conn_set_forget(c);
    TAILQ_REMOVE(&set->all, c, in_all);
    set->pending -= c->counted;
    set->partial -= c->held;
    set->count--;
    release_if_done(set);
}

size_t conn_set_pending(const struct conn_set *set)
{
    return set->pending;
}

uv_loop_t *conn_set_loop(const struct conn_set *set)
{
    return set->loop;
}

unsigned conn_set_count(const struct conn_set *set)
{
    return set->count;
}

struct conn_stats conn_set_stats(const struct conn_set *set)
{
    return set->stats;
}
