/* watches.c - see watches.h. */
#include "node/core/watches.h"

#include <assert.h>
#include <stdlib.h>

#include "node/core/shard_state.h"
#include "proto/scan.h"
#include "proto/base/planted.h"

/* The highest version that a change of this entry can have. */
static uint64_t version_of(const struct replica *r, uint64_t index)
{
    return (index + r->machine.version_offset) << 10 | 1023;
}

/* ---- life ---- */

static struct watch **bucket_of(struct shard *s, uint64_t conn)
{
    uint64_t h = conn * UINT64_C(0x9e3779b97f4a7c15);

    return &s->watches.buckets[h >> 32 & (WATCH_BUCKETS - 1)];
}

static void list_in(struct watch **head, struct watch *w)
{
    w->next = *head;
    w->slot = head;
    if (w->next)
        w->next->slot = &w->next;
    *head = w;
}

static void all_in(struct watch **head, struct watch *w)
{
    w->all_next = *head;
    w->all_slot = head;
    if (w->all_next)
        w->all_next->all_slot = &w->all_next;
    *head = w;
}

static void bucket_in(struct watch **head, struct watch *w)
{
    w->conn_next = *head;
    w->conn_slot = head;
    if (w->conn_next)
        w->conn_next->conn_slot = &w->conn_next;
    *head = w;
}

static void mark(struct shard *s, struct watch *w)
{
    if (w->dirty)
        return;
    w->dirty = true;
    w->dirty_next = s->watches.dirty;
    s->watches.dirty = w;
}

static void account(struct shard *s, size_t before, size_t now)
{
    s->watches.bytes = s->watches.bytes - before + now;
}

static void clear(struct shard *s, struct buf *b)
{
    account(s, b->cap, 0);
    if (b->cap > 4096)
        buf_release(b);
    buf_clear(b);
    account(s, 0, b->cap);
}

static void watch_free(struct shard *s, struct watch *w)
{
    account(s, w->out.cap + w->sending.cap + w->bounds_size, 0);
    s->watches.count--;
    *w->all_slot = w->all_next;
    if (w->all_next)
        w->all_next->all_slot = w->all_slot;
    buf_release(&w->out);
    buf_release(&w->sending);
    free(w->bounds);
    free(w);
}

/* Out of everything but what still points to it. */
static void watch_leave(struct shard *s, struct watch *w)
{
    struct watched *d = &w->replica->watched;

    if (w->state == WATCH_ENDED)
        return;
    w->state = WATCH_ENDED;
    watch_index_remove(&d->index, &w->range);
    *w->slot = w->next;
    if (w->next)
        w->next->slot = w->slot;
    *w->conn_slot = w->conn_next;
    if (w->conn_next)
        w->conn_next->conn_slot = w->conn_slot;
    d->count--;
    d->wants_previous -= w->previous;
    d->waiting -= w->waits;
    w->waits = false;
    w->replica = NULL;
    clear(s, &w->out);
    mark(s, w); /* freed there, if nothing is in flight */
}

static void watch_end(struct shard *s, struct watch *w, enum status why,
                      struct effects *fx)
{
    uint32_t group = w->replica->group;

    watch_leave(s, w);
    requests_refuse(s, w->from, OP_WATCH, group, why, fx);
}

/* It has come to what was not listed for it, or is not kept any more. */
static void watch_compacted(struct shard *s, struct watch *w,
                            struct effects *fx)
{
    struct reply reply = {.status = STATUS_COMPACTED};

    if (w->unlisted)
        reply.detail = "what was before was not kept so far back";
    watch_leave(s, w);
    requests_reply(s, w->from, OP_WATCH, &reply, fx);
}

void watches_end_all(struct shard *s, struct replica *r, enum status why,
                     struct effects *fx)
{
    while (r->watched.first)
        watch_end(s, r->watched.first, why, fx);
}

/* ---- beginning ---- */

static void set_range(struct watch *w, uint32_t keyspace,
                      const struct watch_request *m)
{
    struct buf b = {0};
    size_t begin = m->begin.size;

    buf_append(&b, m->begin.data, begin);
    if (m->kind == WATCH_KEY) {
        buf_append(&b, m->begin.data, begin);
        buf_u8(&b, 0);
    } else if (m->kind == WATCH_PREFIX) {
        struct buf end = {0};
        scan_prefix_end(m->begin, &end);
        buf_append(&b, end.data, end.size);
        buf_release(&end);
    } else {
        buf_append(&b, m->end.data, m->end.size);
    }
    w->bounds = b.data;
    w->bounds_size = b.cap;
    w->range = (struct watch_range){
        .keyspace = keyspace,
        .begin = slice_of(b.data, begin),
        .end = slice_of(b.data ? b.data + begin : NULL, b.size - begin),
        .no_end = b.size == begin,
    };
}

void watches_begin(struct shard *s, struct replica *r, struct origin from,
                   uint32_t keyspace, struct slice request,
                   struct effects *fx)
{
    struct watched *d = &r->watched;
    struct watch_request m;
    struct watch *w;
    enum status st = watch_decode(request, &m);

    if (st == STATUS_OK && (s->watches.count >= WATCHES_MAX ||
                            s->watches.bytes >= WATCH_SHARD_BYTES))
        st = STATUS_BUSY;
    if (st == STATUS_OK && !(m.flags & WATCH_FROM_NOW) &&
        m.after < d->recent.begin)
        st = STATUS_COMPACTED;
    if (st != STATUS_OK) {
        requests_refuse(s, from, OP_WATCH, r->group, st, fx);
        return;
    }
    w = xcalloc(1, sizeof *w);
    w->replica = r;
    w->from = from;
    w->progress_ms = m.progress_ms;
    w->previous = m.flags & WATCH_PREVIOUS;
    w->after = m.after;
    if (m.flags & WATCH_FROM_NOW) {
        w->after = version_of(r, r->applied);
        w->waits = w->previous && !remember_stands(s, r);
    }
    else if (PLANTED(WATCH_SKIPS))
        w->after = version_of(r, r->applied);
    w->state = WATCH_BEHIND;
    if (!recent_find(&d->recent, w->after, &w->at))
        assert(!"looked at above");
    set_range(w, keyspace, &m);
    watch_index_add(&d->index, &w->range);
    list_in(&d->first, w);
    all_in(&s->watches.all, w);
    bucket_in(bucket_of(s, from.conn), w);
    d->count++;
    d->wants_previous += w->previous;
    d->waiting += w->waits;
    if (w->previous)
        remember_want(s);
    s->watches.count++;
    account(s, 0, w->bounds_size);
    mark(s, w);
}

void watches_cancel(struct shard *s, struct origin from, bool whole,
                    struct effects *fx)
{
    struct watch *w = *bucket_of(s, from.conn), *next;

    for (; w; w = next) {
        next = w->conn_next;
        if (w->from.conn != from.conn)
            continue;
        if (whole)
            watch_leave(s, w); /* nobody is there to be told */
        else if (w->from.id == from.id)
            watch_end(s, w, STATUS_CANCELLED, fx);
    }
}

/* ---- events into parts ---- */

/* What this watch is told of it. */
static struct watch_event view_of(const struct watch *w,
                                  const struct watch_event *e)
{
    struct watch_event out = *e;

    if (!w->previous) {
        out.flags = 0;
        out.previous = slice_of(NULL, 0);
    } else if (e->key.size + e->value.size + e->previous.size >
               KEY_BYTES_MAX + (size_t)VALUE_BYTES_MAX) {
        out.flags = WATCH_HAD_LARGE;
        out.previous = slice_of(NULL, 0);
    }
    return out;
}

/* Does it miss in this event what it asked for? */
static bool unlisted(const struct watch *w, const struct watch_event *e)
{
    return w->previous && !e->flags;
}

static void append(struct shard *s, struct watch *w,
                   const struct watch_event *e)
{
    size_t before = w->out.cap;

    if (!w->out.size)
        watch_part_begin(&w->out);
    watch_event_encode(e, &w->out);
    w->out_events++;
    account(s, before, w->out.cap);
}

struct matching {
    struct shard *shard;
    struct watch_event event;
    struct recent_place place;
};

static void on_match(void *arg, struct watch_range *range)
{
    struct matching *m = arg;
    struct watch *w = CONTAINER_OF(range, struct watch, range);
    struct watch_event e;

    if (w->state != WATCH_LIVE || m->event.version <= w->after)
        return;
    e = view_of(w, &m->event);
    if (unlisted(w, &e) ||
        (w->out.size &&
         w->out.size + watch_event_bytes(&e) > WATCH_LIVE_BYTES_MAX) ||
        (w->in_flight && m->shard->watches.bytes > WATCH_SHARD_BYTES)) {
        w->state = WATCH_BEHIND;
        w->at = m->place;
        mark(m->shard, w);
        return;
    }
    append(m->shard, w, &e);
    mark(m->shard, w);
}

static size_t recent_bytes_max(const struct shard *s)
{
    size_t share = RECENT_NODE_BYTES / MAX_OF(s->n_replicas, 1);

    if (s->o.recent_bytes_max)
        return s->o.recent_bytes_max;
    return MIN_OF(MAX_OF(share, (size_t)RECENT_BYTES_MIN),
                  (size_t)RECENT_BYTES_MAX);
}

void watches_listed(struct shard *s, struct replica *r)
{
    struct watched *d = &r->watched;

    for (struct watch *w = d->first; w && d->waiting; w = w->next) {
        if (!w->waits)
            continue;
        w->waits = false;
        d->waiting--;
        w->after = version_of(r, r->applied);
        if (!recent_find(&d->recent, w->after, &w->at))
            assert(!"the end of the history");
        mark(s, w);
    }
}

void watches_changed(struct shard *s, struct replica *r,
                     const struct change *changes, unsigned n,
                     uint64_t applied)
{
    struct watched *d = &r->watched;
    size_t bytes_max = recent_bytes_max(s);
    struct matching m = {.shard = s};

    for (unsigned i = 0; i < n; i++) {
        const struct change *c = &changes[i];
        m.place = recent_add(&d->recent, c, bytes_max);
        if (!d->count)
            continue;
        m.event = recent_event(c, bytes_max);
        watch_index_find(&d->index, c->keyspace, c->key, on_match, &m);
    }
    recent_reached(&d->recent, version_of(r, applied));
    d->listed_until = r->machine.remember_until;
    if (d->waiting && remember_stands(s, r))
        watches_listed(s, r);
}

void watches_reset(struct replica *r)
{
    recent_reset(&r->watched.recent, version_of(r, r->applied));
    r->watched.listed_until = r->machine.remember_until;
}

/* ---- parts on their way ---- */

/* Read the history up to the end or as far as this turn allows. False: it is
 * not kept any more. */
static bool catch_up(struct shard *s, struct watch *w, size_t *left)
{
    const struct recent *h = &w->replica->watched.recent;
    struct watch_event e;
    uint32_t keyspace;

    while (w->out.size < WATCH_PART_BYTES_MAX && *left) {
        struct recent_place before = w->at;
        struct watch_event told;
        switch (recent_next(h, &w->at, &keyspace, &e)) {
        case RECENT_GONE:
            return false;
        case RECENT_END:
            w->state = WATCH_LIVE;
            return true;
        case RECENT_EVENT:
            break;
        }
        *left -= MIN_OF(*left, watch_event_bytes(&e));
        if (e.version <= w->after ||
            !watch_range_has(&w->range, keyspace, e.key))
            continue;
        if (unlisted(w, &e)) {
            w->at = before;
            w->unlisted = true;
            return w->out_events != 0; /* what comes before it is told */
        }
        told = view_of(w, &e);
        if (w->out.size &&
            w->out.size + watch_event_bytes(&told) > WATCH_PART_BYTES_MAX) {
            w->at = before;
            return true;
        }
        append(s, w, &told);
    }
    return true;
}

/* Everything up to which version is in the parts now? */
static uint64_t through_of(const struct watch *w)
{
    const struct recent *h = &w->replica->watched.recent;
    struct recent_place at = w->at;
    struct watch_event e;
    uint32_t keyspace;

    if (w->state == WATCH_LIVE)
        return MAX_OF(h->through, w->after);
    if (recent_next(h, &at, &keyspace, &e) == RECENT_EVENT)
        return MAX_OF(e.version - 1, w->after);
    return w->after;
}

static void part_out(struct shard *s, struct watch *w, struct effects *fx)
{
    struct effect *e = effects_add(fx, EFFECT_WATCH, w->replica->group);

    w->in_flight = true;
    w->told_at = s->now;
    e->watch.token = (uint64_t)(uintptr_t)w;
    e->watch.to = w->from;
    e->watch.part = buf_slice(&w->sending);
    shard_wake_by(&s->watches.next_progress,
                  instant_add(s->now, MS(w->progress_ms)));
}

static void tell(struct shard *s, struct watch *w, struct effects *fx)
{
    struct buf empty = w->sending;

    if (!w->out.size) {
        account(s, w->out.cap, 0);
        watch_part_begin(&w->out);
        account(s, 0, w->out.cap);
    }
    w->after = through_of(w);
    watch_part_end(&w->out, 0, w->after, w->replica->applied_clock_ms,
                   w->out_events);
    w->sending = w->out;
    w->out = empty;
    w->out_events = 0;
    part_out(s, w, fx);
}

/* The first part says where the watch begins, and nothing else: from there the
 * client can go on, whatever happens. */
static void greet(struct shard *s, struct watch *w, struct effects *fx)
{
    w->greeted = true;
    watch_part_begin(&w->sending);
    account(s, 0, w->sending.cap);
    watch_part_end(&w->sending, 0, w->after, w->replica->applied_clock_ms, 0);
    part_out(s, w, fx);
}

static bool progress_due(const struct shard *s, const struct watch *w)
{
    return instant_reached(s->now,
                           instant_add(w->told_at, MS(w->progress_ms)));
}

static void look_at(struct shard *s, struct watch *w, size_t *left,
                    struct effects *fx)
{
    if (w->state == WATCH_ENDED) {
        assert(!w->replica);
        if (!w->in_flight)
            watch_free(s, w);
        return;
    }
    if (w->in_flight || w->waits)
        return; /* marked again when that ends */
    if (!w->greeted) {
        greet(s, w, fx);
        return;
    }
    if (w->state == WATCH_BEHIND && !catch_up(s, w, left)) {
        watch_compacted(s, w, fx);
        return;
    }
    if (w->out_events || progress_due(s, w)) {
        tell(s, w, fx);
    } else if (w->state == WATCH_BEHIND) {
        mark(s, w); /* a turn allows no more */
    }
}

static void tick(struct shard *s)
{
    instant next = INSTANT_NEVER;

    for (unsigned i = 0; i < s->n_replicas; i++)
        for (struct watch *w = s->replicas[i]->watched.first; w; w = w->next) {
            instant due = instant_add(w->told_at, MS(w->progress_ms));
            if (instant_reached(s->now, due))
                mark(s, w);
            else
                next = instant_min(next, due);
        }
    s->watches.next_progress = next;
}

void watches_turn(struct shard *s, struct effects *fx)
{
    size_t left = WATCH_TURN_BYTES;
    struct watch *list;

    if (instant_reached(s->now, s->watches.next_progress))
        tick(s);
    list = s->watches.dirty;
    s->watches.dirty = NULL;
    while (list) {
        struct watch *w = list;
        list = w->dirty_next;
        w->dirty = false;
        look_at(s, w, &left, fx);
    }
}

bool watches_want_turn(const struct shard *s)
{
    return s->watches.dirty;
}

void watches_on_taken(struct shard *s, const struct event *e)
{
    struct watch *w = (struct watch *)(uintptr_t)e->watch_taken.token;

    assert(w->in_flight);
    w->in_flight = false;
    clear(s, &w->sending);
    shard_wake_by(&s->watches.next_progress,
                  instant_add(w->told_at, MS(w->progress_ms)));
    if (w->state == WATCH_ENDED || w->state == WATCH_BEHIND || w->out_events)
        mark(s, w);
}

/* The shard ends: what is in flight will not be answered. */
void watches_release(struct shard *s, struct replica *r)
{
    while (r->watched.first)
        watch_leave(s, r->watched.first);
    recent_release(&r->watched.recent);
    watch_index_release(&r->watched.index);
}

void watches_free(struct shard *s)
{
    while (s->watches.all)
        watch_free(s, s->watches.all);
}
