/* row_scan.c - ordered scans while others write. See rows.h.
 *
 * One group, or all of them merged as client/scan.c does; forwards, backwards,
 * keys only, counted only. Some keys stand all along: each scan has every one
 * of them, once, in order. A page shows one moment: it has nothing that came
 * later and nothing that expired, all accounts of the bank in it add up, and it
 * is a linearizable read of each of the clients' keys that it passes. */
#include "tests/sim/rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/merge.h"
#include "proto/scan.h"

enum { STANDING = 12, SOURCES_MAX = CLUSTER_GROUPS_MAX };

struct source {
    uint32_t group;
    struct buf bytes;         /* its page */
    struct scan_page page;
    struct scan_record entry;
    bool has, done;
    struct buf bound;         /* where the next page begins, or ends */
};

struct scanning {
    bool setting;             /* a standing key, not scanning */
    unsigned which;           /* of them */
    unsigned flags, keys_max;
    struct buf begin, end;    /* of all */
    struct source source[SOURCES_MAX];
    unsigned n, asked;        /* sources; the one that was asked */
    struct merge merge;
    struct buf last;          /* key that came out last */
    bool has_last;
    uint16_t stood[CLUSTER_GROUPS_MAX]; /* standing keys when it began: bits */
    uint16_t seen[CLUSTER_GROUPS_MAX];
    uint64_t counted, floor_index, floor_clock;
    size_t reads[KEYS_PER_GROUP]; /* in the history */
};

struct scans {
    struct rows *rows;
    uint16_t stands[CLUSTER_GROUPS_MAX]; /* bit by standing key */
    struct scanning of[ASKERS_OF_ROW_MAX];
};

static void init(struct rows *r, void *row)
{
    struct scans *s = row;

    s->rows = r;
}

static bool reverse(const struct scanning *k)
{
    return k->flags & SCAN_REVERSE;
}

static struct slice standing(const struct rows *r, uint32_t group, unsigned i)
{
    return rows_key(r, group, "standing%02u", i);
}

static void set_buf(struct buf *b, struct slice s)
{
    buf_clear(b);
    buf_append(b, s.data, s.size);
}

/* ---- keys that stand ---- */

static void set_one(struct asker *x, uint32_t group, unsigned i)
{
    struct scans *s = x->row;
    struct scanning *k = &s->of[x->number];
    struct operation o = {.op = OP_SET, .key = standing(x->of, group, i)};

    k->setting = true;
    k->which = i;
    o.value = o.key;
    asker_ask(x, group, &o);
}

/* True when one was missing, or is written again. */
static bool stand(struct asker *x)
{
    struct scans *s = x->row;
    unsigned first = (unsigned)asker_below(x, STANDING);
    uint32_t group = rows_group(x);

    for (unsigned i = 0; i < STANDING; i++) {
        unsigned at = (first + i) % STANDING;
        if (s->stands[group] >> at & 1)
            continue;
        set_one(x, group, at);
        return true;
    }
    if (asker_below(x, 4))
        return false;
    set_one(x, group, first);
    return true;
}

/* ---- asking for pages ---- */

static void ask_page(struct asker *x, struct scanning *k, unsigned at)
{
    struct source *f = &k->source[at];
    struct history *h = &x->of->clients->h;
    struct scan m = {.group = f->group, .flags = k->flags,
                     .keys_max = k->keys_max, .begin = buf_slice(&k->begin),
                     .end = buf_slice(&k->end)};
    struct operation o = {.op = OP_SCAN};
    struct buf value = {0};

    if (f->bound.size && reverse(k))
        m.end = buf_slice(&f->bound);
    else if (f->bound.size)
        m.begin = buf_slice(&f->bound);
    scan_encode(&m, &value);
    o.value = buf_slice(&value);
    k->asked = at;
    for (unsigned i = 0; i < KEYS_PER_GROUP; i++)
        k->reads[i] = history_ask(h, OP_GET, READ_LINEARIZABLE,
                                  (f->group - 1) * KEYS_PER_GROUP + i,
                                  CALLER_READS + h->n);
    asker_ask(x, f->group, &o);
    k->floor_index = x->floor_index;
    k->floor_clock = x->floor_clock;
    buf_release(&value);
}

static void begin_scan(struct asker *x, struct scanning *k)
{
    struct scans *s = x->row;
    struct rows *r = x->of;
    bool all = asker_below(x, 3) == 0;
    uint32_t group = rows_group(x);

    k->flags = asker_below(x, 2) ? SCAN_REVERSE : 0;
    if (!asker_below(x, 5))
        k->flags |= SCAN_KEYS_ONLY;
    else if (!all && !asker_below(x, 6))
        k->flags |= SCAN_COUNT_ONLY;
    k->keys_max = asker_below(x, 4) ? 1 + (uint32_t)asker_below(x, 30) : 0;
    buf_clear(&k->begin);
    buf_clear(&k->end);
    if (!all && asker_below(x, 2)) { /* all of the tag's, from a key on */
        set_buf(&k->begin, rows_key(r, group, "b"));
        set_buf(&k->end, rows_key(r, group, "t"));
    }
    k->n = all ? r->c->o.groups : 1;
    for (unsigned i = 0; i < k->n; i++) {
        struct source *f = &k->source[i];
        f->group = all ? i + 1 : group;
        f->has = f->done = false;
        buf_clear(&f->bound);
        k->stood[f->group] = s->stands[f->group];
        k->seen[f->group] = 0;
    }
    k->has_last = false;
    k->counted = 0;
    merge_release(&k->merge);
    merge_init(&k->merge, k->n, reverse(k));
    ask_page(x, k, 0);
}

static void next(struct asker *x)
{
    struct scans *s = x->row;
    struct scanning *k = &s->of[x->number];

    if (stand(x))
        return;
    k->setting = false;
    begin_scan(x, k);
}

/* ---- a page, whole ---- */

struct passed {
    struct slice begin, end; /* what the page covers; empty: no bound */
};

static struct passed passed_of(const struct scanning *k,
                               const struct source *f)
{
    struct passed p = {buf_slice(&k->begin), buf_slice(&k->end)};
    bool more = f->page.flags & SCAN_PAGE_MORE;

    if (reverse(k)) {
        if (f->bound.size)
            p.end = buf_slice(&f->bound);
        if (more)
            p.begin = f->page.next;
    } else {
        if (f->bound.size)
            p.begin = buf_slice(&f->bound);
        if (more)
            p.end = f->page.next;
    }
    return p;
}

static bool covers(const struct passed *p, struct slice key)
{
    return (!p->begin.size || slice_compare(key, p->begin) >= 0) &&
           (!p->end.size || slice_compare(key, p->end) < 0);
}

/* What the page says of a client's key. */
static void answer_read(struct asker *x, struct scanning *k, unsigned i,
                        const struct passed *p, const struct scan_record *e)
{
    struct history *h = &x->of->clients->h;
    const struct past *past = &h->v[k->reads[i]];
    uint64_t number = SIZE_MAX;

    if (!covers(p, slice_str(x->of->clients->keys[past->key])) ||
        k->flags & SCAN_COUNT_ONLY || (e && k->flags & SCAN_KEYS_ONLY)) {
        history_gone(h, k->reads[i]);
        return;
    }
    if (e && !workload_number(e->value, &number))
        rows_fail(x, "a page with a damaged value");
    history_answer(h, k->reads[i], e ? STATUS_OK : STATUS_NOT_FOUND, number,
                   e ? e->version : 0);
}

/* Of a key made by rows_key(): what stands behind the tag. */
static struct slice name_of(const struct rows *r, uint32_t group,
                            struct slice key)
{
    const char *tag = r->clients->keys[(group - 1) * KEYS_PER_GROUP];
    size_t n = strlen(tag);

    if (key.size < n + 2 || key.data[0] != '{' ||
        memcmp(key.data + 1, tag, n) != 0)
        return slice_of(NULL, 0);
    return slice_of(key.data + n + 2, key.size - n - 2);
}

struct accounts {
    int64_t sum;
    unsigned n;
};

static void look_at_account(struct asker *x, struct accounts *a,
                            const struct scan_record *e)
{
    struct slice name = name_of(x->of, x->group, e->key);

    if (name.size != 5 || memcmp(name.data, "bank", 4) != 0 ||
        name.data[4] >= '0' + BANK_ACCOUNTS)
        return; /* the last one is their number */
    a->n++;
    a->sum += rows_number(x->of, e->value);
}

static void check_record(struct asker *x, const struct source *f,
                         const struct passed *p, const struct scan_record *e)
{
    if (!covers(p, e->key))
        rows_fail(x, "a page with a key that it does not cover: %.*s",
                  (int)e->key.size, (const char *)e->key.data);
    if (e->version >> 10 > f->page.index)
        rows_fail(x, "a page of index %" PRIu64 " has version %" PRIu64,
                  f->page.index, e->version);
    if (!machine_live(e->expire_at, f->page.clock_ms))
        rows_fail(x, "a page of clock %" PRIu64 " has a key until %" PRIu64,
                  f->page.clock_ms, e->expire_at);
}

static void check_page(struct asker *x, struct scanning *k, struct source *f)
{
    struct passed p = passed_of(k, f);
    struct scan_page page = f->page;
    struct scan_record e, own[KEYS_PER_GROUP];
    bool found[KEYS_PER_GROUP] = {0};
    struct accounts a = {0};

    if (page.index < k->floor_index || page.clock_ms < k->floor_clock)
        rows_fail(x, "a page of index %" PRIu64 ", clock %" PRIu64
                  "; heard before: %" PRIu64 ", %" PRIu64,
                  page.index, page.clock_ms, k->floor_index, k->floor_clock);
    while (scan_page_record(&page, &e)) {
        check_record(x, f, &p, &e);
        if (page.flags & SCAN_PAGE_VALUES)
            look_at_account(x, &a, &e);
        for (unsigned i = 0; i < KEYS_PER_GROUP; i++) {
            unsigned key = (f->group - 1) * KEYS_PER_GROUP + i;
            if (!slice_equal(e.key, slice_str(x->of->clients->keys[key])))
                continue;
            found[i] = true;
            own[i] = e;
        }
    }
    if (page.rows.failed)
        rows_fail(x, "a malformed page");
    if (a.n == BANK_ACCOUNTS && a.sum)
        rows_fail(x, "a page's accounts add up to %" PRId64, a.sum);
    for (unsigned i = 0; i < KEYS_PER_GROUP; i++)
        answer_read(x, k, i, &p, found[i] ? &own[i] : NULL);
    rows_heard(x->of, f->group,
               &(struct reply){.clock = page.clock_ms,
                               .version = page.index << 10});
}

/* ---- keys as they come out ---- */

static void came_out(struct asker *x, struct scanning *k,
                     const struct source *f)
{
    struct slice key = f->entry.key, name;
    int order =
        k->has_last ? slice_compare(key, buf_slice(&k->last)) : 0;

    if (k->has_last && (reverse(k) ? order >= 0 : order <= 0))
        rows_fail(x, "%.*s came out behind %.*s", (int)key.size,
                  (const char *)key.data, (int)k->last.size,
                  (const char *)k->last.data);
    set_buf(&k->last, key);
    k->has_last = true;
    name = name_of(x->of, f->group, key);
    if (name.size == 10 && memcmp(name.data, "standing", 8) == 0)
        k->seen[f->group] |= (uint16_t)(
            1u << ((name.data[8] - '0') * 10 + name.data[9] - '0'));
}

static void ended(struct asker *x, struct scanning *k)
{
    for (unsigned i = 0; i < k->n; i++) {
        uint32_t group = k->source[i].group;
        unsigned missing = k->stood[group] & ~(unsigned)k->seen[group];
        if (k->flags & SCAN_COUNT_ONLY) {
            if (k->counted < (unsigned)__builtin_popcount(k->stood[group]))
                rows_fail(x, "counted %" PRIu64 ", but more stand all along",
                          k->counted);
        } else if (missing) {
            rows_fail(x, "the scan of group %u misses %.*s", group, 20,
                      (const char *)
                          standing(x->of, group,
                                   (unsigned)__builtin_ctz(missing))
                              .data);
        }
    }
}

/* The source's next record, or what becomes of it. */
static bool step(struct source *f)
{
    f->has = scan_page_record(&f->page, &f->entry);
    if (!f->has && !(f->page.flags & SCAN_PAGE_MORE))
        f->done = true;
    return f->has;
}

/* Until one has to be asked, or all is out. */
static void go_on(struct asker *x, struct scanning *k)
{
    for (;;) {
        struct source *f;
        for (unsigned i = 0; i < k->n; i++)
            if (!k->source[i].has && !k->source[i].done) {
                ask_page(x, k, i);
                return;
            }
        if (!k->merge.n)
            break;
        f = &k->source[merge_top(&k->merge)];
        came_out(x, k, f);
        if (step(f))
            merge_move(&k->merge, f->entry.key);
        else
            merge_pop(&k->merge);
    }
    ended(x, k);
}

static void told_page(struct asker *x, struct scanning *k,
                      const struct reply *r)
{
    struct source *f = &k->source[k->asked];

    if (r->status != STATUS_OK)
        rows_fail(x, "told %s", status_name(r->status));
    set_buf(&f->bytes, r->value);
    if (scan_page_decode(buf_slice(&f->bytes), &f->page) != STATUS_OK)
        rows_fail(x, "a malformed page");
    check_page(x, k, f);
    k->counted += f->page.counted;
    set_buf(&f->bound, f->page.next);
    if (step(f))
        merge_add(&k->merge, f->entry.key, k->asked);
    go_on(x, k);
}

static void told(struct asker *x, const struct reply *r)
{
    struct scans *s = x->row;
    struct scanning *k = &s->of[x->number];

    if (!k->setting) {
        told_page(x, k, r);
        return;
    }
    if (r->status == STATUS_OK)
        s->stands[x->group] |= (uint16_t)(1u << k->which);
}

static void quiet(struct rows *r UNUSED, void *row UNUSED)
{
}

static void release(void *row)
{
    struct scans *s = row;

    for (unsigned i = 0; i < ASKERS_OF_ROW_MAX; i++) {
        struct scanning *k = &s->of[i];
        for (unsigned n = 0; n < SOURCES_MAX; n++) {
            buf_release(&k->source[n].bytes);
            buf_release(&k->source[n].bound);
        }
        buf_release(&k->begin);
        buf_release(&k->end);
        buf_release(&k->last);
        merge_release(&k->merge);
    }
}

const struct row_kind row_scans = {
    .asker = {next, told}, .bytes = sizeof(struct scans), .init = init,
    .quiet = quiet, .release = release,
};
