/* fake_stream.c - a fake node's scans; see fake_cluster.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto/glob.h"
#include "proto/scan.h"
#include "tests/unit/client/fake_cluster.h"

void fake_scan_answer(struct conn *c, const struct frame_header *h,
                      enum status status, struct hint hint)
{
    struct scan_reply m = {.status = status, .hint = hint};
    struct buf b = {0};

    scan_reply_encode(&m, &b);
    fake_send(c, h, MESSAGE_SCAN_REPLY, &b);
    buf_release(&b);
}

void fake_put(struct fake_cluster *f, const char *key, const char *value)
{
    struct fake_write *w = &f->log[f->n_log++];

    assert_true(f->n_log <= FAKE_LOG_MAX);
    *w = (struct fake_write){.is_delete = !value};
    snprintf(w->key, sizeof w->key, "%s", key);
    snprintf(w->value, sizeof w->value, "%s", value ? value : "");
}

static bool inside(const struct scan *s, struct slice key)
{
    return slice_compare(key, s->begin) >= 0 &&
           (!s->end.size || slice_compare(key, s->end) < 0);
}

/* The next key of the group behind `last` (NULL: the first) in the scan's
 * direction; NULL: none. */
static const char *next_key(const struct fake_cluster *f, unsigned group,
                            const struct scan *s, const char *last)
{
    int sign = s->flags & SCAN_REVERSE ? -1 : 1;
    const char *best = NULL;

    for (unsigned i = 0; i < f->n_log; i++) {
        const char *key = f->log[i].key;
        if (!inside(s, slice_str(key)) || fake_group(f, key) != group ||
            !fake_value(f, key) ||
            (s->pattern.size && !glob_match(s->pattern, slice_str(key))) ||
            (last && sign * strcmp(key, last) <= 0) ||
            (best && sign * strcmp(key, best) >= 0))
            continue;
        best = key;
    }
    return best;
}

static void write_page(struct fake_node *n, unsigned group,
                       const struct scan *s, struct buf *out)
{
    const struct fake_cluster *f = n->cluster;
    unsigned max = s->keys_max ? s->keys_max : 1000;
    bool count = s->flags & SCAN_COUNT_ONLY;
    struct scan_page p = {0};
    struct scan_writer w;
    const char *key = NULL, *last = NULL;

    if (n->page_keys && n->page_keys < max)
        max = n->page_keys;
    scan_writer_begin(&w, out, !(s->flags & SCAN_KEYS_ONLY) && !count);
    while ((key = next_key(f, group, s, last)) && p.counted < max) {
        const char *value = fake_value(f, key);
        struct scan_record r = {.key = slice_str(key),
                                .value = slice_str(value),
                                .value_size = (uint32_t)strlen(value),
                                .version = p.counted + 1};
        if (!count)
            scan_writer_add(&w, &r);
        p.counted++;
        last = key;
    }
    if (key) {
        /* Forward: this one is the next. Backwards: below the last one. */
        p.flags = SCAN_PAGE_MORE;
        p.next = slice_str(s->flags & SCAN_REVERSE ? last : key);
    }
    scan_writer_end(&w, &p);
    n->scans++;
}

void fake_scan(struct fake_node *n, struct conn *c,
               const struct frame_header *h, struct slice payload)
{
    struct fake_cluster *f = n->cluster;
    struct stream_request m;
    struct scan s;
    struct buf page = {0}, b = {0};
    struct scan_reply reply;
    unsigned group = 0;

    assert_int_equal(stream_request_decode(payload, &m), STATUS_OK);
    assert_int_equal(scan_decode(m.body, &s), STATUS_OK);
    while (f->map->groups[group].id != s.group)
        group++;
    if (f->leaders[group] != n->id && !(s.flags & SCAN_STALE)) {
        fake_scan_answer(c, h, STATUS_NOT_LEADER, fake_hint(f, group));
        return;
    }
    write_page(n, group, &s, &page);
    reply = (struct scan_reply){.page = buf_slice(&page)};
    scan_reply_encode(&reply, &b);
    fake_send(c, h, MESSAGE_SCAN_REPLY, &b);
    buf_release(&page);
    buf_release(&b);
}
