/* scan.c - see scan.h. */
#include "client/scan.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/cursor.h"
#include "proto/codec.h"
#include "proto/glob.h"
#include "proto/slot.h"

enum {
    MEMORY_MAX = 64 << 20, /* of all pages of a scan */
    PAGE_MIN = 64 << 10,
};

/* ---- options ---- */

static struct slice slice_from(struct coat_bytes b)
{
    return slice_of(b.data, b.size);
}

/* A prefix is a range; both together are what they have in common. */
static void set_range(struct coat_scan *s, const struct coat_scan_options *o)
{
    struct slice prefix = slice_from(o->prefix);
    struct slice begin = slice_from(o->begin), end = slice_from(o->end);
    struct buf above = {0};

    scan_prefix_end(prefix, &above);
    if (slice_compare(prefix, begin) > 0)
        begin = prefix;
    if (above.size &&
        (!end.size || slice_compare(buf_slice(&above), end) < 0))
        end = buf_slice(&above);
    buf_append(&s->begin, begin.data, begin.size);
    buf_append(&s->end, end.data, end.size);
    buf_release(&above);
}

static void set_identity(struct coat_scan *s)
{
    uint8_t reverse = s->flags & SCAN_REVERSE ? 1 : 0;
    uint32_t id = cursor_identity(1, slice_str(s->keyspace));

    id = cursor_identity(id, buf_slice(&s->begin));
    id = cursor_identity(id, buf_slice(&s->end));
    id = cursor_identity(id, buf_slice(&s->pattern));
    id = cursor_identity(id, buf_slice(&s->tag));
    s->identity = cursor_identity(id, slice_of(&reverse, 1));
}

/* What is wrong with them, or NULL. */
static const char *check(const struct coat_scan_options *o)
{
    size_t most = SCAN_BOUND_BYTES_MAX;

    if (o->begin.size > most || o->end.size > most ||
        o->prefix.size > KEY_BYTES_MAX || o->tag.size > KEY_BYTES_MAX)
        return "a bound, prefix or tag is longer than a key";
    if (o->pattern.size > SCAN_PATTERN_BYTES_MAX)
        return "a pattern has at most 256 bytes";
    if (o->flags & ~(unsigned)(COAT_REVERSE | COAT_KEYS_ONLY))
        return "a flag that is none of a scan";
    if (o->page_bytes > SCAN_PAGE_BYTES_MAX)
        return "a page has at most 1 MiB";
    if (o->timeout > COAT_TIMEOUT_MAX ||
        (unsigned)o->consistency > COAT_STALE)
        return "a timeout or consistency out of range";
    if (o->keyspace && keyspace_check(slice_str(o->keyspace)))
        return "a keyspace is named by at most 64 of A-Z a-z 0-9 . _ -";
    return glob_check(slice_from(o->pattern));
}

static enum status set_options(struct coat_scan *s, struct coat_client *c,
                               const struct coat_scan_options *o)
{
    enum status rv;

    c->why = check(o);
    if (c->why)
        return STATUS_INVALID;
    snprintf(s->keyspace, sizeof s->keyspace, "%s",
             o->keyspace ? o->keyspace : c->settings.keyspace);
    s->flags |= (o->flags & COAT_REVERSE ? SCAN_REVERSE : 0) |
                (o->flags & COAT_KEYS_ONLY ? SCAN_KEYS_ONLY : 0);
    s->consistency = c->settings.consistency;
    if (o->consistency != COAT_DEFAULT)
        s->consistency = o->consistency == COAT_STALE
                             ? CONSISTENCY_STALE
                             : CONSISTENCY_LINEARIZABLE;
    if (s->consistency == CONSISTENCY_STALE)
        s->flags |= SCAN_STALE;
    s->limit = o->limit;
    s->limit_bytes = o->limit_bytes;
    s->page_keys = o->page_keys;
    s->page_bytes = o->page_bytes;
    s->timeout = o->timeout;
    set_range(s, o);
    buf_append(&s->pattern, o->pattern.data, o->pattern.size);
    buf_append(&s->tag, o->tag.data, o->tag.size);
    set_identity(s);
    if (!o->cursor)
        return STATUS_OK;
    rv = cursor_parse(o->cursor, CURSOR_SCAN, s->identity, &s->last);
    if (rv == STATUS_OK && s->last.size > KEY_BYTES_MAX)
        rv = STATUS_BAD_CURSOR;
    s->has_last = s->last.size > 0; /* empty: nothing was handed out yet */
    return rv;
}

/* ---- pages ---- */

static void on_page(const struct coat_reply *reply, void *user);

static void ask(struct source *x)
{
    struct coat_scan *s = x->scan;
    bool reverse = s->flags & SCAN_REVERSE;
    struct slice bound = buf_slice(&x->bound);
    struct scan scan = {
        .group = x->group,
        .flags = s->flags,
        .keys_max = s->page_keys,
        .bytes_max = s->page_bytes,
        .begin = reverse ? buf_slice(&s->begin) : bound,
        .end = reverse ? bound : buf_slice(&s->end),
        .pattern = buf_slice(&s->pattern),
    };
    struct buf body = {0}, payload = {0};
    struct stream_request m = {.keyspace = slice_str(s->keyspace)};
    enum status rv;

    assert(!x->asked && !x->done && !x->has_next);
    /* A few entries are wanted: do not have a MiB read for them. */
    if (s->limit && s->limit - s->delivered < UINT32_MAX / 2 &&
        (!scan.keys_max || scan.keys_max > s->limit - s->delivered))
        scan.keys_max = (uint32_t)MAX_OF(s->limit - s->delivered, 1);
    scan_encode(&scan, &body);
    m.body = buf_slice(&body);
    stream_request_encode(&m, &payload);
    rv = flow_submit(s->flow.client, REQUEST_SCAN, x->slot, s->consistency,
                     buf_slice(&payload), s->timeout, 0, on_page, x,
                     &x->asked);
    x->busy = rv == STATUS_BUSY;
    if (rv == STATUS_CLOSED)
        s->failed = rv;
    buf_release(&body);
    buf_release(&payload);
}

/* Ask for the next page if there is one, room for it, and need. */
static void ask_ahead(struct source *x)
{
    const struct coat_scan *s = x->scan;

    if (x->asked || x->done || x->has_next || s->failed)
        return;
    if (x->has_entry && s->limit &&
        x->page.records >= s->limit - s->delivered)
        return;
    ask(x);
}

/* Stand at the next entry of the pages that are here. */
static void step(struct source *x)
{
    x->has_entry = scan_page_record(&x->page, &x->entry);
    if (x->has_entry)
        return;
    if (x->has_next) {
        x->front ^= 1;
        x->has_next = false;
        if (scan_page_decode(buf_slice(&x->pages[x->front]), &x->page))
            x->page.rows.failed = true;
        x->has_entry = scan_page_record(&x->page, &x->entry);
    }
    ask_ahead(x);
}

static void fail(struct coat_scan *s, enum status why, const char *detail)
{
    if (s->failed)
        return;
    s->failed = why;
    snprintf(s->detail, sizeof s->detail, "%s", detail);
}

static bool is_waiting(const struct source *x)
{
    return !x->has_entry && !(x->done && !x->has_next);
}

static void take_page(struct source *x, struct slice bytes)
{
    struct coat_scan *s = x->scan;
    unsigned back = x->front ^ 1;
    struct scan_page p;
    bool waited = is_waiting(x);

    if (scan_page_decode(bytes, &p)) {
        fail(s, STATUS_BAD_MESSAGE, "an unreadable page");
        return;
    }
    s->counted += p.counted;
    x->done = !(p.flags & SCAN_PAGE_MORE);
    buf_clear(&x->bound);
    buf_append(&x->bound, p.next.data, p.next.size);
    buf_clear(&x->pages[back]);
    buf_append(&x->pages[back], bytes.data, bytes.size);
    x->has_next = true;
    if (!waited)
        return;
    step(x);
    if (x->has_entry)
        merge_add(&s->merge, x->entry.key, (uint32_t)(x - s->sources));
    s->waiting -= !is_waiting(x);
    if (x->page.rows.failed)
        fail(s, STATUS_BAD_MESSAGE, "an unreadable page");
}

static void pump(struct coat_scan *s);

static void on_page(const struct coat_reply *reply, void *user)
{
    struct source *x = user;
    struct coat_scan *s = x->scan;

    x->asked = 0;
    if (s->failed)
        return;
    if (reply->status == COAT_OK)
        take_page(x, slice_from(reply->value));
    else
        fail(s, (enum status)reply->status, reply->detail);
    pump(s);
}

/* ---- sources ---- */

static void source_add(struct coat_scan *s, uint32_t group, uint16_t slot)
{
    bool reverse = s->flags & SCAN_REVERSE;
    struct source *x = &s->sources[s->n_sources++];
    struct slice from = buf_slice(reverse ? &s->end : &s->begin);

    x->scan = s;
    x->group = group;
    x->slot = slot;
    if (s->has_last)
        from = buf_slice(&s->last);
    buf_append(&x->bound, from.data, from.size);
    if (s->has_last && !reverse)
        buf_u8(&x->bound, 0); /* the first key behind it */
    s->waiting++;
}

/* The map is here: who has keys? */
static void open_sources(struct coat_scan *s)
{
    const struct coat_client *c = s->flow.client;
    const struct cluster_map *map = c->routes.map;
    unsigned n = s->tag.size ? 1 : map->n_groups;

    s->sources = xcalloc(n, sizeof *s->sources);
    merge_init(&s->merge, n, s->flags & SCAN_REVERSE);
    if (s->tag.size) {
        uint16_t slot = slot_of(buf_slice(&s->tag));
        source_add(s, map->owner[slot], slot);
    }
    for (unsigned i = 0; !s->tag.size && i < map->n_groups; i++) {
        int slot = flow_slot_of(c, map->groups[i].id);
        if (slot >= 0)
            source_add(s, map->groups[i].id, (uint16_t)slot);
    }
    if (!s->page_bytes)
        s->page_bytes = MAX_OF(MIN_OF(SCAN_PAGE_BYTES_MAX,
                                      MEMORY_MAX / 2 / (int)s->n_sources),
                               PAGE_MIN);
    for (unsigned i = 0; i < s->n_sources; i++)
        ask(&s->sources[i]);
}

static bool has_map(struct coat_scan *s)
{
    struct coat_client *c = s->flow.client;

    if (c->routes.map)
        return true;
    map_fetch_want(c);
    if (c->denied[0])
        fail(s, STATUS_NOT_INITIALISED, c->denied);
    else if (instant_reached(engine_now(c), s->deadline))
        fail(s, STATUS_TIMEOUT, c->trouble);
    return false;
}

/* ---- entries ---- */

/* The entry on top was handed out: its source goes on. */
static void move_on(struct coat_scan *s)
{
    struct source *x = &s->sources[merge_top(&s->merge)];

    s->taken = false;
    step(x);
    if (x->has_entry)
        merge_move(&s->merge, x->entry.key);
    else
        merge_pop(&s->merge);
    s->waiting += is_waiting(x);
    if (x->page.rows.failed)
        fail(s, STATUS_BAD_MESSAGE, "an unreadable page");
}

static void remember(struct coat_scan *s, struct slice key)
{
    buf_clear(&s->last);
    buf_append(&s->last, key.data, key.size);
    s->has_last = true;
}

/* Was this key handed out already? A slot on its way between groups may be seen
 * in both. */
static bool repeated(const struct coat_scan *s, struct slice key)
{
    return s->delivered && slice_equal(key, buf_slice(&s->last));
}

static bool limit_reached(const struct coat_scan *s)
{
    return (s->limit && s->delivered >= s->limit) ||
           (s->limit_bytes && s->delivered_bytes >= s->limit_bytes);
}

enum pulled scan_pull(struct coat_scan *s, struct coat_entry *entry)
{
    const struct scan_record *r;

    for (;;) {
        if (s->failed)
            return PULL_END;
        if (!s->sources)
            return PULL_WAIT;
        if (limit_reached(s))
            return PULL_END;
        if (s->taken) {
            move_on(s);
            continue;
        }
        if (s->waiting)
            return PULL_WAIT;
        if (!s->merge.n)
            return PULL_END;
        r = &s->sources[merge_top(&s->merge)].entry;
        s->taken = true;
        if (!repeated(s, r->key))
            break;
    }
    remember(s, r->key);
    s->delivered++;
    s->delivered_bytes += r->key.size + r->value.size;
    *entry = (struct coat_entry){
        .key = {r->key.data, r->key.size},
        .value = {r->value.data, r->value.size},
        .value_size = r->value_size,
        .version = r->version,
        .deadline = r->expire_at,
    };
    return PULL_ENTRY;
}

static void pump(struct coat_scan *s)
{
    enum pulled pulled = PULL_WAIT;
    struct coat_entry entry;

    if (!s->on_end || s->pumping)
        return;
    s->pumping = true;
    while (!s->paused && !s->gone &&
           (pulled = scan_pull(s, &entry)) == PULL_ENTRY)
        s->on_entry(&entry, s->user);
    s->pumping = false;
    if (!s->gone && !s->paused && pulled == PULL_END) {
        s->pumping = true; /* cancelling inside only marks it */
        s->on_end((enum coat_status)s->failed, s->detail, s->user);
        s->gone = true;
        s->pumping = false;
    }
    if (s->gone)
        scan_free(s);
}

/* ---- life ---- */

static void on_tick(struct flow *flow)
{
    struct coat_scan *s = CONTAINER_OF(flow, struct coat_scan, flow);

    if (!s->sources && !s->failed && has_map(s))
        open_sources(s);
    for (unsigned i = 0; i < s->n_sources; i++)
        if (s->sources[i].busy)
            ask_ahead(&s->sources[i]);
    pump(s);
}

static void on_close(struct flow *flow)
{
    struct coat_scan *s = CONTAINER_OF(flow, struct coat_scan, flow);

    s->paused = false;
    fail(s, STATUS_CANCELLED, "the client was closed");
    if (s->on_end)
        pump(s);
    else
        flow_detach(flow); /* a session's; its owner frees it */
}

enum status scan_new(struct coat_client *c,
                     const struct coat_scan_options *options, unsigned flags,
                     struct coat_scan **out)
{
    struct coat_scan_options o = {0};
    struct coat_scan *s = xcalloc(1, sizeof *s);
    enum status rv;

    if (options)
        memcpy(&o, options, MIN_OF(options->size, sizeof o));
    s->flags = flags;
    rv = set_options(s, c, &o);
    if (rv == STATUS_OK)
        rv = flow_open(&s->flow, c);
    if (rv != STATUS_OK) {
        s->flow.client = NULL;
        scan_free(s);
        return rv;
    }
    s->flow.on_tick = on_tick;
    s->flow.on_close = on_close;
    s->deadline = instant_add(engine_now(c),
                              s->timeout ? MS(s->timeout)
                                         : c->settings.timeout);
    if (c->routes.map)
        open_sources(s);
    *out = s;
    return STATUS_OK;
}

void scan_free(struct coat_scan *s)
{
    for (unsigned i = 0; i < s->n_sources; i++) {
        struct source *x = &s->sources[i];
        if (s->flow.client)
            flow_forget(s->flow.client, x->asked);
        buf_release(&x->pages[0]);
        buf_release(&x->pages[1]);
        buf_release(&x->bound);
    }
    if (s->flow.client)
        flow_close(&s->flow);
    free(s->sources);
    merge_release(&s->merge);
    buf_release(&s->begin);
    buf_release(&s->end);
    buf_release(&s->pattern);
    buf_release(&s->tag);
    buf_release(&s->last);
    free(s);
}

/* ---- the public functions ---- */

enum coat_status coat_scan_start(struct coat_client *client,
                                 const struct coat_scan_options *options,
                                 coat_on_entry *on_entry, coat_on_end *on_end,
                                 void *user, struct coat_scan **scan)
{
    struct coat_scan *s;
    enum status rv = scan_new(client, options, 0, &s);

    if (rv == STATUS_OK) {
        s->on_entry = on_entry;
        s->on_end = on_end;
        s->user = user;
        if (scan)
            *scan = s;
    }
    return (enum coat_status)rv;
}

void coat_scan_pause(struct coat_scan *scan)
{
    scan->paused = true;
}

void coat_scan_resume(struct coat_scan *scan)
{
    scan->paused = false; /* the tick hands out what waits */
}

void coat_scan_cancel(struct coat_scan *scan)
{
    if (scan->pumping)
        scan->gone = true;
    else
        scan_free(scan);
}

char *coat_scan_cursor(const struct coat_scan *s)
{
    return cursor_text(CURSOR_SCAN, s->identity,
                       s->has_last ? buf_slice(&s->last) : slice_of("", 0));
}
