/* history.c - see history.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/history.h"

void history_release(struct history *h)
{
    free(h->v);
    *h = (struct history){0};
}

size_t history_ask(struct history *h, enum op op, enum read_mode mode,
                   unsigned key, uint64_t conn)
{
    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 256;
        h->v = xrealloc(h->v, h->cap * sizeof *h->v);
    }
    h->v[h->n] = (struct past){.op = op, .mode = mode, .key = key,
                               .conn = conn, .invoked = ++h->order,
                               .value = op == OP_SET ? h->n : SIZE_MAX};
    return h->n++;
}

bool history_answer(struct history *h, size_t number, enum status status,
                    uint64_t value, uint64_t version)
{
    struct past *p = &h->v[number];

    if (p->state == PAST_ANSWERED)
        return false;
    if (p->state == PAST_GONE)
        return true; /* nobody is there to hear it */
    p->state = PAST_ANSWERED;
    p->returned = ++h->order;
    p->status = status;
    p->version = version;
    if (p->op == OP_GET)
        p->value = value;
    return true;
}

void history_gone(struct history *h, size_t number)
{
    h->v[number].state = PAST_GONE;
}

/* ---- what happened for certain, perhaps, not at all ---- */

static bool done(const struct past *p)
{
    return p->state == PAST_ANSWERED &&
           (p->status == STATUS_OK ||
            (p->status == STATUS_NOT_FOUND && p->op != OP_SET));
}

static bool linearizable_read(const struct past *p)
{
    return p->op == OP_GET && p->mode == READ_LINEARIZABLE && done(p);
}

static bool perhaps(const struct past *p)
{
    return p->op != OP_GET && !done(p) &&
           (p->state != PAST_ANSWERED ||
            status_retry(p->status) == RETRY_UNSAFE);
}

/* A write that is certain and changed the key. */
static bool changed(const struct past *p)
{
    if (p->op == OP_SET)
        return p->version && (done(p) || perhaps(p));
    return p->op == OP_DELETE && done(p) && p->status == STATUS_OK;
}

/* One of a key's requests, and what others bound it by. */
struct asked {
    const struct past *p;
    uint64_t floor; /* the version that must be visible to it */
    uint64_t later; /* what was asked here or behind has none below */
};

struct checking {
    struct history *h;
    struct asked *of; /* of one key, in the order of asking */
    size_t n;
    struct asked **sorted;      /* scratch */
    const struct past **writes; /* of them: changed(), by version */
    size_t n_writes;
    uint64_t open_set, open_delete; /* when the first of unknown outcome was
                                       asked; UINT64_MAX: none */
};

static const char *wrong(struct history *h, const struct past *p,
                         const char *what)
{
    snprintf(h->error, sizeof h->error,
             "request %zu (op %d, key %u, conn %" PRIx64 ", version %" PRIu64
             ", status %s): %s",
             (size_t)(p - h->v), (int)p->op, p->key, p->conn, p->version,
             status_name(p->status), what);
    return h->error;
}

/* ---- reads tell which writes happened ---- */

static const char *bind(struct history *h, const struct past *r)
{
    struct past *w = r->value < h->n ? &h->v[r->value] : NULL;
    char text[96];

    if (!w || w->op != OP_SET || w->key != r->key)
        return wrong(h, r, "read what nobody wrote there");
    if (w->invoked > r->returned)
        return wrong(h, r, "read what was written later");
    if (!done(w) && !perhaps(w)) {
        snprintf(text, sizeof text,
                 "read what request %zu wrote, which was refused: %s",
                 (size_t)(w - h->v), status_name(w->status));
        return wrong(h, r, text);
    }
    if (w->version && w->version != r->version) {
        snprintf(text, sizeof text,
                 "read another version than request %zu wrote: %" PRIu64,
                 (size_t)(w - h->v), w->version);
        return wrong(h, r, text);
    }
    w->version = r->version;
    return NULL;
}

static const char *bind_all(struct history *h)
{
    for (size_t i = 0; i < h->n; i++) {
        struct past *p = &h->v[i];
        if (!done(p) && p->op == OP_SET)
            p->version = 0;
    }
    for (size_t i = 0; i < h->n; i++) {
        struct past *p = &h->v[i];
        const char *error = NULL;
        if (p->state == PAST_PENDING)
            return wrong(h, p, "was never answered");
        if (p->op == OP_GET && done(p) && p->status == STATUS_OK)
            error = bind(h, p);
        else if (p->op != OP_GET && done(p) && !p->version)
            error = wrong(h, p, "has no version");
        if (error)
            return error;
    }
    return NULL;
}

/* ---- one key ---- */

static int by_version(const void *a, const void *b)
{
    const struct past *x = *(const struct past *const *)a;
    const struct past *y = *(const struct past *const *)b;

    return x->version < y->version ? -1 : x->version > y->version;
}

static int by_return(const void *a, const void *b)
{
    const struct past *x = (*(struct asked *const *)a)->p;
    const struct past *y = (*(struct asked *const *)b)->p;

    return x->returned < y->returned ? -1 : x->returned > y->returned;
}

static int by_conn(const void *a, const void *b)
{
    const struct past *x = (*(struct asked *const *)a)->p;
    const struct past *y = (*(struct asked *const *)b)->p;

    if (x->conn != y->conn)
        return x->conn < y->conn ? -1 : 1;
    return x->invoked < y->invoked ? -1 : x->invoked > y->invoked;
}

/* The version that must be visible: of what had returned before, and of the
 * writes that its own connection had sent before. */
static void find_floors(struct checking *k)
{
    uint64_t floor = 0, conn = 0;
    size_t n = 0, next = 0;

    for (size_t i = 0; i < k->n; i++)
        if (done(k->of[i].p) &&
            (k->of[i].p->op != OP_GET || linearizable_read(k->of[i].p)))
            k->sorted[n++] = &k->of[i];
    qsort(k->sorted, n, sizeof *k->sorted, by_return);
    for (size_t i = 0; i < k->n; i++) {
        for (; next < n && k->sorted[next]->p->returned < k->of[i].p->invoked;
             next++)
            floor = MAX_OF(floor, k->sorted[next]->p->version);
        k->of[i].floor = floor;
    }
    for (size_t i = 0; i < k->n; i++)
        k->sorted[i] = &k->of[i];
    qsort(k->sorted, k->n, sizeof *k->sorted, by_conn);
    floor = 0;
    for (size_t i = 0; i < k->n; i++) {
        struct asked *a = k->sorted[i];
        if (a->p->conn != conn)
            floor = 0;
        conn = a->p->conn;
        a->floor = MAX_OF(a->floor, floor);
        if (a->p->op != OP_GET && done(a->p))
            floor = MAX_OF(floor, a->p->version);
    }
}

static void find_later(struct checking *k)
{
    uint64_t later = UINT64_MAX;

    for (size_t i = k->n; i > 0; i--) {
        const struct past *q = k->of[i - 1].p;
        if (q->version && (changed(q) || linearizable_read(q)))
            later = MIN_OF(later, q->version);
        k->of[i - 1].later = later;
    }
}

/* Whatever was asked after `p` had returned lies behind it. */
static uint64_t ceiling_of(const struct checking *k, const struct past *p)
{
    size_t low = 0, high = k->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (k->of[middle].p->invoked > p->returned)
            high = middle;
        else
            low = middle + 1;
    }
    return low < k->n ? k->of[low].later : UINT64_MAX;
}

/* How many of the changes are at or below `version`. */
static size_t changes_up_to(const struct checking *k, uint64_t version)
{
    size_t low = 0, high = k->n_writes;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (k->writes[middle]->version > version)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* The last change at or below `version`; NULL: none. */
static const struct past *last_change(const struct checking *k,
                                      uint64_t version)
{
    size_t n = changes_up_to(k, version);

    return n ? k->writes[n - 1] : NULL;
}

static bool may_be_absent(const struct checking *k, const struct asked *a)
{
    const struct past *p = a->p;
    uint64_t ceiling = ceiling_of(k, p);
    const struct past *w = last_change(k, a->floor);

    if (!w || w->op == OP_DELETE || k->open_delete < p->returned)
        return true;
    for (size_t i = changes_up_to(k, a->floor);
         i < k->n_writes && k->writes[i]->version < ceiling; i++) {
        w = k->writes[i];
        if (w->op == OP_DELETE && w->invoked < p->returned)
            return true;
    }
    return false;
}

static const char *check_write(const struct checking *k, const struct asked *a)
{
    const struct past *p = a->p, *w;

    if (p->version <= a->floor)
        return wrong(k->h, p, "a write was ordered before what it follows");
    if (p->op != OP_DELETE)
        return NULL;
    w = last_change(k, p->version - 1);
    if (p->status == STATUS_OK && (!w || w->op == OP_DELETE) &&
        k->open_set > p->returned)
        return wrong(k->h, p, "deleted what was not there");
    if (p->status == STATUS_NOT_FOUND && w && w->op == OP_SET &&
        k->open_delete > p->returned)
        return wrong(k->h, p, "did not find what it was to delete");
    return NULL;
}

static const char *check_op(const struct checking *k, const struct asked *a)
{
    const struct past *p = a->p;

    if (p->op != OP_GET)
        return done(p) ? check_write(k, a) : NULL;
    if (!linearizable_read(p))
        return NULL;
    if (p->status == STATUS_OK && p->version < a->floor)
        return wrong(k->h, p, "a read went back");
    if (p->status == STATUS_NOT_FOUND && !may_be_absent(k, a))
        return wrong(k->h, p, "a read missed what must be there");
    return NULL;
}

/* When was the first write of unknown outcome asked that nobody has seen? */
static uint64_t first_open(const struct checking *k, enum op op)
{
    for (size_t i = 0; i < k->n; i++)
        if (k->of[i].p->op == op && perhaps(k->of[i].p) && !k->of[i].p->version)
            return k->of[i].p->invoked;
    return UINT64_MAX;
}

static const char *check_key(struct checking *k)
{
    const char *error = NULL;

    k->n_writes = 0;
    for (size_t i = 0; i < k->n; i++)
        if (changed(k->of[i].p))
            k->writes[k->n_writes++] = k->of[i].p;
    qsort(k->writes, k->n_writes, sizeof *k->writes, by_version);
    for (size_t i = 1; i < k->n_writes; i++)
        if (k->writes[i]->version == k->writes[i - 1]->version)
            return wrong(k->h, k->writes[i], "two writes have one version");
    find_floors(k);
    find_later(k);
    k->open_set = first_open(k, OP_SET);
    k->open_delete = first_open(k, OP_DELETE);
    for (size_t i = 0; i < k->n && !error; i++)
        error = check_op(k, &k->of[i]);
    return error;
}

const char *history_check(struct history *h)
{
    struct checking k = {.h = h};
    const char *error = bind_all(h);
    unsigned keys = 0;

    for (size_t i = 0; i < h->n; i++)
        keys = MAX_OF(keys, h->v[i].key + 1);
    k.of = xcalloc(h->n + 1, sizeof *k.of);
    k.sorted = xcalloc(h->n + 1, sizeof *k.sorted);
    k.writes = xcalloc(h->n + 1, sizeof *k.writes);
    for (unsigned key = 0; key < keys && !error; key++) {
        k.n = 0;
        for (size_t i = 0; i < h->n; i++)
            if (h->v[i].key == key)
                k.of[k.n++] = (struct asked){.p = &h->v[i]};
        error = check_key(&k);
    }
    free(k.of);
    free(k.sorted);
    free(k.writes);
    return error;
}
