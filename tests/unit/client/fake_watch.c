/* fake_watch.c - a fake node's watches; see fake_cluster.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto/watch.h"
#include "tests/unit/client/fake_cluster.h"

static void end_watch(struct fake_cluster *f, struct fake_watch *w,
                      enum status why)
{
    struct error_reply m = {.status = why, .hint = fake_hint(f, w->group)};
    struct frame_header h = {.id = w->id};
    struct buf b = {0};

    error_reply_encode(&m, &b);
    if (!conn_closing(w->conn))
        fake_send(w->conn, &h, MESSAGE_ERROR, &b);
    buf_release(&b);
    w->conn = NULL;
}

static bool wants(const struct fake_watch *w, const char *key)
{
    return w->whole ? !strcmp(key, w->begin)
                    : !strncmp(key, w->begin, strlen(w->begin));
}

/* What is complete before change number `at` of the log? */
static uint64_t through_of(const struct fake_cluster *f, unsigned group,
                           unsigned at)
{
    unsigned per = f->changes_per_version ? f->changes_per_version : 1, n = 0;

    for (unsigned i = 0; i < at; i++)
        n += f->changes[i].group == group;
    return n / per;
}

static void send_part(struct fake_cluster *f, struct fake_watch *w,
                      struct buf *b, unsigned at, uint32_t events)
{
    struct frame_header h = {.id = w->id, .type = MESSAGE_WATCH_PART,
                             .kind = FRAME_PART};
    struct slice s;

    watch_part_end(b, 0, through_of(f, w->group, at), 1, events);
    s = buf_slice(b);
    if (!conn_closing(w->conn))
        assert_int_equal(conn_send(w->conn, &h, &s, 1, CONN_NORMAL),
                         STATUS_OK);
    buf_clear(b);
    watch_part_begin(b);
}

/* What change number `at` has found there. */
static void add_previous(const struct fake_cluster *f, unsigned at,
                         struct watch_event *e)
{
    const char *before = "";

    for (unsigned i = 0; i < at; i++)
        if (!strcmp(f->changes[i].key, f->changes[at].key))
            before = f->changes[i].value;
    e->flags = !*before                  ? WATCH_HAD_NOTHING
               : strcmp(before, "LARGE") ? WATCH_HAD_PREVIOUS
                                         : WATCH_HAD_LARGE;
    if (e->flags == WATCH_HAD_PREVIOUS)
        e->previous = slice_str(before);
}

/* Tell all that is new to it, in parts as small as the node likes. */
static void tell(struct fake_cluster *f, struct fake_watch *w, bool first)
{
    unsigned most = w->node->part_events ? w->node->part_events : 1000;
    struct buf b = {0};
    uint32_t n = 0;

    watch_part_begin(&b);
    if (first) /* says from where, and nothing else */
        send_part(f, w, &b, w->at, 0);
    for (; w->at < f->n_changes; w->at++) {
        const struct fake_change *c = &f->changes[w->at];
        struct watch_event e = {.kind = c->value[0] ? CHANGE_PUT
                                                    : CHANGE_DELETE,
                                .key = slice_str(c->key),
                                .value = slice_str(c->value),
                                .version = c->version};
        if (c->group != w->group || c->version <= w->after ||
            !wants(w, c->key))
            continue;
        if (n == most) {
            send_part(f, w, &b, w->at, n);
            n = 0;
        }
        if (w->previous)
            add_previous(f, w->at, &e);
        watch_event_encode(&e, &b);
        n++;
    }
    if (n)
        send_part(f, w, &b, w->at, n);
    buf_release(&b);
}

static void tell_all(struct fake_cluster *f)
{
    for (unsigned i = 0; i < FAKE_WATCHES_MAX; i++)
        if (f->watches[i].conn && !f->watches[i].node->frozen)
            tell(f, &f->watches[i], false);
}

static void add(struct fake_cluster *f, const char *key, const char *value)
{
    struct fake_change *c = &f->changes[f->n_changes++];
    unsigned per = f->changes_per_version ? f->changes_per_version : 1, n = 0;

    assert_true(f->n_changes <= FAKE_LOG_MAX);
    c->group = fake_group(f, key);
    for (unsigned i = 0; i + 1 < f->n_changes; i++)
        n += f->changes[i].group == c->group;
    c->version = n / per + 1;
    snprintf(c->key, sizeof c->key, "%s", key);
    snprintf(c->value, sizeof c->value, "%s", value ? value : "");
}

void fake_change(struct fake_cluster *f, const char *key, const char *value)
{
    add(f, key, value);
    tell_all(f);
}

void fake_sync(struct fake_cluster *f)
{
    if (f->n_synced == f->n_log)
        return;
    for (; f->n_synced < f->n_log; f->n_synced++) {
        const struct fake_write *w = &f->log[f->n_synced];
        add(f, w->key, w->is_delete ? NULL : w->value);
    }
    tell_all(f);
}

void fake_watch(struct fake_node *n, struct conn *c,
                const struct frame_header *h, struct slice payload)
{
    struct fake_cluster *f = n->cluster;
    struct stream_request m;
    struct watch_request r;
    struct fake_watch *w = f->watches;

    n->watches++;
    assert_int_equal(stream_request_decode(payload, &m), STATUS_OK);
    assert_int_equal(watch_decode(m.body, &r), STATUS_OK);
    while (w->conn)
        w++;
    assert_true(w < f->watches + FAKE_WATCHES_MAX);
    *w = (struct fake_watch){.node = n, .conn = c, .id = h->id,
                             .after = r.after, .whole = r.kind == WATCH_KEY,
                             .previous = r.flags & WATCH_PREVIOUS};
    while (f->map->groups[w->group].id != r.group)
        w->group++;
    assert_true(r.begin.size < sizeof w->begin);
    if (r.begin.size)
        memcpy(w->begin, r.begin.data, r.begin.size);
    if (n->frozen)
        return;
    if (f->leaders[w->group] != n->id) {
        end_watch(f, w, STATUS_NOT_LEADER);
        return;
    }
    if (r.flags & WATCH_FROM_NOW) {
        w->at = f->n_changes;
        w->after = 0;
    }
    tell(f, w, true);
}

void fake_watch_cancel(struct fake_node *n, struct conn *c, uint64_t id)
{
    struct fake_cluster *f = n->cluster;

    n->cancels++;
    for (unsigned i = 0; i < FAKE_WATCHES_MAX; i++)
        if (f->watches[i].conn == c && (!id || f->watches[i].id == id))
            f->watches[i].conn = NULL;
}

void fake_end_watches(struct fake_cluster *f, unsigned group, enum status why)
{
    for (unsigned i = 0; i < FAKE_WATCHES_MAX; i++)
        if (f->watches[i].conn && f->watches[i].group == group)
            end_watch(f, &f->watches[i], why);
}
