/* watch.c - see watch.h. */
#include "client/watch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/cursor.h"
#include "client/retry.h"
#include "proto/codec.h"
#include "proto/scan.h"
#include "proto/slot.h"

enum {
    QUEUE_BYTES_MAX = 16 << 20, /* then strands wait until it is empty */
    TICK_MS = 10,
    QUIET_TICKS = 1000 / TICK_MS, /* besides three progress marks */
    CURSOR_ROW = 24,
};

/* ---- options ---- */

static struct slice slice_from(struct coat_bytes b)
{
    return slice_of(b.data, b.size);
}

static enum status check(const struct coat_watch_options *o)
{
    unsigned kinds = !!o->key.size + !!o->prefix.size +
                     (o->begin.size || o->end.size);

    if (kinds > 1 || o->flags & ~(unsigned)COAT_WATCH_PREVIOUS ||
        (o->progress && (o->progress < WATCH_PROGRESS_MIN_MS ||
                         o->progress > WATCH_PROGRESS_MAX_MS)) ||
        o->tag.size > KEY_BYTES_MAX ||
        (o->after && (o->cursor || !(o->key.size || o->tag.size))))
        return STATUS_INVALID;
    if (o->key.size > KEY_BYTES_MAX || o->prefix.size > KEY_BYTES_MAX ||
        o->begin.size > KEY_BYTES_MAX + 1u || o->end.size > KEY_BYTES_MAX + 1u)
        return STATUS_KEY_TOO_LARGE;
    return o->keyspace ? keyspace_check(slice_str(o->keyspace)) : STATUS_OK;
}

static void set_identity(struct coat_watch *w)
{
    uint8_t kind = (uint8_t)w->kind;
    uint32_t id = cursor_identity(2, slice_str(w->keyspace));

    id = cursor_identity(id, buf_slice(&w->begin));
    id = cursor_identity(id, buf_slice(&w->end));
    id = cursor_identity(id, buf_slice(&w->tag));
    w->identity = cursor_identity(id, slice_of(&kind, 1));
}

static enum status set_options(struct coat_watch *w,
                               const struct coat_client *c,
                               const struct coat_watch_options *o)
{
    enum status rv = check(o);
    struct slice begin = slice_from(o->prefix);

    if (rv)
        return rv;
    snprintf(w->keyspace, sizeof w->keyspace, "%s",
             o->keyspace ? o->keyspace : c->settings.keyspace);
    w->kind = WATCH_PREFIX; /* an empty one is everything */
    if (o->key.size) {
        w->kind = WATCH_KEY;
        begin = slice_from(o->key);
    } else if (o->begin.size || o->end.size) {
        w->kind = WATCH_RANGE;
        begin = slice_from(o->begin);
    }
    w->flags = o->flags & COAT_WATCH_PREVIOUS ? WATCH_PREVIOUS : 0;
    w->progress = o->progress ? o->progress : WATCH_PROGRESS_DEFAULT_MS;
    buf_append(&w->begin, begin.data, begin.size);
    buf_append(&w->end, o->end.data, o->end.size);
    buf_append(&w->tag, o->tag.data, o->tag.size);
    w->after = o->after;
    set_identity(w);
    if (!o->cursor)
        return STATUS_OK;
    rv = cursor_parse(o->cursor, CURSOR_WATCH, w->identity, &w->cursor);
    if (rv == STATUS_OK && w->cursor.size % CURSOR_ROW)
        rv = STATUS_BAD_CURSOR;
    return rv;
}

/* ---- asking ---- */

static void fail(struct coat_watch *w, enum status why, const char *detail)
{
    if (w->failed)
        return;
    w->failed = why;
    snprintf(w->detail, sizeof w->detail, "%s", detail);
}

/* Can asking again help? */
static bool passes(enum status status)
{
    switch (status) {
    case STATUS_COMPACTED:
    case STATUS_NO_KEYSPACE:
    case STATUS_INVALID:
    case STATUS_KEY_EMPTY:
    case STATUS_KEY_TOO_LARGE:
    case STATUS_DENIED:
    case STATUS_BAD_MESSAGE:
    case STATUS_WRONG_VERSION:
    case STATUS_WRONG_CLUSTER:
        return false;
    default:
        return true;
    }
}

static void later(struct strand *x)
{
    struct coat_client *c = x->watch->flow.client;

    x->failures++;
    x->ask_at = instant_add(engine_now(c), retry_pause(x->failures, &c->rng));
}

static void on_end(const struct coat_reply *reply, void *user)
{
    struct strand *x = user;
    struct coat_watch *w = x->watch;
    enum status status = (enum status)reply->status;

    x->asked = 0;
    if (!passes(status))
        fail(w, status, reply->detail);
    else if (!w->flow.client->closing)
        later(x);
    watch_pump(w);
}

uint64_t strand_rest(const struct strand *x, uint32_t *count)
{
    bool passing = x->skip_version > x->version; /* what came before */

    if (x->in_progress > (passing ? x->skip_version : 0) ||
        (x->in_progress && x->in_progress == x->skip_version &&
         x->count > x->skip)) {
        *count = x->count;
        return x->in_progress;
    }
    *count = passing ? x->skip : 0;
    return passing ? x->skip_version : 0;
}

static void ask(struct strand *x)
{
    struct coat_watch *w = x->watch;
    struct watch_request m = {
        .group = x->group,
        .flags = w->flags | (x->known ? 0 : WATCH_FROM_NOW),
        .kind = w->kind,
        .begin = buf_slice(&w->begin),
        .end = buf_slice(&w->end),
        .after = x->version,
        .progress_ms = w->progress,
    };
    struct buf body = {0}, payload = {0};
    struct stream_request r = {.keyspace = slice_str(w->keyspace)};
    enum status rv;

    watch_encode(&m, &body);
    r.body = buf_slice(&body);
    stream_request_encode(&r, &payload);
    x->skip_version = strand_rest(x, &x->skip);
    x->in_progress = 0;
    x->count = 0;
    x->quiet = 0;
    rv = flow_submit(w->flow.client, REQUEST_WATCH, x->slot,
                     CONSISTENCY_LINEARIZABLE, buf_slice(&payload), 0,
                     x->failures, on_end, x, &x->asked);
    if (rv == STATUS_BUSY)
        later(x);
    else if (rv)
        fail(w, rv, status_text(rv));
    buf_release(&body);
    buf_release(&payload);
}

/* ---- parts ---- */

void watch_on_part(void *strand, struct slice payload)
{
    struct strand *x = strand;
    struct coat_watch *w = x->watch;
    struct queued *q;

    x->quiet = 0;
    x->failures = 0;
    w->n_heard += !x->heard;
    x->heard = true;
    if (w->failed)
        return;
    if (w->queued_bytes > QUEUE_BYTES_MAX) {
        /* Nobody takes them: ask again when the queue is empty. */
        flow_end(w->flow.client, x->asked);
        x->asked = 0;
        return;
    }
    q = xmalloc(sizeof *q + payload.size);
    *q = (struct queued){.strand = x, .size = payload.size};
    memcpy(q->bytes, payload.data, payload.size);
    if (watch_part_decode(slice_of(q->bytes, q->size), &q->part)) {
        free(q);
        fail(w, STATUS_BAD_MESSAGE, "an unreadable part");
        watch_pump(w);
        return;
    }
    q->empty = !q->part.events;
    if (q->empty && !x->known && !x->queued) {
        x->known = true; /* the first one: it begins here */
        x->version = q->part.through;
    }
    *w->last = q;
    w->last = &q->next;
    w->queued_bytes += q->size;
    x->queued++;
    watch_pump(w);
}

static void drop_first(struct coat_watch *w)
{
    struct queued *q = w->first;

    w->first = q->next;
    if (!w->first)
        w->last = &w->first;
    w->queued_bytes -= q->size;
    q->strand->queued--;
    free(q);
}

/* ---- events ---- */

static void show(const struct strand *x, const struct watch_event *e,
                 struct coat_event *out)
{
    *out = (struct coat_event){
        .kind = (enum coat_event_kind)e->kind,
        .group = x->group,
        .version = e->version,
        .key = {e->key.data, e->key.size},
        .value = {e->value.data, e->value.size},
        .previous = {e->previous.data, e->previous.size},
        .before = e->flags & WATCH_HAD_PREVIOUS  ? COAT_BEFORE_VALUE
                  : e->flags & WATCH_HAD_NOTHING ? COAT_BEFORE_NOTHING
                  : e->flags & WATCH_HAD_LARGE   ? COAT_BEFORE_LARGE
                                                 : COAT_BEFORE_UNKNOWN,
    };
}

/* Count it; false: it was handed out before its request was repeated. */
static bool is_new(struct strand *x, uint64_t version)
{
    if (version != x->in_progress) {
        if (x->in_progress) /* a later one: that is complete */
            x->version = MAX_OF(x->version, x->in_progress);
        x->in_progress = version;
        x->count = 0;
    }
    x->count++;
    return version != x->skip_version || x->count > x->skip;
}

/* The part is over: everything up to `through` was handed out. */
static bool finish_part(struct coat_watch *w, struct queued *q,
                        struct coat_event *out)
{
    struct strand *x = q->strand;
    bool empty = q->empty;

    if (x->in_progress <= q->part.through)
        x->in_progress = x->count = 0;
    x->version = MAX_OF(x->version, q->part.through);
    w->n_ready += !x->ready;
    x->ready = true;
    drop_first(w);
    *out = (struct coat_event){.kind = COAT_EVENT_PROGRESS,
                               .group = x->group,
                               .version = x->version};
    return empty;
}

bool watch_pull(struct coat_watch *w, struct coat_event *out)
{
    struct watch_event e;

    for (;;) {
        struct queued *q = w->first;
        if (!w->told_ready && w->strands && w->n_ready == w->n_strands) {
            w->told_ready = true;
            *out = (struct coat_event){.kind = COAT_EVENT_READY};
            return true;
        }
        if (!q)
            return false;
        if (watch_part_event(&q->part, &e)) {
            if (!is_new(q->strand, e.version))
                continue;
            show(q->strand, &e, out);
            return true;
        }
        if (q->part.rows.failed) {
            fail(w, STATUS_BAD_MESSAGE, "an unreadable part");
            while (w->first)
                drop_first(w);
            return false;
        }
        if (finish_part(w, q, out))
            return true;
    }
}

void watch_pump(struct coat_watch *w)
{
    struct coat_event e;

    if (!w->on_end || w->pumping)
        return;
    w->pumping = true;
    while (!w->gone && watch_pull(w, &e))
        w->on_event(&e, w->user);
    if (!w->gone && w->failed) {
        w->on_end((enum coat_status)w->failed, w->detail, w->user);
        w->gone = true;
    }
    w->pumping = false;
    if (w->gone)
        watch_free(w);
}

/* ---- strands ---- */

static void strand_add(struct coat_watch *w, uint32_t group, uint16_t slot)
{
    struct strand *x = &w->strands[w->n_strands++];

    x->watch = w;
    x->group = group;
    x->slot = slot;
    x->version = w->after;
    x->known = w->after;
    for (size_t i = 0; i < w->cursor.size; i += CURSOR_ROW) {
        const uint8_t *row = w->cursor.data + i;
        if (get_u32(row) != group)
            continue;
        x->count = get_u32(row + 4);
        x->version = get_u64(row + 8);
        x->in_progress = get_u64(row + 16);
        x->known = true;
    }
}

static void open_strands(struct coat_watch *w)
{
    const struct coat_client *c = w->flow.client;
    const struct cluster_map *map = c->routes.map;
    const struct buf *tag = w->kind == WATCH_KEY ? &w->begin : &w->tag;
    unsigned n = tag->size ? 1 : map->n_groups;

    w->strands = xcalloc(n, sizeof *w->strands);
    if (tag->size) {
        uint16_t slot = slot_of(buf_slice(tag));
        strand_add(w, map->owner[slot], slot);
    }
    for (unsigned i = 0; !tag->size && i < map->n_groups; i++) {
        int slot = flow_slot_of(c, map->groups[i].id);
        if (slot >= 0)
            strand_add(w, map->groups[i].id, (uint16_t)slot);
    }
}

static bool has_map(struct coat_watch *w)
{
    struct coat_client *c = w->flow.client;

    if (c->routes.map)
        return true;
    map_fetch_want(c);
    if (c->denied[0])
        fail(w, STATUS_NOT_INITIALISED, c->denied);
    else if (instant_reached(engine_now(c), w->deadline))
        fail(w, STATUS_TIMEOUT, c->trouble);
    return false;
}

static void strand_tick(struct strand *x)
{
    struct coat_watch *w = x->watch;
    struct coat_client *c = w->flow.client;

    if (x->asked && ++x->quiet > QUIET_TICKS + 3 * w->progress / TICK_MS) {
        flow_silent(c, x->asked);
        flow_end(c, x->asked);
        x->asked = 0;
        later(x);
    }
    if (!x->asked && !x->queued && !w->failed &&
        instant_reached(engine_now(c), x->ask_at))
        ask(x);
}

static void on_tick(struct flow *flow)
{
    struct coat_watch *w = CONTAINER_OF(flow, struct coat_watch, flow);

    if (!w->strands && !w->failed && has_map(w))
        open_strands(w);
    for (unsigned i = 0; i < w->n_strands; i++)
        strand_tick(&w->strands[i]);
    watch_pump(w);
}

static void on_close(struct flow *flow)
{
    struct coat_watch *w = CONTAINER_OF(flow, struct coat_watch, flow);

    fail(w, STATUS_CANCELLED, "the client was closed");
    if (w->on_end)
        watch_pump(w);
    else
        flow_detach(flow); /* a session's; its owner frees it */
}

enum status watch_new(struct coat_client *c,
                      const struct coat_watch_options *options,
                      struct coat_watch **out)
{
    struct coat_watch_options o = {0};
    struct coat_watch *w = xcalloc(1, sizeof *w);
    enum status rv;

    w->last = &w->first;
    if (options)
        memcpy(&o, options, MIN_OF(options->size, sizeof o));
    rv = set_options(w, c, &o);
    if (rv == STATUS_OK)
        rv = flow_open(&w->flow, c);
    if (rv != STATUS_OK) {
        w->flow.client = NULL;
        watch_free(w);
        return rv;
    }
    w->flow.on_tick = on_tick;
    w->flow.on_close = on_close;
    w->deadline = instant_add(engine_now(c), c->settings.timeout);
    *out = w;
    return STATUS_OK;
}

void watch_free(struct coat_watch *w)
{
    if (w->flow.client) {
        for (unsigned i = 0; i < w->n_strands; i++)
            flow_end(w->flow.client, w->strands[i].asked);
        flow_close(&w->flow);
    }
    while (w->first)
        drop_first(w);
    free(w->strands);
    buf_release(&w->begin);
    buf_release(&w->end);
    buf_release(&w->tag);
    buf_release(&w->cursor);
    free(w);
}
